# Copyright 2026 vlm_misalign_ros maintainers
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""Which language a text seems to be in, by its letters and its small words."""

from __future__ import annotations

from collections.abc import Sequence

from vlm_misalign_ros.core.language.text import words

ENGLISH = 'en'
OTHER = 'other'
UNKNOWN = ''
"""For a text without words."""

_FEW = 3
"""Small words of another language that are needed to tell it."""
_MOST_LETTERS = 0.3
"""Part of the letters that may be of another alphabet: an English answer may quote a sign."""
_LETTERS_A_WORD = 4
"""For each small English word so many may be: about what a sentence of either language has."""
_LATIN = 0x24F
_ENGLISH = frozenset(
    (
        'the a an is are was there of in on at and to with no not it this that i we you for as by '
        'from can be has have or safe unsafe image street road car cars people scene shows two '
        'one left right yes ahead proceed visible see'
    ).split()
)
_FOREIGN = frozenset(
    (
        # German
        'der die das ein eine einen einem ist sind nicht und auf dem den mit es zu im wird auch '
        'kein keine vor links rechts fährt weiter straße '
        # French
        'le la les un une des est sont pas et sur avec dans il elle au aux du ne que pour rue '
        'voiture voitures '
        # Spanish and Portuguese
        'el los las una unos es son en con por para se hay y o calle está están uma os as não na '
        'no em do da rua carro '
        # Italian and Dutch
        'il lo gli di è sono non nel nella che strada het een niet op met er zijn de en '
        # Swedish, Danish and Norwegian
        'och på är det ett som av ikke ingen inga och bilar biler gata gaten vej vejen '
        # Polish and Czech
        'jest są nie się oraz przed ulicy droga samochód je není jsou ulice silnice '
        # Turkish
        've bir var yok değil için yolda araba '
        # Indonesian and Malay
        'yang dan ada tidak di ke dari sebuah mobil jalan '
        # Vietnamese
        'và là có không một các đường trên xe'
    ).split()
)
_ENGLISH_ALONE = _ENGLISH - _FOREIGN
_FOREIGN_ALONE = _FOREIGN - _ENGLISH


def language_of(text: str, tokens: Sequence[str]) -> str:
    """
    Return `en`, `other`, or an empty string for a text, with its words, that has none.

    Fragments too short to tell count as English. An English text with some words in another
    alphabet is one.
    """
    found = [word for word in tokens if word[0].isalpha()]
    if not found:
        return UNKNOWN
    if not text.isascii():
        letters = [char for char in text if char.isalpha()]
        strange = sum(ord(char) > _LATIN for char in letters)
        small = sum(word in _ENGLISH for word in found)
        if strange > max(_MOST_LETTERS * len(letters), _LETTERS_A_WORD * small):
            return OTHER
    if _FOREIGN_ALONE.isdisjoint(found):
        return ENGLISH
    foreign = sum(word in _FOREIGN_ALONE for word in found)
    if foreign < _FEW:
        return ENGLISH
    return ENGLISH if foreign <= sum(word in _ENGLISH_ALONE for word in found) else OTHER


def is_english(text: str) -> bool:
    """Return whether a text is English, as far as can be told; so are texts without words."""
    return language_of(text, words(text)) != OTHER

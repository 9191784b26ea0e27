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

"""Text before meaning: think blocks, prompt echoes, other languages, sentences, words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

MAX_TEXT = 20_000
"""Characters of an answer that are kept and read."""

MAX_SENTENCE = 200
"""Words of a sentence; a longer one is cut, which keeps the work linear in the text."""

_WORD = re.compile(r"\d+(?:[.,]\d+)+|[^\W_]+(?:['-][^\W_]+)*|[.!?;:,()\[\]{}\n|/]", re.UNICODE)
_QUOTES = str.maketrans(
    {
        '’': "'",
        '‘': "'",
        '`': "'",
        '“': '"',
        '”': '"',
        '–': '-',
        '—': ';',
        '…': '.',
        '\u2011': '-',
        '\u00a0': ' ',
        '\r': '\n',
    }
)
_THINK = re.compile(r'<(think|thinking|reasoning)>.*?(?:</\1>|\Z)', re.IGNORECASE | re.DOTALL)
_DASH = re.compile(r'(?<=\S) +-{1,3} +(?=\S)')
"""A dash between clauses; one at the head of a line is a bullet."""
_KEY_DASH = re.compile(
    r'^([^\n\w]*(?:\d{1,2}[.)] *)?\w+(?: \w+){0,2}) +-{1,3} +(?=\S)', re.MULTILINE
)
"""`Trains - none` on a line of its own is a key with its value."""
_ANSWER_DASH = re.compile(
    r"(\w+(?: \w+){0,2}) +-{1,3} +(?=(?:no|none|nope|yes|zero|absent|can't find|cannot find|one"
    r'|two|three|several|many)\b)',
    re.IGNORECASE,
)
"""`A bus - no.` within a line is one, too."""
_EQUALS = re.compile(r'(?<=[^\W\d_]) ?= ?(?=\w)')
_BULLET = re.compile(r'^[ \t]*(?:[-*•+]|\(?[a-z0-9]{1,3}[.)])[ \t]+', re.MULTILINE | re.IGNORECASE)
_MARKS = re.compile(r'[*_#>~]{1,6}')
_CONTRACTED = frozenset(
    "it's that's there's here's he's she's let's what's who's one's everything's where's "
    "somebody's someone's anyone's nobody's".split()
)
_ENDS = frozenset('.!?;\n')


_TURNING = frozenset('\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069')
"""Characters that turn the direction of what is written around them."""


def clean_text(text: str) -> str:
    """
    Return `text` bounded to MAX_TEXT, without control characters except newline and tab.

    Characters that turn the direction of writing go, too: they show other words than are read.
    """
    return (
        ''.join(
            char
            for char in text[:MAX_TEXT]
            if (char in '\n\t' or char.isprintable() or ord(char) > 159) and char not in _TURNING
        )
        .encode('utf-8', 'replace')
        .decode('utf-8')
    )


@dataclass(frozen=True)
class Sentence:
    """The words of one sentence, with what stands around it."""

    words: tuple[str, ...]
    """Lower case, punctuation within the sentence kept."""
    end: str
    """`.`, `?`, `!`, `;` or a line break; empty where it was cut."""
    line: int
    """Number of the line it is on."""
    shouted: frozenset[str] = frozenset()
    """Words that were written in capitals."""


def words(text: str) -> tuple[str, ...]:
    """Return the words and punctuation marks of a text, in lower case, without genitives."""
    return tuple(_plain(word) for word in _WORD.findall(text.lower()))


def _plain(word: str) -> str:
    """Return `car` for `car's`; contractions with is stay."""
    return word[:-2] if word.endswith("'s") and word not in _CONTRACTED else word


def tidy(text: str, prompt: str = '') -> str:
    """
    Return what an answer says: bounded, without think blocks and without an echoed prompt.

    A think block that never ends hides all that follows it.
    """
    text = unicodedata.normalize('NFKC', text[:MAX_TEXT])[:MAX_TEXT].translate(_QUOTES)
    if '<' in text:
        text = _THINK.sub(' ', text)
    if ' -' in text:
        text = _KEY_DASH.sub(r'\1: ', text)
        text = _DASH.sub('; ', _ANSWER_DASH.sub(r'\1: ', text))
    if '=' in text:
        text = _EQUALS.sub(': ', text)
    if '</think>' in text:
        text = text.rsplit('</think>', 1)[1]
    echo = unicodedata.normalize('NFKC', prompt[:MAX_TEXT]).translate(_QUOTES).strip()
    if echo and text.lstrip().lower().startswith(echo.lower()):
        text = text.lstrip()[len(echo) :]
    return text


def sentences(text: str) -> Iterator[Sentence]:
    """Yield the sentences and lines of a text; bullets and emphasis are dropped."""
    for number, line in enumerate(text.split('\n')):
        plain = _MARKS.sub(' ', _BULLET.sub('', line))
        found: list[str] = []
        shouted: set[str] = set()
        for word in _WORD.findall(plain):
            if word in _ENDS or len(found) >= MAX_SENTENCE:
                if found:
                    yield Sentence(
                        tuple(found), word if word in _ENDS else '', number, frozenset(shouted)
                    )
                found, shouted = [], set()
            if word not in _ENDS:
                found.append(_plain(word.lower()))
                if len(word) > 2 and word.isupper():
                    shouted.add(word.lower())
        if found:
            yield Sentence(tuple(found), '\n', number, frozenset(shouted))


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
        'il lo gli di è sono non nel nella che strada het een van niet op met er zijn de en'
    ).split()
)
_AMBIGUOUS = _ENGLISH & _FOREIGN


def is_english(text: str) -> bool:
    """
    Return whether a text is English, as far as its small words and letters tell.

    Fragments too short to tell count as English; so do texts without words.
    """
    if not text.isascii():
        letters = [char for char in text if char.isalpha()]
        if sum(ord(char) > 0x24F for char in letters) > 0.3 * len(letters):
            return False
    found = [word for word in words(text) if word[0].isalpha() and word not in _AMBIGUOUS]
    english = sum(word in _ENGLISH for word in found)
    foreign = sum(word in _FOREIGN for word in found)
    return foreign < 3 or foreign <= english


def starts_with(tokens: Sequence[str], *phrases: str) -> bool:
    """Return whether words begin with one of some phrases."""
    if not tokens:
        return False
    return any(
        tuple(tokens[: len(sought)]) == sought for sought in _by_first(phrases).get(tokens[0], ())
    )


@lru_cache(maxsize=256)
def _by_first(phrases: tuple[str, ...]) -> dict[str, list[tuple[str, ...]]]:
    """Return phrases as words, by their first."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for phrase in phrases:
        sought = tuple(phrase.split())
        found.setdefault(sought[0], []).append(sought)
    return found

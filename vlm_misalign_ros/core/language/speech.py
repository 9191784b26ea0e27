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

"""The language of a lexicon: which texts are in it, and its small words in the reader's own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.language.languages import OTHER

LANGUAGE = 'en'
"""What the lexicon of this package is for; a file for another stands alone."""

NEEDED = tuple(
    (
        'the a this that these some many several no one two three four five another other '
        'i we you it they he she there who which what '
        'is are was has can may must should will do '
        'on in at of to with by from behind near under for '
        'and or nor but although while if as than not also only yes none'
    ).split()
)
"""The small words by which clauses are read; each language's file says its own for them."""

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


@dataclass(frozen=True)
class Speech:
    """
    A language. Its small words are read as the English ones that do the same.

    The rules that read clauses know English words alone (grammar.py); what another language says
    for them is put in their place, in its phrases as in the texts, before either is read.
    """

    language: str = LANGUAGE
    own: frozenset[str] = frozenset()
    """Small words by which a text is known to be in it."""
    others: frozenset[str] = frozenset()
    """Small words by which it is known to be in another."""
    latin: bool = True
    """Whether it is written in Latin letters."""
    small: Mapping[str, str] = field(default_factory=dict)
    """English words by its own."""

    @classmethod
    def of(cls, data: Mapping[str, Any], path: Path) -> Speech:
        """Return the language of a lexicon's data; ConfigurationError names a wrong value."""
        language = data['language']
        if language == LANGUAGE:
            return cls()
        gate, small = data['gate'], {}
        for english, entries in data['grammar'].items():
            if not isinstance(english, str):
                raise ConfigurationError(
                    f'lexicon {path} has the key {english!r} under grammar',
                    "put 'no', 'yes' and 'on' into quotes: YAML takes them for false and true",
                )
            for word in _strings(entries, path, f'grammar.{english}'):
                small[word] = english
        own = _strings(gate['own'], path, 'gate.own')
        if not own:
            raise ConfigurationError(
                f'lexicon {path} has nothing under gate.own',
                'list small words by which a text of the language is known',
            )
        if not isinstance(gate['latin'], bool):
            raise ConfigurationError(
                f'lexicon {path} has {gate["latin"]!r} under gate.latin',
                'expected true for a language in Latin letters, else false',
            )
        others = _strings(gate['others'], path, 'gate.others')
        return cls(str(language), frozenset(own), frozenset(others), gate['latin'], small)

    @property
    def english(self) -> bool:
        """Return whether it is English, whose small words need no others in their place."""
        return self.language == LANGUAGE

    def admits(self, text: str, seems: str) -> bool:
        """
        Return whether a text is in this language, as far as its small words and letters tell.

        `seems` is what languages.language_of says of it.
        Fragments too short to tell are; so are texts without words.
        """
        if self.english:
            return seems != OTHER
        letters = [char for char in text if char.isalpha()]
        strange = sum((ord(char) > 0x24F) is self.latin for char in letters)
        if strange > 0.3 * len(letters):
            return False
        found = [word.lower() for word in _WORD.findall(text)]
        others = sum(word in self.others and word not in self.own for word in found)
        return others < 3 or others <= sum(word in self.own for word in found)

    def small_words(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield (start, end, English word) of the small words of its own in a text."""
        if self.small:
            for met in _WORD.finditer(text):
                english = self.small.get(met[0].lower())
                if english is not None:
                    yield met.start(), met.end(), english

    def tidy(self, text: str) -> str:
        """Return a text with the English small words in the place of its own."""
        if not self.small:
            return text
        return _WORD.sub(lambda met: self.small.get(met[0].lower(), met[0]), text)


def _strings(entries: Any, path: Path, place: str) -> Sequence[str]:
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise ConfigurationError(
            f'lexicon {path} has {str(entries)[:60]!r} under {place}', 'expected a list of words'
        )
    return [entry.lower() for entry in entries]

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

"""Text before meaning: sentences and their words, with the place of each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

MAX_SENTENCE = 200
"""Words of a sentence; a longer one is cut, which keeps the work linear in the text."""

_WORD = re.compile(r"\d+(?:[.,]\d+)+|[^\W_]+(?:['-][^\W_]+)*|[.!?;:,()\[\]{}\n|/]", re.UNICODE)
_BULLET = re.compile(r'[ \t]*(?:[-*•+]|\(?(?:\d{1,3}|[a-z]|[ivx]{1,4})[.)])[ \t]+', re.IGNORECASE)
"""What stands before an item of a list; `No. A car ...` is none."""
_MARKS = str.maketrans('*_#>~', '     ')
_CONTRACTED = frozenset(
    "it's that's there's here's he's she's let's what's who's one's everything's where's "
    "somebody's someone's anyone's nobody's".split()
)
_ENDS = frozenset('.!?;\n')
_NOTHING: frozenset[str] = frozenset()


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
    starts: tuple[int, ...] = ()
    """Where each word begins in the text that was read (Plain.span leads to the answer)."""
    ends: tuple[int, ...] = ()
    """Where each word ends there."""

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Return where the words from `first` to before `last` stand in the text that was read."""
        return self.starts[first], self.ends[last - 1]

    def part(self, first: int, last: int | None = None) -> Sentence:
        """Return the words from `first` to before `last` as a sentence of their own."""
        cut = slice(first, last)
        return replace(self, words=self.words[cut], starts=self.starts[cut], ends=self.ends[cut])

    def without(self, mark: str) -> Sentence:
        """Return the sentence without a mark."""
        kept = [place for place, word in enumerate(self.words) if word != mark]
        return replace(
            self,
            words=tuple(self.words[place] for place in kept),
            starts=tuple(self.starts[place] for place in kept),
            ends=tuple(self.ends[place] for place in kept),
        )


def words(text: str) -> tuple[str, ...]:
    """Return the words and punctuation marks of a text, in lower case, without genitives."""
    return tuple(_plain(word) for word in _WORD.findall(text.lower()))


def _plain(word: str) -> str:
    """Return `car` for `car's`; contractions with is stay."""
    return word[:-2] if word.endswith("'s") and word not in _CONTRACTED else word


def sentences(text: str, offset: int = 0) -> Iterator[Sentence]:
    """
    Yield the sentences and lines of a text; bullets and emphasis are dropped.

    The text begins at `offset` of the text that was read: a cell of a row, a value of JSON.
    """
    for number, line in enumerate(text.split('\n')):
        bullet = _BULLET.match(line)
        found: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        shouted: list[str] = []
        for match in _WORD.finditer(line.translate(_MARKS), bullet.end() if bullet else 0):
            word = match.group()
            if word in _ENDS or len(found) >= MAX_SENTENCE:
                if found:
                    end = word if word in _ENDS else ''
                    yield _sentence(found, end, number, shouted, starts, ends)
                    found, starts, ends, shouted = [], [], [], []
            if word not in _ENDS:
                lower = word.lower()
                plain = _plain(lower)
                found.append(plain)
                start = offset + match.start()
                starts.append(start)
                # The end of `car` in `car's`.
                ends.append(start + len(word) - len(lower) + len(plain))
                if len(word) > 2 and word.isupper():
                    shouted.append(lower)
        if found:
            yield _sentence(found, '\n', number, shouted, starts, ends)
        offset += len(line) + 1


def _sentence(
    found: list[str], end: str, line: int, shouted: list[str], starts: list[int], ends: list[int]
) -> Sentence:
    return Sentence(
        tuple(found), end, line, frozenset(shouted) or _NOTHING, tuple(starts), tuple(ends)
    )


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

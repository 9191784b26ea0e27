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
from functools import lru_cache
from typing import NamedTuple

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


class _Line:
    """The words of a line, and where they stand: sought when somebody asks, as few do."""

    __slots__ = ('_behind', '_offset', '_starts', '_text', 'found')

    def __init__(self, text: str, begin: int, offset: int) -> None:
        """Take a line that begins at `offset` of the text, and its words from `begin` on."""
        self._text = text
        self._offset = offset
        self._behind = begin
        """Behind the last word whose place is known."""
        self._starts: list[int] = []
        self.found: list[str] = _WORD.findall(text, begin)
        """As they are written."""

    def place(self, number: int) -> tuple[int, int]:
        """Return where a word stands, in the text that was read."""
        starts, found = self._starts, self.found
        while len(starts) <= number:
            # Between two words nothing stands that a word could begin with.
            start = self._text.index(found[len(starts)], self._behind)
            self._behind = start + len(found[len(starts)])
            starts.append(start)
        word = found[number]
        lower = word.lower()
        start = self._offset + starts[number]
        # The end of `car` in `car's`.
        return start, start + len(word) - len(lower) + len(_plain(lower))


class Sentence(NamedTuple):
    """The words of one sentence, with what stands around it."""

    words: tuple[str, ...]
    """Lower case, punctuation within the sentence kept."""
    end: str
    """`.`, `?`, `!`, `;` or a line break; empty where it was cut."""
    line: int
    """Number of the line it is on."""
    source: _Line | None = None
    """Its line; None for words that stand nowhere."""
    numbers: Sequence[int] = ()
    """Of each word in the line."""

    @property
    def shouted(self) -> frozenset[str]:
        """Return the words that were written in capitals, in lower case."""
        if self.source is None:
            return _NOTHING
        written = (self.source.found[number] for number in self.numbers)
        return frozenset(word.lower() for word in written if len(word) > 2 and word.isupper())

    def span(self, first: int, last: int) -> tuple[int, int]:
        """
        Return where the words from `first` to before `last` stand in the text that was read.

        Plain.span leads from there to the answer. There have to be such words.
        """
        if self.source is None:
            raise ValueError('these words stand in no text')
        start, _ = self.source.place(self.numbers[first])
        return start, self.source.place(self.numbers[last - 1])[1]

    def part(self, first: int, last: int | None = None) -> Sentence:
        """Return the words from `first` to before `last` as a sentence of their own."""
        cut = slice(first, last)
        return self._replace(words=self.words[cut], numbers=self.numbers[cut])

    def without(self, mark: str) -> Sentence:
        """Return the sentence without a mark."""
        kept = [place for place, word in enumerate(self.words) if word != mark]
        return self._replace(
            words=tuple(self.words[place] for place in kept),
            numbers=tuple(self.numbers[place] for place in kept),
        )


def words(text: str) -> tuple[str, ...]:
    """Return the words and punctuation marks of a text, in lower case, without genitives."""
    found = _WORD.findall(text.lower())
    return tuple(map(_plain, found) if "'" in text else found)


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
        source = _Line(line.translate(_MARKS), bullet.end() if bullet else 0, offset)
        if source.found:
            yield from _of_line(source, number, "'" in line)
        offset += len(line) + 1


def _of_line(source: _Line, number: int, quotes: bool) -> Iterator[Sentence]:
    """Yield the sentences of a line; without `quotes` it has no genitive."""
    found = tuple([word.lower() for word in source.found])
    if quotes:
        found = tuple(map(_plain, found))
    first = 0
    for place, word in enumerate(found):
        if word in _ENDS:
            if place > first:
                yield Sentence(found[first:place], word, number, source, range(first, place))
            first = place + 1
        elif place == first + MAX_SENTENCE:
            yield Sentence(found[first:place], '', number, source, range(first, place))
            first = place
    if first < len(found):
        yield Sentence(found[first:], '\n', number, source, range(first, len(found)))


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

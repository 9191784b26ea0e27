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

"""
Patterns over the words of a sentence, as data/grammar.yaml writes them.

A pattern is a row of words and of these signs: `{name}` one phrase of a set of the file, `<name>` a
test on the words at that place (`<thing>`, a noun phrase that names one), `*` up to four words
without a comma or a pronoun, `^` in front the beginning of a clause, `$` its end, `?` behind a sign or word what may be missing.
Matching is bounded by the pattern's length, so it is linear in the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from vlm_misalign_ros.core.language.grammar import PUNCTUATION
from vlm_misalign_ros.core.language.phrases import lengths, phrases

_SUBJECTS = frozenset('i we you it they he she there'.split())
_GAP = 4
"""Words that `*` stands for, at most."""

_ENDS = ((), *((mark,) for mark in PUNCTUATION), ('and',), ('so',), ('but',))

Test = Callable[[int], Iterable[int]]
"""Given a place, yields the ends of what it looks for there, the best first."""


@dataclass(frozen=True)
class _Part:
    """One sign of a pattern."""

    kind: str
    """`word`, `set`, `test`, `gap` or `end`."""
    name: str
    optional: bool = False


@dataclass(frozen=True)
class Pattern:
    """A row of signs."""

    parts: tuple[_Part, ...]
    at_beginning: bool
    """Whether it counts at the beginning of a clause alone."""

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Return the pattern that a text writes; ValueError for a sign that there is not."""
        found = text.split()
        begins = found[:1] == ['^']
        return cls(tuple(map(_part, found[begins:])), begins)


def _part(text: str) -> _Part:
    optional = len(text) > 1 and text.endswith('?')
    text = text[:-1] if optional else text
    if text == '*':
        return _Part('gap', '', True)
    if text == '$':
        return _Part('end', '')
    for kind, (opens, closes) in {'set': '{}', 'test': '<>'}.items():
        if text[0] == opens:
            if text[-1] != closes or len(text) < 3:
                raise ValueError(f'{text!r} is no sign of a pattern')
            return _Part(kind, text[1:-1], optional)
    return _Part('word', text, optional)


class PatternSet:
    """Patterns with a meaning each, and the sets of phrases that they use."""

    def __init__(self, sets: Mapping[str, Iterable[str]]) -> None:
        """Take the sets of phrases by name."""
        self.sets = {name: phrases(entries) for name, entries in sets.items()}
        self._by_word: dict[str, list[tuple[Pattern, int]]] = {}
        self._by_test: dict[str, list[tuple[Pattern, int]]] = {}
        self._count = 0
        self.tests: set[str] = set()

    def add(self, text: str) -> int:
        """Add a pattern; return its number. Those that are added first go before."""
        pattern, number = Pattern.parse(text), self._count
        self._count += 1
        for part in pattern.parts:
            if part.kind == 'set' and part.name not in self.sets:
                raise ValueError(f'pattern {text!r} names the set {part.name!r}, which is none')
            if part.kind == 'test':
                self.tests.add(part.name)
        for part in pattern.parts:
            self._index(part, pattern, number)
            if not part.optional:
                return number
        raise ValueError(f'pattern {text!r} could be empty')

    def _index(self, part: _Part, pattern: Pattern, number: int) -> None:
        if part.kind == 'word':
            self._by_word.setdefault(part.name, []).append((pattern, number))
        elif part.kind == 'set':
            for word in self.sets[part.name].begins:
                self._by_word.setdefault(word, []).append((pattern, number))
        elif part.kind == 'test':
            self._by_test.setdefault(part.name, []).append((pattern, number))
        else:
            raise ValueError('a pattern cannot begin with *')

    def find(
        self, tokens: Sequence[str], start: int, begins: bool, tests: Mapping[str, Test]
    ) -> tuple[int, int] | None:
        """
        Return (number, end) of the pattern that matches at `start`; None for none.

        `begins` tells whether a clause begins there. Of several the one added first counts.
        """
        candidates = self._by_word.get(tokens[start], [])
        for name, found in self._by_test.items():
            if any(True for _ in tests[name](start)):
                candidates = candidates + found
        best: tuple[int, int] | None = None
        for pattern, number in candidates:
            if pattern.at_beginning and not begins or best is not None and best[0] <= number:
                continue
            end = next(self._match(pattern.parts, 0, tokens, start, tests), -1)
            if end > start:
                best = (number, end)
        return best

    def _match(
        self,
        parts: tuple[_Part, ...],
        place: int,
        tokens: Sequence[str],
        start: int,
        tests: Mapping[str, Test],
    ) -> Iterator[int]:
        """Yield the ends of what the parts from `place` on match at `start`."""
        if place == len(parts):
            yield start
            return
        part = parts[place]
        for end in self._ends(part, tokens, start, tests):
            yield from self._match(parts, place + 1, tokens, end, tests)
        if part.optional and part.kind != 'gap':
            yield from self._match(parts, place + 1, tokens, start, tests)

    def _ends(
        self, part: _Part, tokens: Sequence[str], start: int, tests: Mapping[str, Test]
    ) -> Iterable[int]:
        if part.kind == 'gap':
            return _gap(tokens, start)
        if part.kind == 'end':
            return (start,) if tokens[start : start + 1] in _ENDS else ()
        if start >= len(tokens):
            return ()
        if part.kind == 'word':
            return (start + 1,) if tokens[start] == part.name else ()
        if part.kind == 'set':
            return (start + length for length in lengths(self.sets[part.name], tokens, start))
        return tests[part.name](start)


def _gap(tokens: Sequence[str], start: int) -> Iterator[int]:
    """Yield the places that `*` can end at, the nearest first."""
    for place in range(start, min(start + _GAP, len(tokens)) + 1):
        yield place
        if place < len(tokens) and (tokens[place] in PUNCTUATION or tokens[place] in _SUBJECTS):
            return

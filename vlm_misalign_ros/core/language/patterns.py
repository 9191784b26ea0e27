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

A pattern is a row of words and of these signs: `{name}` one phrase of a set of the file, `<name>`
a test on the words at that place (`<thing>`, a noun phrase that names one), `*` up to four words
without a comma or a pronoun, `^` in front the beginning of a clause, `$` its end, `?` behind a
sign or word what may be missing.
Matching is bounded by the pattern's length, so it is linear in the text.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, NamedTuple

from vlm_misalign_ros.core.language.grammar import PUNCTUATION
from vlm_misalign_ros.core.language.phrases import lengths, phrases
from vlm_misalign_ros.core.language.text import words

_CLOSES = PUNCTUATION | frozenset('i we you it they he she there'.split())
_NONE: list[Any] = []
_GAP = 4
"""Words that `*` stands for, at most."""

_ENDS = ((), *((mark,) for mark in PUNCTUATION), ('and',), ('so',), ('but',))

Test = Callable[[str, int], Sequence[int]]
"""Given its name and a place, returns the ends of what it looks for there, the best first."""


class _Part(NamedTuple):
    """One sign of a pattern."""

    kind: str
    """`word`, `set`, `test`, `gap` or `end`."""
    name: str
    optional: bool = False
    plain: bool = False
    """Whether it is a word that has to be there."""


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


_COMMON = frozenset(
    'the a an is are was to of and in on at with it there for that this be as by or from not has '
    'have can no : , any all'.split()
)
"""Words that most sentences have one of."""
_NEEDED = frozenset(('word', 'set'))
_BRACKETS = {'{': 'set', '}': 'set', '<': 'test', '>': 'test'}


def _part(text: str) -> _Part:
    optional = len(text) > 1 and text.endswith('?')
    text = text[:-1] if optional else text
    if text == '*':
        return _Part('gap', '', True)
    if text == '$':
        return _Part('end', '')
    kind = _BRACKETS.get(text[0])
    if kind is None:
        return _Part('word', text, optional, not optional)
    if _BRACKETS.get(text[-1]) != kind or len(text) < 3:
        raise ValueError(f'{text!r} is no sign of a pattern')
    return _Part(kind, text[1:-1], optional)


class _Entry(NamedTuple):
    """A pattern, under a word or test that it can begin with."""

    number: int
    parts: tuple[_Part, ...]
    at_beginning: bool


class _Starts:
    """Patterns that can begin with a word: whatever comes next, and by the word that has to."""

    def __init__(self) -> None:
        self.whatever: list[_Entry] = []
        self.second: dict[str, list[_Entry]] = {}
        self.numbers: set[int] = set()


class Sought:
    """A sentence in which patterns are looked for."""

    def __init__(
        self, tokens: Sequence[str], begins: Callable[[], Sequence[bool]], test: Test
    ) -> None:
        """Take its words, what tells where clauses begin, and what tests stand for."""
        self.tokens = tokens
        self.test = test
        self.words = frozenset(tokens)
        self._tell = begins
        self._begins: Sequence[bool] | None = None

    def begins(self, index: int) -> bool:
        """Return whether a clause begins at a word."""
        if self._begins is None:
            self._begins = self._tell()
        return self._begins[index]


class PatternSet:
    """Patterns with a meaning each, and the sets of phrases that they use."""

    def __init__(self, sets: Mapping[str, Iterable[str]]) -> None:
        """Take the sets of phrases by name."""
        self.sets = {name: phrases(entries) for name, entries in sets.items()}
        self._telling = {
            name: frozenset(map(_most_telling, entries)) for name, entries in sets.items()
        }
        self._by_word: dict[str, _Starts] = {}
        self._by_test: dict[str, list[_Entry]] = {}
        self._count = 0
        self._by_anchor: dict[str, list[int]] = {}
        """Numbers of patterns by the words of which a sentence has one where they match."""
        self._needed: list[Sequence[frozenset[str]]] = []
        """By number the words of the other parts, of each of which a sentence has one, too."""
        self._tested: set[int] = set()
        """Numbers of the patterns that can begin with a test."""
        self._anchors: set[str] = set()
        """These words alone: a set is met with another at once."""
        self._with_test: dict[str, list[int]] = {}
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
                if not part.optional:
                    self._with_test.setdefault(part.name, []).append(number)
        needed = self._needs(pattern)
        self._needed.append(needed[1:])
        for word in needed[0]:
            self._by_anchor.setdefault(word, []).append(number)
            self._anchors.add(word)
        for part in pattern.parts:
            self._index(part, pattern, number)
            if not part.optional:
                return number
        raise ValueError(f'pattern {text!r} could be empty')

    def possible(self, sought: Sought, tests: frozenset[str]) -> set[int]:
        """Return the numbers of the patterns for which a sentence has words and `tests`."""
        anchors, found = self._by_anchor, set[int]()
        for word in self._anchors & sought.words:
            found.update(anchors[word])
        if not found:
            return found
        for name, numbers in self._with_test.items():
            if name not in tests:
                found.difference_update(numbers)
        return {number for number in found if _has_all(sought.words, self._needed[number])}

    @property
    def begins(self) -> Container[str]:
        """Return the words that patterns begin with."""
        return self._by_word

    def may_begin(self, word: str, possible: Set[int]) -> bool:
        """Return whether one of the patterns that are `possible` can begin with a word."""
        starts = self._by_word.get(word)
        return starts is not None and not possible.isdisjoint(starts.numbers)

    def may_begin_with_thing(self, possible: Set[int]) -> bool:
        """Return whether one of the patterns that are `possible` can begin with a test."""
        return not possible.isdisjoint(self._tested)

    @property
    def begins_with_test(self) -> bool:
        """Return whether a pattern begins with a test."""
        return bool(self._by_test)

    def _needs(self, pattern: Pattern) -> Sequence[frozenset[str]]:
        """Return the words of each part of a pattern, the rarest part first."""
        needed = [
            self._words(part)
            for part in pattern.parts
            if part.kind in _NEEDED and not part.optional
        ]
        if not needed:
            raise ValueError('a pattern has to name a word or a set')
        return sorted(needed, key=lambda words: (len(words & _COMMON), len(words)))

    def _words(self, part: _Part) -> frozenset[str]:
        """Return words of which a sentence has one where a part matches."""
        return frozenset((part.name,)) if part.kind == 'word' else self._telling[part.name]

    def _index(self, part: _Part, pattern: Pattern, number: int) -> None:
        entry = _Entry(number, pattern.parts, pattern.at_beginning)
        if part.kind == 'word':
            starts = self._by_word.setdefault(part.name, _Starts())
            starts.whatever.append(entry)
            starts.numbers.add(number)
        elif part.kind == 'set':
            for word, follow in self.sets[part.name].begins.items():
                starts = self._by_word.setdefault(word, _Starts())
                starts.numbers.add(number)
                if '' in follow:
                    starts.whatever.append(entry)
                else:
                    for second in follow:
                        starts.second.setdefault(second, []).append(entry)
        elif part.kind == 'test':
            self._by_test.setdefault(part.name, []).append(entry)
            self._tested.add(number)
        else:
            raise ValueError('a pattern cannot begin with *')

    def find(
        self, sought: Sought, start: int, noun: bool, possible: Container[int]
    ) -> tuple[int, int] | None:
        """
        Return (number, end) of the pattern that matches at `start`; None for none.

        `noun` tells whether a noun phrase that names a thing starts there; `possible` holds the
        numbers of patterns that the sentence can match. Of several the one added first counts.
        """
        tokens = sought.tokens
        best, ends = self._count, 0
        for entry in self._candidates(sought, start, noun):
            number = entry.number
            if number >= best or number not in possible:
                continue
            if entry.at_beginning and not sought.begins(start):
                continue
            end = self._match(entry.parts, 0, tokens, start, sought.test)
            if end > start:
                best, ends = number, end
        return (best, ends) if ends else None

    def _candidates(self, sought: Sought, start: int, noun: bool) -> Sequence[_Entry]:
        """Return the patterns that could begin at a word, by that one and the next."""
        tokens = sought.tokens
        starts = self._by_word.get(tokens[start])
        found: Sequence[_Entry] = _NONE
        if starts is not None:
            found = starts.whatever
            if starts.second and start + 1 < len(tokens):
                more = starts.second.get(tokens[start + 1])
                if more is not None:
                    found = found + more if found else more
        if noun:
            for name, entries in self._by_test.items():
                if sought.test(name, start):
                    found = [*found, *entries]
        return found

    def _match(
        self, parts: tuple[_Part, ...], place: int, tokens: Sequence[str], start: int, test: Test
    ) -> int:
        """Return the end of what the parts from `place` on match at `start`; -1 for no match."""
        while place < len(parts) and parts[place].plain:
            if start >= len(tokens) or tokens[start] != parts[place].name:
                return -1
            place, start = place + 1, start + 1
        if place == len(parts):
            return start
        part = parts[place]
        for end in self._ends(part, tokens, start, test):
            found = self._match(parts, place + 1, tokens, end, test)
            if found >= 0:
                return found
        if part.optional and part.kind != 'gap':
            return self._match(parts, place + 1, tokens, start, test)
        return -1

    def _ends(self, part: _Part, tokens: Sequence[str], start: int, test: Test) -> Sequence[int]:
        if part.kind == 'gap':
            return _gap(tokens, start)
        if part.kind == 'end':
            return (start,) if tokens[start : start + 1] in _ENDS else ()
        if start >= len(tokens):
            return ()
        if part.kind == 'word':
            return (start + 1,) if tokens[start] == part.name else ()
        if part.kind == 'set':
            if tokens[start] not in self.sets[part.name].begins:
                return ()
            return [start + length for length in lengths(self.sets[part.name], tokens, start)]
        return test(part.name, start)


def _most_telling(phrase: object) -> str:
    """Return the word of a phrase that the fewest sentences have."""
    return max(words(str(phrase)), key=lambda word: (word not in _COMMON, len(word)))


def _has_all(words: Set[str], needed: Sequence[frozenset[str]]) -> bool:
    """Return whether some words have one of each of the sets that are needed."""
    for one_of in needed:
        if one_of.isdisjoint(words):
            return False
    return True


def _gap(tokens: Sequence[str], start: int) -> Sequence[int]:
    """Return the places that `*` can end at, the nearest first."""
    end = start
    stop = min(start + _GAP, len(tokens))
    while end < stop and tokens[end] not in _CLOSES:
        end += 1
    return range(start, end + 1)

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

"""Noun phrases that name things: where they start, and of which kind they are for a pattern."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from vlm_misalign_ros.core.labels.classes import TWO_WHEELERS, VEHICLE, VEHICLE_MEMBERS
from vlm_misalign_ros.core.language.ego import ELSEWHERE
from vlm_misalign_ros.core.language.grammar import DEFINITE
from vlm_misalign_ros.core.language.marks import Mark
from vlm_misalign_ros.core.language.nouns import noun_phrase
from vlm_misalign_ros.core.language.phrases import is_plural

KINDS = frozenset(('thing', 'bare', 'any', 'the', 'other'))
"""
Tests of patterns: any noun phrase that names a thing; one in the plural without a determiner (or
a row of such); one with any, all, other; one with the; another road user.
"""
ROAD_USERS = frozenset(('person', 'rider', VEHICLE, *VEHICLE_MEMBERS, *TWO_WHEELERS))
"""Classes that are on the road and act."""
_NO_KIND: frozenset[str] = frozenset()
_ANY = frozenset('any every each all most other another potential possible'.split())
_JOINS = frozenset((',', 'and', 'or', '/'))
_LONGEST_LIST = 8


class Noun(NamedTuple):
    """A noun phrase that names a thing."""

    end: int
    determiner: str
    classes: tuple[str, ...]
    plural: bool
    first: str
    """The word that it starts with."""


class Nouns:
    """The noun phrases of a sentence, by the word that they start with."""

    def __init__(self, tokens: Sequence[str], marks: Sequence[Mark]) -> None:
        """Find them."""
        self._tokens = tokens
        self.found: dict[int, Noun] = {}
        """By the word that they start with."""
        self.named: dict[int, tuple[int, str]] = {}
        """By the first word of the name: where the phrase starts, and its determiner."""
        behind = 0
        for index, entry in enumerate(marks):
            if entry.classes is None or index < behind:
                continue
            behind = index + entry.length
            if entry.classes:
                start, determiner = noun_phrase(tokens, marks, index)
                self.named[index] = start, determiner
                plural = is_plural(tokens[behind - 1])
                noun = Noun(behind, determiner, entry.classes, plural, tokens[start])
                self.found.setdefault(start, noun)

    def kinds(self) -> frozenset[str]:
        """Return those of KINDS of which there is one, at least; `other` and `the` as any."""
        found = self.found.values()
        if not found:
            return _NO_KIND
        kinds = {'thing', 'the', 'other'}
        for noun in found:
            if noun.plural and not noun.determiner:
                kinds.add('bare')
            if noun.determiner in _ANY or noun.first in _ANY:
                kinds.add('any')
        return frozenset(kinds)

    def first(self) -> int:
        """Return where the first starts; a large number where there is none."""
        return min(self.found, default=len(self._tokens))

    def within(self, start: int, end: int) -> bool:
        """Return whether one starts at one of some words."""
        return any(start <= place < end for place in self.found)

    def ends(self, kind: str, start: int) -> Sequence[int]:
        """Return where one of a kind (KINDS) that starts at `start` can end, the last first."""
        noun = self.found.get(start)
        if noun is None or not self._is(kind, noun, start):
            return ()
        return self._row(noun) if kind == 'bare' else (noun.end,)

    def _is(self, kind: str, noun: Noun, start: int) -> bool:
        if kind == 'bare':
            return noun.plural and not noun.determiner
        if kind == 'any':
            return noun.determiner in _ANY or noun.first in _ANY
        if kind == 'the':
            return noun.determiner in DEFINITE or noun.first in DEFINITE
        if kind == 'other':
            return not ROAD_USERS.isdisjoint(noun.classes) and not could_be_ego(
                self._tokens, start, noun.end
            )
        return True

    def _row(self, noun: Noun) -> tuple[int, ...]:
        """Return where nouns in the plural that stand in a row end, the last first."""
        ends = [noun.end]
        for _ in range(_LONGEST_LIST):
            start = ends[0]
            while start < len(self._tokens) and self._tokens[start] in _JOINS:
                start += 1
            following = self.found.get(start)
            if start == ends[0] or following is None or following.determiner:
                break
            ends.insert(0, following.end)
        return tuple(ends)


def could_be_ego(tokens: Sequence[str], start: int, end: int) -> bool:
    """Return whether `the vehicle` stands alone, so that it could be the one that looks."""
    return (
        end - start == 2
        and tokens[start] in DEFINITE
        and tokens[start + 1] in ('vehicle', 'car')
        and tokens[end : end + 1] not in ELSEWHERE
    )

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
Which picture an answer from outside is about: the rules by which its time says so.

A rule gives the stretch of time in which the picture lies. Where what the rule says of a node is
true, the node's picture is among those in the stretch; so that an answer for which there is but
one is that one's, and any other answer is nobody's.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from vlm_misalign_ros.core.settings.outside import (
    ARRIVAL,
    EXACT,
    NEAREST_BEFORE,
    OLDEST,
    PUBLISHED,
    STAMP,
    OutsideParameters,
)
from vlm_misalign_ros.core.stamps import NANO

ROUNDING = 1000
"""Nanoseconds by which a stamp may be wrong that was a floating-point number of seconds."""


@dataclass(frozen=True)
class Stretch:
    """The time in which the picture of an answer lies, nanoseconds, both ends in it."""

    low: int
    high: int
    bound: int = 0
    """Nanoseconds before `low` in which the newest picture will do, too; 0: none."""


@dataclass(frozen=True)
class Rule:
    """What a node says of the time of its answers, in nanoseconds."""

    name: str
    time: str = ''
    """STAMP, ARRIVAL, or empty: the stamp where there is one."""
    latency: int = 0
    tolerance: int = 0
    bound: int = 0
    spread: int = 0
    once: bool = False
    """Whether a picture has one answer at most."""

    @classmethod
    def of(cls, chosen: OutsideParameters) -> Rule:
        """Return the rule that parameters describe."""
        return cls(
            chosen.rule,
            chosen.time,
            round(chosen.latency * NANO),
            round(chosen.tolerance * NANO),
            round(chosen.bound * NANO),
            round(chosen.spread * NANO),
            chosen.once,
        )

    def by(self, stamp: int | None) -> str:
        """Return by which of its times an answer goes, STAMP or ARRIVAL; empty for neither."""
        if self.time == ARRIVAL or (not self.time and not stamp and not self.needs_stamp):
            return ARRIVAL
        return STAMP if stamp else ''

    @property
    def needs_stamp(self) -> bool:
        """Return whether only a stamp says what the rule asks for."""
        return self.name in (EXACT, OLDEST)

    def stretch(self, time: int) -> Stretch:
        """Return where the picture of an answer with this time lies."""
        if self.name == OLDEST:
            return Stretch(time - ROUNDING, time + self.spread + self.tolerance)
        middle = time - self.latency
        if self.name == PUBLISHED:
            return Stretch(middle - self.tolerance, middle + self.tolerance)
        if self.name == NEAREST_BEFORE:
            # Newest at or before a time that is known to within the tolerance: any picture within
            # the tolerance may have come before it, and the newest before that.
            return Stretch(middle - self.tolerance, middle + self.tolerance, self.bound)
        return Stretch(time, time)


def candidates(times: Sequence[int], stretch: Stretch) -> range:
    """Return the places in sorted `times` of the pictures that an answer may be about."""
    first, end = bisect_left(times, stretch.low), bisect_right(times, stretch.high)
    if stretch.bound and first and (first == len(times) or times[first] != stretch.low):
        first -= times[first - 1] >= stretch.low - stretch.bound
    return range(first, end)

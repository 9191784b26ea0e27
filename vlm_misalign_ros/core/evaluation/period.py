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

"""How many pictures never came, where their stamps have a period."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

import numpy as np

from vlm_misalign_ros.core.stamps import NANO

LEAST = 10
"""Distances between stamps from which a period is looked for."""
REGULAR = 0.9
"""Share of the distances that have to be multiples of the period."""
TOLERANCE = 0.2
"""Of the period, by which a distance may miss its multiple."""


def find_period(distances: np.ndarray) -> float | None:
    """
    Return the period, nanoseconds, of which `distances` between stamps, (N,), are multiples.

    None below LEAST of them, or where fewer than REGULAR of them are within TOLERANCE.
    """
    if len(distances) < LEAST:
        return None
    shortest = float(np.quantile(distances, 0.1))
    if shortest <= 0:
        return None
    single = distances[np.rint(distances / shortest) == 1]
    period = float(np.median(single)) if len(single) else shortest
    steps = distances / period
    regular = float(np.mean(np.abs(steps - np.maximum(1, np.rint(steps))) <= TOLERANCE))
    return period if regular >= REGULAR else None


_Found = tuple[list[float], int, bool]
"""Periods, lost pictures, and whether all was regular."""


@dataclass
class _Stretch:
    """The stamps of one pass in a stretch of time without a jump."""

    stamps: set[int] = field(default_factory=set)
    last: int | None = None
    """The last stamp that is evaluated and forgotten."""


class Lost:
    """
    Estimates, from the stamps of pictures, how many never came.

    Stamps may come in any order within a block; the older half of what there is is evaluated and
    forgotten, so memory is bounded. Of a stamp that comes after that nobody knows which gap it
    fills: then nothing is told. Between passes nothing is looked for: a run that has every frame
    under each condition before the next may end early in all of them.
    """

    BLOCK = 4096
    """Half of the stamps that are kept: seven minutes at 10 Hz."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._stretches: dict[int, _Stretch] = {}
        self._former: dict[int, _Stretch] = {}
        self._kept = 0
        self._periods: list[float] = []
        self._lost = 0
        self._regular = True

    def add(self, stamp: int, former: bool = False, cycle: int = 0) -> None:
        """
        Take up the stamp of one picture, nanoseconds; `former`: from before the last jump.

        `cycle` is the number of its pass.
        """
        among = self._former if former else self._stretches
        stretch = among.setdefault(cycle, _Stretch())
        if stretch.last is not None and stamp < stretch.last:
            self._regular = False
        self._kept += stamp not in stretch.stamps
        stretch.stamps.add(stamp)
        if self._kept >= 2 * self.BLOCK:
            self._forget(self._former)
            self._forget(self._stretches)
            self._count()

    def _forget(self, among: dict[int, _Stretch]) -> None:
        """Evaluate and forget the older half of each pass, and passes that nothing comes of."""
        for cycle, stretch in list(among.items()):
            ordered = sorted(stretch.stamps)
            half = len(ordered) // 2 if len(ordered) >= 2 * LEAST else len(ordered)
            self._take(stretch, ordered[:half])
            stretch.stamps = set(ordered[half:])
            if not ordered:
                del among[cycle]

    def restart(self) -> None:
        """Take what comes next as another stretch: time has jumped."""
        for stretch in self._former.values():
            self._take(stretch, sorted(stretch.stamps))
        self._former, self._stretches = self._stretches, {}
        self._count()

    def _count(self) -> None:
        both = (*self._former.values(), *self._stretches.values())
        self._kept = sum(len(stretch.stamps) for stretch in both)

    def _take(self, stretch: _Stretch, ordered: list[int]) -> None:
        before = self._periods, self._lost, self._regular
        self._periods, self._lost, self._regular = self._with(before, stretch.last, ordered)
        stretch.last = ordered[-1] if ordered else stretch.last

    def _with(self, before: _Found, last: int | None, ordered: list[int]) -> _Found:
        """Return what was found `before`, with one stretch more, which goes on from `last`."""
        periods, lost, regular = before
        begin = [] if last is None else [last]
        distances = np.diff(np.array([*begin, *ordered], np.int64)).astype(np.float64)
        period = find_period(distances)
        if period is None:
            # A stretch too short to tell is neither.
            return periods, lost, regular and len(distances) < LEAST
        steps = np.maximum(1, np.rint(distances / period))
        return [*periods, period][-self.BLOCK :], lost + int(np.sum(steps - 1)), regular

    def told(self) -> tuple[float, int] | None:
        """Return (period in seconds, pictures that never came); None where there is no period."""
        found = self._periods, self._lost, self._regular
        for stretch in (*self._former.values(), *self._stretches.values()):
            found = self._with(found, stretch.last, sorted(stretch.stamps))
        periods, lost, regular = found
        return (median(periods) / NANO, lost) if periods and regular else None

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

"""How the messages of a topic come in time: rate, gaps, order, doubles; in bounded memory."""

from __future__ import annotations

import heapq
import math
import zlib
from collections import Counter, OrderedDict
from dataclasses import dataclass, field

from vlm_misalign_ros.core.evaluation.stretches import JUMP_BACK
from vlm_misalign_ros.core.stamps import NANO

GAP = 2.5
"""Times the median interval: one that is longer is a gap, and a message or more is missing."""
WINDOW = 1 << 16
"""Stamps among which a doubled one is seen."""
_BINS = 32
"""Of intervals, to a factor of 2."""
_LONGEST = 5


class Intervals:
    """Seconds between the messages of a topic, as far as rates and gaps need them."""

    def __init__(self) -> None:
        """Begin with none."""
        self._counts: Counter[int] = Counter()
        self._longest: list[tuple[float, float]] = []
        self._last: int | None = None
        self._covered = 0
        """Nanoseconds until then, without jumps back."""

    def add(self, time: int) -> None:
        """
        Take the next time, nanoseconds.

        One that goes back counts as of no length, and one that goes back by a jump in time, as in
        a loop, as of no interval at all.
        """
        if self._last is None or time < self._last - JUMP_BACK:
            self._last = time
            return
        step = max(0, time - self._last)
        seconds = step / NANO
        self._counts[_bin(seconds)] += 1
        heapq.heappush(self._longest, (seconds, self.seconds))
        if len(self._longest) > _LONGEST:
            heapq.heappop(self._longest)
        self._covered += step
        self._last += step

    @property
    def seconds(self) -> float:
        """Return the seconds from first to last, those of each stretch between jumps."""
        return self._covered / NANO

    @property
    def rate(self) -> float | None:
        """Return messages a second, in the mean; None for fewer than two times."""
        return self._counts.total() / self.seconds if self._covered else None

    @property
    def median(self) -> float | None:
        """Return the median interval, seconds, to 2 %; None for none."""
        total, seen = self._counts.total(), 0
        for place in sorted(self._counts):
            seen += self._counts[place]
            if 2 * seen >= total:
                return _middle(place)
        return None

    @property
    def gaps(self) -> int:
        """Return how many intervals are longer than GAP medians, to 2 % of their length."""
        median = self.median
        if not median:
            return 0
        return sum(n for place, n in self._counts.items() if _middle(place) > GAP * median)

    @property
    def longest(self) -> list[tuple[float, float]]:
        """Return the longest gaps, (seconds, `seconds` until then), longest first."""
        least = GAP * (self.median or math.inf)
        found = [pair for pair in self._longest if pair[0] > least]
        return sorted(found, reverse=True)[: self.gaps]


def _bin(seconds: float) -> int:
    return round(_BINS * math.log2(max(seconds, 1e-9)))


def _middle(place: int) -> float:
    return float(2 ** (place / _BINS))


@dataclass
class Stamps:
    """The stamps of a topic's headers, in the order in which they came."""

    intervals: Intervals = field(default_factory=Intervals)
    back: int = 0
    """Messages whose stamp lies before that of the message before."""
    farthest: float = 0.0
    """Seconds by which a stamp lies before the latest until then."""
    alike: int = 0
    """Messages whose stamp came before with the same content."""
    doubled: int = 0
    """Messages whose stamp came before with another content."""
    unread: int = 0
    """Messages without a stamp that can be one."""
    delays: tuple[float, float] | None = None
    """Least and most seconds from stamp to recording."""
    _known: OrderedDict[int, int] = field(default_factory=OrderedDict)
    _latest: int | None = None
    _before: int | None = None

    def add(self, stamp: int, arrival: int, data: bytes) -> None:
        """Take the next message's stamp and when it was recorded, nanoseconds."""
        self.intervals.add(stamp)
        if self._before is not None and stamp < self._before:
            self.back += 1
        if self._latest is not None and stamp < self._latest:
            self.farthest = max(self.farthest, (self._latest - stamp) / NANO)
        self._before = stamp
        self._latest = stamp if self._latest is None else max(stamp, self._latest)
        content = zlib.crc32(data)
        if stamp in self._known:
            self.alike += self._known[stamp] == content
            self.doubled += self._known[stamp] != content
        self._known[stamp] = content
        if len(self._known) > WINDOW:
            self._known.popitem(last=False)
        delay = (arrival - stamp) / NANO
        low, high = self.delays or (delay, delay)
        self.delays = min(low, delay), max(high, delay)

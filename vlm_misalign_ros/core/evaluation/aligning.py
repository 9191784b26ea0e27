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
Ground truth that is a few milliseconds beside its picture: named, or joined where that is allowed.

The join is exact. `Beside` watches what it could not join and tells by how much the two miss each
other. `Aligner` gives a part of the truth the stamp of the nearest picture within `slop`.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from vlm_misalign_ros.core.evaluation.parts import TRUTH, is_pictured
from vlm_misalign_ros.core.records.account import OffsetEntry
from vlm_misalign_ros.core.stamps import NANO

REACH = NANO // 2
"""Nanoseconds within which truth is looked for beside a picture that has none."""
BLOCK = 1024
"""Stamps kept before they are evaluated and forgotten."""
TELLING = 20
"""Frames without truth after which it is said that truth lies beside them."""
AGREEING = NANO // 1000
"""Nanoseconds within which offsets are one, or a tenth of the median where that is more."""


class Beside:
    """
    Counts pictures without a part of the truth beside which such a part lies.

    Memory is bounded: stamps are kept in blocks, of offsets the last 4 * BLOCK.
    """

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._lacking: dict[str, list[int]] = {}
        self._loose: dict[str, list[int]] = {}
        self._pictures = 0
        self._beside: dict[str, int] = {}
        self._offsets: dict[str, list[int]] = {}

    def closed(self, stamp: int, parts: Iterable[str], missing: Iterable[str]) -> None:
        """Take up a closed frame: what it has, what it lacks."""
        names = set(parts)
        if not is_pictured(names):
            for part in names.intersection(TRUTH):
                insort(self._loose.setdefault(part, []), stamp)
                del self._loose[part][: -2 * BLOCK]
            return
        self._pictures += 1
        for part in set(missing).intersection(TRUTH):
            waiting = self._lacking.setdefault(part, [])
            waiting.append(stamp)
            if len(waiting) >= 2 * BLOCK:
                # Truth that comes behind its picture may still be to come for the later half.
                self._evaluate(part, waiting[:BLOCK])
                del waiting[:BLOCK]

    def _evaluate(self, part: str, stamps: list[int]) -> None:
        offsets = self._offsets.setdefault(part, [])
        found = self._beside_of(part, stamps)
        self._beside[part] = self._beside.get(part, 0) + len(found)
        offsets.extend(found)
        del offsets[: -4 * BLOCK]

    def _beside_of(self, part: str, stamps: Iterable[int]) -> list[int]:
        loose = self._loose.get(part, [])
        found = (nearest(loose, stamp, REACH) for stamp in stamps)
        # Truth of this very stamp came long before its picture: late, and not beside it.
        return [
            other - stamp
            for stamp, other in zip(stamps, found, strict=True)
            if other is not None and other != stamp
        ]

    def told(self) -> dict[str, OffsetEntry]:
        """Return what lies beside its pictures, by part; empty where nothing does."""
        found = {}
        for part, stamps in self._lacking.items():
            more = self._beside_of(part, stamps)
            offsets = [*self._offsets.get(part, []), *more]
            if not offsets:
                continue
            middle = median(offsets)
            near = max(AGREEING, abs(middle) / 10)
            agreeing = sum(abs(offset - middle) <= near for offset in offsets)
            found[part] = OffsetEntry(
                self._pictures, self._beside.get(part, 0) + len(more), agreeing, middle / NANO
            )
        return found

    def plain(self, lacking: int) -> dict[str, str]:
        """Say by part, after each TELLING frames of `lacking`, where truth plainly lies beside."""
        if lacking % TELLING:
            return {}
        return {
            part: f'{say(f"ground_truth/{part}", entry)}; a parameter joins them: slop'
            for part, entry in self.told().items()
            if 2 * entry.agreeing > entry.pictures
        }


def nearest(stamps: list[int], stamp: int, reach: int) -> int | None:
    """Return the nearest of sorted `stamps` within `reach`, of two the earlier; None without."""
    place = bisect_left(stamps, stamp)
    around = stamps[max(0, place - 1) : place + 1]
    best = min(around, key=lambda other: (abs(other - stamp), other), default=None)
    return best if best is not None and abs(best - stamp) <= reach else None


def say(topic: str, entry: OffsetEntry) -> str:
    """Return `ground_truth/labels trail images by 3 ms in 29 of 30 frames`."""
    way = 'trail' if entry.seconds >= 0 else 'lead'
    return (
        f'{topic} {way} images by {abs(entry.seconds) * 1000:.3g} ms in {entry.agreeing} of '
        f'{entry.pictures} frames'
    )


@dataclass(frozen=True)
class Placed:
    """A part with the stamp under which it joins."""

    stamp: int
    part: str
    value: Any
    publisher: str
    offset: int = 0
    """Nanoseconds by which it lies behind the picture."""


@dataclass
class _Waiting:
    value: Any
    publisher: str
    since: float


@dataclass
class _Line:
    """The truth of one part: what waits, and up to where it has come."""

    waiting: dict[int, list[_Waiting]] = field(default_factory=dict)
    stamps: list[int] = field(default_factory=list)
    placed: dict[int, int] = field(default_factory=dict)
    newest: int = -(2**63)


class Aligner:
    """
    Gives truth within `slop` of a picture that picture's stamp.

    A truth and a picture belong together when each is the other's nearest, of two equally near
    the earlier; so it is one to one. An equal stamp is joined at once. Anything else is decided
    when both have come so far that nothing nearer can come, which depends on stamps alone: the
    same live and from a bag, in whatever way the topics interleave. `expire` decides what has
    waited for `patience` seconds with what there is.
    """

    KEPT = 64
    """Parts of a kind that wait, and pictures remembered beyond them."""

    def __init__(self, slop: float, patience: float) -> None:
        """Join within `slop` seconds; 0 joins equal stamps alone."""
        self._slop = round(slop * NANO)
        self._patience = patience
        self._pictures: list[int] = []
        self._newest = -(2**63)
        self._lines: dict[str, _Line] = {}

    def add(self, stamp: int, part: str, value: Any, now: float, publisher: str) -> list[Placed]:
        """Take one part; return what joins now, and under which stamps."""
        if not self._slop:
            return [Placed(stamp, part, value, publisher)]
        if part not in TRUTH:
            placed = [Placed(stamp, part, value, publisher)]
            return placed + self._picture(stamp) if is_pictured((part,)) else placed
        line = self._lines.setdefault(part, _Line())
        line.newest = max(line.newest, stamp)
        if stamp in line.placed:
            # It came before: the join tells whether this is a repetition.
            at = line.placed[stamp]
            return [Placed(at, part, value, publisher, stamp - at), *self._decide()]
        if stamp not in line.waiting:
            insort(line.stamps, stamp)
            del line.stamps[: -4 * self.KEPT]
        line.waiting.setdefault(stamp, []).append(_Waiting(value, publisher, now))
        placed = self._decide()
        while len(line.waiting) > self.KEPT:
            placed.extend(self._release(part, min(line.waiting)))
        return placed

    def _picture(self, stamp: int) -> list[Placed]:
        if nearest(self._pictures, stamp, 0) is None:
            insort(self._pictures, stamp)
            del self._pictures[: -4 * self.KEPT]
        self._newest = max(self._newest, stamp)
        return self._decide()

    def _partner(self, part: str, stamp: int) -> int | None:
        """Return the picture of a truth by what is known, None where it has none."""
        picture = nearest(self._pictures, stamp, self._slop)
        if picture is None:
            return None
        own = nearest(self._lines[part].stamps, picture, self._slop)
        return picture if own == stamp else None

    def _decided(self, part: str, stamp: int) -> bool:
        """Return whether nothing can come any more that changes whom a truth belongs to."""
        picture = nearest(self._pictures, stamp, self._slop)
        if picture == stamp:
            return True
        if self._newest < stamp + self._slop:
            return False
        return picture is None or self._lines[part].newest >= picture + self._slop

    def _decide(self) -> list[Placed]:
        return self._all(lambda part, stamp: self._decided(part, stamp))

    def _release(self, part: str, stamp: int) -> list[Placed]:
        line = self._lines[part]
        partner = self._partner(part, stamp)
        at = stamp if partner is None else partner
        line.placed[stamp] = at
        while len(line.placed) > 4 * self.KEPT:
            line.placed.pop(next(iter(line.placed)))
        return [
            Placed(at, part, entry.value, entry.publisher, stamp - at)
            for entry in line.waiting.pop(stamp)
        ]

    def expire(self, now: float) -> list[Placed]:
        """Return what has waited too long, by what is known of it."""

        def old(part: str, stamp: int) -> bool:
            return now - self._lines[part].waiting[stamp][0].since >= self._patience

        return self._all(old)

    def flush(self) -> list[Placed]:
        """Return all that waits, and forget the past: the end, or a jump in time."""
        placed = self._all(lambda part, stamp: True)
        self._pictures, self._newest, self._lines = [], -(2**63), {}
        return placed

    def _all(self, chosen: Callable[[str, int], bool]) -> list[Placed]:
        return [
            placed
            for part, line in self._lines.items()
            for stamp in sorted(line.waiting)
            if chosen(part, stamp)
            for placed in self._release(part, stamp)
        ]

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

"""The first second of a run in lockstep: start-up probes, and frames that bear such stamps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from vlm_misalign_ros.core.evaluation.contents import content_of
from vlm_misalign_ros.core.evaluation.join import Joined, StampJoin, Twice
from vlm_misalign_ros.core.evaluation.journal import Journal
from vlm_misalign_ros.core.evaluation.parts import SOURCE, Parts, is_pictured
from vlm_misalign_ros.core.records.schema import Closing
from vlm_misalign_ros.core.stamps import NANO

EARLY = 4096
"""Frames of the first second that are known to be no probes."""


class Probes:
    """
    Joins start-up probes, which are never scored, and tells them from frames by their source.

    `doubled` is told what had come twice of a stamp that turns out to be a frame's.
    """

    def __init__(
        self,
        needs: Callable[[Parts], Iterable[str]],
        join: StampJoin,
        doubled: Callable[[Twice], None],
        counters: Counter[str],
        journal: Journal,
    ) -> None:
        """Join what `needs` names; frames go to `join`."""
        self._join = join
        self._doubled = doubled
        self._counters = counters
        self._journal = journal
        self._early: dict[int, None] = {}
        """Stamps of the first second that are frames."""
        self._probes = StampJoin(
            needs,
            float('inf'),
            capacity=16,
            patience=2**62,
            content=content_of,
            doubled=self._doubled_probe,
        )

    def may_be(self, stamp: int) -> bool:
        """Return whether a stamp is a probe's, as far as is known."""
        return stamp < NANO and stamp not in self._early

    @staticmethod
    def denies(part: str, value: Any) -> bool:
        """Return whether a part is the source of a frame, which is no probe."""
        return part == SOURCE and not value[0].probe and value[0].index >= 0

    def add(self, stamp: int, part: str, value: Any, now: float, publisher: str) -> list[int]:
        """Take a part of a probe; return the stamps of the probes that are complete by it."""
        probes, _ = self._probes.add(stamp, part, value, now, publisher)
        return [joined.stamp for joined in probes if joined.reason is Closing.COMPLETE]

    def adopt(self, stamp: int, now: float) -> list[Joined]:
        """Take up that a stamp is a frame's; return it where it closed by what had come of it."""
        self._early[stamp] = None
        while len(self._early) > EARLY:
            self._early.pop(next(iter(self._early)))
        parts, heard = self._probes.take(stamp)
        for name, count in heard.counts.items():
            self._doubled(Twice(stamp, name, (heard.publishers[name], ''), count, 1, False))
        return self._join.adopt(stamp, parts, heard, now) if parts else []

    def adopt_unsourced(self, now: float) -> list[Joined]:
        """Take up pictures of the first second whose source never came, where it has frames."""
        if not self._early:
            return []
        return [
            frame
            for joined in self._probes.flush()
            if SOURCE not in joined.parts and is_pictured(joined.parts)
            for frame in self._join.adopt(joined.stamp, joined.parts, joined.heard, now)
        ]

    def waiting_for(self) -> tuple[str, ...]:
        """Return what the oldest open probe lacks."""
        return self._probes.waiting_for()

    def _doubled_probe(self, twice: Twice) -> None:
        self._counters['doubled_probes'] += 1
        self._journal.doubled_probe(twice)

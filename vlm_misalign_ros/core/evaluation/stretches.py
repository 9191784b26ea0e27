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
Stretches of time between jumps back, and to which of them a message belongs.

Topics do not wait for each other: when the first of them shows that time has jumped back, others
still bring what was sent before. Each by itself keeps its order, so what belongs before the jump
can be told: its topic has not come back yet, and it goes on from where that topic was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from vlm_misalign_ros.core.evaluation.aligning import Aligner
from vlm_misalign_ros.core.evaluation.join import StampJoin
from vlm_misalign_ros.core.evaluation.parts import CAMERA, PICTURES
from vlm_misalign_ros.core.evaluation.placing import Placer
from vlm_misalign_ros.core.stamps import NANO

JUMP_BACK = 10 * NANO
"""A stamp so much older than the newest one means that time has jumped (a looped bag)."""
APART = JUMP_BACK // 2
"""What a topic may go back by itself, and by how much what lies before a jump has to be ahead."""
EARLY = 256
"""Frames of which nothing but an answer has come, ahead of the jump, that are remembered."""


@dataclass
class Stretch:
    """What is open of one stretch."""

    epoch: int
    """How often time had jumped back before."""
    join: StampJoin
    aligner: Aligner
    placer: Placer
    start: int | None = None
    """The first stamp of picture or truth, nanoseconds."""
    newest: int | None = None
    """The newest one while the stretch was the current one."""

    def reach(self, stamp: int) -> None:
        """Take up that picture or truth has come so far."""
        self.start = stamp if self.start is None else self.start
        self.newest = stamp if self.newest is None else max(self.newest, stamp)


@dataclass
class _Line:
    """Up to where the messages of one part have come."""

    epoch: int
    newest: int | None


class Stretches:
    """
    The current stretch and the one before it, which stays open for what still comes of it.

    Frames of the former stretch close when they are complete, at their deadline, or when time
    jumps again. `make` begins the stretch of an epoch with nothing in it; `told` are the parts
    whose stamps tell where time is.
    """

    def __init__(self, make: Callable[[int], Stretch], told: Collection[str]) -> None:
        """Begin with the stretch of epoch 0."""
        self._make = make
        self._told = frozenset(told)
        self.current = make(0)
        self.former: Stretch | None = None
        self._lines: dict[str, _Line] = {}
        self._unheard = _Line(0, None)
        """What is supposed of a part that was never heard."""
        self._strange: set[str] = set()
        """Parts that went on beyond any stretch that ended: a clock of their own."""
        self._early: dict[int, None] = {}

    @property
    def open(self) -> list[Stretch]:
        """Return the stretches that take messages, oldest first."""
        return [*([] if self.former is None else [self.former]), self.current]

    def of(self, stamp: int, part: str) -> Stretch | None:
        """
        Return the stretch that a message belongs to; None where it is of one yet to begin.

        That only picture, truth and camera tell of: an answer may be as late as it likes.
        """
        if self._is_former(stamp, part):
            return self.former
        if part not in self._told and part != CAMERA:
            self._mark(stamp, part)
            return self.current
        return None if self._is_back(stamp, part) else self.current

    def heard(self, epoch: int, stamp: int, part: str) -> None:
        """Take up that a message belongs to the stretch of `epoch`."""
        line = self._lines.get(part)
        if line is None or line.epoch < epoch or line.epoch > self.current.epoch:
            self._lines[part] = _Line(epoch, stamp)
        elif line.epoch == epoch:
            line.newest = stamp if line.newest is None else max(line.newest, stamp)
        if epoch == self.current.epoch and part in self._told:
            if part in PICTURES or not self._may_be_former(stamp):
                self.current.reach(stamp)

    def begin(self, epoch: int, now: float) -> None:
        """Begin another stretch: the current one becomes the former, the former is let go."""
        former, current = self.current, self._make(epoch)
        current.join.follow(former.join)
        for stamp in self._early:
            if former.join.holds_no(stamp, self._told):
                current.join.take_over(stamp, former.join, now)
        self._early.clear()
        self.former, self.current = former, current

    def restore(self, epoch: int, stamp: int, missing: Iterable[str]) -> None:
        """Take up a frame that was closed and written down before."""
        for stretch in self.open:
            if stretch.epoch == epoch:
                stretch.reach(stamp)
                stretch.join.restore(stamp, missing)
        self._unheard = _Line(self.current.epoch, self.current.newest)

    def _line(self, part: str) -> _Line:
        return self._lines.get(part, self._unheard)

    def _is_back(self, stamp: int, part: str) -> bool:
        """Return whether time has jumped, and not only this part come later than others."""
        start, newest, line = self.current.start, self.current.newest, self._line(part)
        if start is None or newest is None or stamp >= newest - JUMP_BACK:
            return False
        if line.epoch > self.current.epoch or self._strange:
            return True
        if line.epoch < self.current.epoch or line.newest is None:
            return stamp < start - JUMP_BACK
        # Cameras may be told once in a stretch.
        return stamp <= line.newest if part == CAMERA else stamp < line.newest - APART

    def _is_former(self, stamp: int, part: str) -> bool:
        """Return whether a message was sent before the last jump."""
        if self.former is None or self.current.newest is None:
            return False
        line, newest = self._line(part), self.current.newest
        last = line.newest if line.epoch == self.former.epoch else None
        behind = line.epoch < self.current.epoch
        answer = part not in self._told and part != CAMERA
        if answer and self.former.join.lacks(stamp, part):
            # One more than a frame had there is of this stretch: of a gap in the recording.
            if stamp > newest + JUMP_BACK or behind and last is not None and stamp > last:
                return True
        if not behind or part in self._strange:
            return False
        return self._goes_on(stamp, part, last)

    def _goes_on(self, stamp: int, part: str, last: int | None) -> bool:
        """Return whether a part that has not come back yet goes on, from `last`, before it."""
        assert self.former is not None and self.current.newest is not None
        end, newest = self.former.newest, self.current.newest
        if end is None or last is not None and stamp < last - APART:
            return False
        ahead = newest + (JUMP_BACK if last is None else APART)
        if min(stamp, end) <= ahead or stamp - newest <= end - stamp:
            return False
        if stamp > end + JUMP_BACK:
            self._strange.add(part)
            return False
        return True

    def _may_be_former(self, stamp: int) -> bool:
        """Return whether a stamp may be of before the last jump in time, or of a gap since."""
        newest = self.current.newest
        if self.former is None or newest is None or stamp <= newest + JUMP_BACK:
            return False
        return self.former.join.knows(stamp)

    def _mark(self, stamp: int, part: str) -> None:
        """Remember an answer that may have come ahead of the picture by which a jump shows."""
        newest, last = self.current.newest, self._line(part).newest
        if newest is None or last is None or self.current.join.knows(stamp):
            return
        back = stamp < newest - JUMP_BACK and stamp < last - APART
        if back and self._line(part).epoch == self.current.epoch and len(self._early) < EARLY:
            self._early[stamp] = None

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
One evaluation in progress: join, score, sum, write down. No ROS.

The monitor node feeds it from topics, the offline analysis from a bag.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.aligning import Aligner, Placed
from vlm_misalign_ros.core.evaluation.book import Book
from vlm_misalign_ros.core.evaluation.contents import content_of
from vlm_misalign_ros.core.evaluation.join import Joined, StampJoin, Twice
from vlm_misalign_ros.core.evaluation.journal import Journal
from vlm_misalign_ros.core.evaluation.ledger import Closed, Metrics
from vlm_misalign_ros.core.evaluation.outside import Outside
from vlm_misalign_ros.core.evaluation.parts import (
    CAMERA,
    CONDITION,
    CONFIDENCE,
    PICTURES,
    SEGMENTATION,
    SOURCE,
    TRUTH,
    Wanted,
    is_pictured,
    needs,
)
from vlm_misalign_ros.core.evaluation.placing import Claim, Settled
from vlm_misalign_ros.core.evaluation.probes import Probes
from vlm_misalign_ros.core.evaluation.resuming import Former, fingerprint, former, gap
from vlm_misalign_ros.core.records.account import LateRecord
from vlm_misalign_ros.core.records.schema import SCHEMA, FrameRecord, RunRecord
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.core.stamps import NANO, parse_stamp
from vlm_misalign_ros.core.types import Camera, NoCamera, Passed

JUMP_BACK = 10 * NANO
"""A stamp so much older than the newest one means that time has jumped (a looped bag)."""


class Session:
    """
    Joins parts into frames, frames into records, records into rolling and total rates.

    `publishers(part)` names who may have sent a part whose own publisher is not known.
    """

    def __init__(
        self,
        parameters: MonitorParameters,
        name: str = '',
        log: Callable[[str], None] = print,
        publishers: Callable[[str], Sequence[str]] = lambda part: (),
    ) -> None:
        """Open the records of the run; RecordError where they cannot be written."""
        self._chosen = parameters
        # Live, nothing is waited for beyond its deadline, so nobody is given up either.
        patience = parameters.patience if parameters.lockstep else 2**62
        self._wanted = Wanted.by(parameters, parameters.recorder)
        self._join = StampJoin(
            partial(needs, self._wanted),
            parameters.deadline,
            parameters.capacity,
            patience,
            content=content_of,
            doubled=self._doubled,
            pictured=is_pictured,
        )
        # Labels that a reference makes are an answer, and may come as late as one.
        self._truth = () if parameters.reference else TRUTH
        self._aligner = Aligner(parameters.slop, parameters.deadline / 2)
        self._newest: int | None = None
        self._epoch = 0
        self._given_up: set[str] = set()
        self.counters: Counter[str] = Counter()
        self.total = 0
        """Frames of the whole run, as camera/source tells; 0 while unknown or without end."""
        self.folder = Path(parameters.run_folder) if parameters.run_folder else None
        run = RunRecord(
            SCHEMA,
            name or (self.folder or Path()).name,
            list(parameters.models),
            fingerprint(parameters),
        )
        before = former(self.folder, run)
        self._journal = Journal(self.folder, log, publishers, before is not None)
        self._probes = Probes(
            partial(needs, self._wanted), self._join, self._doubled, self.counters, self._journal
        )
        self._book = Book(parameters, self._journal, self.counters)
        self.disagreement = self._book.ledger.disagreement
        self.outside = Outside(parameters, self._journal, self.counters)
        if before is None or not self._restore(before):
            self._journal.write(run)

    def _restore(self, before: Former) -> bool:
        """Go on with the records of a monitor that was cut off; return whether there are any."""
        frames, whole = 0, False
        for record in before.records():
            whole = True
            if isinstance(record, FrameRecord):
                stamp = parse_stamp(record.stamp)
                if record.epoch > self._epoch:
                    self._epoch, self._newest = record.epoch, None
                    self._join.reset()
                    self._book.restart(record.epoch)
                self._newest = max(self._newest or 0, stamp)
                self._join.restore(stamp, record.missing)
                self._book.restore(record)
                frames += 1
            elif isinstance(record, LateRecord):
                whose = _whose(record.part, record.passed)
                stamp = parse_stamp(record.stamp)
                self._book.ledger.late(record.epoch, stamp, whose, record.passed)
        if whole:
            self._journal.write(gap(self._newest, self._epoch, before.seconds))
            self._journal.once(
                'gap',
                f'goes on with {before.path}: {frames} frames were closed before; what came in '
                f'the {before.seconds:.0f} s since is not known',
            )
        return whole

    @property
    def notes(self) -> list[str]:
        """Return what the verdict has to tell."""
        return self._journal.notes

    @property
    def accounting(self) -> dict[str, Counter[str]]:
        """Return the pictures by state, for each model and, where asked for, segmentation."""
        return self._book.ledger.states

    @property
    def closed(self) -> int:
        """Return how many pictures are in a state."""
        return self._book.ledger.pictures

    def malformed(self, part: str, error: RecordError) -> None:
        """Count a message that cannot be read: somebody else's, which must not end the run."""
        self.counters['malformed'] += 1
        self._journal.malformed(part, error)
        if part == CAMERA:
            self._book.cameras.refuse(error)

    def add(
        self,
        stamp: int,
        part: str,
        value: Any,
        now: float,
        publisher: str = '',
        arrival: int | None = None,
    ) -> list[Closed]:
        """
        Add one part of a frame; return what closed.

        `now` in seconds of a steady clock; `publisher` says who sent it, where that is known;
        `arrival` when it came, in nanoseconds of the clock of claims from outside (default: now).
        """
        closed = self._take(stamp, part, value, now, publisher)
        if part == CONDITION:
            closed += self._place(self.outside.picture(stamp, value, arrival, now), now)
        return closed

    def answer(self, part: str, claim: Claim, now: float, publisher: str = '') -> list[Closed]:
        """Add what came from outside, which is about a picture yet to be found."""
        try:
            return self._place(self.outside.answer(part, claim, now, publisher), now)
        except RecordError as error:
            self.malformed(part, error)
            return []

    def _place(self, settled: Sequence[Settled], now: float) -> list[Closed]:
        """Give pictures what came for them from outside."""
        closed: list[Closed] = []
        for one in self.outside.placed(settled, self.malformed):
            if one.publisher:
                self._journal.sent(self._epoch, one.stamp, one.part, one.publisher)
            if self._chosen.lockstep and self._probes.may_be(one.stamp):
                closed += self._probe(one.stamp, one.part, one.value, now, one.publisher)
            else:
                closed += self._join_placed([one], now)
        return closed

    def _take(self, stamp: int, part: str, value: Any, now: float, publisher: str) -> list[Closed]:
        if publisher:
            self._journal.sent(self._epoch, stamp, part, publisher)
        if part == CAMERA:
            self._tell_camera(stamp, value, publisher)
            return []
        if self._chosen.lockstep and self._probes.may_be(stamp):
            return self._probe(stamp, part, value, now, publisher)
        closed = []
        if not self._chosen.lockstep:
            closed = self._jumped(stamp, part, now)
            if self._is_former(stamp, part, value):
                return closed
            self._move_on(stamp, part)
        if part == SOURCE and value[0].total:
            self._tell_total(value[0].total)
        placed = self._aligner.add(stamp, part, value, now, publisher)
        return closed + self._join_placed(placed, now)

    def _join_placed(self, placed: Sequence[Placed], now: float) -> list[Closed]:
        closed: list[Closed] = []
        for one in placed:
            joined, late = self._join.add(
                one.stamp, one.part, one.value, now, one.publisher, one.offset
            )
            if late:
                self._late(self._epoch, one.stamp, one.part, one.value)
            closed.extend(self._finish(frame, now) for frame in joined)
        return closed

    def _probe(
        self, stamp: int, part: str, value: Any, now: float, publisher: str
    ) -> list[Closed]:
        """Take a part of the first second: of a start-up probe, unless its source denies it."""
        if isinstance(value, Passed):
            # Who passes a probe over, as a node that is not active yet, is not ready.
            return []
        if not self._probes.denies(part, value):
            return [
                Closed(probe, None)
                for probe in self._probes.add(stamp, part, value, now, publisher)
            ]
        self._newest = max(self._newest or 0, stamp)
        closed = [self._finish(joined, now) for joined in self._probes.adopt(stamp, now)]
        return closed + self._take(stamp, part, value, now, publisher)

    def _jumped(self, stamp: int, part: str, now: float) -> list[Closed]:
        """Start again where time has jumped back; return what closed by it."""
        if part not in PICTURES and part not in self._truth:
            # An answer may be as late as it likes.
            return []
        closed: list[Closed] = []
        if self._is_back(stamp):
            self._journal.once('jump', 'time jumped back: the join and the windows start again')
            closed = self._join_placed(self._aligner.flush(), now)
            closed += self._place(self.outside.flush(now), now)
            closed.extend(self._finish(joined, now) for joined in self._join.reset())
            self.counters['time_jumps'] += 1
            self._epoch += 1
            self._book.restart(self._epoch)
            self._newest = stamp
        return closed

    def _is_back(self, stamp: int) -> bool:
        return self._newest is not None and stamp < self._newest - JUMP_BACK

    def _may_be_former(self, stamp: int) -> bool:
        """Return whether a stamp may be of before the last jump in time, or of a gap since."""
        ahead = self._newest is not None and stamp > self._newest + JUMP_BACK
        return self._epoch > 0 and ahead and self._book.ledger.knows(self._epoch - 1, stamp)

    def _is_former(self, stamp: int, part: str, value: Any) -> bool:
        """
        Take up a part that belongs before the last jump in time; return whether it does.

        That is an answer, mask or occluder that its frame there was closed without. A picture is
        one more: a recording with a gap comes to the same stamps again. Truth without a picture
        is nobody's miss, to whichever stretch it belongs.
        """
        before = self._epoch - 1
        if part in PICTURES or part in self._truth or not self._may_be_former(stamp):
            return False
        if not self._book.ledger.lacks(before, stamp, part):
            return False
        self.counters['before_jump'] += 1
        self._late(before, stamp, part, value)
        return True

    def _move_on(self, stamp: int, part: str) -> None:
        """Keep up to where pictures, and truth that is surely of this stretch, have come."""
        if part in PICTURES or part in self._truth and not self._may_be_former(stamp):
            self._newest = stamp if self._newest is None else max(self._newest, stamp)

    def _tell_total(self, total: int) -> None:
        """Keep how long the run is; what was told first holds, so that no stranger ends it."""
        if self.total in (0, total):
            self.total = total
            return
        what = f'camera/source tells {total} frames, and told {self.total} before'
        remedy = 'end the other run, or set another ROS_DOMAIN_ID'
        self.malformed(SOURCE, RecordError(what, remedy))

    def _tell_camera(self, stamp: int, camera: Camera | NoCamera, publisher: str) -> None:
        """Keep what camera_info tells; a camera opens no frame."""
        # It may come ahead of the picture by which a jump shows.
        epoch = self._epoch + (not self._chosen.lockstep and self._is_back(stamp))
        closed = self._book.ledger.knows(epoch, stamp)
        if twice := self._book.cameras.tell(epoch, stamp, camera, publisher, closed):
            self._doubled(twice, epoch)

    def expire(self, now: float) -> list[Closed]:
        """Close frames whose deadline has passed."""
        closed = self._join_placed(self._aligner.expire(now), now)
        closed += self._place(self.outside.expire(now), now)
        closed.extend(self._finish(joined, now) for joined in self._join.expire(now))
        for name in self._join.silent:
            if name not in self._given_up:
                self._given_up.add(name)
                self._journal.note(
                    f'{name} did not answer {self._chosen.patience} frames in a row within '
                    f'{self._chosen.deadline:g} s; it is no longer waited for'
                )
        return closed

    def without(self, names: Iterable[str], now: float) -> list[Closed]:
        """
        Take up which parts nobody sends, as a node's that has ended; return what closed by it.

        Live, their frames are missing at once; in lockstep start-up waits for everybody.
        """
        if self._chosen.lockstep:
            return []
        return [self._finish(joined, now) for joined in self._join.without(names, now)]

    def waiting_for(self) -> tuple[str, ...]:
        """Return what the oldest open frame (or start-up probe) lacks."""
        return self._join.waiting_for() or self._probes.waiting_for()

    @property
    def started(self) -> bool:
        """Return whether any frame that counts has come."""
        return self._join.counters['received'] > 0

    @property
    def complete(self) -> bool:
        """Return whether every frame of the run is closed."""
        return 0 < self.total <= self.closed

    def _late(self, epoch: int, stamp: int, part: str, value: Any) -> None:
        passed = isinstance(value, Passed)
        self._book.ledger.late(epoch, stamp, _whose(part, passed), passed)
        self._journal.late(epoch, stamp, part, passed)

    def _doubled(self, twice: Twice, epoch: int | None = None) -> None:
        """Write down that a part came twice with other content; take back what was scored."""
        epoch = self._epoch if epoch is None else epoch
        self._journal.doubled(epoch, twice)
        if twice.closed:
            self._book.take_back(epoch, twice)

    def _finish(self, joined: Joined, now: float) -> Closed:
        self.counters[joined.reason.value] += 1
        return self._book.enter(joined, self._epoch)

    def metrics(self) -> Metrics:
        """Return {status name: {key: value}} of rolling and total rates, as strings."""
        return self._book.ledger.metrics()

    def coverage(self, name: str) -> float:
        """Return the share of closed frames on which `name` was scored; NaN before the first."""
        return self._book.ledger.coverage(name)

    def end(self, now: float) -> list[Closed]:
        """Close what is open and the records; return the frames that closed by it."""
        try:
            closed = [self._finish(one, now) for one in self._probes.adopt_unsourced(now)]
            closed += self._join_placed(self._aligner.flush(), now)
            closed += self._place(self.outside.flush(now), now)
            closed.extend(self._finish(joined, now) for joined in self._join.flush())
            self._journal.write(self._book.account(self._join.counters))
        finally:
            self.close()
        return closed

    def close(self) -> None:
        """Close the records as they are; does nothing when `end` has done so."""
        self._journal.close()


def _whose(part: str, passed: bool) -> str:
    """Return what a part is about: who passes a mask over says so in place of its confidence."""
    return SEGMENTATION if passed and part == CONFIDENCE else part

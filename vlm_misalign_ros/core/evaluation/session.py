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
from vlm_misalign_ros.core.evaluation.resuming import Former, fingerprint, former, open_records
from vlm_misalign_ros.core.evaluation.stretches import Stretch, Stretches
from vlm_misalign_ros.core.records.account import LateRecord
from vlm_misalign_ros.core.records.schema import SCHEMA, Closing, FrameRecord, RunRecord
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.core.stamps import parse_stamp
from vlm_misalign_ros.core.types import Camera, NoCamera, Passed


class Session:
    """
    Joins parts into frames, frames into records, records into rolling and total rates.

    `publishers(part)` names who may have sent a part whose own publisher is not known. With
    `follow` it is told everything again, and takes from the records what was scored before.
    """

    def __init__(
        self,
        parameters: MonitorParameters,
        name: str = '',
        log: Callable[[str], None] = print,
        publishers: Callable[[str], Sequence[str]] = lambda part: (),
        follow: bool = False,
    ) -> None:
        """Open the records of the run; RecordError where they cannot be written."""
        self._chosen = parameters
        self._wanted = Wanted.by(parameters, parameters.recorder)
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
        before = None if follow else former(self.folder, run)
        writer = open_records(self.folder, run, before is not None, follow)
        self._journal = Journal(writer, log, publishers)
        self._book = Book(parameters, self._journal, self.counters)
        self.outside = Outside(parameters, self._journal, self.counters)
        self.disagreement = self._book.ledger.disagreement
        # Labels that a reference makes are an answer, and may come as late as one.
        told = PICTURES if parameters.reference else (*PICTURES, *TRUTH)
        self._stretches = Stretches(self._stretch, told)
        if before is None or not self._restore(before):
            self._journal.write(run)
        join = self._stretches.current.join
        self._probes = Probes(
            partial(needs, self._wanted), join, self._doubled, self.counters, self._journal
        )

    def _stretch(self, epoch: int) -> Stretch:
        """Return a stretch of time in which nothing has come yet."""
        chosen = self._chosen
        join = StampJoin(
            partial(needs, self._wanted),
            chosen.deadline,
            chosen.capacity,
            # Live, nothing is waited for beyond its deadline, so nobody is given up either.
            chosen.patience if chosen.lockstep else 2**62,
            content=content_of,
            doubled=partial(self._doubled, epoch=epoch),
            pictured=is_pictured,
        )
        aligner = Aligner(chosen.slop, chosen.deadline / 2)
        return Stretch(epoch, join, aligner, self.outside.placer())

    def _restore(self, before: Former) -> bool:
        """Go on with the records of a monitor that was cut off; return whether there are any."""
        frames, whole = 0, False
        for record in before.records():
            whole = True
            if isinstance(record, FrameRecord):
                stamp = parse_stamp(record.stamp)
                if record.epoch > self._stretches.current.epoch:
                    self._stretches.begin(record.epoch, 0.0)
                    self._book.restart(record.epoch)
                self._stretches.restore(record.epoch, stamp, record.missing)
                self._book.restore(record)
                frames += 1
            elif isinstance(record, LateRecord):
                whose = _whose(record.part, record.passed)
                stamp = parse_stamp(record.stamp)
                self._book.ledger.late(record.epoch, stamp, whose, record.passed)
        if whole:
            current = self._stretches.current
            seconds = None if self._chosen.resumed else before.seconds
            self._journal.gone_on(frames, current.newest, current.epoch, seconds)
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
        closed, stretch = self._turn(stamp, part, now)
        if part == CAMERA:
            # It may come ahead of the picture by which a jump shows; a camera opens no frame.
            epoch = self._stretches.current.epoch + 1 if stretch is None else stretch.epoch
            self._hear(epoch, stamp, part, publisher)
            self._tell_camera(epoch, stamp, value, publisher)
            return closed
        stretch = stretch or self._stretches.current
        closed += self._take(stretch, stamp, part, value, now, publisher)
        if part == CONDITION:
            settled = self.outside.picture(stretch.placer, stamp, value, arrival, now)
            closed += self._place(stretch, settled, now)
        return closed

    def answer(self, part: str, claim: Claim, now: float, publisher: str = '') -> list[Closed]:
        """Add what came from outside, which is about a picture yet to be found."""
        stretch, stamp = self._stretches.current, self.outside.stamp_of(part, claim)
        if stamp is not None and not self._chosen.lockstep:
            stretch = self._stretches.of(stamp, part) or stretch
            self._stretches.heard(stretch.epoch, stamp, part)
        try:
            settled = self.outside.answer(stretch.placer, part, claim, now, publisher)
            return self._place(stretch, settled, now)
        except RecordError as error:
            self.malformed(part, error)
            return []

    def _place(self, stretch: Stretch, settled: Sequence[Settled], now: float) -> list[Closed]:
        """Give pictures what came for them from outside."""
        closed: list[Closed] = []
        for one in self.outside.placed(settled, self.malformed):
            if one.publisher:
                self._journal.sent(stretch.epoch, one.stamp, one.part, one.publisher)
            if self._chosen.lockstep and self._probes.may_be(one.stamp):
                closed += self._probe(one.stamp, one.part, one.value, now, one.publisher)
            else:
                closed += self._join_placed(stretch, [one], now)
        return closed

    def _turn(self, stamp: int, part: str, now: float) -> tuple[list[Closed], Stretch | None]:
        """Return what closed by a jump in time, and whose stretch a part is, if it has begun."""
        if self._chosen.lockstep:
            return [], self._stretches.current
        stretch = self._stretches.of(stamp, part)
        if stretch is self._stretches.former and stretch is not None:
            self.counters['before_jump'] += 1
        closed = self._jump(now) if stretch is None and part != CAMERA else []
        return closed, stretch

    def _hear(self, epoch: int, stamp: int, part: str, publisher: str) -> None:
        if publisher:
            self._journal.sent(epoch, stamp, part, publisher)
        if not self._chosen.lockstep:
            self._stretches.heard(epoch, stamp, part)

    def _take(
        self, stretch: Stretch, stamp: int, part: str, value: Any, now: float, publisher: str
    ) -> list[Closed]:
        self._hear(stretch.epoch, stamp, part, publisher)
        if self._chosen.lockstep and self._probes.may_be(stamp):
            return self._probe(stamp, part, value, now, publisher)
        if part == SOURCE and value[0].total:
            self._tell_total(value[0].total)
        placed = stretch.aligner.add(stamp, part, value, now, publisher)
        return self._join_placed(stretch, placed, now)

    def _join_placed(self, stretch: Stretch, placed: Sequence[Placed], now: float) -> list[Closed]:
        closed: list[Closed] = []
        for one in placed:
            joined, late = stretch.join.add(
                one.stamp, one.part, one.value, now, one.publisher, one.offset
            )
            if late:
                self._late(stretch.epoch, one.stamp, one.part, one.value)
            closed.extend(self._finish(frame, stretch.epoch) for frame in joined)
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
        current = self._stretches.current
        adopted = self._probes.adopt(stamp, now)
        closed = [self._finish(joined, current.epoch) for joined in adopted]
        return closed + self._take(current, stamp, part, value, now, publisher)

    def _jump(self, now: float) -> list[Closed]:
        """Begin another stretch, as time has jumped back; return what closed by it."""
        self._journal.once('jump', 'time jumped back: the windows start again')
        former, epoch = self._stretches.former, self._stretches.current.epoch + 1
        closed = [] if former is None else self._let_go(former, Closing.RESET, now)
        self.counters['time_jumps'] += 1
        self._stretches.begin(epoch, now)
        self._book.restart(epoch)
        return closed

    def _let_go(self, stretch: Stretch, reason: Closing, now: float) -> list[Closed]:
        """Close all that is open of a stretch."""
        closed = self._join_placed(stretch, stretch.aligner.flush(), now)
        closed += self._place(stretch, self.outside.flush(stretch.placer, now), now)
        closed.extend(self._finish(joined, stretch.epoch) for joined in stretch.join.flush(reason))
        return closed

    def _tell_total(self, total: int) -> None:
        """Keep how long the run is; what was told first holds, so that no stranger ends it."""
        if self.total in (0, total):
            self.total = total
            return
        what = f'camera/source tells {total} frames, and told {self.total} before'
        remedy = 'end the other run, or set another ROS_DOMAIN_ID'
        self.malformed(SOURCE, RecordError(what, remedy))

    def _tell_camera(
        self, epoch: int, stamp: int, camera: Camera | NoCamera, publisher: str
    ) -> None:
        """Keep what camera_info tells."""
        closed = self._book.ledger.knows(epoch, stamp)
        if twice := self._book.cameras.tell(epoch, stamp, camera, publisher, closed):
            self._doubled(twice, epoch)

    def expire(self, now: float) -> list[Closed]:
        """Close frames whose deadline has passed."""
        closed: list[Closed] = []
        for stretch in self._stretches.open:
            closed += self._join_placed(stretch, stretch.aligner.expire(now), now)
            closed += self._place(stretch, self.outside.expire(stretch.placer, now), now)
            expired = stretch.join.expire(now)
            closed.extend(self._finish(joined, stretch.epoch) for joined in expired)
        for name in self._stretches.current.join.silent:
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
        names = tuple(names)
        return [
            self._finish(joined, stretch.epoch)
            for stretch in self._stretches.open
            for joined in stretch.join.without(names, now)
        ]

    def waiting_for(self) -> tuple[str, ...]:
        """Return what the oldest open frame (or start-up probe) lacks."""
        waiting = [stretch.join.waiting_for() for stretch in self._stretches.open]
        return next(filter(None, waiting), ()) or self._probes.waiting_for()

    @property
    def started(self) -> bool:
        """Return whether any frame that counts has come."""
        return self._stretches.current.join.counters['received'] > 0

    @property
    def complete(self) -> bool:
        """Return whether every frame of the run is closed."""
        return 0 < self.total <= self.closed

    def _late(self, epoch: int, stamp: int, part: str, value: Any) -> None:
        passed = isinstance(value, Passed)
        self._book.ledger.late(epoch, stamp, _whose(part, passed), passed)
        self._journal.late(epoch, stamp, part, passed)

    def _doubled(self, twice: Twice, epoch: int = 0) -> None:
        """Write down that a part came twice with other content; take back what was scored."""
        self._journal.doubled(epoch, twice)
        if twice.closed:
            self._book.take_back(epoch, twice)

    def _finish(self, joined: Joined, epoch: int) -> Closed:
        self.counters[joined.reason.value] += 1
        return self._book.enter(joined, epoch)

    def metrics(self) -> Metrics:
        """Return {status name: {key: value}} of rolling and total rates, as strings."""
        return self._book.ledger.metrics()

    def coverage(self, name: str) -> float:
        """Return the share of closed frames on which `name` was scored; NaN before the first."""
        return self._book.ledger.coverage(name)

    def end(self, now: float) -> list[Closed]:
        """Close what is open and the records; return the frames that closed by it."""
        try:
            epoch = self._stretches.current.epoch
            closed = [self._finish(one, epoch) for one in self._probes.adopt_unsourced(now)]
            for stretch in self._stretches.open:
                closed += self._let_go(stretch, Closing.END, now)
            self._journal.write(self._book.account(self._stretches.current.join.counters))
        finally:
            self.close()
        return closed

    def close(self) -> None:
        """Close the records as they are; does nothing when `end` has done so."""
        self._journal.close()


def _whose(part: str, passed: bool) -> str:
    """Return what a part is about: who passes a mask over says so in place of its confidence."""
    return SEGMENTATION if passed and part == CONFIDENCE else part

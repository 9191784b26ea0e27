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

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vlm_misalign_ros.core.corruptions.conditions import BLANK
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.evaluator import Evaluated, Evaluator
from vlm_misalign_ros.core.evaluation.join import Joined, StampJoin
from vlm_misalign_ros.core.evaluation.parts import (
    CAMERA,
    IMAGE,
    SEGMENTATION,
    SOURCE,
    Parts,
    Wanted,
    model_of,
    needs,
)
from vlm_misalign_ros.core.metrics.confusion import miou
from vlm_misalign_ros.core.metrics.counts import Counts
from vlm_misalign_ros.core.metrics.rates import rates
from vlm_misalign_ros.core.metrics.rolling import RollingCounts
from vlm_misalign_ros.core.records.pictures import WorstPictures
from vlm_misalign_ros.core.records.schema import (
    SCHEMA,
    AccountingRecord,
    Closing,
    FrameRecord,
    LateRecord,
    RunRecord,
    Status,
)
from vlm_misalign_ros.core.records.store import RECORDS, RecordWriter
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.core.stamps import NANO, format_stamp
from vlm_misalign_ros.core.types import Camera

CAMERAS = 256
"""Cameras kept by stamp until their frame closes."""
JUMP_BACK = 10 * NANO
"""A stamp so much older than the newest one means that time has jumped (a looped bag)."""

Metrics = dict[str, dict[str, str]]


@dataclass
class Closed:
    """What the caller passes on when a frame closes."""

    stamp: int
    record: FrameRecord | None
    """None for a start-up probe."""
    metrics: Metrics = field(default_factory=dict)


class Session:
    """Joins parts into frames, frames into records, records into rolling and total rates."""

    def __init__(
        self, parameters: MonitorParameters, name: str = '', log: Callable[[str], None] = print
    ) -> None:
        """Open the records of the run; RecordError where they cannot be written."""
        self._chosen = parameters
        self._log = log
        self._evaluator = Evaluator(parameters)
        # Live, nothing is waited for beyond its deadline, so nobody is given up either.
        patience = parameters.patience if parameters.lockstep else 2**62
        self._wanted = Wanted.by(parameters, parameters.recorder)
        self._join = StampJoin(self._needs, parameters.deadline, parameters.capacity, patience)
        self._probes = StampJoin(self._needs, float('inf'), capacity=16, patience=2**62)
        self._rolling = {n: RollingCounts(parameters.window) for n in parameters.models}
        self._totals = {n: Counts() for n in parameters.models}
        self._confusion = np.zeros((19, 20), np.int64)
        self._rolling_confusion = RollingCounts(parameters.window)
        self._newest = 0
        self._given_up: set[str] = set()
        self.accounting: dict[str, Counter[str]] = {
            n: Counter() for n in (*parameters.models, SEGMENTATION)
        }
        self._missing: OrderedDict[int, set[str]] = OrderedDict()
        """What the last frames were closed without, by stamp: it may still come late."""
        self.counters: Counter[str] = Counter()
        self.closed = 0
        self.total = 0
        """Frames of the whole run, as camera/source tells; 0 while unknown or without end."""
        self.notes: list[str] = []
        self._camera: Camera | None = None
        self._cameras: dict[int, Camera | None] = {}
        """What camera_info told, by stamp, and the newest for frames that have none."""
        self._malformed: set[str] = set()
        self._failed: set[str] = set()
        self.folder = Path(parameters.run_folder) if parameters.run_folder else None
        self._writer: RecordWriter | None = None
        self._pictures: WorstPictures | None = None
        if self.folder is not None:
            self._writer = RecordWriter(self.folder / RECORDS)
            self._writer.write(
                RunRecord(SCHEMA, name or self.folder.name, list(parameters.models))
            )
            if parameters.pictures:
                self._pictures = WorstPictures(self.folder / 'pictures', keep=parameters.pictures)

    def _needs(self, parts: Parts) -> list[str]:
        return needs(self._wanted, parts)

    def malformed(self, part: str, error: RecordError) -> None:
        """Count a message that cannot be read: somebody else's, which must not end the run."""
        self.counters['malformed'] += 1
        if part not in self._malformed:
            self._malformed.add(part)
            self._log(f'{part}: {error}')
            self.notes.append(f'{part}: a message could not be read: {error}')

    def add(self, stamp: int, part: str, value: Any, now: float) -> list[Closed]:
        """Add one part of a frame (`now` in seconds of a steady clock); return what closed."""
        if part == CAMERA:
            self._tell_camera(stamp, value)
            return []
        if self._chosen.lockstep and stamp < NANO:
            closed, _ = self._probes.add(stamp, part, value, now)
            return [
                Closed(joined.stamp, None)
                for joined in closed
                if joined.reason is Closing.COMPLETE
            ]
        closed = []
        if not self._chosen.lockstep and stamp < self._newest - JUMP_BACK:
            self._log('time has jumped back: the join and the rolling windows start again')
            self.counters['time_jumps'] += 1
            closed = self._join.reset()
            for sums in (*self._rolling.values(), self._rolling_confusion):
                sums.clear()
            self._newest = stamp
        self._newest = max(self._newest, stamp)
        more, late = self._join.add(stamp, part, value, now)
        if late:
            self._late(stamp, part)
        if part == SOURCE and value[0].total:
            self._tell_total(value[0].total)
        return [self._finish(joined, now) for joined in (*closed, *more)]

    def _tell_total(self, total: int) -> None:
        """Keep how long the run is; what was told first holds, so that no stranger ends it."""
        if self.total in (0, total):
            self.total = total
            return
        self.malformed(
            SOURCE,
            RecordError(
                f'camera/source tells {total} frames, and told {self.total} before',
                'end the other run, or set another ROS_DOMAIN_ID',
            ),
        )

    def _tell_camera(self, stamp: int, camera: Camera | None) -> None:
        """Keep what camera_info tells; a camera opens no frame."""
        self._cameras[stamp] = camera
        while len(self._cameras) > CAMERAS:
            self._cameras.pop(next(iter(self._cameras)))
        self._camera = camera

    def expire(self, now: float) -> list[Closed]:
        """Close frames whose deadline has passed."""
        closed = [self._finish(joined, now) for joined in self._join.expire(now)]
        for name in self._join.silent:
            if name not in self._given_up:
                self._given_up.add(name)
                note = (
                    f'{name} did not answer {self._chosen.patience} frames in a row within '
                    f'{self._chosen.deadline:g} s; it is no longer waited for'
                )
                self._log(note)
                self.notes.append(note)
        return closed

    def waiting_for(self) -> tuple[str, ...]:
        """Return what the oldest open frame (or start-up probe) lacks."""
        return self._join.waiting_for() or self._probes.waiting_for()

    @property
    def started(self) -> bool:
        """Return whether any frame that counts has come."""
        return self._newest > 0

    @property
    def complete(self) -> bool:
        """Return whether every frame of the run is closed."""
        return 0 < self.total <= self.closed

    def _late(self, stamp: int, part: str) -> None:
        name = model_of(part)
        missing = self._missing.get(stamp, set())
        if name in missing:
            missing.discard(name)
            self.accounting[name][Status.MISSING.value] -= 1
            self.accounting[name][Status.LATE.value] += 1
        if self._writer is not None:
            self._writer.write(LateRecord(format_stamp(stamp), part))

    def _finish(self, joined: Joined, now: float) -> Closed:
        evaluated = self._evaluator.evaluate(joined, self._cameras.pop(joined.stamp, self._camera))
        record = evaluated.record
        self.closed += 1
        self.counters[joined.reason.value] += 1
        if record.condition.corruption != BLANK:
            self._sum(joined.stamp, evaluated)
        statuses = {name: entry.status for name, entry in record.models.items()}
        statuses[SEGMENTATION] = record.segmentation.status
        self._note_failures(record)
        for name, status in statuses.items():
            self.accounting[name][status.value] += 1
        self._missing[joined.stamp] = {n for n, s in statuses.items() if s is Status.MISSING}
        while len(self._missing) > StampJoin.CLOSED_KEPT:
            self._missing.popitem(last=False)
        if self._writer is not None:
            self._writer.write(record)
        shown = record.condition.corruption != BLANK and IMAGE in joined.parts
        if self._pictures is not None and shown:
            self._pictures.consider(
                evaluated.badness,
                joined.stamp,
                joined.parts[IMAGE],
                joined.parts.get(SEGMENTATION),
            )
        return Closed(joined.stamp, record, self.metrics())

    def _note_failures(self, record: FrameRecord) -> None:
        """Count the answers that failed, and name the first of each model with its reason."""
        errors = {name: entry.error for name, entry in record.models.items()}
        errors[SEGMENTATION] = record.segmentation.error
        for name, error in errors.items():
            if error is None:
                continue
            self.counters['failed'] += 1
            if name not in self._failed:
                self._failed.add(name)
                note = f'{name} failed on the frame at {record.stamp}: {error}'
                self._log(note)
                self.notes.append(note)
        if record.problem is not None and 'problem' not in self._failed:
            self._failed.add('problem')
            self.notes.append(f'the frame at {record.stamp}: {record.problem}')

    def _sum(self, stamp: int, evaluated: Evaluated) -> None:
        for name, counts in evaluated.counts.items():
            self._totals[name] += counts
            self._rolling[name].add(stamp, counts)
        if evaluated.confusion is not None:
            self._confusion += evaluated.confusion
            self._rolling_confusion.add(stamp, Counts(), evaluated.confusion)

    def metrics(self) -> Metrics:
        """Return {status name: {key: value}} of rolling and total rates, as strings."""
        result: Metrics = {}
        for span, sums in (('rolling', None), ('total', self._totals)):
            for name in self._chosen.models:
                counts = self._rolling[name].totals()[0] if sums is None else sums[name]
                values: dict[str, str] = {}
                for rate_name, rate in rates(counts).items():
                    values[f'{rate_name}/metric_value'] = repr(rate.value)
                    values[f'{rate_name}/min'] = repr(rate.low)
                    values[f'{rate_name}/max'] = repr(rate.high)
                    if rate.denominator is not None:
                        values[f'{rate_name}/numerator'] = str(rate.numerator)
                        values[f'{rate_name}/denominator'] = str(rate.denominator)
                for key in (status.value for status in Status):
                    values[key] = str(self.accounting[name][key])
                result[f'{span}: {name}'] = values
            matrix = self._confusion if sums else self._rolling_confusion.totals()[1]
            value = float('nan') if matrix is None else float(miou(matrix))
            result[f'{span}: segmentation'] = {
                'miou/metric_value': repr(value),
                **{
                    key: str(self.accounting[SEGMENTATION][key])
                    for key in (status.value for status in Status)
                },
            }
        return result

    def coverage(self, name: str) -> float:
        """Return the share of closed frames on which `name` was scored; NaN before the first."""
        return (
            self.accounting[name][Status.SCORED.value] / self.closed
            if self.closed
            else float('nan')
        )

    def end(self, now: float) -> list[Closed]:
        """Close what is open and the records; return the frames that closed by it."""
        try:
            closed = [self._finish(joined, now) for joined in self._join.flush()]
            if self._writer is not None:
                self._writer.write(
                    AccountingRecord(
                        {name: dict(counter) for name, counter in self.accounting.items()},
                        dict(self._join.counters),
                        dict(self.counters),
                    )
                )
        finally:
            self.close()
        return closed

    def close(self) -> None:
        """Close the records as they are; does nothing when `end` has done so."""
        if self._writer is not None:
            self._writer.close()

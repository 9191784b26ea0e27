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
What became of each picture, for every model and the segmentation, and what was summed of it.

Every picture is, for every model, in exactly one state; a state and the sums behind it can be
taken back when the frame turns out to be doubled.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from vlm_misalign_ros.core.corruptions.conditions import BLANK
from vlm_misalign_ros.core.evaluation.disagreement import Compared, Disagreement, compared
from vlm_misalign_ros.core.evaluation.evaluator import Evaluated
from vlm_misalign_ros.core.evaluation.join import Twice
from vlm_misalign_ros.core.evaluation.parts import SEGMENTATION, concerned, model_of
from vlm_misalign_ros.core.evaluation.told import told_rates
from vlm_misalign_ros.core.metrics.confusion import SHAPE, miou
from vlm_misalign_ros.core.metrics.counts import Counts
from vlm_misalign_ros.core.metrics.known import Known
from vlm_misalign_ros.core.metrics.pulse import KINDS, Pulse
from vlm_misalign_ros.core.metrics.rates import rates
from vlm_misalign_ros.core.metrics.rolling import RollingCounts
from vlm_misalign_ros.core.records.reference import against
from vlm_misalign_ros.core.records.schema import COUNTED, FrameRecord, Status

Metrics = dict[str, dict[str, str]]
Matrices = tuple[np.ndarray, np.ndarray]
"""Confusion matrices of the whole frame, and of what an occluder leaves to see of it."""


@dataclass
class Closed:
    """What the caller passes on when a frame closes."""

    stamp: int
    record: FrameRecord | None
    """None for a start-up probe."""
    metrics: Metrics = field(default_factory=dict)
    """Rates as they were then; empty where nobody asked for them."""


@dataclass
class _Entry:
    """A closed frame: states, and what was added to the sums."""

    statuses: dict[str, Status]
    counts: dict[str, Counts]
    confusion: Matrices | None
    pictures: int
    missing: set[str]
    """Parts that it was closed without, and that did not come since."""
    compared: Compared | None
    """How its answers stand to those of its clean picture; None where nobody asked."""


class Ledger:
    """States and sums of a run; the last KEPT frames can be taken back."""

    KEPT = 4096

    def __init__(
        self, models: Iterable[str], segmentation: bool, window: float, reference: str = ''
    ) -> None:
        """
        Start with nothing; `window` in seconds of header time.

        `reference` is the model whose labels stand for the truth; empty where none does.
        """
        self._against = {'against': against(reference)} if reference else {}
        self._models = tuple(models)
        names = (*self._models, SEGMENTATION) if segmentation else self._models
        self.states: dict[str, Counter[str]] = {name: Counter() for name in names}
        """Pictures by state, for each model, and SEGMENTATION where it is asked for."""
        self.rolling = {name: RollingCounts(window, Counts()) for name in self._models}
        self.totals = {name: Counts() for name in self._models}
        self.confusion = np.zeros(SHAPE, np.int64)
        self.visible = np.zeros(SHAPE, np.int64)
        """The confusion matrix over what occluders leave to see."""
        self.rolling_confusion = RollingCounts(window, Counts())
        self.rolling_visible = RollingCounts(window, Counts())
        self.pulses = {name: Pulse(window, Status.SCORED.value) for name in names}
        """Coverage and times."""
        self.known = Known()
        self.disagreement = Disagreement(window)
        self.pictures = 0
        """Pictures that are in a state."""
        self._entries: OrderedDict[tuple[int, int], _Entry] = OrderedDict()
        self._epoch = 0
        """The stretch of time that the windows are of."""

    def knows(self, epoch: int, stamp: int) -> bool:
        """Return whether a frame is among those kept."""
        return (epoch, stamp) in self._entries

    def enter(self, epoch: int, stamp: int, evaluated: Evaluated) -> None:
        """Take up a closed frame; the blank control has states, but is in no sum."""
        record = evaluated.record
        statuses = {name: entry.status for name, entry in record.models.items()}
        if SEGMENTATION in self.states:
            statuses[SEGMENTATION] = record.segmentation.status
        summed = record.condition.corruption != BLANK
        entry = _Entry(
            statuses,
            evaluated.counts if summed else {},
            _matrices(evaluated) if summed else None,
            1,
            set(record.missing),
            compared(record),
        )
        if entry.compared is not None:
            self.disagreement.add(stamp, entry.compared, epoch == self._epoch)
        if entry.confusion is not None:
            self.known.add(record.segmentation.lacking)
        for name, status in statuses.items():
            self.states[name][status.value] += 1
            seconds = {
                kind: getattr(record.timing, kind)[name]
                for kind in KINDS
                if name in getattr(record.timing, kind)
            }
            self.pulses[name].enter(stamp, status.value, seconds, epoch == self._epoch)
        self.pictures += 1
        self._more(entry, record.pictures)
        self._sum(epoch, stamp, entry.counts, entry.confusion)
        self._entries[epoch, stamp] = entry
        while len(self._entries) > self.KEPT:
            self._entries.popitem(last=False)

    def _more(self, entry: _Entry, pictures: int) -> None:
        """Count the pictures of a stamp beyond those that were counted."""
        more = pictures - entry.pictures
        if more > 0:
            for name in entry.statuses:
                self.states[name][Status.DOUBLED.value] += more
            self.pictures += more
            entry.pictures = pictures

    def _sum(
        self, epoch: int, stamp: int, counts: dict[str, Counts], matrices: Matrices | None
    ) -> None:
        windowed = epoch == self._epoch
        for name, found in counts.items():
            self.totals[name] += found
            if windowed:
                self.rolling[name].add(stamp, found)
        if matrices is not None:
            whole, visible = matrices
            self.confusion += whole
            self.visible += visible
            if windowed:
                self.rolling_confusion.add(stamp, Counts(), whole)
                self.rolling_visible.add(stamp, Counts(), visible)

    def late(self, epoch: int, stamp: int, part: str, passed: bool = False) -> None:
        """Take up that a part came, or that it was `passed` over, after its frame had closed."""
        entry = self._entries.get((epoch, stamp))
        if entry is None:
            return
        entry.missing.discard(part)
        name = model_of(part)
        if entry.statuses.get(name) is Status.MISSING:
            self._move(entry, name, Status.DROPPED if passed else Status.LATE, epoch, stamp)

    def _move(self, entry: _Entry, name: str, status: Status, epoch: int, stamp: int) -> None:
        if epoch == self._epoch:
            self.pulses[name].move(stamp, status.value)
        self.states[name][entry.statuses[name].value] -= 1
        self.states[name][status.value] += 1
        entry.statuses[name] = status

    def take_back(self, epoch: int, twice: Twice) -> None:
        """Take a frame's scores out of states and sums, for those whom a doubled part concerns."""
        entry = self._entries.get((epoch, twice.stamp))
        if entry is None:
            return
        taken: dict[str, Counts] = {}
        matrices: Matrices | None = None
        for name in concerned(twice.part, self._models):
            if name not in entry.statuses or entry.statuses[name] is Status.DOUBLED:
                continue
            self._move(entry, name, Status.DOUBLED, epoch, twice.stamp)
            if entry.compared is not None:
                windowed = epoch == self._epoch
                self.disagreement.take_back(twice.stamp, entry.compared, name, windowed)
            if name in entry.counts:
                taken[name] = Counts() - entry.counts.pop(name)
            if name == SEGMENTATION and entry.confusion is not None:
                whole, visible = entry.confusion
                matrices, entry.confusion = (-whole, -visible), None
        self._sum(epoch, twice.stamp, taken, matrices)
        self._more(entry, twice.pictures)

    def restart(self, epoch: int) -> None:
        """Empty the windows, which are of `epoch` from now on: time has jumped."""
        self._epoch = epoch
        for sums in (*self.rolling.values(), self.rolling_confusion, self.rolling_visible):
            sums.clear()
        self.disagreement.restart()
        for pulse in self.pulses.values():
            pulse.clear()

    def metrics(self) -> Metrics:
        """Return {status name: {key: value}} of rolling and total rates, as strings."""
        result: Metrics = {}
        for span in ('rolling', 'total'):
            whole = span == 'total'
            for name in self._models:
                counts = self.totals[name] if whole else self.rolling[name].totals()[0]
                values = told_rates(rates(counts))
                # What the safety rates are of: how many frames were a hazard, clear, or neither.
                values['hazard_frames'] = str(counts.hazards_judged + counts.hazards_unjudged)
                values['clear_frames'] = str(counts.clear_judged + counts.clear_unjudged)
                values['indeterminate_frames'] = str(counts.indeterminate)
                result[f'{span}: {name}'] = (
                    self._against | values | self._counted(name) | self._kept_up(name, whole)
                )
            result |= self.disagreement.metrics(span)
            if SEGMENTATION not in self.states:
                continue
            matrix = self.confusion if whole else self.rolling_confusion.totals()[1]
            visible = self.visible if whole else self.rolling_visible.totals()[1]
            result[f'{span}: segmentation'] = {
                **self._against,
                f'{self.known.miou}/metric_value': self._miou(matrix),
                f'{self.known.named("miou_visible")}/metric_value': self._miou(visible),
                **self._counted(SEGMENTATION),
                **self._kept_up(SEGMENTATION, whole),
            }
        return result

    def coverage(self, name: str) -> float:
        """Return the share of the pictures that were scored; NaN before the first."""
        scored = self.states[name][Status.SCORED.value]
        return scored / self.pictures if self.pictures else float('nan')

    def _kept_up(self, name: str, whole: bool) -> dict[str, str]:
        """Return coverage and seconds, as far as they are known, as mean and maximum."""
        pulse = self.pulses[name]
        found = {'coverage/metric_value': self.coverage(name) if whole else pulse.coverage}
        for kind in KINDS:
            mean, most = pulse.seconds(kind, whole)
            found |= {f'{kind}/metric_value': mean, f'{kind}/max': most}
        return {key: repr(value) for key, value in found.items()}

    def _miou(self, matrix: np.ndarray | None) -> str:
        unknown = matrix is None or self.known.mixed
        return repr(float('nan') if unknown or matrix is None else float(miou(matrix)))

    def _counted(self, name: str) -> dict[str, str]:
        return {status.value: str(self.states[name][status.value]) for status in COUNTED}


def _matrices(evaluated: Evaluated) -> Matrices | None:
    whole, visible = evaluated.confusion, evaluated.confusion_visible
    return None if whole is None or visible is None else (whole, visible)

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

"""How models keep up with the camera, by condition: states, and seconds, from records alone."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from vlm_misalign_ros.core.corruptions.conditions import BLANK
from vlm_misalign_ros.core.evaluation.parts import SEGMENTATION
from vlm_misalign_ros.core.metrics.pulse import KINDS
from vlm_misalign_ros.core.records.account import LateRecord
from vlm_misalign_ros.core.records.schema import COUNTED, FrameRecord, Record, Status
from vlm_misalign_ros.core.report.summary import ALL

OPEN = 'open_seconds'
QUANTILES = {'median': 0.5, 'p95': 0.95, 'max': 1.0}


@dataclass
class TimingRow:
    """One model, or the segmentation, under one condition; `condition` is ALL for all of them."""

    condition: str
    model: str
    by_status: Counter[Status] = field(default_factory=Counter)
    """Pictures."""
    seconds: dict[str, array[float]] = field(default_factory=dict)
    """By pulse.KINDS and OPEN, of each frame that tells them."""

    @property
    def frames(self) -> int:
        """Return the pictures."""
        return self.by_status.total()

    @property
    def coverage(self) -> float:
        """Return the share of them that was scored; NaN without any."""
        return self.by_status[Status.SCORED] / self.frames if self.frames else float('nan')

    def quantile(self, kind: str, share: float) -> float:
        """Return a quantile of one kind of seconds; NaN where none are known."""
        found = self.seconds.get(kind)
        return float(np.quantile(np.frombuffer(found), share)) if found else float('nan')

    def count(self, kind: str) -> int:
        """Return of how many frames one kind of seconds is known."""
        return len(self.seconds.get(kind, ()))

    def add(self, kind: str, seconds: float) -> None:
        """Add the seconds of one frame."""
        self.seconds.setdefault(kind, array('d')).append(seconds)

    def take(self, other: TimingRow) -> None:
        """Add another row's frames."""
        self.by_status += other.by_status
        for kind, found in other.seconds.items():
            self.seconds.setdefault(kind, array('d')).extend(found)


class Timings:
    """Rows that grow as records stream by."""

    def __init__(self) -> None:
        """Start with none."""
        self._rows: dict[tuple[str, str], TimingRow] = {}
        self._late: dict[tuple[int, str, str], Status] = {}
        self._missing: dict[tuple[int, str, str], TimingRow] = {}

    def add(self, record: Record) -> None:
        """Add one record."""
        if isinstance(record, FrameRecord):
            self._frame(record)
        elif isinstance(record, LateRecord):
            state = Status.DROPPED if record.passed else Status.LATE
            name = record.part.removeprefix('vlm:')
            name = SEGMENTATION if name == 'confidence' and record.passed else name
            self._late.setdefault((record.epoch, record.stamp, name), state)

    def _frame(self, record: FrameRecord) -> None:
        entries = {name: entry.status for name, entry in record.models.items()}
        if record.segmentation.status is not Status.NOT_ASKED:
            entries[SEGMENTATION] = record.segmentation.status
        timing, condition = record.timing, record.condition.name
        for name, status in entries.items():
            row = self._rows.setdefault((condition, name), TimingRow(condition, name))
            row.by_status[status] += record.pictures
            if status is Status.MISSING:
                self._missing[record.epoch, record.stamp, name] = row
            for kind in KINDS:
                told = getattr(timing, kind).get(name)
                if told is not None:
                    row.add(kind, told)
            if timing.open_seconds is not None:
                row.add(OPEN, timing.open_seconds)

    def rows(self) -> list[TimingRow]:
        """Return the rows by condition in order of first sight, then those over all but blank."""
        for key in self._late.keys() & self._missing.keys():
            row = self._missing.pop(key)
            row.by_status[Status.MISSING] -= 1
            row.by_status[self._late[key]] += 1
        totals: dict[str, TimingRow] = {}
        for (condition, name), row in self._rows.items():
            if condition != BLANK:
                totals.setdefault(name, TimingRow(ALL, name)).take(row)
        return [*self._rows.values(), *totals.values()]


def known(rows: Iterable[TimingRow]) -> bool:
    """Return whether anything is known of the time that anybody took."""
    return any(row.seconds for row in rows)


def to_table(rows: Sequence[TimingRow]) -> pd.DataFrame:
    """Return the rows as a table: states, coverage, and quantiles of each kind of seconds."""
    return pd.DataFrame(
        [
            {
                'condition': row.condition,
                'model': row.model,
                'frames': row.frames,
                'coverage': row.coverage,
                **{status.value: row.by_status[status] for status in COUNTED},
                **{
                    f'{kind}_{name}': value
                    for kind in (*KINDS, OPEN)
                    for name, value in (
                        ('count', row.count(kind)),
                        *((name, row.quantile(kind, share)) for name, share in QUANTILES.items()),
                    )
                },
            }
            for row in rows
        ]
    )

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

"""Rates by condition and model, from records alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import isnan

import numpy as np
import pandas as pd

from vlm_misalign_ros.core.corruptions.conditions import BLANK
from vlm_misalign_ros.core.evaluation.parts import vlm_part
from vlm_misalign_ros.core.metrics.confusion import SHAPE, from_cells, miou
from vlm_misalign_ros.core.metrics.counts import FIELDS, Counts
from vlm_misalign_ros.core.metrics.rates import BESIDE, HEADLINES, Rate, rates
from vlm_misalign_ros.core.records.schema import (
    LOST,
    FrameRecord,
    LateRecord,
    ModelEntry,
    Record,
    Status,
)
from vlm_misalign_ros.core.report.safety import SafetyScenes, always_the_same

ALL = 'all'
SCENES = ('hazard scenes', 'clear scenes')
"""Heads of the columns that say of how many scenes the safety rates are."""


@dataclass
class Row:
    """One model under one condition; `condition` is ALL for the sum over conditions."""

    condition: str
    corruption: str
    severity: int
    model: str
    frames: int = 0
    by_status: Counter[Status] = field(default_factory=Counter)
    """Frames by what became of them."""
    truncated: int = 0
    counts: Counts = field(default_factory=Counts)
    confusion: np.ndarray = field(default_factory=lambda: np.zeros(SHAPE, np.int64))
    confusion_visible: np.ndarray = field(default_factory=lambda: np.zeros(SHAPE, np.int64))
    """Over what an occluder leaves to see; without one, over all pixels."""
    hazard_scenes: int = 0
    """Independent scenes with a scored frame that is a HAZARD."""
    clear_scenes: int = 0
    segmented: int = 0
    """Frames with a scored mask."""

    @property
    def scored(self) -> int:
        """Return the frames that were scored."""
        return self.by_status[Status.SCORED]

    def add(
        self, entry: ModelEntry, status: Status, matrices: tuple[np.ndarray, np.ndarray] | None
    ) -> None:
        """Add one frame of the model, with the confusion matrices of its mask if there is one."""
        self.frames += 1
        self.by_status[status] += 1
        if entry.answer is not None:
            self.truncated += entry.answer.truncated
        if entry.score is not None:
            self.counts += entry.score.counts
        if matrices is not None:
            self.confusion += matrices[0]
            self.confusion_visible += matrices[1]
            self.segmented += 1

    @property
    def miou(self) -> float:
        """Return the mIoU over the frames of the condition; NaN without a mask."""
        return float(miou(self.confusion))

    @property
    def miou_visible(self) -> float:
        """Return the same over what an occluder leaves to see."""
        return float(miou(self.confusion_visible))

    def rates(self) -> dict[str, Rate]:
        """Return every rate by name."""
        return rates(self.counts)


def summarise(records: Iterable[Record]) -> list[Row]:
    """
    Return rows by condition in order of first sight, then the sums over all conditions.

    Each frame of a model is in exactly one status.
    """
    rows: dict[tuple[str, str], Row] = {}
    totals: dict[str, Row] = {}
    safety = SafetyScenes()
    records = list(records)
    late = {(record.stamp, record.part) for record in records if isinstance(record, LateRecord)}
    for record in records:
        if not isinstance(record, FrameRecord):
            continue
        condition = record.condition
        matrices = _matrices(record)
        for model, entry in record.models.items():
            key = (condition.name, model)
            if key not in rows:
                rows[key] = Row(condition.name, condition.corruption, condition.severity, model)
            total = totals.setdefault(model, Row(ALL, ALL, 0, model))
            status = entry.status
            if status is Status.MISSING and (record.stamp, vlm_part(model)) in late:
                status = Status.LATE
            rows[key].add(entry, status, matrices)
            # The control is no condition of the road: it stands apart from the sums.
            if condition.corruption != BLANK:
                total.add(entry, status, matrices)
            if entry.score is not None and record.truth is not None:
                summed = () if condition.corruption == BLANK else ((ALL, model),)
                safety.add(record, record.truth.hazard, (key, *summed))
    scenes = safety.counts()
    for row in (*rows.values(), *totals.values()):
        row.hazard_scenes, row.clear_scenes = scenes.get((row.condition, row.model), (0, 0))
    ordered = sorted(rows.values(), key=_place(rows.values()))
    return [*ordered, *totals.values()]


def _matrices(record: FrameRecord) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the confusion matrix of a mask and that over what is left to see; None without."""
    mask = record.segmentation
    if mask.status is not Status.SCORED:
        return None
    matrix = from_cells(mask.cells)
    return matrix, matrix if mask.cells_visible is None else from_cells(mask.cells_visible)


def _place(rows: Iterable[Row]) -> Callable[[Row], tuple[int, int, int]]:
    corruptions: dict[str, int] = {'clean': -1, BLANK: 10**6}
    models: dict[str, int] = {}
    for row in rows:
        corruptions.setdefault(row.corruption, len(corruptions))
        models.setdefault(row.model, len(models))
    return lambda row: (corruptions[row.corruption], row.severity, models[row.model])


def _number(value: float) -> str:
    return '-' if isnan(value) else f'{value:.3f}'


def show(rate: Rate) -> str:
    """Return a rate as `0.123 [0.051, 0.260]`, or `-` where nothing was counted."""
    if isnan(rate.value):
        return '-'
    if isnan(rate.low):
        return _number(rate.value)
    return f'{rate.value:.3f} [{rate.low:.3f}, {rate.high:.3f}]'


def lost_kinds(rows: Sequence[Row]) -> list[Status]:
    """Return those of LOST that befell any frame."""
    return [status for status in LOST if any(row.by_status[status] for row in rows)]


_TERMINAL = tuple(row for row in BESIDE if row.terminal)


def _head(lost: Sequence[Status]) -> list[str]:
    return [
        'condition',
        'model',
        'scored',
        *(status.value for status in lost),
        'mIoU',
        *(rate.title for rate in HEADLINES),
        *SCENES,
        *(rate.title for rate in _TERMINAL),
    ]


def _cells(row: Row, lost: Sequence[Status], condition: str) -> list[str]:
    found = row.rates()
    return [
        condition,
        row.model,
        str(row.scored),
        *(str(row.by_status[status]) for status in lost),
        _number(row.miou),
        *(show(found[rate.name]) for rate in HEADLINES),
        str(row.hazard_scenes),
        str(row.clear_scenes),
        *(_number(found[rate.name].value) for rate in _TERMINAL),
    ]


def format_table(rows: Sequence[Row]) -> str:
    """
    Return the rows as a table of text, rates with their 95 % intervals.

    What became of frames that were not scored has columns only where there are such frames.
    Below it stands which model judges every frame alike.
    """
    lost = lost_kinds(rows)
    lines = [_head(lost)]
    previous = ''
    for row in rows:
        lines.append(_cells(row, lost, '' if row.condition == previous else row.condition))
        previous = row.condition
    columns = range(len(lines[0]))
    widths = [max(len(line[column]) for line in lines) for column in columns]
    left = (0, 1)
    text = [
        '  '.join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    notes = always_the_same((row for row in rows if row.condition != BLANK), ALL)
    return '\n'.join([text[0], '-' * len(text[0]), *text[1:], *notes])


def to_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """Return the rows as a table with every rate, its interval and its counts."""
    return pd.DataFrame(
        [
            {
                'condition': row.condition,
                'corruption': row.corruption,
                'severity': row.severity,
                'model': row.model,
                'frames': row.frames,
                **{status.value: row.by_status[status] for status in Status},
                'truncated': row.truncated,
                'segmented': row.segmented,
                'miou': row.miou,
                'miou_visible': row.miou_visible,
                'hazard_scenes': row.hazard_scenes,
                'clear_scenes': row.clear_scenes,
                **{
                    f'{name}{suffix}': value
                    for name, rate in row.rates().items()
                    for suffix, value in (
                        ('', rate.value),
                        ('_low', rate.low),
                        ('_high', rate.high),
                        ('_numerator', rate.numerator),
                        ('_denominator', rate.denominator),
                    )
                },
                **{
                    f'count_{name}': value
                    for name, value in zip(FIELDS, row.counts.values(), strict=True)
                },
            }
            for row in rows
        ]
    )

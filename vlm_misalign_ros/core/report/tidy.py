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

"""rates.csv: one line a condition, model, ask and rate, and none that is a sum of others."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from vlm_misalign_ros.core.corruptions import CLEAN
from vlm_misalign_ros.core.evaluation.parts import SEGMENTATION
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.metrics import clustered
from vlm_misalign_ros.core.metrics.intervals import NOTHING, Interval
from vlm_misalign_ros.core.metrics.kept import kept
from vlm_misalign_ros.core.metrics.known import Known
from vlm_misalign_ros.core.metrics.scenes import Scenes, scene_sums
from vlm_misalign_ros.core.records.schema import FrameRecord, Record, Status
from vlm_misalign_ros.core.report.asked import DEFAULT, Asked
from vlm_misalign_ros.core.report.columns import RATE_COLUMNS
from vlm_misalign_ros.core.report.summary import ALL, Row
from vlm_misalign_ros.core.report.table import hits_and_unions, sound

RATES = 'rates.csv'
"""The name of the table in a run folder."""
_WHOLE = ('severity', 'numerator', 'denominator', 'scenes')


@dataclass
class _Cell:
    """The masks of one condition as they come."""

    corruption: str
    severity: int
    known: Known = field(default_factory=Known)
    sources: array[int] = field(default_factory=lambda: array('q'))
    pixels: array[int] = field(default_factory=lambda: array('q'))
    """Hits and unions of each class by frame."""

    @property
    def columns(self) -> tuple[np.ndarray, np.ndarray]:
        """Return source frames, int64 (N,), and their hits and unions, int64 (N, 2, 19)."""
        sources = np.frombuffer(self.sources, np.int64)
        pixels = np.frombuffer(self.pixels, np.int64)
        return sources, pixels.reshape(len(sources), 2, len(CLASSES))


@dataclass(frozen=True)
class MaskRow:
    """The mIoU of one condition."""

    condition: str
    corruption: str
    severity: int
    name: str
    """`miou`, or what it is called where the masks cannot tell every class."""
    found: Interval
    scenes: int


class Masks:
    """Gathers the masks of a run by condition, 320 bytes a frame, for the intervals of mIoU."""

    def __init__(self) -> None:
        """Start with none."""
        self._scenes = Scenes()
        self._cells: dict[str, _Cell] = {}

    def add(self, record: Record) -> None:
        """Add one record; RecordError for a frame that makes no sense."""
        if not isinstance(record, FrameRecord):
            return
        mask, condition = record.segmentation, record.condition
        if mask.status is not Status.SCORED:
            return
        with sound(record):
            cell = self._cells.setdefault(
                condition.name, _Cell(condition.corruption, condition.severity)
            )
            cell.known.add(mask.lacking)
            cell.sources.append(self._scenes.add(record))
            cell.pixels.extend(hits_and_unions(mask))

    def analysis(self) -> dict[str, Any]:
        """
        Return by condition the mIoU and what of the clean one is kept, each with its interval.

        What is kept is of the source frames that both have, paired by scene; absent without clean
        ones, and of the clean condition itself. Empty where masks can tell different classes.
        """
        known = Known()
        for cell in self._cells.values():
            known.take(cell.known)
        if known.mixed:
            return {'name': '', 'mixed': True, 'conditions': {}}
        scenes = self._scenes.numbers()
        clean = next((cell for cell in self._cells.values() if cell.corruption == CLEAN), None)
        found: dict[str, Any] = {}
        for name, cell in self._cells.items():
            row = _mask_row(name, cell, scenes)
            found[name] = {**asdict(row.found), 'scenes': row.scenes}
            if clean is not None and cell is not clean:
                found[name]['kept'] = _kept(clean, cell, scenes)
        return {'name': known.miou, 'mixed': False, 'conditions': found}

    def rows(self) -> list[MaskRow]:
        """Return the mIoU by condition; NaN where masks can tell different classes."""
        scenes = self._scenes.numbers()
        return [_mask_row(name, cell, scenes) for name, cell in self._cells.items()]


def _kept(clean: _Cell, cell: _Cell, scenes: np.ndarray) -> dict[str, Any]:
    """Return what is kept of the clean mIoU over the source frames that both have."""
    both = np.intersect1d(clean.columns[0], cell.columns[0])
    areas: list[Any] = []
    for sources, pixels in (clean.columns, cell.columns):
        chosen = np.isin(sources, both)
        places = np.unique(scenes[sources[chosen]], return_inverse=True)[1]
        areas.append(
            (scene_sums(places, pixels[chosen, 0]), scene_sums(places, pixels[chosen, 1]))
        )
    return {**asdict(kept(*areas)), 'scenes': len(np.unique(scenes[both]))}


def _mask_row(name: str, cell: _Cell, scenes: np.ndarray) -> MaskRow:
    sources, pixels = cell.columns
    of = scenes[sources]
    places = np.unique(of, return_inverse=True)[1]
    hits, unions = (scene_sums(places, pixels[:, part]) for part in (0, 1))
    found = NOTHING if cell.known.mixed else clustered.miou(hits, unions)
    seen = int((unions.sum(axis=1) > 0).sum())
    return MaskRow(name, cell.corruption, cell.severity, cell.known.miou, found, seen)


def rates_table(rows: Sequence[Row], masks: Sequence[MaskRow], asked: Asked) -> pd.DataFrame:
    """
    Return rates.csv: by condition its mIoU, then each rate of each model and ask.

    Sums over conditions are left out; the blank control is a condition like the others.
    """
    lines = list(_lines([row for row in rows if row.condition != ALL], masks, asked))
    frame = pd.DataFrame(lines, columns=list(RATE_COLUMNS))
    return frame.astype({**dict.fromkeys(_WHOLE, 'Int64'), 'value': float}).astype(
        {'low': float, 'high': float}
    )


def _lines(
    rows: Sequence[Row], masks: Sequence[MaskRow], asked: Asked
) -> Iterator[dict[str, Any]]:
    told = {mask.condition: mask for mask in masks}
    for row in rows:
        mask = told.pop(row.condition, None)
        if mask is not None:
            yield _mask_line(mask)
        model, ask = asked.of(row.model)
        for name, rate in row.rates().items():
            yield {
                'condition': row.condition,
                'corruption': row.corruption,
                'severity': row.severity,
                'model': model,
                'ask': ask,
                'rate': name,
                'value': rate.value,
                'low': rate.low,
                'high': rate.high,
                'numerator': rate.numerator,
                'denominator': rate.denominator,
                'scenes': rate.scenes,
            }
    # Conditions under which no model was asked.
    yield from (_mask_line(mask) for mask in told.values())


def _mask_line(mask: MaskRow) -> dict[str, Any]:
    return {
        'condition': mask.condition,
        'corruption': mask.corruption,
        'severity': mask.severity,
        'model': SEGMENTATION,
        'ask': DEFAULT,
        'rate': mask.name,
        'value': mask.found.value,
        'low': mask.found.low,
        'high': mask.found.high,
        'scenes': mask.scenes,
    }

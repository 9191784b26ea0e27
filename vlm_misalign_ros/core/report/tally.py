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

"""What the limits of a run are held against: counts by model, condition and source frame."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import nan

import msgspec
import numpy as np

from vlm_misalign_ros.core.corruptions.conditions import BLANK, CLEAN
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.metrics import clustered
from vlm_misalign_ros.core.metrics.confusion import SHAPE, from_cells, mious
from vlm_misalign_ros.core.metrics.intervals import NOTHING, Interval, korn_graubard, mean_of_two
from vlm_misalign_ros.core.metrics.known import Known
from vlm_misalign_ros.core.metrics.paired import Terms, jackknife, mean_difference
from vlm_misalign_ros.core.metrics.rates import BY_NAME, RateRow
from vlm_misalign_ros.core.metrics.rates import Interval as Kind
from vlm_misalign_ros.core.metrics.scenes import Rule, Scenes, scene_sums
from vlm_misalign_ros.core.records.schema import FrameRecord, Status
from vlm_misalign_ros.core.report.limit import MIOU

Key = tuple[Hashable, ...]
"""What is one and the same picture in two runs: source frame, condition and pass."""


def key_of(record: FrameRecord) -> Key:
    """Return what a frame is known by in another run."""
    return record.dataset, record.sequence, record.key, record.condition.name, record.cycle


def terms_of(rate: str) -> tuple[RateRow, ...]:
    """Return the rates with counts of their own that a rate is made of."""
    row = BY_NAME[rate]
    return tuple(BY_NAME[name] for name in row.mean_of) or (row,)


@dataclass
class Cell:
    """The frames of one model, or of the segmentation, under one condition."""

    frames: int = 0
    """Closed, whatever became of them."""
    numbers: list[int] = field(default_factory=list)
    """Source frame of each scored one."""
    counts: list[tuple[int, ...]] = field(default_factory=list)
    """Counts of each by Tally.fields; of a mask its cells other than 0, one after the other."""
    keys: list[Key] = field(default_factory=list)
    """Of each, where another run is compared."""


@dataclass(frozen=True)
class Measured:
    """A rate, or mIoU, with what stands behind it."""

    value: float
    low: float
    high: float
    """95 % interval by scene; NaN where there is none."""
    scenes: int
    """Scenes with a denominator."""
    frames: int
    scored: int
    numerator: int | None = None
    denominator: int | None = None
    own: float = nan
    """Of a difference: the rate over the frames that both have scored."""
    other: float = nan
    """That of the other run over the same frames."""

    @property
    def coverage(self) -> float:
        """Return the share of the frames that were scored; NaN without any."""
        return self.scored / self.frames if self.frames else nan


class Tally:
    """Adds records one at a time; keeps the counts that the named rates need, and no more."""

    def __init__(self, rates: Sequence[str], pairs: bool = False) -> None:
        """Keep what `rates` need (`miou` among them), with `pairs` to compare another run."""
        rows = [row for rate in rates if rate != MIOU for row in terms_of(rate)]
        self.fields = tuple(
            dict.fromkeys(name for row in rows for name in (*row.over, *row.under))
        )
        self._masks = MIOU in rates
        self._pairs = pairs
        self._scenes = Scenes()
        self.conditions: dict[str, None] = {}
        """Names, in order of first sight."""
        self.models: dict[str, None] = {}
        self.known = Known()
        """Which classes the masks could tell."""
        self.pseudo = 0
        """Frames whose labels are a model's."""
        self._cells: dict[tuple[str, str], Cell] = {}
        self._numbered = np.zeros(0, np.int64)
        self._called: dict[str, str] = {}
        self.frames: dict[Key, tuple[int, int]] = {}
        """What is true of each frame and what was done to it, hashed, where runs are compared."""

    @property
    def unfounded(self) -> str:
        """Return why none of its rates is one against ground truth; empty where all are."""
        if not self.pseudo:
            return ''
        return "its labels are a segmentation model's (pseudo-labels), no ground truth"

    @property
    def alone(self) -> int:
        """Return how many scenes are single frames because their data set tells of no drive."""
        return self._scenes.rules()[Rule.FRAME]

    def call(self, names: Mapping[str, str]) -> None:
        """Have models, {name from now on: name in the records}, by other names from now on."""
        self._called.update(names)
        self.models.update(dict.fromkeys(names))

    def add(self, record: FrameRecord) -> None:
        """Add one closed frame."""
        condition = record.condition.name
        self.conditions.setdefault(condition)
        number = self._scenes.add(record)
        self.pseudo += record.pseudo
        if self._pairs:
            drawn = (record.condition.seed, sorted(record.condition.parameters.items()))
            corrupted = record.condition.corruption not in (CLEAN, BLANK)
            self.frames[key_of(record)] = (
                hash(msgspec.json.encode(record.truth)),
                hash(msgspec.json.encode(drawn)) if corrupted else 0,
            )
        for model, entry in record.models.items():
            self.models.setdefault(model)
            scored = entry.score if entry.status is Status.SCORED else None
            counts = None if scored is None else scored.counts
            told = None if counts is None else tuple(getattr(counts, n) for n in self.fields)
            self._put((model, condition), record, number, told)
        mask = record.segmentation
        cells = None
        if mask.status is Status.SCORED:
            self.known.add(mask.lacking)
        if mask.status is Status.SCORED and mask.cells:
            cells = tuple(n for cell in mask.cells for n in cell) if self._masks else ()
        self._put(('', condition), record, number, cells)

    def _put(
        self,
        place: tuple[str, str],
        record: FrameRecord,
        number: int,
        counts: tuple[int, ...] | None,
    ) -> None:
        cell = self._cells.setdefault(place, Cell())
        cell.frames += record.pictures
        if counts is not None:
            cell.numbers.append(number)
            cell.counts.append(counts)
            if self._pairs:
                cell.keys.append(key_of(record))

    def cells(self, model: str, conditions: Sequence[str]) -> list[Cell]:
        """Return the cells of a model (empty: the segmentation) under some conditions."""
        model = self._called.get(model, model)
        found = (self._cells.get((model, condition)) for condition in conditions)
        return [cell for cell in found if cell is not None]

    def scenes(self, numbers: Sequence[int]) -> np.ndarray:
        """Return the scene of each of some source frames, int64 (N,), numbered from 0."""
        if len(self._numbered) != len(self._scenes):
            self._numbered = self._scenes.numbers()
        scenes = self._numbered[np.asarray(numbers, np.int64)]
        return np.unique(scenes, return_inverse=True)[1]

    def paired(self, other: Tally, model: str, rate: str, conditions: Sequence[str]) -> Measured:
        """
        Return a rate less that of another run, over the frames that both have scored.

        `frames` are those that both have, `scored` those that both have scored.
        """
        ours, theirs = (tally.by_key(model, rate, conditions) for tally in (self, other))
        keys = [key for key in ours if key in theirs]
        places = self.scenes([ours[key][0] for key in keys])
        own, others = [ours[key][1] for key in keys], [theirs[key][1] for key in keys]
        common = sum(key[3] in conditions and key in other.frames for key in self.frames)
        if rate == MIOU:
            masks = matrices(others, places), matrices(own, places)
            found = _miou_difference(*masks)
            counted = _of(found, len(np.unique(places)), common, len(keys))
            return replace(counted, other=_miou(masks[0]), own=_miou(masks[1]))
        rows = terms_of(rate)
        pairs = [
            (by_scene(others, other.fields, places, row), by_scene(own, self.fields, places, row))
            for row in rows
        ]
        scenes = min(int(((a[1] > 0) & (b[1] > 0)).sum()) for a, b in pairs)
        counted = _of(mean_difference(pairs), scenes, common, len(keys))
        base, mine = (sum(_ratio(pair[k]) for pair in pairs) / len(pairs) for k in (0, 1))
        return replace(counted, other=base, own=mine)

    def by_key(
        self, model: str, rate: str, conditions: Sequence[str]
    ) -> dict[Key, tuple[int, tuple[int, ...]]]:
        """Return (source frame, counts) of each scored frame by what it is known by."""
        return {
            key: (number, counts)
            for cell in self.cells('' if rate == MIOU else model, conditions)
            for key, number, counts in zip(cell.keys, cell.numbers, cell.counts, strict=True)
        }

    def measure(self, model: str, rate: str, conditions: Sequence[str]) -> Measured:
        """Return a rate of a model, or the mIoU, pooled over some conditions."""
        cells = self.cells('' if rate == MIOU else model, conditions)
        frames, scored = sum(cell.frames for cell in cells), sum(len(c.numbers) for c in cells)
        numbers = [number for cell in cells for number in cell.numbers]
        counts = [line for cell in cells for line in cell.counts]
        places = self.scenes(numbers)
        if rate == MIOU:
            hits, unions = _hits_and_unions(matrices(counts, places))
            scenes = int((unions.sum(axis=1) > 0).sum())
            return _of(clustered.miou(hits, unions), scenes, frames, scored)
        parts = [by_scene(counts, self.fields, places, row) for row in terms_of(rate)]
        intervals = [
            _interval(row, terms) for row, terms in zip(terms_of(rate), parts, strict=True)
        ]
        scenes = min(int((under > 0).sum()) for _, under in parts)
        if len(parts) > 1:
            return _of(mean_of_two(*intervals), scenes, frames, scored)
        ((over, under),) = parts
        found = intervals[0]
        return Measured(
            found.value,
            found.low,
            found.high,
            scenes,
            frames,
            scored,
            int(over.sum()),
            int(under.sum()),
        )


def _of(found: Interval, scenes: int, frames: int, scored: int) -> Measured:
    return Measured(found.value, found.low, found.high, scenes, frames, scored)


def _ratio(terms: Terms) -> float:
    over, under = float(terms[0].sum()), float(terms[1].sum())
    return over / under if under else nan


def _miou(found: np.ndarray) -> float:
    """Return the mIoU of matrices by scene, (scenes, 380)."""
    hits, unions = _hits_and_unions(found)
    return float(mious(hits.sum(axis=0)[None], unions.sum(axis=0)[None])[0])


def _hits_and_unions(found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return true positives and unions by class, (scenes, 19) each, of matrices by scene."""
    square = found.reshape(-1, *SHAPE)
    hits = np.diagonal(square, axis1=1, axis2=2)
    predicted = square[:, :, : SHAPE[0]].sum(axis=1)
    return hits, square.sum(axis=2) + predicted - hits


def _miou_difference(first: np.ndarray, second: np.ndarray) -> Interval:
    """Return the mIoU of the second less that of the first, matrices by scene, (scenes, 380)."""
    whole, without = [], []
    for found in (first, second):
        hits, unions = _hits_and_unions(found)
        totals = hits.sum(axis=0), unions.sum(axis=0)
        whole.append(mious(totals[0][None], totals[1][None])[0])
        without.append(mious(totals[0] - hits, totals[1] - unions))
    return jackknife(float(whole[1] - whole[0]), without[1] - without[0])


def by_scene(
    counts: Sequence[tuple[int, ...]], fields: Sequence[str], places: np.ndarray, row: RateRow
) -> Terms:
    """Return numerators and denominators of a rate by scene, float64 (scenes,) each."""
    table = np.array(counts, np.float64).reshape(len(counts), len(fields))
    over, under = (
        scene_sums(places, table[:, [fields.index(name) for name in names]].sum(axis=1))
        for names in (row.over, row.under)
    )
    return over, under


def matrices(counts: Sequence[tuple[int, ...]], places: np.ndarray) -> np.ndarray:
    """Return the confusion matrices by scene, int64 (scenes, 19 * 20)."""
    found = np.zeros((int(places.max(initial=-1)) + 1, SHAPE[0] * SHAPE[1]), np.int64)
    for place, line in zip(places.tolist(), counts, strict=True):
        found[place] += from_cells(zip(line[::3], line[1::3], line[2::3], strict=True)).ravel()
    return found


def _interval(row: RateRow, terms: Terms) -> Interval:
    over, under = terms
    if not under.sum():
        return NOTHING
    if row.interval is Kind.NONE:
        return Interval(float(over.sum() / under.sum()), nan, nan)
    if not np.all((over >= 0) & (over <= under)):
        raise RecordError(
            f'the records count more for {row.name} than there is to be counted from',
            'the file was changed or damaged',
        )
    return korn_graubard(over, under)

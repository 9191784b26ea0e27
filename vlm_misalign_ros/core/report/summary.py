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

"""Rates by condition and model, from records alone, which are read once and not kept."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan, nan

import numpy as np
import pandas as pd

from vlm_misalign_ros.core.corruptions.conditions import BLANK
from vlm_misalign_ros.core.evaluation.parts import vlm_part
from vlm_misalign_ros.core.metrics.clustered import by_scene
from vlm_misalign_ros.core.metrics.confusion import SHAPE, from_cells, miou
from vlm_misalign_ros.core.metrics.counts import FIELDS, Counts
from vlm_misalign_ros.core.metrics.intervals import FEW_SCENES
from vlm_misalign_ros.core.metrics.known import MIOU, Known
from vlm_misalign_ros.core.metrics.rates import HEADLINES, Rate, rates
from vlm_misalign_ros.core.metrics.scenes import Scenes
from vlm_misalign_ros.core.records.account import LateRecord
from vlm_misalign_ros.core.records.schema import COUNTED, LOST, FrameRecord, Record, Status
from vlm_misalign_ros.core.report.table import sound
from vlm_misalign_ros.core.types import Mention

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
    """Pictures; each is in one of the states of `by_status`."""
    by_status: Counter[Status] = field(default_factory=Counter)
    """Frames by what became of them."""
    truncated: int = 0
    cut: int = 0
    """Answers so long that a part was not read."""
    further: Counter[str] = field(default_factory=Counter)
    """Scored frames that a class of the user's own was asserted in, by its name."""
    counts: Counts = field(default_factory=Counts)
    confusion: np.ndarray = field(default_factory=lambda: np.zeros(SHAPE, np.int64))
    confusion_visible: np.ndarray = field(default_factory=lambda: np.zeros(SHAPE, np.int64))
    """Over what an occluder leaves to see; without one, over all pixels."""
    known: Known = field(default_factory=Known)
    """Which classes the masks could tell."""
    segmented: int = 0
    """Frames with a scored mask."""
    verified: int = 0
    """Scored answers that are known to be about their picture."""
    by_scene: np.ndarray | None = None
    """Counts by scene, int64 (scenes, F) by counts.FIELDS; None where scenes are not known."""
    _rates: dict[str, Rate] | None = field(default=None, repr=False, compare=False)

    @property
    def scored(self) -> int:
        """Return the frames that were scored."""
        return self.by_status[Status.SCORED]

    @property
    def scenes(self) -> int | None:
        """Return the number of scenes that were scored; None where they are not known."""
        return None if self.by_scene is None else len(self.by_scene)

    @property
    def hazard_scenes(self) -> int | None:
        """Return the scenes with a scored frame that is a HAZARD; None where not known."""
        return self._scenes_with('hazards_judged', 'hazards_unjudged')

    @property
    def clear_scenes(self) -> int | None:
        """Return the scenes with a scored frame that is CLEAR; None where not known."""
        return self._scenes_with('clear_judged', 'clear_unjudged')

    def _scenes_with(self, *names: str) -> int | None:
        if self.by_scene is None:
            return None
        counts = self.by_scene[:, [FIELDS.index(name) for name in names]]
        return int((counts.sum(axis=1) > 0).sum())

    @property
    def miou(self) -> float:
        """
        Return the mIoU over the frames of the condition, of the classes that the masks can tell.

        It is called `known.miou`. NaN without a mask, and where masks can tell different classes.
        """
        return nan if self.known.mixed else float(miou(self.confusion))

    @property
    def miou_visible(self) -> float:
        """Return the same over what an occluder leaves to see."""
        return nan if self.known.mixed else float(miou(self.confusion_visible))

    def rates(self) -> dict[str, Rate]:
        """Return every rate by name, with its interval over scenes where they are known."""
        if self._rates is None:
            self._rates = rates(self.counts, by_scene=self.by_scene)
        return self._rates


class _Sum:
    """A row as it grows, with its counts by source frame."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.sources, self.counts = array('q'), array('q')

    def finish(self, scenes: np.ndarray) -> Row:
        """Return the row; `scenes` has the scene of each source frame."""
        counts = np.frombuffer(self.counts, np.int64) if self.counts else np.zeros(0, np.int64)
        of = scenes[np.frombuffer(self.sources, np.int64)] if self.sources else scenes[:0]
        self.row.by_scene = by_scene(of, counts.reshape(-1, len(FIELDS))).astype(np.int64)
        self.row.counts = Counts(*self.row.by_scene.sum(axis=0).tolist())
        return self.row

    def take(self, other: _Sum) -> None:
        """Add another row's frames."""
        row, more = self.row, other.row
        row.frames += more.frames
        row.by_status += more.by_status
        row.truncated += more.truncated
        row.cut += more.cut
        # Not `+=`, which drops those that were mentioned and never asserted.
        row.further.update(more.further)
        row.segmented += more.segmented
        row.verified += more.verified
        row.known.take(more.known)
        row.confusion += more.confusion
        row.confusion_visible += more.confusion_visible
        self.sources.extend(other.sources)
        self.counts.extend(other.counts)


class Summary:
    """Rows that grow as records stream by."""

    def __init__(self) -> None:
        """Start with none."""
        self._rows: dict[tuple[str, str], _Sum] = {}
        self._models: dict[str, None] = {}
        self._scenes = Scenes()
        self._late: dict[tuple[int, str, str], Status] = {}
        self._missing: defaultdict[tuple[int, str, str], list[Row]] = defaultdict(list)

    def add(self, record: Record) -> None:
        """Add one record; RecordError for a frame that makes no sense."""
        if isinstance(record, FrameRecord):
            with sound(record):
                self._frame(record)
        elif isinstance(record, LateRecord):
            # Whenever its frame is told of.
            state = Status.DROPPED if record.passed else Status.LATE
            self._late.setdefault((record.epoch, record.stamp, record.part), state)

    def _frame(self, record: FrameRecord) -> None:
        """Add a frame to the rows of its condition."""
        condition = record.condition
        matrices = _matrices(record)
        for model, entry in record.models.items():
            self._models.setdefault(model)
            found = self._rows.get((condition.name, model))
            if found is None:
                row = Row(condition.name, condition.corruption, condition.severity, model)
                found = self._rows[condition.name, model] = _Sum(row)
            row = found.row
            row.frames += record.pictures
            row.by_status[entry.status] += record.pictures
            row.verified += entry.verified and entry.status is Status.SCORED
            if entry.status is Status.MISSING:
                self._missing[record.epoch, record.stamp, vlm_part(model)].append(row)
            if entry.answer is not None:
                row.truncated += entry.answer.truncated
                row.cut += entry.answer.cut > 0
            if entry.scored is not None:
                for name, state in entry.scored[0].further.items():
                    row.further[name] += state is Mention.ASSERTED
            if entry.score is not None:
                found.sources.append(self._scenes.add(record))
                found.counts.extend(entry.score.counts.values())
            if matrices is not None:
                row.confusion += matrices[0]
                row.confusion_visible += matrices[1]
                row.segmented += 1
                row.known.add(record.segmentation.lacking)

    @property
    def late(self) -> Mapping[tuple[int, str, str], Status]:
        """Return what became of parts behind their frame, by epoch, stamp and part."""
        return self._late

    def rows(self) -> list[Row]:
        """Return the rows by condition, then the sums over all conditions."""
        for key in self._late.keys() & self._missing.keys():
            for row in self._missing[key]:
                row.by_status[Status.MISSING] -= 1
                row.by_status[self._late[key]] += 1
        totals = {model: _Sum(Row(ALL, ALL, 0, model)) for model in self._models}
        for (_, model), found in self._rows.items():
            # The control is no condition of the road: it stands apart from the sums.
            if found.row.corruption != BLANK:
                totals[model].take(found)
        scenes = self._scenes.numbers()
        rows = [found.finish(scenes) for found in self._rows.values()]
        ordered = sorted(rows, key=_place(rows))
        return [*ordered, *(found.finish(scenes) for found in totals.values())]


def summarise(records: Iterable[Record]) -> list[Row]:
    """
    Return rows by condition in order of first sight, then the sums over all conditions.

    Each picture is, for each model, in exactly one status. `records` are as `read_records` gives
    them: what was taken back later is settled.
    """
    summary = Summary()
    for record in records:
        summary.add(record)
    return summary.rows()


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
    """
    Return a rate as `0.123 [0.051, 0.260]`, or `-` where nothing was counted.

    A star after it says that there are too few scenes for it to prove anything.
    """
    if isnan(rate.value):
        return '-'
    if isnan(rate.low):
        return _number(rate.value)
    return f'{rate.value:.3f} [{rate.low:.3f}, {rate.high:.3f}]' + '*' * few(rate)


def few_scenes(rows: Sequence[Row]) -> str:
    """Say what the star of a rate means; empty where no headline rate has one."""
    shown = (row.rates()[rate.name] for row in rows for rate in HEADLINES)
    if not any(few(rate) for rate in shown):
        return ''
    return f'* from fewer than {FEW_SCENES} scenes, which prove nothing'


def few(rate: Rate) -> bool:
    """Return whether a rate is from too few scenes to prove anything."""
    return not isnan(rate.value) and rate.scenes is not None and rate.scenes < FEW_SCENES


def lost_kinds(rows: Sequence[Row]) -> list[Status]:
    """Return those of LOST that befell any frame."""
    return [status for status in LOST if any(row.by_status[status] for row in rows)]


def further_names(rows: Sequence[Row]) -> list[str]:
    """Return the classes of the user's own that any answer mentioned, by name."""
    return sorted({name for row in rows for name in row.further})


def further_lines(rows: Sequence[Row]) -> list[str]:
    """Say of each model in how many of its scored frames each of these classes is asserted."""
    names = further_names(rows)
    if not names:
        return []
    told = [
        f'{row.model} '
        + ', '.join(f'{name} {row.further[name] / max(1, row.scored):.2f}' for name in names)
        for row in rows
        if row.condition == ALL
    ]
    return [f'further classes, not scored, mentions a frame: {"; ".join(told)}']


def known_of(rows: Iterable[Row]) -> Known:
    """Return which classes the masks of all rows could tell."""
    known = Known()
    for row in rows:
        known.take(row.known)
    return known


def _mious(row: Row, others: Sequence[str]) -> dict[str, float]:
    """Return a row's mIoU under its name; NaN under that of all 19, and of other rows' classes."""
    names = [MIOU, 'miou_visible', *others]
    values = {row.known.miou: row.miou, row.known.named('miou_visible'): row.miou_visible}
    return {name: values.get(name, nan) for name in names}


def to_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """Return the rows as a table with every rate, its interval and its counts."""
    further = further_names(rows)
    parted = [row.known for row in rows if not row.known.all and not row.known.mixed]
    others = [known.named(name) for known in parted for name in (MIOU, 'miou_visible')]
    return pd.DataFrame(
        [
            {
                'condition': row.condition,
                'corruption': row.corruption,
                'severity': row.severity,
                'model': row.model,
                'frames': row.frames,
                **{status.value: row.by_status[status] for status in COUNTED},
                'verified': row.verified,
                'truncated': row.truncated,
                'cut': row.cut,
                'segmented': row.segmented,
                **{f'further_{name}': row.further[name] for name in further},
                **_mious(row, list(dict.fromkeys(others))),
                'scenes': row.scenes,
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
                        ('_scenes', rate.scenes),
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

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
Records as arrays: one line a frame and model, ready to be summed, resampled and compared.

Records are taken one at a time and never kept: a frame costs about 500 bytes, and 700 for each
model that was scored on it (benchmarks/analysis.py measures it).
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import nan

import numpy as np

from vlm_misalign_ros.core.corruptions import CLEAN
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.metrics.confusion import SHAPE, VOID
from vlm_misalign_ros.core.metrics.counts import FIELDS
from vlm_misalign_ros.core.metrics.known import Known
from vlm_misalign_ros.core.metrics.rates import RateRow, terms
from vlm_misalign_ros.core.metrics.scenes import Rule, Scenes, scene_sums
from vlm_misalign_ros.core.records.schema import (
    AnswerEntry,
    FrameRecord,
    Record,
    ScoreEntry,
    SegmentationEntry,
    Status,
)
from vlm_misalign_ros.core.records.truths import TruthEntry
from vlm_misalign_ros.core.stamps import parse_stamp
from vlm_misalign_ros.core.types import Hazard, Judgement, Kind, Mention, Presence, Style

_HAZARDS = tuple(Hazard)
_JUDGEMENTS = tuple(Judgement)
_STYLES = {style.value: place for place, style in enumerate(Style)}
ABSENT, TOLERATED, REQUIRED = 0, 1, 2
"""Truth of a class in `Table.presence`."""
_PRESENCE = {Presence.ABSENT: ABSENT, Presence.TOLERATED: TOLERATED, Presence.REQUIRED: REQUIRED}


@dataclass(frozen=True)
class Table:
    """The scored frames of one model; arrays over the same N lines."""

    model: str
    kind: Kind | None
    """None where the model was never scored."""
    frames: np.ndarray
    """Number of the picture, the same for every model of a run, int64 (N,)."""
    clusters: np.ndarray
    """Number of the source frame, int64 (N,)."""
    scenes: np.ndarray
    """Number of its scene (metrics/scenes), int64 (N,)."""
    cities: np.ndarray
    """Number of its city, or of the coarsest unit known, int64 (N,)."""
    rules: Counter[Rule]
    """What told the scenes of the run apart, by number of scenes."""
    conditions: np.ndarray
    """Index into `condition_names`, int64 (N,)."""
    condition_names: tuple[str, ...]
    """Clean first, then by name and severity."""
    corruptions: tuple[str, ...]
    """Corruption of each condition."""
    counts: np.ndarray
    """Counts by counts.FIELDS, int64 (N, F)."""
    frame_iou: np.ndarray
    """float64 (N,), NaN where there is none."""
    hits: np.ndarray
    """Pixels of each class that were found, int64 (N, 19); zeros where there is no mask."""
    unions: np.ndarray
    """Pixels of each class true or predicted, int64 (N, 19)."""
    objects: np.ndarray
    """Countable things in the frame, float64 (N,)."""
    entropy: np.ndarray
    """Mean entropy of the segmentation, float64 (N,), NaN where there is none."""
    hazards: np.ndarray
    """Index into types.Hazard, int8 (N,)."""
    judgements: np.ndarray
    """Index into types.Judgement, int8 (N,)."""
    safe_scores: np.ndarray
    """Probability of SAFE, float64 (N,), NaN where there is none."""
    presence: np.ndarray
    """Truth by labels.SCORED: ABSENT, TOLERATED or REQUIRED, int8 (N, 20)."""
    scores: np.ndarray
    """Per class, float64 (N, 20), NaN where there is none."""
    asserted: np.ndarray
    """bool (N, 20)."""
    sweeps: dict[str, np.ndarray]
    """Index into types.Hazard, int8 (N,), by corridor and stopping distance; -1: not known."""
    severities: tuple[int, ...]
    """Severity of each condition; 0 for clean and blank."""
    styles: np.ndarray
    """Index into types.Style of the answer, int8 (N,); -1: not known."""
    known: Known = field(default_factory=Known)
    """Which classes the masks could tell."""

    def __len__(self) -> int:
        """Return the number of lines."""
        return len(self.clusters)

    def count(self, name: str) -> np.ndarray:
        """Return one count by line, int64 (N,)."""
        found: np.ndarray = self.counts[:, FIELDS.index(name)]
        return found

    def terms(self, rate: RateRow) -> tuple[np.ndarray, np.ndarray]:
        """Return numerator and denominator of a rate by line, int64 (N,) each."""
        return terms(rate, self.counts)

    def of(self, condition: str) -> np.ndarray:
        """Return which lines are of a condition, bool (N,)."""
        if condition not in self.condition_names:
            return np.zeros(len(self), bool)
        found: np.ndarray = self.conditions == self.condition_names.index(condition)
        return found

    def says(self, judgement: Judgement) -> np.ndarray:
        """Return where the model judged so, bool (N,)."""
        found: np.ndarray = self.judgements == _JUDGEMENTS.index(judgement)
        return found

    def by_scene(
        self, values: np.ndarray, chosen: np.ndarray, groups: np.ndarray | None = None
    ) -> np.ndarray:
        """
        Return the sums of `values`, (N,) or (N, K), over the chosen lines, by scene, float64.

        Scenes are those of the whole table in order; other `groups` of lines are taken instead.
        """
        groups = self.scenes if groups is None else groups
        total = int(groups.max(initial=-1)) + 1
        return scene_sums(groups[chosen], values[chosen], total)

    def sums(
        self, rate: RateRow, chosen: np.ndarray, groups: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (numerators, denominators) of a rate by scene, over the chosen lines."""
        over, under = self.terms(rate)
        return self.by_scene(over, chosen, groups), self.by_scene(under, chosen, groups)

    def ious(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return hits and unions of each class by scene over the chosen lines, (scenes, 19)."""
        return self.by_scene(self.hits, chosen), self.by_scene(self.unions, chosen)


def is_hazard(codes: np.ndarray, hazard: Hazard) -> np.ndarray:
    """Return where hazard codes of a table are so, bool (N,)."""
    found: np.ndarray = codes == _HAZARDS.index(hazard)
    return found


def tables(records: Iterable[Record]) -> list[Table]:
    """Return one table for each model, of the frames on which it was scored."""
    collected = _Collected()
    for record in records:
        if isinstance(record, FrameRecord):
            with sound(record):
                collected.add(record)
    return collected.tables()


@contextmanager
def sound(record: FrameRecord) -> Iterator[None]:
    """Turn what makes no sense in a record that could be read into a RecordError naming it."""
    try:
        yield
    except (KeyError, ValueError, OverflowError) as error:
        told = (
            f'has no {error}' if isinstance(error, KeyError) else f'holds what cannot be: {error}'
        )
        raise RecordError(
            f'the record of frame {record.stamp} {told}', 'the file was changed or damaged'
        ) from error


class _Frames:
    """What is true of a frame whichever model is asked, in columns."""

    def __init__(self) -> None:
        self.sources, self.conditions = array('q'), array('q')
        self.cycles, self.stamps = array('q'), array('q')
        self.iou, self.entropy, self.objects = array('d'), array('d'), array('d')
        self.hazards, self.sweeps = array('b'), array('b')
        self.sweep_names: tuple[str, ...] = ()
        self.ious = array('q')
        self.known = Known()

    def add(self, record: FrameRecord, truth: TruthEntry, source: int, condition: int) -> None:
        """Append one frame."""
        if not self.sources:
            self.sweep_names = tuple(truth.sweep)
        self.sources.append(source)
        self.conditions.append(condition)
        self.cycles.append(record.cycle)
        self.stamps.append(parse_stamp(record.stamp))
        mask = record.segmentation
        self.iou.append(nan if mask.frame_iou is None else mask.frame_iou)
        self.entropy.append(nan if mask.confidence is None else mask.confidence.entropy)
        self.objects.append(truth.objects)
        self.hazards.append(_HAZARDS.index(truth.hazard))
        for name in self.sweep_names:
            told = truth.sweep.get(name)
            self.sweeps.append(-1 if told is None else _HAZARDS.index(told))
        if mask.status is Status.SCORED:
            self.known.add(mask.lacking)
        self.ious.extend(hits_and_unions(mask))


class _Model:
    """What one model said of some frames, in columns."""

    def __init__(self) -> None:
        self.kind: Kind | None = None
        self.frames = array('q')
        self.counts = array('q')
        self.judgements, self.safe_scores = array('b'), array('d')
        self.presence, self.scores, self.asserted = array('b'), array('d'), array('b')
        self.styles = array('b')

    def add(self, frame: int, truth: TruthEntry, answer: AnswerEntry, score: ScoreEntry) -> None:
        """Append one scored answer."""
        self.kind = self.kind or answer.kind
        self.frames.append(frame)
        self.counts.extend(score.counts.values())
        self.judgements.append(_JUDGEMENTS.index(answer.judgement))
        safe = answer.judgement_score
        self.safe_scores.append(nan if safe is None else safe)
        states = score.presence or truth.presence
        self.presence.extend([_PRESENCE[states[name]] for name in SCORED])
        self.scores.extend([answer.scores.get(name, nan) for name in SCORED])
        self.styles.append(_STYLES.get(answer.style, -1))
        said = answer.mentions
        self.asserted.extend([said.get(name) is Mention.ASSERTED for name in SCORED])


class _Collected:
    """Columns that grow as records stream by."""

    def __init__(self) -> None:
        self._scenes = Scenes()
        self._frames = _Frames()
        self._models: dict[str, _Model] = {}
        self._conditions: dict[str, tuple[int, str, int]] = {}

    def add(self, record: FrameRecord) -> None:
        """Add one frame and what its models said."""
        for model in record.models:
            self._models.setdefault(model, _Model())
        truth = record.truth
        told = [
            (model, *entry.scored)
            for model, entry in record.models.items()
            if entry.scored is not None
        ]
        if truth is None or not told:
            return
        entry = record.condition
        number, *_ = self._conditions.setdefault(
            entry.name, (len(self._conditions), entry.corruption, entry.severity)
        )
        frame = len(self._frames.sources)
        self._frames.add(record, truth, self._scenes.add(record), number)
        for model, answer, score in told:
            self._models[model].add(frame, truth, answer, score)

    def tables(self) -> list[Table]:
        """Return a table a model, in one order whatever order the records came in."""
        ordered = sorted(
            self._conditions.items(),
            key=lambda entry: (entry[1][1] != CLEAN, entry[1][1], entry[1][2], entry[0]),
        )
        place = np.zeros(len(ordered), np.int64)
        place[[entry[0] for _, entry in ordered]] = np.arange(len(ordered))
        sources = _numbers(self._frames.sources)
        conditions = place[_numbers(self._frames.conditions)]
        ranks = self._scenes.ranks()[sources]
        keys = (_numbers(self._frames.stamps), _numbers(self._frames.cycles), conditions, ranks)
        rank = np.empty(len(sources), np.int64)
        rank[np.lexsort(keys)] = np.arange(len(sources))
        shared = (sources, conditions, ranks, rank)
        return [
            self._table(name, model, shared, [(key, *entry[1:]) for key, entry in ordered])
            for name, model in self._models.items()
        ]

    def _table(
        self,
        name: str,
        model: _Model,
        shared: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
        conditions: list[tuple[str, str, int]],
    ) -> Table:
        sources, of_condition, ranks, rank = shared
        own = _numbers(model.frames)
        line = np.argsort(rank[own], kind='stable')
        frame = own[line]
        # Only conditions under which this model was scored are its own.
        kept, renumbered = np.unique(of_condition[frame], return_inverse=True)
        shown = [conditions[place] for place in kept]
        frames = self._frames
        sweeps = _bytes(frames.sweeps).reshape(len(sources), len(frames.sweep_names))[frame]
        ious = _numbers(frames.ious).reshape(-1, 2, VOID)
        classes = len(SCORED)
        return Table(
            name,
            model.kind,
            rank[frame],
            ranks[frame],
            self._scenes.numbers()[sources[frame]],
            self._scenes.cities()[sources[frame]],
            self._scenes.rules(),
            renumbered,
            tuple(key for key, _, _ in shown),
            tuple(corruption for _, corruption, _ in shown),
            _numbers(model.counts).reshape(-1, len(FIELDS))[line],
            _floats(frames.iou)[frame],
            ious[frame, 0],
            ious[frame, 1],
            _floats(frames.objects)[frame],
            _floats(frames.entropy)[frame],
            _bytes(frames.hazards)[frame],
            _bytes(model.judgements)[line],
            _floats(model.safe_scores)[line],
            _bytes(model.presence).reshape(-1, classes)[line],
            _floats(model.scores).reshape(-1, classes)[line],
            _bytes(model.asserted).reshape(-1, classes)[line].astype(bool),
            {key: sweeps[:, column] for column, key in enumerate(frames.sweep_names)},
            tuple(severity for _, _, severity in shown),
            _bytes(model.styles)[line],
            frames.known,
        )


def _numbers(values: array[int]) -> np.ndarray:
    return np.frombuffer(values, np.int64) if values else np.zeros(0, np.int64)


def _floats(values: array[float]) -> np.ndarray:
    return np.frombuffer(values, np.float64) if values else np.zeros(0)


def _bytes(values: array[int]) -> np.ndarray:
    return np.frombuffer(values, np.int8) if values else np.zeros(0, np.int8)


def hits_and_unions(mask: SegmentationEntry) -> list[int]:
    """Return hits, then unions, of each class; zeros without a mask (see confusion.ious)."""
    found = [0] * (2 * VOID)
    if mask.status is not Status.SCORED:
        return found
    for row, column, count in mask.cells:
        if not (0 <= row < SHAPE[0] and 0 <= column < SHAPE[1] and count >= 0):
            raise ValueError(f'{(row, column, count)} is no cell of a confusion matrix')
        if row == column:
            found[row] += count
        elif column < VOID:
            found[VOID + column] += count
        found[VOID + row] += count
    return found

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

"""Records as arrays: one line a frame and model, ready to be summed, resampled and compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np

from vlm_misalign_ros.core.corruptions import CLEAN
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.metrics.confusion import SHAPE, from_cells
from vlm_misalign_ros.core.metrics.counts import FIELDS
from vlm_misalign_ros.core.metrics.rates import RateRow
from vlm_misalign_ros.core.records.schema import (
    AnswerEntry,
    ConditionEntry,
    FrameRecord,
    Record,
    ScoreEntry,
    Status,
    TruthEntry,
)
from vlm_misalign_ros.core.stamps import parse_stamp
from vlm_misalign_ros.core.types import Kind, Mention, Presence


@dataclass(frozen=True)
class Table:
    """The scored frames of one model; arrays over the same N lines."""

    model: str
    kind: Kind | None
    """None where the model was never scored."""
    clusters: np.ndarray
    """Number of the source frame, int64 (N,)."""
    conditions: np.ndarray
    """Index into `condition_names`, int64 (N,)."""
    condition_names: tuple[str, ...]
    """In order of first sight."""
    corruptions: tuple[str, ...]
    """Corruption of each condition."""
    counts: np.ndarray
    """Counts by counts.FIELDS, int64 (N, F)."""
    frame_iou: np.ndarray
    """float64 (N,), NaN where there is none."""
    confusion: np.ndarray
    """int64 (N, 19 * 20); zeros where there is no mask."""
    objects: np.ndarray
    """Countable things in the frame, float64 (N,)."""
    entropy: np.ndarray
    """Mean entropy of the segmentation, float64 (N,), NaN where there is none."""
    hazards: np.ndarray
    """Verdicts, object (N,)."""
    judgements: np.ndarray
    """object (N,)."""
    safe_scores: np.ndarray
    """Probability of SAFE, float64 (N,), NaN where there is none."""
    presence: np.ndarray
    """Truth by labels.SCORED: 0 ABSENT, 1 TOLERATED, 2 REQUIRED, int64 (N, 20)."""
    scores: np.ndarray
    """Per class, float64 (N, 20), NaN where there is none."""
    asserted: np.ndarray
    """bool (N, 20)."""
    sweeps: dict[str, np.ndarray]
    """Hazard verdicts, object (N,), by corridor and stopping distance."""

    def __len__(self) -> int:
        """Return the number of lines."""
        return len(self.clusters)

    def count(self, name: str) -> np.ndarray:
        """Return one count by line, int64 (N,)."""
        found: np.ndarray = self.counts[:, FIELDS.index(name)]
        return found

    def terms(self, rate: RateRow) -> tuple[np.ndarray, np.ndarray]:
        """Return numerator and denominator of a rate by line, int64 (N,) each."""
        over, under = (
            self.counts[:, [FIELDS.index(name) for name in names]].sum(axis=1)
            for names in (rate.over, rate.under)
        )
        return over, under

    def of(self, condition: str) -> np.ndarray:
        """Return which lines are of a condition, bool (N,)."""
        if condition not in self.condition_names:
            return np.zeros(len(self), bool)
        found: np.ndarray = self.conditions == self.condition_names.index(condition)
        return found

    def by_cluster(self, values: np.ndarray, chosen: np.ndarray | None = None) -> np.ndarray:
        """Return the sums of `values`, (N,), by source frame, float64 (clusters,)."""
        total = int(self.clusters.max(initial=-1)) + 1
        if chosen is None:
            return np.bincount(self.clusters, values, total)
        return np.bincount(self.clusters[chosen], values[chosen], total)

    def sums(self, rate: RateRow, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (numerators, denominators) of a rate by source frame, over the chosen lines."""
        over, under = self.terms(rate)
        return self.by_cluster(over, chosen), self.by_cluster(under, chosen)


_PRESENCE = {Presence.ABSENT: 0, Presence.TOLERATED: 1, Presence.REQUIRED: 2}


_Line = tuple[FrameRecord, TruthEntry, AnswerEntry, ScoreEntry]


def tables(records: Iterable[Record]) -> list[Table]:
    """Return one table for each model, of the frames on which it was scored."""
    lines: dict[str, list[_Line]] = {}
    clusters: dict[tuple[str, str], int] = {}
    # In one order whatever order they came in, so that resampling draws the same frames.
    frames = (record for record in records if isinstance(record, FrameRecord))
    for record in sorted(frames, key=_place):
        clusters.setdefault((record.dataset, record.key), len(clusters))
        for model, entry in record.models.items():
            lines.setdefault(model, [])
            if entry.scored is not None and record.truth is not None:
                lines[model].append((record, record.truth, *entry.scored))
    return [_table(model, found, clusters) for model, found in lines.items()]


def _place(record: FrameRecord) -> tuple[Any, ...]:
    return (
        record.dataset,
        record.key,
        *_severity(record.condition),
        record.cycle,
        parse_stamp(record.stamp),
    )


def _severity(condition: ConditionEntry) -> tuple[bool, str, int]:
    """Return where a condition stands: clean first, then by name and severity."""
    return condition.corruption != CLEAN, condition.corruption, condition.severity


def _floats(values: Iterable[float | None]) -> np.ndarray:
    return np.array([nan if value is None else value for value in values], np.float64)


def _table(model: str, lines: list[_Line], clusters: dict[tuple[str, str], int]) -> Table:
    columns = list(zip(*lines, strict=True)) or [(), (), (), ()]
    records: Sequence[FrameRecord] = columns[0]
    truths: Sequence[TruthEntry] = columns[1]
    answers: Sequence[AnswerEntry] = columns[2]
    found = {record.condition.name: record.condition for record in records}
    conditions = sorted(found.values(), key=_severity)
    names = [condition.name for condition in conditions]
    counts = [score.counts.values() for score in columns[3]]
    presence, scores, asserted = _by_class(lines)
    return Table(
        model,
        answers[0].kind if answers else None,
        np.array([clusters[record.dataset, record.key] for record in records], np.int64),
        np.array([names.index(record.condition.name) for record in records], np.int64),
        tuple(names),
        tuple(condition.corruption for condition in conditions),
        np.array(counts, np.int64).reshape(-1, len(FIELDS)),
        _floats(record.segmentation.frame_iou for record in records),
        _cells(records),
        np.array([truth.objects for truth in truths], np.float64),
        _floats(_entropy(record) for record in records),
        np.array([truth.hazard.value for truth in truths], object),
        np.array([answer.judgement.value for answer in answers], object),
        _floats(answer.judgement_score for answer in answers),
        presence,
        scores,
        asserted,
        _sweep(truths),
    )


def _sweep(truths: Sequence[TruthEntry]) -> dict[str, np.ndarray]:
    """Return the hazard states by line for each set of limits of the sweep."""
    return {
        name: np.array([truth.sweep[name].value for truth in truths], object)
        for name in (truths[0].sweep if truths else ())
    }


def _entropy(record: FrameRecord) -> float | None:
    confidence = record.segmentation.confidence
    return None if confidence is None else confidence.entropy


def _cells(records: Sequence[FrameRecord]) -> np.ndarray:
    """Return the confusion matrices by line, int64 (N, 19 * 20)."""
    cells = np.zeros((len(records), SHAPE[0] * SHAPE[1]), np.int64)
    for line, record in enumerate(records):
        if record.segmentation.status is Status.SCORED:
            cells[line] = from_cells(record.segmentation.cells).ravel()
    return cells


def _by_class(lines: list[_Line]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return presence, scores and assertions by line and class, (N, 20) each."""
    presence = np.zeros((len(lines), len(SCORED)), np.int64)
    scores = np.full((len(lines), len(SCORED)), nan)
    asserted = np.zeros((len(lines), len(SCORED)), bool)
    for line, (_, truth, answer, score) in enumerate(lines):
        states = score.presence or truth.presence
        presence[line] = [_PRESENCE[states[name]] for name in SCORED]
        scores[line] = [answer.scores.get(name, nan) for name in SCORED]
        asserted[line] = [answer.mentions.get(name) is Mention.ASSERTED for name in SCORED]
    return presence, scores, asserted

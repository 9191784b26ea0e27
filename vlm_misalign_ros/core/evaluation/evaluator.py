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
From the joined parts of a frame to its record: the one evaluation core.

Live nodes, the offline bag analysis and anything else that has a frame's parts come through
here, so the same frame gives the same record whichever way it came.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import msgspec
import numpy as np

from vlm_misalign_ros.core.errors import MAX_REASON, ConfigurationError, MisalignError
from vlm_misalign_ros.core.evaluation.join import Joined
from vlm_misalign_ros.core.evaluation.parts import (
    CONDITION,
    CONFIDENCE,
    DEPTH,
    INSTANCES,
    LABELS,
    OCCLUDER,
    SEGMENTATION,
    SOURCE,
    Parts,
    vlm_part,
)
from vlm_misalign_ros.core.labels.classes import CRITICAL
from vlm_misalign_ros.core.metrics import confusion
from vlm_misalign_ros.core.metrics.counts import Counts
from vlm_misalign_ros.core.metrics.scoring import Expected, left_out, made_up, score
from vlm_misalign_ros.core.records.schema import (
    SCHEMA,
    AnswerEntry,
    ConditionEntry,
    ConfidenceEntry,
    FrameRecord,
    ModelEntry,
    RequiredEntry,
    ScoreEntry,
    SegmentationEntry,
    Status,
    TimingEntry,
    TruthEntry,
)
from vlm_misalign_ros.core.settings.nodes import EvaluationParameters, truth_settings
from vlm_misalign_ros.core.stamps import format_stamp
from vlm_misalign_ros.core.truth.read import Seen, Truth, TruthMaps, read_seen, read_truth
from vlm_misalign_ros.core.types import (
    WHOLE,
    Applied,
    Camera,
    Condition,
    Description,
    Failed,
    Source,
    View,
)

CAN_BE_CRITICAL = (*CRITICAL, 'traffic light', 'traffic sign')


@dataclass
class Evaluated:
    """A frame's record with what the rolling sums and the pictures need."""

    record: FrameRecord
    counts: dict[str, Counts]
    confusion: np.ndarray | None
    badness: float
    """How wrong the frame was, by `badness`."""


class Evaluator:
    """Turns joined frames into records; holds settings, no state."""

    def __init__(self, parameters: EvaluationParameters) -> None:
        """Keep the settings; ConfigurationError for a class that does not exist."""
        self._parameters = parameters
        self._critical = check_critical(parameters.critical)
        self._settings = truth_settings(parameters)

    def evaluate(self, joined: Joined, default_camera: Camera | None = None) -> Evaluated:
        """
        Return the record of one closed frame, complete or not.

        `default_camera` is used for frames whose source names no camera. A frame that cannot be
        evaluated for whatever reason says so in its record and ends nothing.
        """
        try:
            return self._evaluate(joined, default_camera)
        except MisalignError:
            raise
        except Exception as error:  # whatever strangers publish costs their frame only
            kept = {name: part for name, part in joined.parts.items() if name == SOURCE}
            bare = Joined(joined.stamp, kept, joined.missing, joined.reason)
            found = self._evaluate(bare, default_camera)
            problem = f'the frame could not be evaluated: {type(error).__name__}: {error}'
            found.record = msgspec.structs.replace(found.record, problem=problem[:MAX_REASON])
            return found

    def _evaluate(self, joined: Joined, default_camera: Camera | None) -> Evaluated:
        """Return the record of one closed frame."""
        parts = joined.parts
        told: tuple[Source, Camera | None] | None = parts.get(SOURCE)
        source, camera = told or (None, None)
        problem = _misfit(parts)
        maps = None if problem else _maps(parts)
        truth = None
        if maps is not None:
            truth = read_truth(maps, camera or default_camera, self._settings)
        segmentation, matrix = _segmentation(maps, parts)
        models = self._models(maps, truth, parts)
        told_by = {name: parts.get(vlm_part(name)) for name in models}
        seconds = {n: a.latency for n, a in told_by.items() if isinstance(a, Description)}
        stamp = format_stamp(joined.stamp)
        # What nothing told of a frame is as plain as can be.
        known = source or Source('', '', stamp, 0, 0, 0, Condition('unknown'))
        applied: Applied = parts.get(CONDITION) or Applied(known.condition, 0)
        record = FrameRecord(
            schema=SCHEMA,
            stamp=stamp,
            index=None if source is None else source.index,
            dataset=known.dataset,
            sequence=known.sequence,
            key=known.key,
            cycle=known.cycle,
            condition=_condition(applied),
            closed=joined.reason,
            missing=list(joined.missing),
            truth=None if truth is None else _truth(truth),
            segmentation=segmentation,
            models=models,
            timing=TimingEntry(seconds),
            problem=problem or None,
        )
        counts = {name: entry.score.counts for name, entry in models.items() if entry.score}
        return Evaluated(record, counts, matrix, badness(record))

    def _models(
        self, maps: TruthMaps | None, truth: Truth | None, parts: Parts
    ) -> dict[str, ModelEntry]:
        seen: dict[View, Seen] = {} if truth is None else {WHOLE: truth.seen}
        found = {}
        for name in self._parameters.models:
            answer: Description | Failed | None = parts.get(vlm_part(name))
            if isinstance(answer, Description) and answer.empty:
                answer = Failed('an empty answer')
            if isinstance(answer, Failed):
                found[name] = ModelEntry(Status.MISSING, error=answer.reason)
                continue
            said = None if answer is None else AnswerEntry.of(answer)
            if truth is None or maps is None:
                found[name] = ModelEntry(Status.UNMATCHED, said)
            elif answer is None:
                found[name] = ModelEntry(Status.MISSING)
            else:
                if answer.view not in seen:
                    seen[answer.view] = read_seen(maps.part(answer.view), self._settings)
                scored = self._score(answer, seen[answer.view], truth)
                found[name] = ModelEntry(Status.SCORED, said, scored)
        return found

    def _score(self, answer: Description, own: Seen, truth: Truth) -> ScoreEntry:
        """Return one answer against the truth of the view that its model saw."""
        expected = Expected(
            own.scene, own.visible, truth.hazard.verdict, own.areas, truth.distances
        )
        return ScoreEntry(
            score(answer, expected, self._critical),
            made_up(answer.asserted, own.scene),
            left_out(answer.asserted, own.scene, self._critical),
            None if answer.view == WHOLE else own.scene,
        )


def badness(record: FrameRecord) -> float:
    """Return how wrong a frame was: wrong mentions, omissions and judgements of all models."""
    found = [entry.score.counts for entry in record.models.values() if entry.score]
    return float(sum(c.hallucinated + c.omitted + 2 * c.false_safe for c in found))


def check_critical(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the critical classes; ConfigurationError names one that cannot be."""
    for name in names:
        if name not in CAN_BE_CRITICAL:
            raise ConfigurationError(
                f"parameter 'critical' names the class {name!r}",
                'allowed: ' + ', '.join(CAN_BE_CRITICAL),
            )
    if not names:
        raise ConfigurationError("parameter 'critical' is empty", 'name at least one class')
    return names


def _maps(parts: Parts) -> TruthMaps | None:
    """Return the ground truth of a frame; None without labels."""
    if LABELS not in parts:
        return None
    occluder: np.ndarray | None = parts.get(OCCLUDER)
    visible = None if occluder is None else occluder == 0
    return TruthMaps(parts[LABELS], parts.get(INSTANCES), parts.get(DEPTH), visible)


def _misfit(parts: Parts) -> str:
    """Say which of the maps has another size than the labels; empty when they fit."""
    labels: np.ndarray | None = parts.get(LABELS)
    if labels is not None:
        for name in (INSTANCES, OCCLUDER, DEPTH):
            other: np.ndarray | None = parts.get(name)
            if other is not None and other.shape != labels.shape:
                return (
                    f'{name} {other.shape[1]} x {other.shape[0]} do not fit labels '
                    f'{labels.shape[1]} x {labels.shape[0]}'
                )
    return ''


def _condition(applied: Applied) -> ConditionEntry:
    condition = applied.condition
    return ConditionEntry(
        condition.corruption, condition.severity, condition.name, applied.seed, applied.parameters
    )


def _truth(truth: Truth) -> TruthEntry:
    """Return the truth as a record shows it."""
    seen, distances = truth.seen, truth.distances
    return TruthEntry(
        presence=seen.scene,
        visible=seen.visible,
        required={
            name: RequiredEntry(
                round(needed.area, 1),
                round(distances[name], 2) if math.isfinite(distances[name]) else None,
            )
            for name, needed in sorted(seen.needed.items())
        },
        objects=sum(not thing.group for thing in seen.inventory.things),
        hazard=truth.hazard.verdict,
        nearest=truth.hazard.nearest,
        nearest_class=truth.hazard.nearest_class,
        distance_source=truth.hazard.source,
        sweep=truth.sweep(),
    )


def _segmentation(
    maps: TruthMaps | None, parts: Parts
) -> tuple[SegmentationEntry, np.ndarray | None]:
    predicted: np.ndarray | None = parts.get(SEGMENTATION)
    told: dict[str, float] | Failed | None = parts.get(CONFIDENCE)
    if isinstance(told, Failed):
        return SegmentationEntry(Status.MISSING, None, None, [], told.reason), None
    confidence = None if told is None else ConfidenceEntry(**told)
    if predicted is None or maps is None:
        status = Status.MISSING if predicted is None else Status.UNMATCHED
        return SegmentationEntry(status, None, confidence, []), None
    labels = maps.labels
    if predicted.shape != labels.shape:
        # A model that answers at its own resolution is compared at the ground truth's.
        predicted = cv2.resize(predicted, labels.shape[::-1], interpolation=cv2.INTER_NEAREST)
    matrix = confusion.confusion(labels, predicted)
    value = confusion.miou(matrix)
    iou = None if np.isnan(value) else float(value)
    return SegmentationEntry(Status.SCORED, iou, confidence, confusion.to_cells(matrix)), matrix

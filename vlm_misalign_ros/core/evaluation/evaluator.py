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
from dataclasses import dataclass, replace

import cv2
import numpy as np

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.evaluation.join import Joined
from vlm_misalign_ros.core.evaluation.parts import (
    CONDITION,
    CONFIDENCE,
    DEPTH,
    IMAGE,
    INSTANCES,
    LABELS,
    OCCLUDER,
    SEGMENTATION,
    SOURCE,
    Parts,
    vlm_part,
)
from vlm_misalign_ros.core.labels.classes import CRITICAL
from vlm_misalign_ros.core.labels.maps import LabelMap
from vlm_misalign_ros.core.metrics import confusion
from vlm_misalign_ros.core.metrics.counts import Counts
from vlm_misalign_ros.core.metrics.scoring import Expected, left_out, made_up, score
from vlm_misalign_ros.core.records.schema import (
    SCHEMA,
    AnswerEntry,
    ConditionEntry,
    ConfidenceEntry,
    FrameRecord,
    LabelsEntry,
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
from vlm_misalign_ros.core.truth.read import (
    Seen,
    Truth,
    TruthMaps,
    known_depth,
    read_seen,
    read_truth,
)
from vlm_misalign_ros.core.truth.trust import Fault, Trust, assess
from vlm_misalign_ros.core.types import (
    WHOLE,
    Applied,
    Camera,
    Condition,
    Description,
    Source,
    View,
)

MOST_STRETCHED = 1.05
"""Factor by which the sides of labels and picture may differ in proportion."""
MOST_SCALED = 16
"""Factor by which labels may be smaller or larger than the picture."""

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

        `default_camera` is used for frames whose source names no camera.
        """
        parts = joined.parts
        told: tuple[Source, Camera | None] | None = parts.get(SOURCE)
        source, camera = told or (None, None)
        labels = _labels(parts, source)
        trust = None if labels is None else self._trust(labels, parts)
        lost = Status.UNMATCHED if trust is None else Status.UNSCORABLE
        maps = _maps(labels, trust, parts)
        truth = self._truth(maps, camera or default_camera)
        segmentation, matrix = _segmentation(maps, parts, lost)
        models = self._models(maps, truth, parts, lost)
        answers = {name: parts[vlm_part(name)] for name in models if vlm_part(name) in parts}
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
            timing=TimingEntry({name: answer.latency for name, answer in answers.items()}),
            labels=_entry(labels, trust),
            problem=_problem(trust, parts),
        )
        counts = {name: entry.score.counts for name, entry in models.items() if entry.score}
        return Evaluated(record, counts, matrix, badness(record))

    def _truth(self, maps: TruthMaps | None, camera: Camera | None) -> Truth | None:
        return None if maps is None else read_truth(maps, camera, self._settings)

    def _trust(self, labels: LabelMap, parts: Parts) -> Trust:
        """Return what the labels of a frame are worth beside its other maps."""
        trust = assess(labels, parts.get(INSTANCES), self._settings.limits)
        misfit = _misfit(labels.labels, parts)
        return Trust(trust.said, Fault.SIZE, misfit) if misfit and trust.scorable else trust

    def _models(
        self, maps: TruthMaps | None, truth: Truth | None, parts: Parts, lost: Status
    ) -> dict[str, ModelEntry]:
        seen: dict[View, Seen] = {} if truth is None else {WHOLE: truth.seen}
        found = {}
        for name in self._parameters.models:
            answer: Description | None = parts.get(vlm_part(name))
            said = None if answer is None else AnswerEntry.of(answer)
            if truth is None or maps is None:
                found[name] = ModelEntry(lost, said)
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


def _labels(parts: Parts, source: Source | None) -> LabelMap | None:
    """Return the labels of a frame, told whether they tell the hood; None without any."""
    if LABELS not in parts:
        return None
    labels = LabelMap.of(parts[LABELS])
    if source is not None and not source.tells_hood:
        labels = replace(labels, tells_hood=False)
    return labels


def _maps(labels: LabelMap | None, trust: Trust | None, parts: Parts) -> TruthMaps | None:
    """Return the ground truth of a frame; None where there is none, or none to be trusted."""
    if labels is None or trust is None or not trust.scorable:
        return None
    occluder: np.ndarray | None = parts.get(OCCLUDER)
    visible = None if occluder is None else occluder == 0
    return TruthMaps(labels.labels, parts.get(INSTANCES), known_depth(parts.get(DEPTH)), visible)


def _misfit(labels: np.ndarray, parts: Parts) -> str:
    """Say which map or picture has a size that the labels do not go with; empty when all do."""
    height, width = labels.shape
    for name in (INSTANCES, OCCLUDER, DEPTH):
        other: np.ndarray | None = parts.get(name)
        if other is not None and other.shape != labels.shape:
            return (
                f'{name} {other.shape[1]} x {other.shape[0]} do not fit labels {width} x {height}'
            )
    picture: np.ndarray | None = parts.get(IMAGE)
    if picture is not None:
        rows, columns = picture.shape[0] / height, picture.shape[1] / width
        stretched = max(rows, columns) / min(rows, columns)
        if stretched > MOST_STRETCHED or not 1 / MOST_SCALED <= rows <= MOST_SCALED:
            return (
                f'labels {width} x {height} do not fit the picture '
                f'{picture.shape[1]} x {picture.shape[0]}'
            )
    return ''


def _entry(labels: LabelMap | None, trust: Trust | None) -> LabelsEntry | None:
    """Return what labels were worth as a record shows it."""
    if labels is None or trust is None:
        return None
    return LabelsEntry(
        labels.encoding,
        round(trust.said.share, 6),
        labels.outside.values,
        labels.outside.others,
        trust.fault,
    )


def _problem(trust: Trust | None, parts: Parts) -> str | None:
    """Say why the ground truth was not used, or which part of it."""
    if trust is None:
        return None
    if not trust.scorable:
        return trust.reason
    depth: np.ndarray | None = parts.get(DEPTH)
    if depth is not None and known_depth(depth) is None:
        return f'depth is {int(depth[0, 0])} throughout and was not used'
    return None


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
    maps: TruthMaps | None, parts: Parts, lost: Status
) -> tuple[SegmentationEntry, np.ndarray | None]:
    predicted: np.ndarray | None = parts.get(SEGMENTATION)
    told: dict[str, float] | None = parts.get(CONFIDENCE)
    confidence = None if told is None else ConfidenceEntry(**told)
    if predicted is None or maps is None:
        missing = predicted is None and lost is Status.UNMATCHED
        status = Status.MISSING if missing or maps is not None else lost
        return SegmentationEntry(status, None, confidence, []), None
    labels = maps.labels
    if predicted.shape != labels.shape:
        # A model that answers at its own resolution is compared at the ground truth's.
        predicted = cv2.resize(predicted, labels.shape[::-1], interpolation=cv2.INTER_NEAREST)
    matrix = confusion.confusion(labels, predicted)
    value = confusion.miou(matrix)
    iou = None if np.isnan(value) else float(value)
    return SegmentationEntry(Status.SCORED, iou, confidence, confusion.to_cells(matrix)), matrix

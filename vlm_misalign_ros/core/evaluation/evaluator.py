"""
From the joined parts of a frame to its record: the one evaluation core.

Live nodes, the offline bag analysis and anything else that has a frame's parts come through
here, so the same frame gives the same record whichever way it came.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.evaluation.join import Joined, Parts
from vlm_misalign_ros.core.labels.classes import CRITICAL
from vlm_misalign_ros.core.metrics import confusion
from vlm_misalign_ros.core.metrics.counts import Counts
from vlm_misalign_ros.core.metrics.scoring import Expected, left_out, made_up, score
from vlm_misalign_ros.core.settings.nodes import EvaluationParameters, truth_settings
from vlm_misalign_ros.core.stamps import format_stamp
from vlm_misalign_ros.core.truth.read import Seen, Truth, TruthMaps, read_seen, read_truth
from vlm_misalign_ros.core.types import (
    WHOLE,
    Applied,
    Camera,
    Condition,
    Description,
    Record,
    Source,
    View,
)

SCHEMA = 2

SOURCE, LABELS, INSTANCES = 'source', 'labels', 'instances'
CONDITION, OCCLUDER, IMAGE, SEGMENTATION = 'condition', 'occluder', 'image', 'segmentation'
RECORDER, DEPTH, CONFIDENCE = 'recorder', 'depth', 'confidence'
CAN_BE_CRITICAL = (*CRITICAL, 'traffic light', 'traffic sign')


def vlm_part(name: str) -> str:
    """Return the name under which the answer of model `name` joins."""
    return f'vlm:{name}'


@dataclass
class Evaluated:
    """A frame's record with what the rolling sums and the pictures need."""

    record: Record
    counts: dict[str, Counts]
    confusion: np.ndarray | None
    badness: float
    """How wrong the frame was: wrong mentions, omissions and judgements over all models."""


class Evaluator:
    """Turns joined frames into records; holds settings, no state."""

    def __init__(self, parameters: EvaluationParameters) -> None:
        """Keep the settings; ConfigurationError for a class that does not exist."""
        self._parameters = parameters
        self._critical = check_critical(parameters.critical)
        self._settings = truth_settings(parameters)

    def needs(self, parts: Parts) -> list[str]:
        """Return the names of the parts that a frame needs, given those it has."""
        chosen = self._parameters
        needed = [CONDITION, LABELS]
        if chosen.source:
            needed.append(SOURCE)
        if chosen.instances:
            needed.append(INSTANCES)
        source: tuple[Source, Camera | None] | None = parts.get(SOURCE)
        if chosen.depth or source is not None and source[0].depth:
            needed.append(DEPTH)
        if chosen.segmentation:
            needed.append(SEGMENTATION)
            if chosen.confidence:
                needed.append(CONFIDENCE)
        if chosen.pictures:
            needed.append(IMAGE)
        applied: Applied | None = parts.get(CONDITION)
        if applied is not None and applied.covers:
            needed.append(OCCLUDER)
        needed.extend(vlm_part(name) for name in chosen.models)
        return needed

    def evaluate(self, joined: Joined, default_camera: Camera | None = None) -> Evaluated:
        """
        Return the record of one closed frame, complete or not.

        `default_camera` is used for frames whose source names no camera.
        """
        parts = joined.parts
        source, camera = parts.get(SOURCE, (None, None))
        labels: np.ndarray | None = parts.get(LABELS)
        occluder: np.ndarray | None = parts.get(OCCLUDER)
        problem = _misfit(labels, parts)
        record = self._frame(joined, source, parts.get(CONDITION), problem)
        maps = truth = None
        if labels is not None and not problem:
            maps = TruthMaps(
                labels,
                parts.get(INSTANCES),
                parts.get(DEPTH),
                None if occluder is None else occluder == 0,
            )
            truth = read_truth(maps, camera or default_camera, self._settings)
            record['truth'] = _shown(truth)
        segmentation, matrix = self._segmentation(
            None if maps is None else maps.labels, parts.get(SEGMENTATION), parts.get(CONFIDENCE)
        )
        record['segmentation'] = segmentation
        counts: dict[str, Counts] = {}
        latencies = {}
        seen: dict[View, Seen] = {} if truth is None else {WHOLE: truth.seen}
        for name in self._parameters.models:
            answer: Description | None = parts.get(vlm_part(name))
            entry: dict[str, Any] = {'status': 'missing'}
            if answer is not None:
                latencies[name] = answer.latency
                entry = _answer(answer)
            if truth is None or maps is None:
                entry['status'] = 'unmatched'
            elif answer is not None:
                if answer.view not in seen:
                    seen[answer.view] = read_seen(maps.part(answer.view), self._settings)
                own = seen[answer.view]
                counts[name] = score(
                    answer,
                    Expected(
                        own.scene, own.visible, truth.hazard.verdict, own.areas, truth.distances
                    ),
                    self._critical,
                )
                entry['counts'] = counts[name].to_dict()
                entry['hallucinated'] = made_up(answer.asserted, own.scene)
                entry['omitted'] = left_out(answer.asserted, own.scene, self._critical)
                if answer.view != WHOLE:
                    entry['truth'] = {key: state.value for key, state in own.scene.items()}
            record['models'][name] = entry
        record['timing'] = {'model_seconds': latencies}
        badness = float(
            sum(c.hallucinated + c.omitted + 2 * c.false_safe for c in counts.values())
        )
        return Evaluated(record, counts, matrix, badness)

    def _frame(
        self, joined: Joined, source: Source | None, applied: Applied | None, problem: str
    ) -> Record:
        if applied is None:
            applied = Applied(source.condition if source else Condition('unknown'), 0)
        stamp = format_stamp(joined.stamp)
        record: Record = {
            'kind': 'frame',
            'schema': SCHEMA,
            'stamp': stamp,
            'index': source.index if source else None,
            'dataset': source.dataset if source else '',
            'sequence': source.sequence if source else '',
            'key': source.key if source else stamp,
            'pass': source.cycle if source else 0,
            'condition': {
                'corruption': applied.condition.corruption,
                'severity': applied.condition.severity,
                'name': applied.condition.name,
                'seed': applied.seed,
                'parameters': applied.parameters,
            },
            'closed': joined.reason,
            'missing': list(joined.missing),
            'truth': None,
            'segmentation': None,
            'models': {},
        }
        if problem:
            record['problem'] = problem
        return record

    def _segmentation(
        self,
        labels: np.ndarray | None,
        predicted: np.ndarray | None,
        confidence: dict[str, float] | None,
    ) -> tuple[dict[str, Any], np.ndarray | None]:
        if predicted is None or labels is None:
            status = 'missing' if predicted is None else 'unmatched'
            return {
                'status': status,
                'frame_iou': None,
                'confidence': confidence,
                'cells': [],
            }, None
        if predicted.shape != labels.shape:
            # A model that answers at its own resolution is compared at the ground truth's.
            predicted = cv2.resize(predicted, labels.shape[::-1], interpolation=cv2.INTER_NEAREST)
        matrix = confusion.confusion(labels, predicted)
        value = confusion.miou(matrix)
        return {
            'status': 'ok',
            'frame_iou': None if np.isnan(value) else float(value),
            'confidence': confidence,
            'cells': confusion.to_cells(matrix),
        }, matrix


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


def _misfit(labels: np.ndarray | None, parts: Parts) -> str:
    """Say which of the maps has another size than the labels; empty when they fit."""
    if labels is not None:
        for name in (INSTANCES, OCCLUDER, DEPTH):
            other: np.ndarray | None = parts.get(name)
            if other is not None and other.shape != labels.shape:
                return (
                    f'{name} {other.shape[1]} x {other.shape[0]} do not fit labels '
                    f'{labels.shape[1]} x {labels.shape[0]}'
                )
    return ''


def _shown(truth: Truth) -> dict[str, Any]:
    """Return the truth as a record shows it."""
    seen, distances = truth.seen, truth.distances
    return {
        'presence': {name: state.value for name, state in seen.scene.items()},
        'visible': None
        if seen.visible is None
        else {name: state.value for name, state in seen.visible.items()},
        'required': {
            name: {
                'area': round(needed.area, 1),
                'distance': round(distances[name], 2) if math.isfinite(distances[name]) else None,
            }
            for name, needed in sorted(seen.needed.items())
        },
        'objects': sum(not thing.group for thing in seen.inventory.things),
        'hazard': truth.hazard.verdict.value,
        'nearest': truth.hazard.nearest,
        'nearest_class': truth.hazard.nearest_class,
        'distance_source': truth.hazard.source,
        'sweep': {name: verdict.value for name, verdict in truth.sweep().items()},
    }


def _answer(answer: Description) -> dict[str, Any]:
    return {
        'status': 'ok',
        'kind': answer.kind.value,
        'text': answer.text,
        'mentions': {name: answer.mentions[name].value for name in sorted(answer.mentions)},
        'scores': {name: answer.scores[name] for name in sorted(answer.scores)},
        'judgement': answer.judgement.value,
        'judgement_score': answer.judgement_score,
        'prompt_id': answer.prompt_id,
        'truncated': answer.truncated,
        'view': list(answer.view),
    }

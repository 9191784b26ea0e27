"""
From the joined parts of a frame to its record: the one evaluation core.

Live nodes, the offline bag analysis and anything else that has a frame's parts come through
here, so the same frame gives the same record whichever way it came.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from vlm_misalign_ros.errors import ConfigurationError
from vlm_misalign_ros.join import Joined, Parts
from vlm_misalign_ros.labels import CRITICAL
from vlm_misalign_ros.metrics import confusion
from vlm_misalign_ros.metrics.hazard import HazardSettings, hazard
from vlm_misalign_ros.metrics.objects import find_things
from vlm_misalign_ros.metrics.rates import Counts, left_out, made_up, rates, score
from vlm_misalign_ros.metrics.truth import TruthSettings, presence, visible_presence
from vlm_misalign_ros.node_parameters import EvaluationParameters
from vlm_misalign_ros.types import (
    Applied,
    Camera,
    Condition,
    Description,
    Hazard,
    Presence,
    Record,
    Source,
)

SCHEMA = 1

SOURCE, LABELS, INSTANCES = 'source', 'labels', 'instances'
CONDITION, OCCLUDER, IMAGE, SEGMENTATION = 'condition', 'occluder', 'image', 'segmentation'
RECORDER = 'recorder'


def vlm_part(name: str) -> str:
    """Return the name under which the answer of model `name` joins."""
    return f'vlm:{name}'


def parse_limits(entries: tuple[str, ...]) -> dict[str, float]:
    """Return {rate: value} from `RATE=VALUE` strings; ConfigurationError names a wrong one."""
    limits = {}
    known = rates(Counts())
    for entry in entries:
        name, _, text = entry.partition('=')
        try:
            value = float(text)
        except ValueError as error:
            raise ConfigurationError(
                f'limit {entry!r} is not of the form RATE=VALUE',
                'for example critical_omission_rate=0.2') from error
        if name not in known:
            raise ConfigurationError(
                f'limit names the rate {name!r}', 'known: ' + ', '.join(known))
        limits[name] = value
    return limits


def stamp_text(stamp: int) -> str:
    """Return nanoseconds as `seconds.nanoseconds`, as records show stamps."""
    return f'{stamp // 1_000_000_000}.{stamp % 1_000_000_000:09d}'


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
        """Keep the settings."""
        self._parameters = parameters
        self._truth = TruthSettings(
            minimum_area=parameters.minimum_area, minimum_height=parameters.minimum_height)
        self._hazard = HazardSettings(
            corridor_width=parameters.corridor_width,
            stopping_distance=parameters.stopping_distance)

    def needs(self, parts: Parts) -> list[str]:
        """Return the names of the parts that a frame needs, given those it has."""
        chosen = self._parameters
        needed = [CONDITION, LABELS]
        if chosen.source:
            needed.append(SOURCE)
        if chosen.instances:
            needed.append(INSTANCES)
        if chosen.segmentation:
            needed.append(SEGMENTATION)
        if chosen.pictures:
            needed.append(IMAGE)
        applied: Applied | None = parts.get(CONDITION)
        if applied is not None and applied.condition.corruption == 'occlusion':
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
        instances: np.ndarray | None = parts.get(INSTANCES)
        occluder: np.ndarray | None = parts.get(OCCLUDER)
        problem = _misfit(labels, instances, occluder)
        if problem:
            labels = None
        record = self._frame(joined, source, parts.get(CONDITION), problem)
        scene: dict[str, Presence] | None = None
        visible: dict[str, Presence] | None = None
        verdict = Hazard.INDETERMINATE
        if labels is not None:
            things = find_things(labels, instances)
            scene = presence(labels, things, self._truth)
            if occluder is not None:
                visible = visible_presence(labels, instances, occluder == 0, self._truth)
            used = self._camera(camera or default_camera, labels)
            found = hazard(things, labels.shape, used, self._hazard)
            verdict = found.verdict
            record['truth'] = {
                'presence': {name: state.value for name, state in scene.items()},
                'visible': None if visible is None else {
                    name: state.value for name, state in visible.items()},
                'hazard': verdict.value, 'nearest': found.nearest,
                'nearest_class': found.nearest_class}
        segmentation, matrix = self._segmentation(labels, parts.get(SEGMENTATION))
        record['segmentation'] = segmentation
        counts: dict[str, Counts] = {}
        latencies = {}
        for name in self._parameters.models:
            answer: Description | None = parts.get(vlm_part(name))
            entry: dict[str, Any] = {'status': 'missing'}
            if answer is not None:
                latencies[name] = answer.latency
                entry = _answer(answer)
                if scene is None:
                    entry['status'] = 'unmatched'
                else:
                    counts[name] = score(answer, scene, visible, verdict, critical=CRITICAL)
                    entry['counts'] = counts[name].to_dict()
                    entry['hallucinated'] = made_up(answer.asserted, scene)
                    entry['omitted'] = left_out(answer.asserted, scene, CRITICAL)
            elif scene is None:
                entry['status'] = 'unmatched'
            record['models'][name] = entry
        record['timing'] = {'model_seconds': latencies}
        badness = float(sum(
            c.hallucinated + c.omitted + 2 * c.false_safe for c in counts.values()))
        return Evaluated(record, counts, matrix, badness)

    def _frame(
        self, joined: Joined, source: Source | None, applied: Applied | None, problem: str,
    ) -> Record:
        if applied is None:
            applied = Applied(source.condition if source else Condition('unknown'), 0)
        stamp = stamp_text(joined.stamp)
        record: Record = {
            'kind': 'frame', 'schema': SCHEMA, 'stamp': stamp,
            'index': source.index if source else None,
            'dataset': source.dataset if source else '',
            'sequence': source.sequence if source else '',
            'key': source.key if source else stamp,
            'pass': source.cycle if source else 0,
            'condition': {
                'corruption': applied.condition.corruption,
                'severity': applied.condition.severity, 'name': applied.condition.name,
                'seed': applied.seed, 'parameters': applied.parameters},
            'closed': joined.reason, 'missing': list(joined.missing),
            'truth': None, 'segmentation': None, 'models': {}}
        if problem:
            record['problem'] = problem
        return record

    def _camera(self, camera: Camera | None, labels: np.ndarray) -> Camera:
        height, width = labels.shape
        if camera is not None:
            return camera
        # Cityscapes' nominal intrinsics, scaled; source: the data set's camera files.
        scale_x, scale_y = width / 2048, height / 1024
        return Camera(
            width, height, 2262.52 * scale_x, 2265.30 * scale_y, 1096.98 * scale_x,
            513.137 * scale_y, self._parameters.camera_height, self._parameters.camera_pitch)

    def _segmentation(
        self, labels: np.ndarray | None, predicted: np.ndarray | None,
    ) -> tuple[dict[str, Any], np.ndarray | None]:
        if predicted is None or labels is None:
            status = 'missing' if predicted is None else 'unmatched'
            return {'status': status, 'frame_iou': None, 'cells': []}, None
        if predicted.shape != labels.shape:
            # A model that answers at its own resolution is compared at the ground truth's.
            predicted = cv2.resize(
                predicted, labels.shape[::-1], interpolation=cv2.INTER_NEAREST)
        matrix = confusion.confusion(labels, predicted)
        value = confusion.miou(matrix)
        return {
            'status': 'ok', 'frame_iou': None if np.isnan(value) else float(value),
            'cells': confusion.to_cells(matrix)}, matrix


def _misfit(
    labels: np.ndarray | None, instances: np.ndarray | None, occluder: np.ndarray | None,
) -> str:
    """Say which of the maps has another size than the labels; empty when they fit."""
    if labels is not None:
        for name, other in ((INSTANCES, instances), (OCCLUDER, occluder)):
            if other is not None and other.shape != labels.shape:
                return (f'{name} {other.shape[1]} x {other.shape[0]} do not fit labels '
                        f'{labels.shape[1]} x {labels.shape[0]}')
    return ''


def _answer(answer: Description) -> dict[str, Any]:
    return {
        'status': 'ok', 'kind': answer.kind, 'text': answer.text,
        'mentions': {name: answer.mentions[name].value for name in sorted(answer.mentions)},
        'scores': {name: answer.scores[name] for name in sorted(answer.scores)},
        'judgement': answer.judgement.value, 'judgement_score': answer.judgement_score,
        'prompt_id': answer.prompt_id, 'truncated': answer.truncated}


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
Operating points of contrastive models, set on clean frames of other cities and then frozen.

For each class the score's log-odds are mapped onto a probability (Platt 1999) and the threshold
lies where sensitivity plus specificity is highest (Youden 1950). The file holds the model's hash
and its own; whoever loads it refuses other ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np

from vlm_misalign_ros.core.errors import ModelError
from vlm_misalign_ros.core.files import write_json
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.metrics.prediction import auroc, average_precision
from vlm_misalign_ros.core.metrics.youden import youden_threshold
from vlm_misalign_ros.core.models import frozen
from vlm_misalign_ros.core.models.frozen import LEAST

SCHEMA = 2
SAFETY = 'safe'
"""Name of the operating point of the safety score."""
_LIMIT = 1e-9


def log_odds(score: float | np.ndarray) -> Any:
    """Return log(p / (1 - p)) of scores between 0 and 1, bounded."""
    bounded = np.clip(score, _LIMIT, 1 - _LIMIT)
    return np.log(bounded) - np.log1p(-bounded)


@dataclass(frozen=True)
class OperatingPoint:
    """How one class's score becomes a probability, and from where it is asserted."""

    slope: float
    intercept: float
    threshold: float
    """Probability."""
    positives: int
    negatives: int
    auroc: float
    average_precision: float

    def probability(self, score: float) -> float:
        """Return the probability that the class is there."""
        value = self.slope * float(log_odds(score)) + self.intercept
        return 1 / (1 + exp(-value)) if value >= 0 else exp(value) / (1 + exp(value))


def fit_platt(scores: np.ndarray, positives: np.ndarray) -> tuple[float, float]:
    """
    Return (slope, intercept) of the logistic regression of `positives` on the log-odds of scores.

    Platt's targets (n+ + 1) / (n+ + 2) and 1 / (n- + 2) keep it finite where the classes do not
    overlap; Newton's method with step halving, 100 steps at most.
    """
    x = log_odds(np.asarray(scores, np.float64))
    yes = int(np.sum(positives))
    no = len(x) - yes
    target = np.where(positives, (yes + 1) / (yes + 2), 1 / (no + 2))
    slope, intercept = 0.0, log((yes + 1) / (no + 1))

    def loss(a: float, b: float) -> float:
        z = a * x + b
        return float(np.sum(np.logaddexp(0, z) - target * z)) + 1e-6 * a * a

    best = loss(slope, intercept)
    for _ in range(100):
        z = slope * x + intercept
        p = 1 / (1 + np.exp(-z))
        w = np.maximum(p * (1 - p), 1e-12)
        gradient = np.array([np.sum((p - target) * x) + 2e-6 * slope, np.sum(p - target)])
        hessian = np.array(
            [[np.sum(w * x * x) + 2e-6, np.sum(w * x)], [np.sum(w * x), np.sum(w) + 1e-9]]
        )
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while size > 1e-6:
            trial = loss(slope - size * step[0], intercept - size * step[1])
            if trial <= best:
                break
            size /= 2
        slope, intercept = slope - size * step[0], intercept - size * step[1]
        if best - trial < 1e-10:
            break
        best = trial
    return float(slope), float(intercept)


def operating_point(scores: np.ndarray, positives: np.ndarray) -> OperatingPoint | None:
    """Return the operating point of a class; None with too few positives or negatives."""
    truth = np.asarray(positives, bool)
    yes, no = int(truth.sum()), int((~truth).sum())
    if min(yes, no) < LEAST:
        return None
    slope, intercept = fit_platt(scores, truth)
    point = OperatingPoint(
        slope, intercept, 0.5, yes, no, auroc(scores, truth), average_precision(scores, truth)
    )
    chances = np.array([point.probability(score) for score in scores])
    return OperatingPoint(
        slope,
        intercept,
        youden_threshold(chances, truth),
        yes,
        no,
        point.auroc,
        point.average_precision,
    )


@dataclass(frozen=True)
class Calibration:
    """The operating points of one model."""

    model: str
    """The model's string."""
    model_sha256: str
    """Hash of its weights, or of the string for a model that is not local."""
    prompt_id: str
    prompts_sha256: str
    points: Mapping[str, OperatingPoint]
    """By class, and SAFETY."""
    data: Mapping[str, Any]
    """What it was made from."""
    truth: Mapping[str, float] = field(default_factory=dict)
    """The settings by which was decided what is true, by parameter."""
    sha256: str = ''

    def content(self) -> dict[str, Any]:
        """Return everything but the hash as plain data."""
        return {
            'schema': SCHEMA,
            'model': self.model,
            'model_sha256': self.model_sha256,
            'prompt_id': self.prompt_id,
            'prompts_sha256': self.prompts_sha256,
            'data': dict(self.data),
            'truth': dict(self.truth),
            'points': {name: dict(point.__dict__) for name, point in sorted(self.points.items())},
            'without_point': [name for name in (*CLASSES, SAFETY) if name not in self.points],
        }

    def save(self, path: Path) -> None:
        """Write the file; RecordError when the disk refuses."""
        content = self.content()
        write_json(path, {**content, 'sha256': frozen.digest(content)})


OWN = 'own'
"""In place of a file: the calibration that lies beside the model."""


def path_of(value: str, directory: Path | None) -> Path:
    """Return the file that the parameter `calibration` names; ModelError for OWN without one."""
    if value != OWN:
        return Path(value).expanduser()
    if directory is None:
        raise ModelError(
            'a model that is not a local directory has no calibration of its own',
            'make one with vlm-misalign calibrate and give its path',
        )
    return directory / 'calibration.json'


def load(
    path: Path, model_sha256: str, prompts_sha256: str, truth: Mapping[str, float] | None = None
) -> Calibration:
    """
    Read a calibration and refuse it unless it is whole and for this very model and prompts.

    `truth` are the settings of the evaluation, by parameter; without them they are not compared.
    Raises ConfigurationError when it cannot be read or was changed, ModelError when it is for
    another model, other prompts or other settings of the truth.
    """
    found = frozen.load(path, SCHEMA, _made)
    for what, ours, theirs in (
        ('model', model_sha256, found.model_sha256),
        ('prompts', prompts_sha256, found.prompts_sha256),
    ):
        if ours != theirs:
            raise ModelError(
                f'calibration {path} is for other {what} ({theirs[:12]}, here {ours[:12]}): '
                f'{found.model}',
                'calibrate this model on clean data of other cities',
            )
    frozen.refuse_other_truth(path, found.truth, truth or {})
    return found


def _made(data: dict[str, Any], sha256: str) -> Calibration:
    points = {name: OperatingPoint(**point) for name, point in data['points'].items()}
    return Calibration(
        data['model'],
        data['model_sha256'],
        data['prompt_id'],
        data['prompts_sha256'],
        points,
        data['data'],
        data['truth'],
        sha256,
    )


def calibrate(
    scores: Sequence[Mapping[str, float]], truths: Sequence[Mapping[str, bool | None]]
) -> dict[str, OperatingPoint]:
    """
    Return operating points from scores and truth of clean frames, each by class and SAFETY.

    True is there, False is not, None counts as neither.
    """
    points = {}
    for name in (*CLASSES, SAFETY):
        known = [
            (score[name], truth[name])
            for score, truth in zip(scores, truths, strict=True)
            if truth.get(name) is not None and name in score
        ]
        if not known:
            continue
        values, there = (np.array(column) for column in zip(*known, strict=True))
        point = operating_point(values, there)
        if point is not None:
            points[name] = point
    return points

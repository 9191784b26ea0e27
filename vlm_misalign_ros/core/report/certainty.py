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

"""How far a model's own scores, and the segmentation's entropy, know of errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from math import isnan
from typing import Any

import numpy as np

from vlm_misalign_ros.core.corruptions import BLANK
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.metrics import clustered, prediction
from vlm_misalign_ros.core.metrics.intervals import NOTHING, Interval, korn_graubard
from vlm_misalign_ros.core.report.table import Table, is_hazard
from vlm_misalign_ros.core.report.warning import LEAST, auroc, events
from vlm_misalign_ros.core.types import Hazard, Kind


def certainty(table: Table) -> dict[str, Any]:
    """Return how far the model's own scores and the segmentation's entropy know of errors."""
    result: dict[str, Any] = {}
    rows = ~table.of(BLANK)
    known = ~np.isnan(table.safe_scores) & rows
    danger = is_hazard(table.hazards, Hazard.HAZARD)
    truth = known & (danger | is_hazard(table.hazards, Hazard.CLEAR))
    if truth.any():
        result['judgement'] = {
            **_scored(1 - table.safe_scores[truth], danger[truth], table.scenes[truth]),
            'auroc': auroc(table, np.flatnonzero(truth), 1 - table.safe_scores, danger),
        }
    if table.kind is Kind.CONTRASTIVE:
        scorable = (table.presence != 1) & ~np.isnan(table.scores) & rows[:, None]
        if scorable.any():
            line, place = np.nonzero(scorable)
            result['presence'] = _scored(
                table.scores[line, place], table.presence[line, place] == 2, table.scenes[line]
            )
        result['classes'] = _class_aurocs(table)
    else:
        named = table.asserted & (table.presence != 1) & ~np.isnan(table.scores) & rows[:, None]
        if named.any():
            result['mentions'] = _mentions(table, named)
    result['segmentation_entropy'] = {
        name: auroc(
            table, np.flatnonzero(possible & ~np.isnan(table.entropy) & rows), table.entropy, wrong
        )
        for name, (wrong, possible) in events(table).items()
    }
    return result


def _mentions(table: Table, named: np.ndarray) -> dict[str, Any]:
    """Return how well the likelihood of its words tells a mention that is wrong."""
    line, place = np.nonzero(named)
    scores, wrong = table.scores[line, place], table.presence[line, place] == 0
    enough = min(wrong.sum(), (~wrong).sum()) >= LEAST
    found = clustered.auroc(-scores, wrong, table.scenes[line]) if enough else NOTHING
    return {
        'auroc': asdict(found),
        'risk_coverage_area': prediction.risk_coverage(scores, wrong).area,
        'risk': float(wrong.mean()),
        'risk_interval': asdict(_share(wrong, table.scenes[line])),
        'mentions': len(line),
    }


def _share(wrong: np.ndarray, scenes: np.ndarray) -> Interval:
    """Return the share of answers that are wrong, with its interval."""
    sums = clustered.by_scene(scenes, np.stack([wrong, np.ones(len(wrong))], axis=1))
    return korn_graubard(sums[:, 0], sums[:, 1])


def _scored(chances: np.ndarray, positives: np.ndarray, scenes: np.ndarray) -> dict[str, Any]:
    sure = np.maximum(chances, 1 - chances)
    wrong = (chances >= 0.5) != positives
    return {
        'brier': prediction.brier(chances, positives),
        'calibration_error': prediction.calibration_error(chances, positives),
        'risk_coverage_area': prediction.risk_coverage(sure, wrong).area,
        'risk': float(wrong.mean()),
        'risk_interval': asdict(_share(wrong, scenes)),
        'answers': len(chances),
    }


def _class_aurocs(table: Table) -> dict[str, Any]:
    """Return AUROC and AP of REQUIRED against ABSENT by condition: classes and their mean."""
    result: dict[str, Any] = {}
    for condition in table.condition_names:
        chosen = table.of(condition)
        classes: dict[str, Any] = {}
        for place, name in enumerate(SCORED):
            rows = chosen & (table.presence[:, place] != 1) & ~np.isnan(table.scores[:, place])
            positives = table.presence[rows, place] == 2
            if min(positives.sum(), (~positives).sum()) < LEAST:
                continue
            scores = table.scores[rows, place]
            classes[name] = {
                'auroc': prediction.auroc(scores, positives),
                'average_precision': prediction.average_precision(scores, positives),
                'positives': int(positives.sum()),
                'negatives': int((~positives).sum()),
            }
        result[condition] = {
            'mean_auroc': _mean([entry['auroc'] for entry in classes.values()]),
            'mean_average_precision': _mean(
                [entry['average_precision'] for entry in classes.values()]
            ),
            'classes': classes,
        }
    return result


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not isnan(value)]
    return float(np.mean(known)) if known else float('nan')

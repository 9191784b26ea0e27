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

"""Whether mIoU warns: how far it goes along with the rates, and tells the frames that fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from scipy.stats import rankdata

from vlm_misalign_ros.core.corruptions import BLANK, CLEAN
from vlm_misalign_ros.core.metrics import bootstrap, prediction
from vlm_misalign_ros.core.metrics.confusion import SHAPE, miou
from vlm_misalign_ros.core.metrics.intervals import NOTHING
from vlm_misalign_ros.core.metrics.rates import HEADLINES, RateRow
from vlm_misalign_ros.core.metrics.statistics import (
    correlate_rows,
    holm,
    partial_spearman,
    pearson,
    spearman,
    spearman_p,
)
from vlm_misalign_ros.core.report.table import Table

LEAST = 20
"""Fewer positives or negatives give no AUROC."""
_RESAMPLES = 1000


def warning(table: Table) -> dict[str, Any]:
    """Return how far segmentation quality goes along with each headline rate."""
    degraded = [name for name in table.condition_names if name != BLANK]
    result: dict[str, Any] = {'conditions': len(degraded), 'rates': {}}
    if not len(table):
        return result
    names = np.unique(table.clusters)
    drawn = bootstrap.weights(len(names), _RESAMPLES)
    quality, quality_drawn = _mious(table, degraded, names, drawn)
    for rate in HEADLINES:
        values, values_drawn = _rates(table, rate, degraded, names, drawn)
        entry: dict[str, Any] = {'p': spearman_p(quality, values)}
        entry['pearson'] = asdict(
            bootstrap.percentile_interval(
                pearson(quality, values)[0], correlate_rows(quality_drawn, values_drawn)
            )
        )
        entry['spearman'] = asdict(
            bootstrap.percentile_interval(
                spearman(quality, values)[0],
                correlate_rows(rankdata(quality_drawn, axis=1), rankdata(values_drawn, axis=1)),
            )
        )
        entry.update(_by_frame(table, rate))
        result['rates'][rate.name] = entry
    result['auroc'] = _auroc_of_iou(table)
    return result


def adjust(warnings: Sequence[dict[str, Any]]) -> None:
    """Add p values adjusted over the family of all models and rates (Holm)."""
    entries = [entry for warning in warnings for entry in warning['rates'].values()]
    for entry, adjusted in zip(entries, holm([e['p'] for e in entries]), strict=True):
        entry['p_holm'] = adjusted


def _mious(
    table: Table, conditions: Sequence[str], names: np.ndarray, drawn: np.ndarray
) -> tuple[list[float], np.ndarray]:
    """Return the mIoU of each condition, and (resamples, conditions) of it."""
    values, resampled = [], []
    for condition in conditions:
        chosen = table.of(condition)
        place = np.searchsorted(names, table.clusters[chosen])
        cells = np.zeros((len(names), table.confusion.shape[1]))
        np.add.at(cells, place, table.confusion[chosen])
        values.append(miou(cells.sum(0).reshape(SHAPE)))
        resampled.append([miou(row.reshape(SHAPE)) for row in drawn @ cells])
    return values, np.array(resampled).T


def _rates(
    table: Table, rate: RateRow, conditions: Sequence[str], names: np.ndarray, drawn: np.ndarray
) -> tuple[list[float], np.ndarray]:
    values, resampled = [], []
    for condition in conditions:
        over, under = (array[names] for array in table.sums(rate, table.of(condition)))
        with np.errstate(invalid='ignore', divide='ignore'):
            values.append(float(np.divide(over.sum(), under.sum())))
            resampled.append((drawn @ over) / (drawn @ under))
    return values, np.array(resampled).T


def _frame_rate(table: Table, rate: RateRow) -> np.ndarray:
    """Return a rate frame by frame, float64 (N,), NaN without a denominator."""
    over, under = table.terms(rate)
    found: np.ndarray = np.divide(over, under, out=np.full(len(table), np.nan), where=under > 0)
    return found


def _by_frame(table: Table, rate: RateRow) -> dict[str, Any]:
    """Return correlations over single frames: all, within each corruption, partial on objects."""
    values = _frame_rate(table, rate)
    known = ~np.isnan(values) & ~np.isnan(table.frame_iou) & ~table.of(BLANK)

    def correlate(chosen: np.ndarray) -> dict[str, Any]:
        rows = np.flatnonzero(chosen)
        interval = bootstrap.statistic(
            table.clusters[rows],
            lambda picked: spearman(table.frame_iou[rows[picked]], values[rows[picked]])[0],
            200,
        )
        return {**asdict(interval), 'frames': int(chosen.sum())}

    partial, count = partial_spearman(table.frame_iou[known], values[known], table.objects[known])
    corruption = np.array([table.corruptions[place] for place in table.conditions], object)
    return {
        'frames': correlate(known),
        'within': {
            name: correlate(known & (corruption == name))
            for name in dict.fromkeys(table.corruptions)
            if name not in (CLEAN, BLANK)
        },
        'partial_on_objects': {'value': partial, 'frames': count},
    }


def _auroc_of_iou(table: Table) -> dict[str, Any]:
    """Return how well a low frame IoU tells the frames that go wrong, by kind."""
    result = {}
    for name, (wrong, possible) in events(table).items():
        rows = np.flatnonzero(possible & ~np.isnan(table.frame_iou) & ~table.of(BLANK))
        result[name] = {
            **auroc(table, rows, -table.frame_iou, wrong),
            'frames': len(rows),
            'wrong': int(wrong[rows].sum()),
        }
    return result


def events(table: Table) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return (what went wrong, where it could have) by headline rate, bool (N,) each."""
    found = {}
    for rate in HEADLINES:
        over, under = table.terms(rate)
        found[rate.name] = over > 0, under > 0
    return found


def auroc(
    table: Table, rows: np.ndarray, scores: np.ndarray, positives: np.ndarray
) -> dict[str, float]:
    """Return how well scores tell positives from the rest, over `rows`; NaN for too few."""
    if min(positives[rows].sum(), (~positives[rows]).sum()) < LEAST:
        return asdict(NOTHING)
    return asdict(
        bootstrap.statistic(
            table.clusters[rows],
            lambda picked: prediction.auroc(scores[rows[picked]], positives[rows[picked]]),
            200,
        )
    )

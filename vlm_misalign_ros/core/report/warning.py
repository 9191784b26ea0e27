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

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import combinations
from math import isnan
from typing import Any

import numpy as np

from vlm_misalign_ros.core.corruptions import BLANK, CLEAN
from vlm_misalign_ros.core.metrics import clustered, correlation
from vlm_misalign_ros.core.metrics.bootstrap import resampled
from vlm_misalign_ros.core.metrics.confusion import VOID, mious
from vlm_misalign_ros.core.metrics.intervals import NOTHING, Interval
from vlm_misalign_ros.core.metrics.rates import BY_NAME, HEADLINES, RateRow
from vlm_misalign_ros.core.metrics.statistics import holm, spearman, spearman_p
from vlm_misalign_ros.core.report.table import Table

LEAST = 20
"""Fewer positives or negatives give no AUROC."""
WARNED: tuple[RateRow, ...] = tuple(
    dict.fromkeys(row for row in (*HEADLINES, BY_NAME['smr_false_safe']) if not row.mean_of)
)
"""What mIoU is held against: the headline rates, false-safe among them."""


class _Conditions:
    """mIoU and rates by condition, and on resampled scenes."""

    def __init__(self, table: Table) -> None:
        self.names = [name for name in table.condition_names if name != BLANK]
        self.scenes = len(np.unique(table.scenes[~table.of(BLANK)]))
        present = np.unique(table.scenes)
        blocks, count = [], len(self.names)
        for name in self.names:
            hits, unions = table.ious(table.of(name))
            terms = [table.sums(rate, table.of(name)) for rate in WARNED]
            blocks.append(
                np.concatenate([hits, unions, np.stack([a for pair in terms for a in pair], 1)], 1)
            )
        sums = np.concatenate(blocks, axis=1)[present] if blocks else np.zeros((0, 0))
        self.quality, self.rates = self._values(sums.sum(axis=0, keepdims=True), count)
        self.quality_drawn, self.rates_drawn = self._values(resampled(sums), count)

    @staticmethod
    def _values(totals: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return mIoU, (R, conditions), and rates, (R, conditions, rates), of sums."""
        of = totals.reshape(len(totals), count, 2 * VOID + 2 * len(WARNED))
        hits, unions = (of[..., k * VOID : (k + 1) * VOID].reshape(-1, VOID) for k in (0, 1))
        terms = of[..., 2 * VOID :]
        with np.errstate(invalid='ignore', divide='ignore'):
            return mious(hits, unions).reshape(len(totals), count), terms[..., ::2] / terms[
                ..., 1::2
            ]


def warning(table: Table) -> dict[str, Any]:
    """Return how far segmentation quality goes along with each headline rate."""
    result: dict[str, Any] = {
        'conditions': sum(name != BLANK for name in table.condition_names),
        'rates': {},
    }
    if not len(table) or not result['conditions']:
        return result
    if table.known.mixed:
        # Means over other classes, of a frame as of a condition, are other measures.
        return {**result, 'says': [table.known.told]}
    over = _Conditions(table)
    steady = correlation.reliability(over.quality[0], over.quality_drawn, over.scenes)
    found: dict[str, Interval] = {}
    for place, rate in enumerate(WARNED):
        values, drawn = over.rates[0, :, place], over.rates_drawn[..., place]
        reliable = steady * correlation.reliability(values, drawn, over.scenes)
        entry: dict[str, Any] = {'p': spearman_p(over.quality[0], values)}
        straight, count = correlation.pearson_interval(over.quality[0], values, reliable)
        found[rate.name], _ = correlation.spearman_interval(over.quality[0], values, reliable)
        entry['pearson'] = {**asdict(straight), 'n': count}
        entry['spearman'] = {**asdict(found[rate.name]), 'n': count}
        entry.update(_by_frame(table, rate))
        for name, within in entry['within'].items():
            within['by_severity'] = _by_severity(table, over, values, name)
        result['rates'][rate.name] = entry
    result['apart'] = list(_apart(over, found))
    result['says'] = [*_says(found), *(entry['says'] for entry in result['apart'])]
    result['auroc'] = _auroc_of_iou(table)
    return result


def adjust(warnings: Sequence[dict[str, Any]]) -> None:
    """
    Add p values adjusted over the families of all models and rates (Holm).

    Correlations over all conditions are one family, those within the corruptions another.
    """
    entries = [entry for warning in warnings for entry in warning['rates'].values()]
    within = [inner['by_severity'] for entry in entries for inner in entry['within'].values()]
    for family in (entries, within):
        for entry, adjusted in zip(family, holm([e['p'] for e in family]), strict=True):
            entry['p_holm'] = adjusted


def _by_severity(
    table: Table, over: _Conditions, values: np.ndarray, corruption: str
) -> dict[str, Any]:
    """Return Spearman's correlation over clean and the severities of one corruption."""
    kind = dict(zip(table.condition_names, table.corruptions, strict=True))
    chosen = [place for place, name in enumerate(over.names) if kind[name] in (CLEAN, corruption)]
    value, count = spearman(over.quality[0, chosen], values[chosen])
    return {'value': value, 'n': count, 'p': spearman_p(over.quality[0, chosen], values[chosen])}


def _apart(over: _Conditions, found: dict[str, Interval]) -> Iterator[dict[str, Any]]:
    """Yield for each two rates by how much mIoU goes along with one more than with the other."""
    place = {rate.name: number for number, rate in enumerate(WARNED)}
    for first, second in combinations(found, 2):
        between, _ = spearman(*(over.rates[0, :, place[name]] for name in (first, second)))
        interval = correlation.difference(found[first], found[second], between)
        if isnan(interval.value):
            continue
        one, other = (BY_NAME[name].title for name in (first, second))
        if interval.excludes_zero:
            # A correlation of -1 is a perfect warning: the lower one goes along more.
            more, less = (one, other) if interval.value > 0 else (other, one)
            says = f'mIoU falls more along with rising {more} than with rising {less}'
        else:
            says = f'that mIoU goes with {one} otherwise than with {other} is not shown'
        told = f'{interval.value:+.2f} [{interval.low:+.2f}, {interval.high:+.2f}]'
        yield {
            'first': first,
            'second': second,
            **asdict(interval),
            'says': f'{says} (difference of Spearman {told})',
        }


def _says(found: dict[str, Interval]) -> Iterator[str]:
    """Yield what may be said of each rate, by its interval."""
    for name, interval in found.items():
        title = BY_NAME[name].title
        if isnan(interval.value):
            yield f'{title}: nothing varies over the conditions, or there are fewer than three'
        elif isnan(interval.low):
            yield f'{title}: fewer than five conditions say nothing about mIoU'
        elif interval.excludes_zero:
            falls = 'falls as it rises' if interval.value < 0 else 'rises with it'
            yield f'{title}: mIoU {falls}'
        else:
            yield f'{title}: not shown to go along with mIoU'


def _frame_rate(table: Table, rate: RateRow) -> np.ndarray:
    """Return a rate frame by frame, float64 (N,), NaN without a denominator."""
    over, under = table.terms(rate)
    found: np.ndarray = np.divide(over, under, out=np.full(len(table), np.nan), where=under > 0)
    return found


def _by_frame(table: Table, rate: RateRow) -> dict[str, Any]:
    """Return correlations over single frames: all, within each corruption, partial on objects."""
    values = _frame_rate(table, rate)
    known = ~np.isnan(values) & ~np.isnan(table.frame_iou) & ~table.of(BLANK)

    def shown(chosen: np.ndarray, interval: Interval) -> dict[str, Any]:
        scenes = len(np.unique(table.scenes[chosen]))
        return {**asdict(interval), 'frames': int(chosen.sum()), 'scenes': scenes}

    def correlate(chosen: np.ndarray) -> dict[str, Any]:
        return shown(
            chosen,
            clustered.spearman(table.frame_iou[chosen], values[chosen], table.scenes[chosen]),
        )

    partial = clustered.partial_spearman(
        table.frame_iou[known], values[known], table.objects[known], table.scenes[known]
    )
    kinds = np.array([*table.corruptions, ''], object)[table.conditions]
    return {
        'frames': correlate(known),
        'within': {
            name: correlate(known & (kinds == name))
            for name in dict.fromkeys(table.corruptions)
            if name not in (CLEAN, BLANK)
        },
        'partial_on_objects': shown(known, partial),
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
    for rate in WARNED:
        over, under = table.terms(rate)
        found[rate.name] = over > 0, under > 0
    return found


def auroc(
    table: Table, rows: np.ndarray, scores: np.ndarray, positives: np.ndarray
) -> dict[str, float]:
    """Return how well scores tell positives from the rest, over `rows`; NaN for too few."""
    if min(positives[rows].sum(), (~positives[rows]).sum()) < LEAST:
        return asdict(NOTHING)
    return asdict(clustered.auroc(scores[rows], positives[rows], table.scenes[rows]))

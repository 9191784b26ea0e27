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
Intervals of what is no rate: linearised by scene, and given the shape of a proportion's.

Every statistic here is approached by a sum over scenes (its influence function), whose spread
between scenes is its variance. On a bounded scale that variance says how many independent answers
would have as much, and they get Clopper and Pearson's limits, as a rate does in
metrics/intervals. Nothing is resampled: docs/metrics.md has the simulated coverage.
"""

from __future__ import annotations

from math import isnan, nan, sqrt

import numpy as np
from scipy import special

from vlm_misalign_ros.core.metrics.intervals import ALPHA, NOTHING, Interval, clopper_pearson
from vlm_misalign_ros.core.metrics.scenes import scene_sums
from vlm_misalign_ros.core.metrics.statistics import Z95, midranks

_LESS, _LESS_OF_TWO = 1.3, 1.6
"""Scenes that a spread of unequal ones loses by their mean and weights; by those of two kinds."""


def by_scene(scenes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the sums of `values`, (N,) or (N, K), by scene; a row a scene that is there."""
    return scene_sums(np.unique(scenes, return_inverse=True)[1], values)


def spread(sums: np.ndarray) -> float:
    """Return the variance of a total from its parts by scene, which sum to about 0."""
    scenes = len(sums)
    return float(scenes / (scenes - 1) * np.sum(sums**2)) if scenes > 1 else nan


def bounded(
    value: float, variance: float, scenes: int, most: float = np.inf, freedom: float | None = None
) -> Interval:
    """
    Return the interval of a statistic between 0 and 1, from its variance between scenes.

    n* = value (1 - value) / variance, times (1.96 / t)^2 with `freedom` degrees of freedom
    (scenes - 1 if None), `most` at most; where nothing varies, the number of scenes.
    """
    if isnan(value):
        return NOTHING
    size = float(scenes)
    if scenes > 1 and variance > 1e-18 and 0 < value < 1:
        size = value * (1 - value) / variance
        quantile = special.stdtrit(scenes - 1 if freedom is None else freedom, 1 - ALPHA / 2)
        size *= (Z95 / float(quantile)) ** 2
        size = min(max(size, 1.0), most)
    low, high = clopper_pearson(np.array([value * size]), np.array([size]))
    return Interval(float(value), float(low[0]), float(high[0]))


def signed(value: float, variance: float, scenes: int, freedom: float | None = None) -> Interval:
    """Return the interval of a statistic between -1 and 1, as a correlation is."""
    found = bounded((value + 1) / 2, variance / 4, scenes, freedom=freedom)
    return Interval(float(value), 2 * found.low - 1, 2 * found.high - 1)


def auroc(scores: np.ndarray, positives: np.ndarray, scenes: np.ndarray) -> Interval:
    """
    Return the area under the ROC curve over rows of some scenes, each array (N,).

    Variance of Obuchowski (1997, Biometrics 53) for clustered data, from the placements of DeLong
    (1988). NaN scores are left out; NaN without both kinds.
    """
    known = ~np.isnan(scores)
    values, truth, scenes = scores[known], positives[known], scenes[known]
    yes, no = int(truth.sum()), int((~truth).sum())
    if not yes or not no:
        return NOTHING
    ranks = midranks(values)
    placed = np.empty(len(values))
    placed[truth] = (ranks[truth] - midranks(values[truth])) / no
    placed[~truth] = 1 - (ranks[~truth] - midranks(values[~truth])) / yes
    value = float(placed[truth].mean())
    of = np.where(truth, (placed - value) / yes, 0.0), np.where(truth, 0.0, (placed - value) / no)
    sums = by_scene(scenes, np.stack([*of, truth, ~truth], axis=1))
    with_yes, with_no = int((sums[:, 2] > 0).sum()), int((sums[:, 3] > 0).sum())
    if min(with_yes, with_no) < 2:
        return bounded(value, nan, min(with_yes, with_no))
    share = sums[:, 2:] / (yes, no)
    lever = (sums[:, :2] / np.maximum(1 - share, 0.2)).sum(axis=1)
    # Scenes that hold much of a kind count for more: the rarer are worth fewer of equal weight.
    least = min(with_yes, with_no)
    worth = float((1 / (share**2).sum(axis=0)).min())
    freedom = max((least + worth) / 2 - _LESS_OF_TWO, 1.0)
    return bounded(value, float(lever @ lever), least, len(values), freedom)


def miou(hits: np.ndarray, unions: np.ndarray) -> Interval:
    """
    Return the mIoU from the hits and unions of each class by scene, (scenes, 19) each.

    The estimate is over the classes that were seen, as metrics/confusion has it. A class that
    few scenes hold varies more than they show: its residuals are scaled up by their share of it
    (as in a jackknife), and one that a single scene holds borrows the spread of the others.
    """
    seen = unions.sum(axis=0) > 0
    hits, unions = hits[:, seen].astype(np.float64), unions[:, seen].astype(np.float64)
    used = unions.sum(axis=1) > 0
    hits, unions = hits[used], unions[used]
    if not hits.size:
        return NOTHING
    total = unions.sum(axis=0)
    iou = hits.sum(axis=0) / total
    share = unions / total
    residual = (hits - iou * unions) / total
    scenes = int(used.sum())
    single = (unions > 0).sum(axis=0) == 1
    lever = residual / np.maximum(1 - share, 0.2)
    variance = spread(lever.sum(axis=1) / len(iou))
    if single.any() and not single.all():
        own = (residual[:, ~single] / np.where(share[:, ~single] > 0, share[:, ~single], 1)) ** 2
        between = (share[:, ~single] * own).sum(axis=0) / np.maximum(
            1 - (share[:, ~single] ** 2).sum(axis=0), 0.2
        )
        variance += float(single.sum() * between.mean()) / len(iou) ** 2
    # Scenes that hold much of a class count for more: they are worth so many of equal weight.
    worth = float(np.quantile(1 / (share**2).sum(axis=0), 0.8))
    return bounded(float(iou.mean()), variance, scenes, freedom=max(worth - _LESS, 1.0))


def _placed(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean over j of weights_j (1 if values_i < values_j, 1/2 if equal), (N,)."""
    _, group = np.unique(values, return_inverse=True)
    sums = np.bincount(group, weights)
    above = sums[::-1].cumsum()[::-1] - sums
    found: np.ndarray = (above + sums / 2)[group] / len(values)
    return found


def _spearman_influence(x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Return Spearman's correlation and its influence function by row, (N,)."""
    u, v = ((midranks(values) - 0.5) / len(values) for values in (x, y))

    def moment(
        one: np.ndarray, other: np.ndarray, of: np.ndarray, by: np.ndarray
    ) -> tuple[float, np.ndarray]:
        product = float(np.mean(one * other))
        return product - 0.25, one * other + _placed(of, other) + _placed(by, one) - 3 * product

    (cross, cross_i), (uu, uu_i), (vv, vv_i) = (
        moment(u, v, x, y),
        moment(u, u, x, x),
        moment(v, v, y, y),
    )
    if min(uu, vv) < 1e-12:
        return nan, np.zeros(len(x))
    value = cross / sqrt(uu * vv)
    return value, cross_i / sqrt(uu * vv) - value / 2 * (uu_i / uu + vv_i / vv)


def spearman(x: np.ndarray, y: np.ndarray, scenes: np.ndarray) -> Interval:
    """
    Return Spearman's correlation over rows of some scenes, (N,) each, without NaN.

    Its influence function takes in that ranks are estimates, too. NaN below 3 rows or without
    spread.
    """
    if len(x) < 3:
        return NOTHING
    value, influence = _spearman_influence(x, y)
    if isnan(value):
        return NOTHING
    sums = by_scene(scenes, influence / len(x))
    return signed(value, spread(sums), len(sums))


def partial_spearman(
    x: np.ndarray, y: np.ndarray, given: np.ndarray, scenes: np.ndarray
) -> Interval:
    """
    Return Spearman's correlation of x and y with `given` held fixed, over rows, (N,) each.

    The partial correlation of the ranks: (r_xy - r_xz r_yz) / sqrt((1 - r_xz^2)(1 - r_yz^2)).
    NaN below 4 rows or without spread of x or y.
    """
    if len(x) < 4:
        return NOTHING
    (xy, i_xy), (xz, i_xz), (yz, i_yz) = (
        _spearman_influence(*pair) for pair in ((x, y), (x, given), (y, given))
    )
    if isnan(xy):
        return NOTHING
    if isnan(xz) or isnan(yz):
        return spearman(x, y, scenes)
    a, b = 1 - xz**2, 1 - yz**2
    if a * b < 1e-12:
        return NOTHING
    value = (xy - xz * yz) / sqrt(a * b)
    influence = (
        (i_xy - yz * i_xz - xz * i_yz) / sqrt(a * b)
        + value * xz / a * i_xz
        + value * yz / b * i_yz
    )
    sums = by_scene(scenes, influence / len(x))
    return signed(value, spread(sums), len(sums), max(len(sums) - 2.0, 1.0))

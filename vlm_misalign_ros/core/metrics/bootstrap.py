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
Intervals by resampling whole source frames: answers to one scene are not independent.

A cluster is everything that was said of one source frame under whatever conditions; clusters are
drawn with replacement (the cluster bootstrap, Cameron, Gelbach and Miller 2008), statistics are
ratios of sums, intervals are percentiles.
"""

from __future__ import annotations

from collections.abc import Callable
from math import nan

import numpy as np

from vlm_misalign_ros.core.metrics.intervals import NOTHING, Interval

RESAMPLES = 2000
SEED = 20260108
"""Resampling is part of the result, so it is the same every time."""
_BLOCK = 4_000_000
"""Weights drawn at once."""


def weights(clusters: int, resamples: int = RESAMPLES, seed: int = SEED) -> np.ndarray:
    """Return how often each cluster is drawn, int64 (resamples, clusters), by row."""
    rng = np.random.default_rng((seed, clusters))
    drawn = np.empty((resamples, clusters), np.int64)
    step = max(1, _BLOCK // max(clusters, 1))
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        drawn[start : start + rows] = rng.multinomial(
            clusters, np.full(clusters, 1 / clusters), size=rows
        )
    return drawn


def percentile_interval(value: float, drawn: np.ndarray) -> Interval:
    """Return the interval of resampled values, NaN among them left out."""
    known = drawn[~np.isnan(drawn)]
    if np.isnan(value) or not known.size:
        return NOTHING if np.isnan(value) else Interval(value, nan, nan)
    low, high = np.percentile(known, [2.5, 97.5])
    return Interval(float(value), float(low), float(high))


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.divide(
        numerator,
        denominator,
        where=denominator != 0,
        out=np.full(np.broadcast(numerator, denominator).shape, nan),
    )
    return found


def ratio(numerators: np.ndarray, denominators: np.ndarray) -> Interval:
    """Return the ratio of the sums of two counts given by cluster, each (clusters,)."""
    numerators = np.asarray(numerators, np.float64)
    denominators = np.asarray(denominators, np.float64)
    if not len(numerators):
        return NOTHING
    drawn = weights(len(numerators))
    value = _ratio(numerators.sum(keepdims=True), denominators.sum(keepdims=True))[0]
    return percentile_interval(value, _ratio(drawn @ numerators, drawn @ denominators))


def difference(
    first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]
) -> Interval:
    """
    Return the second ratio minus the first over the same clusters, paired by cluster.

    Each is (numerators, denominators) by cluster; both belong to the same clusters in the same
    order, so what makes a scene hard drops out.
    """
    a, b, c, d = (np.asarray(array, np.float64) for array in (*first, *second))
    if not len(a):
        return NOTHING
    drawn = weights(len(a))
    value = (
        _ratio(c.sum(keepdims=True), d.sum(keepdims=True))
        - _ratio(a.sum(keepdims=True), b.sum(keepdims=True))
    )[0]
    return percentile_interval(value, _ratio(drawn @ c, drawn @ d) - _ratio(drawn @ a, drawn @ b))


def statistic(
    clusters: np.ndarray, function: Callable[[np.ndarray], float], resamples: int = 400
) -> Interval:
    """
    Return the interval of any statistic of rows, resampled by cluster.

    `clusters` names the cluster of each row, (rows,); `function` takes row indices, repeated as
    drawn, and returns a number.
    """
    names, of_row = np.unique(np.asarray(clusters), return_inverse=True)
    if not len(names):
        return NOTHING
    members = np.split(np.argsort(of_row, kind='stable'), np.cumsum(np.bincount(of_row))[:-1])
    value = function(np.arange(len(of_row)))
    drawn = [
        function(
            np.concatenate(
                [np.repeat(members[place], count) for place, count in enumerate(row) if count]
            )
        )
        for row in weights(len(names), resamples)
    ]
    return percentile_interval(value, np.array(drawn))

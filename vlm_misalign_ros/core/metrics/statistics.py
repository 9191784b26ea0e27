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

"""Intervals and correlations; NaN where there is nothing to compute them from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import isnan, nan, sqrt

import numpy as np

Numbers = Sequence[float] | np.ndarray

SEED = 20260108
"""Resampling is part of the result, so it is the same every time."""
Z95 = 1.959963984540054
"""0.975 quantile of the standard normal distribution."""


def wilson(numerator: int, denominator: int) -> tuple[float, float]:
    """
    Return the 95 % score interval of a proportion (Wilson 1927); NaN when `denominator` is 0.

    Equal to scipy.stats.binomtest(k, n).proportion_ci(method='wilson').
    """
    if denominator == 0:
        return nan, nan
    n, p = denominator, numerator / denominator
    center = (p + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * sqrt(p * (1 - p) / n + Z95**2 / (4 * n * n))
    low = 0.0 if numerator == 0 else center - half
    high = 1.0 if numerator == denominator else center + half
    return low, high


def _pairs(x: Numbers, y: Numbers) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    known = ~(np.isnan(a) | np.isnan(b))
    return a[known], b[known]


def midranks(values: np.ndarray) -> np.ndarray:
    """
    Return the ranks of values, (N,), from 1, the mean of their ranks for equal ones, float64 (N,).

    Equal to scipy.stats.rankdata, whose import takes longer than a report; all NaN where one is.
    """
    if np.isnan(values).any():
        return np.full(len(values), nan)
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle: np.ndarray = np.cumsum(counts) - (counts - 1) / 2
    return middle[which]


def correlate_rows(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """
    Return Pearson's correlation of each row of x, (R, N), with that of y, float64 (R,).

    NaN for a row with a NaN, with fewer than 3 columns or without spread.
    """
    a = x - x.mean(axis=1, keepdims=True)
    b = y - y.mean(axis=1, keepdims=True)
    scale = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    flat = (np.ptp(x, axis=1) == 0) | (np.ptp(y, axis=1) == 0) | (x.shape[1] < 3)
    found = np.divide((a * b).sum(axis=1), scale, out=np.full(len(x), nan), where=scale > 0)
    return np.where(flat, nan, found.clip(-1, 1))


def pearson(x: Numbers, y: Numbers) -> tuple[float, int]:
    """Return Pearson's correlation and the number of pairs; NaN below 3 or without spread."""
    a, b = _pairs(x, y)
    return (float(correlate_rows(a[None], b[None])[0]) if len(a) else nan), len(a)


def spearman(x: Numbers, y: Numbers) -> tuple[float, int]:
    """Return Spearman's correlation and the number of pairs; NaN below 3 or without spread."""
    a, b = _pairs(x, y)
    if not len(a):
        return nan, 0
    return pearson(midranks(a), midranks(b))


def holm(values: Sequence[float]) -> list[float]:
    """
    Return p values adjusted for a family of tests (Holm 1979); NaN stays and is no test.

    The k-th smallest of m is multiplied by m - k + 1, never falls below a smaller one's, and is
    1 at most.
    """
    given = np.asarray(values, np.float64)
    order = [place for place in np.argsort(given, kind='stable') if not isnan(given[place])]
    adjusted = given.copy()
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * given[place]))
        adjusted[place] = highest
    return [float(value) for value in adjusted]


EXACT = 9
"""Up to so many pairs every permutation is tried."""
PERMUTATIONS = 100_000
LEAST_PAIRS = 5
"""Fewer pairs give no p value: of four the smallest possible is .083."""
_BLOCK = 20_000


def spearman_p(x: Numbers, y: Numbers) -> float:
    """
    Return the two-sided p value of Spearman's correlation by permutation of the pairs.

    The share of all permutations whose correlation is at least as far from 0, up to EXACT pairs;
    beyond, (b + 1) / (n + 1) of PERMUTATIONS seeded ones (Phipson and Smyth 2010). NaN below
    LEAST_PAIRS pairs or without spread.
    """
    a, b = _pairs(x, y)
    if len(a) < LEAST_PAIRS or np.ptp(a) == 0 or np.ptp(b) == 0:
        return nan
    a, b = (ranks - ranks.mean() for ranks in (midranks(a), midranks(b)))
    # Sums of products of half ranks are exact; the margin is for the means taken off.
    least = abs(float(a @ b)) - 1e-9 * len(a)
    if len(a) <= EXACT:
        return float(np.mean(np.abs(b[_permutations(len(a))] @ a) >= least))
    rng = np.random.default_rng((SEED, len(a)))
    extreme = 0
    for _ in range(PERMUTATIONS // _BLOCK):
        drawn = rng.permuted(np.broadcast_to(b, (_BLOCK, len(b))), axis=1)
        extreme += int(np.sum(np.abs(drawn @ a) >= least))
    return (extreme + 1) / (PERMUTATIONS + 1)


@lru_cache
def _permutations(count: int) -> np.ndarray:
    """Return every permutation of 0 to count - 1, int8 (count!, count)."""
    found = np.zeros((1, 1), np.int8)
    for size in range(2, count + 1):
        found = np.concatenate(
            [np.insert(found, place, size - 1, axis=1) for place in range(size)]
        )
    return found

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
Intervals of correlations over the conditions of a run, and of the difference of two of them.

The conditions are the sample: the intervals are Fisher's (1921) for Pearson's correlation and
Bonett and Wright's (2000) for Spearman's. What a condition's value owes to the few scenes it was
taken on pulls a correlation towards 0; how much of the spread between conditions that is comes
from a bootstrap over scenes, and the ends are moved outwards by it (Spearman 1904).
"""

from __future__ import annotations

from math import atanh, isnan, nan, sqrt, tanh

import numpy as np
from scipy import special

from vlm_misalign_ros.core.metrics.intervals import NOTHING, Interval, mover
from vlm_misalign_ros.core.metrics.statistics import LEAST_PAIRS, Z95, pearson, spearman

_LEAST_RELIABLE = 0.2
"""A share of the spread that can be told from noise; below it an end is at 1 anyhow."""


def reliability(values: np.ndarray, drawn: np.ndarray, scenes: int) -> float:
    """
    Return the share of the spread between conditions that is not the noise of few scenes.

    `values` (conditions,) and their values on resampled scenes, (resamples, conditions); what
    all conditions have in common is no noise of a correlation. _LEAST_RELIABLE at least.
    """
    known = ~np.isnan(values)
    if known.sum() < 2 or scenes < 2:
        return 1.0
    drawn = np.where(np.isnan(drawn), values, drawn)[:, known]
    apart = drawn - drawn.mean(axis=1, keepdims=True)
    noise = apart.var(axis=0).sum() * scenes / (scenes - 1) * known.sum() / (known.sum() - 1)
    # The fewer the scenes, the more may be noise, as the width of an interval grows with t.
    noise *= (float(special.stdtrit(scenes - 1, 0.975)) / Z95) ** 2
    total = float(((values[known] - values[known].mean()) ** 2).sum())
    return max(_LEAST_RELIABLE, 1 - float(noise) / total) if total > 0 else 1.0


def pearson_interval(x: np.ndarray, y: np.ndarray, reliable: float = 1.0) -> tuple[Interval, int]:
    """Return Pearson's correlation with its interval, and the number of pairs."""
    value, count = pearson(x, y)
    return _interval(value, count, 1.0, 1 - 1e-9, reliable), count


def spearman_interval(x: np.ndarray, y: np.ndarray, reliable: float = 1.0) -> tuple[Interval, int]:
    """
    Return Spearman's correlation with its interval, and the number of pairs.

    A correlation of 1 counts as half a step less, so that it has an interval.
    """
    value, count = spearman(x, y)
    return _interval(
        value, count, 1 + value**2 / 2, 1 - 6 / max(count**3 - count, 12), reliable
    ), count


def _interval(value: float, count: int, inflated: float, most: float, reliable: float) -> Interval:
    if isnan(value) or count < LEAST_PAIRS:
        return Interval(value, nan, nan)
    center = atanh(min(max(value, -most), most))
    half = Z95 * sqrt(inflated / (count - 3))
    low, high = tanh(center - half), tanh(center + half)
    # `reliable` is the product of two shares; its root is what noise leaves of a correlation.
    low = low / sqrt(reliable) if low < 0 else low
    high = high / sqrt(reliable) if high > 0 else high
    return Interval(value, max(min(low, value), -1.0), min(max(high, value), 1.0))


def difference(first: Interval, second: Interval, between: float) -> Interval:
    """
    Return the second correlation minus the first, both with the same third variable.

    `between` is the correlation of the two. Zou (2007, Psychological Methods 12), eq. 12 to 15.
    """
    a, b, c = first.value, second.value, between
    if isnan(a + b + first.low + second.low):
        return NOTHING
    c = 0.0 if isnan(c) else c
    scale = (1 - a**2) * (1 - b**2)
    together = 0.0
    if scale > 1e-9:
        together = ((c - a * b / 2) * (1 - a**2 - b**2 - c**2) + c**3) / scale
        together = min(max(together, -1.0), 1.0)
    found = mover(first, second, together)
    return Interval(found.value, max(found.low, -2.0), min(found.high, 2.0))

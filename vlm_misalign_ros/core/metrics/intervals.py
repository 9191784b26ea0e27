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
Intervals of rates over scenes: Clopper and Pearson's on the effective sample size.

Answers within a scene are alike, so n answers are worth fewer. Korn and Graubard (1998, Survey
Methodology 24, 193-201) estimate how many, adjust that for the few scenes the estimate comes from,
and give it to the exact binomial interval. docs/metrics.md has its simulated coverage.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan, nan, sqrt

import numpy as np
from scipy import special

ALPHA = 0.05
"""Every interval leaves out this much."""
FEW_SCENES = 20
"""Fewer scenes prove nothing."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval; NaN where there is nothing to estimate."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Return whether the interval lies on one side of 0."""
        return self.low > 0 or self.high < 0


NOTHING = Interval(nan, nan, nan)


def mover(first: Interval, second: Interval, correlation: float = 0.0) -> Interval:
    """
    Return the second estimate minus the first, whose estimates are so correlated.

    MOVER (Zou and Donner 2008, Statistics in Medicine 27; Newcombe 1998, method 10; of two
    correlations Zou 2007, Psychological Methods 12): the limits are combined as distances from
    the estimates. NaN where either estimate is.
    """

    def apart(one: float, other: float) -> float:
        return sqrt(max(one**2 + other**2 - 2 * correlation * one * other, 0.0))

    value = second.value - first.value
    if isnan(value):
        return NOTHING
    return Interval(
        value,
        value - apart(second.value - second.low, first.high - first.value),
        value + apart(second.high - second.value, first.value - first.low),
    )


def mean_of_two(first: Interval, second: Interval, *, correlation: float = 0.0) -> Interval:
    """Return the mean of two estimates that are so correlated, by MOVER."""
    # The mean is half of the difference to the first turned around.
    turned = Interval(-first.value, -first.high, -first.low)
    found = mover(turned, second, -correlation)
    return Interval(found.value / 2, found.low / 2, found.high / 2)


@dataclass(frozen=True)
class Intervals:
    """Several estimates with their intervals, float64 (R,) each."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def at(self, place: int) -> Interval:
        """Return one of them."""
        return Interval(float(self.value[place]), float(self.low[place]), float(self.high[place]))


def korn_graubard(numerators: np.ndarray, denominators: np.ndarray) -> Interval:
    """
    Return the 95 % interval of the sum of `numerators` over the sum of `denominators`.

    Both hold counts by scene, (scenes,), numerators at most their denominators. Scenes without a
    denominator are no evidence and are left out. With no event, or with nothing but events, the
    scenes count as one answer each: an interval never has no width. Equal to Clopper and Pearson's
    (1934) where every scene has one answer. ValueError for counts that are no proportion.
    """
    over, under = (np.asarray(a, np.float64).reshape(-1, 1) for a in (numerators, denominators))
    if over.shape == under.shape and not np.all((over >= 0) & (over <= under)):
        raise ValueError('counts are no proportion: 0 <= numerator <= denominator')
    return korn_graubard_rows(over, under).at(0)


def korn_graubard_rows(numerators: np.ndarray, denominators: np.ndarray) -> Intervals:
    """
    Return the interval of each column of counts by scene, (scenes, R); see korn_graubard.

    A column that is no proportion has no interval. ValueError where the shapes differ.
    """
    over, under = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)
    if over.shape != under.shape or over.ndim != 2:
        raise ValueError(f'counts {over.shape} and {under.shape} do not match')
    sane = np.all((over >= 0) & (over <= under), axis=0)
    events, total = over.sum(axis=0), under.sum(axis=0)
    size = effective_size(over, under)
    with np.errstate(invalid='ignore', divide='ignore'):
        value = events / total
        low, high = clopper_pearson(np.where(sane, value * size, nan), size)
    return Intervals(value, low, high)


def effective_size(numerators: np.ndarray, denominators: np.ndarray) -> np.ndarray:
    """
    Return how many independent answers those of the scenes are worth, float64 (R,).

    Counts by scene, (scenes, R). n* = n / deff with deff = var(p) / (p (1 - p) / (n - 1)), the
    variance linearised over scenes drawn with replacement, times (t_n-1 / t_scenes-1)^2 for the
    few scenes that it is estimated from (Korn and Graubard 1998, section 4); n at most. Where
    nothing varies (no event, nothing but events, the same share in every scene, a single scene)
    it is the number of scenes: that scenes are alike does not show that their answers are
    independent.
    """
    events, total = numerators.sum(axis=0), denominators.sum(axis=0)
    scenes = (denominators > 0).sum(axis=0)
    with np.errstate(invalid='ignore', divide='ignore'):
        value = events / total
        residual = numerators - value * denominators
        variance = scenes / (scenes - 1) * (residual**2).sum(axis=0) / total**2
        size = value * (1 - value) / variance * total / (total - 1)
        size *= (_t(total - 1) / _t(scenes - 1)) ** 2
    flat = (events == 0) | (events == total) | (scenes < 2) | ~(variance > 1e-18)
    found: np.ndarray = np.where(flat, scenes, np.clip(size, 1, np.maximum(total, 1)))
    return found


def clopper_pearson(events: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    Return the exact 95 % interval of events / total, for counts that need not be whole.

    Quantiles of the beta distribution (Clopper and Pearson 1934); NaN where `total` is 0.
    """
    events, total = np.asarray(events, np.float64), np.asarray(total, np.float64)
    rest = total - events
    with np.errstate(invalid='ignore'):
        low = special.betaincinv(events, rest + 1, ALPHA / 2)
        high = special.betaincinv(events + 1, rest, 1 - ALPHA / 2)
    known = total > 0
    tiny = 1e-9 * np.maximum(total, 1)
    return (
        np.where(known, np.where(events <= tiny, 0.0, low), nan),
        np.where(known, np.where(rest <= tiny, 1.0, high), nan),
    )


def _t(freedom: np.ndarray) -> np.ndarray:
    """Return the 0.975 quantile of Student's t."""
    found: np.ndarray = special.stdtrit(np.maximum(freedom, 1), 1 - ALPHA / 2)
    return found

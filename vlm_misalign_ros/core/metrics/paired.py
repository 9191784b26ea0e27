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
The difference of two ratios that were counted over the same scenes.

Both saw the same scenes, so what makes a scene hard drops out. Each ratio has Korn and Graubard's
limits (metrics/intervals), and MOVER combines them with the correlation of the two between scenes.
Where the same few scenes have an event in both, that correlation is 1, which is no proof that no
scene could differ: one scene more, with an event in one alone, is supposed beside those that were
seen. Where one scene differs at most, each half is at least the largest chance of an event that so
many scenes leave unseen in 2.5 % of cases, 1 - .025^(1 / scenes): Clopper and Pearson's upper end
at no event.
docs/metrics.md and docs/verdict.md have the simulated coverage.
"""

from __future__ import annotations

from math import hypot, isnan, sqrt

import numpy as np
from scipy import special

from vlm_misalign_ros.core.metrics.intervals import (
    ALPHA,
    NOTHING,
    Interval,
    korn_graubard,
    mean_of_two,
    mover,
)

Terms = tuple[np.ndarray, np.ndarray]
"""Numerators and denominators by scene, (scenes,) each."""


def unseen(scenes: int) -> float:
    """Return the largest chance of an event that is seen in none of `scenes` in 2.5 % of cases."""
    return float(1 - (ALPHA / 2) ** (1 / scenes)) if scenes else 1.0


def difference(first: Terms, second: Terms) -> Interval:
    """
    Return the second ratio of sums minus the first, with its 95 % interval, within -1 to 1.

    Both hold counts of the same scenes in the same order; those that neither counts from are left
    out. NaN where either has no denominator.
    """
    (a, b), (c, d) = (tuple(np.asarray(x, np.float64) for x in terms) for terms in (first, second))
    known = (b > 0) | (d > 0)
    a, b, c, d = a[known], b[known], c[known], d[known]
    if not b.sum() or not d.sum():
        return NOTHING
    one, other = (over - over.sum() / under.sum() * under for over, under in ((a, b), (c, d)))
    together = _correlation(one, other)
    if together > 0:
        together *= sqrt(_shown(a, b) * _shown(c, d))
    found = mover(korn_graubard(a, b), korn_graubard(c, d), together)
    least = unseen(len(a)) if ((a != c) | (b != d)).sum() <= 1 else 0.0
    low, high = min(found.low, found.value - least), max(found.high, found.value + least)
    return Interval(found.value, max(low, -1.0), min(high, 1.0))


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return the correlation of two totals whose parts by scene sum to 0; 0 without spread."""
    scale = sqrt(float(one @ one) * float(other @ other))
    return float(one @ other) / scale if scale > 0 else 0.0


def _shown(over: np.ndarray, under: np.ndarray) -> float:
    """Return the share that scenes with an event and without have beside one more, unseen."""
    events, others = float((over > 0).sum()), float((over < under).sum())
    seen = events * others / (events + others) if events and others else 0.0
    return seen / (seen + 1)


def mean_difference(pairs: list[tuple[Terms, Terms]]) -> Interval:
    """
    Return the mean of two such differences over the same scenes, as of `smr_balanced`.

    One pair alone is its difference. Where both move together by scene, the mean varies more.
    """
    if len(pairs) == 1:
        return difference(*pairs[0])
    (one, other) = (difference(*pair) for pair in pairs)
    if isnan(one.value) or isnan(other.value):
        return NOTHING
    together = max(_correlation(*(_influence(*pair) for pair in pairs)), 0.0)
    return mean_of_two(one, other, correlation=together)


def _influence(first: Terms, second: Terms) -> np.ndarray:
    """Return what each scene adds to a difference beyond its share (Woodruff 1971)."""
    (a, b), (c, d) = (tuple(np.asarray(x, np.float64) for x in terms) for terms in (first, second))
    found: np.ndarray = (c - c.sum() / d.sum() * d) / d.sum() - (
        a - a.sum() / b.sum() * b
    ) / b.sum()
    return found


def jackknife(value: float, without: np.ndarray) -> Interval:
    """
    Return a statistic of scenes, within -1 to 1, with its 95 % interval.

    `without`, float64 (scenes,), is the statistic with each scene left out. The error is that of
    Tukey's (1958) jackknife, with Student's t; to the half width comes, by the root of the sum of
    squares, what so many scenes leave unseen. NaN where `value` is.
    """
    if isnan(value):
        return NOTHING
    scenes = len(without)
    if scenes < 2 or np.isnan(without).any():
        return Interval(value, -1.0, 1.0)
    lost = without.mean() - without
    error = sqrt(float((lost**2).sum()) * (scenes - 1) / scenes)
    half = hypot(float(special.stdtrit(scenes - 1, 1 - ALPHA / 2)) * error, unseen(scenes))
    return Interval(value, max(-1.0, value - half), min(1.0, value + half))

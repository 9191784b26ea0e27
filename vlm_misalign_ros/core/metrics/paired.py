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

Both runs saw the same scenes, so what makes a scene hard drops out. The variance is that of the
linearised difference over scenes (Woodruff 1971), with Student's t for their number. A difference
that no scene shows has no variance, but is no proof that there is none: to the half width comes,
by the root of the sum of squares, the largest chance of an event that so many scenes leave unseen
in 2.5 % of cases, 1 - .025^(1 / scenes), which is Clopper and Pearson's upper end at no event.
docs/verdict.md has the simulated coverage.
"""

from __future__ import annotations

from math import hypot, isnan, sqrt

import numpy as np
from scipy import special

from vlm_misalign_ros.core.metrics.intervals import ALPHA, NOTHING, Interval

Terms = tuple[np.ndarray, np.ndarray]
"""Numerators and denominators by scene, (scenes,) each."""


def unseen(scenes: int) -> float:
    """Return the largest chance of an event that is seen in none of `scenes` in 2.5 % of cases."""
    return float(1 - (ALPHA / 2) ** (1 / scenes)) if scenes else 1.0


def scenes_needed(share: float) -> int:
    """Return the least number of scenes without any event that shows a rate below `share`."""
    needed = int(np.ceil(np.log(ALPHA / 2) / np.log1p(-share)))
    return needed if unseen(needed) < share else needed + 1


def difference(first: Terms, second: Terms) -> Interval:
    """
    Return the second ratio of sums minus the first, with its 95 % interval, within -1 to 1.

    Both hold counts of the same scenes in the same order. NaN where either has no denominator.
    """
    return mean_difference([(first, second)])


def mean_difference(pairs: list[tuple[Terms, Terms]]) -> Interval:
    """
    Return the mean of several such differences over the same scenes, as of `smr_balanced`.

    A scene counts as one where any of them has a denominator.
    """
    value, influence, known = 0.0, np.zeros(0), np.zeros(0, bool)
    for first, second in pairs:
        (a, b), (c, d) = (
            tuple(np.asarray(array, np.float64) for array in terms) for terms in (first, second)
        )
        if not b.sum() or not d.sum():
            return NOTHING
        p, q = a.sum() / b.sum(), c.sum() / d.sum()
        value += (q - p) / len(pairs)
        moved = ((c - q * d) / d.sum() - (a - p * b) / b.sum()) / len(pairs)
        influence = moved if not influence.size else influence + moved
        has = (b > 0) | (d > 0)
        known = has if not known.size else known | has
    return _around(float(value), influence[known])


def jackknife(value: float, without: np.ndarray) -> Interval:
    """
    Return a statistic of scenes, within -1 to 1, with its 95 % interval.

    `without`, float64 (scenes,), is the statistic with each scene left out; what it loses by that
    takes the place of the linearised difference (Tukey 1958). NaN where `value` is.
    """
    if isnan(value):
        return NOTHING
    scenes = len(without)
    if scenes < 2 or np.isnan(without).any():
        return Interval(value, -1.0, 1.0)
    return _around(value, (without.mean() - without) * (scenes - 1) / scenes)


def _around(value: float, influence: np.ndarray) -> Interval:
    """Return the interval about `value`; `influence` is what each scene adds to it."""
    scenes = len(influence)
    if scenes < 2:
        return Interval(value, -1.0, 1.0)
    error = sqrt(float(((influence - influence.mean()) ** 2).sum()) * scenes / (scenes - 1))
    half = hypot(float(special.stdtrit(scenes - 1, 1 - ALPHA / 2)) * error, unseen(scenes))
    return Interval(value, max(-1.0, value - half), min(1.0, value + half))

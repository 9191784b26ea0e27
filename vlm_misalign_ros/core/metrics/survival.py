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
Kaplan and Meier's estimate of durations that are partly censored, with intervals over scenes.

Kaplan and Meier (1958, JASA 53). Durations of one scene are not independent, so the variance at a
time is that of its influence function summed by scene (Ying and Wei 1994, Biometrika 81; Williams
1995, Biometrics 51), which is Greenwood's (1926) where each scene has one. It gets the limits of a
proportion, as every rate does (metrics/clustered). The median's interval inverts them: all times
at which .5 is not excluded (Brookmeyer and Crowley 1982, Biometrics 38).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, nan

import numpy as np

from vlm_misalign_ros.core.metrics.clustered import bounded, by_scene, spread
from vlm_misalign_ros.core.metrics.intervals import NOTHING, Interval

_MOST = 256
"""Times at which a curve is told at most: event times, evenly thinned."""


@dataclass(frozen=True)
class Curve:
    """What share has not ended by each time, arrays over the same K; before the first it is 1."""

    seconds: np.ndarray
    """Times at which something ended, rising, float64 (K,)."""
    share: np.ndarray
    """Of all, what lasts longer than that, float64 (K,)."""
    low: np.ndarray
    high: np.ndarray
    at_risk: np.ndarray
    """Durations that lasted up to that time, int64 (K,)."""
    scenes: int
    """Scenes that the durations come from."""


def kaplan_meier(seconds: np.ndarray, ended: np.ndarray, scenes: np.ndarray) -> Curve:
    """
    Return the curve of durations, float64 (M,), of which `ended`, bool (M,), were seen to end.

    `scenes`, int64 (M,). What is censored at a time was at risk at it. The limits are NaN where
    there is one scene alone.
    """
    count = len(np.unique(scenes))
    times, events = np.unique(seconds[ended], return_counts=True)
    at_risk = len(seconds) - np.searchsorted(np.sort(seconds), times, 'left')
    share = np.cumprod(1 - events / at_risk) if len(times) else np.zeros(0)
    kept = np.arange(len(times))
    if len(times) > _MOST:
        median = int(np.argmax(share <= 0.5)) if (share <= 0.5).any() else 0
        kept = np.unique(np.append(np.linspace(0, len(times) - 1, _MOST).astype(int), median))
    low, high = np.full(len(kept), nan), np.full(len(kept), nan)
    if count > 1 and len(times):
        # Where nobody is left the share is 0, and so is its influence.
        left = np.maximum(at_risk - events, 1)
        hazard = np.cumsum(events / (at_risk * left))
        place = np.searchsorted(times, seconds, 'right') - 1
        of_end = np.where(ended, 1 / left[np.maximum(place, 0)], 0.0)
        for number, index in enumerate(kept.tolist()):
            till = np.minimum(place, index)
            paid = np.where(till >= 0, hazard[np.maximum(till, 0)], 0.0)
            come = np.where(ended & (place <= index), of_end, 0.0)
            influence = share[index] * (paid - come)
            sums = by_scene(scenes, influence)
            found = bounded(float(share[index]), spread(sums), count)
            low[number], high[number] = found.low, found.high
    return Curve(times[kept], share[kept], low, high, at_risk[kept], count)


def median(curve: Curve) -> Interval:
    """
    Return the median duration in seconds, the first time that half at most last longer than.

    NaN where more than half go on for as long as anybody looked; the upper limit is infinite
    where the curve's does not come below a half, and both are NaN from one scene.
    """
    half = np.flatnonzero(curve.share <= 0.5)
    value = float(curve.seconds[half[0]]) if len(half) else nan
    if curve.scenes < 2:
        return Interval(value, nan, nan) if len(half) else NOTHING
    lower = np.flatnonzero(curve.low <= 0.5)
    upper = np.flatnonzero(curve.high < 0.5)
    low = float(curve.seconds[lower[0]]) if len(lower) else nan
    high = float(curve.seconds[upper[0]]) if len(upper) else inf
    return Interval(value, low, high)

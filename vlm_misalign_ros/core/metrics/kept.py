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

"""The share of its clean mIoU that a segmentation model keeps, with its interval over scenes."""

from __future__ import annotations

from math import exp, log, nan

import numpy as np
from scipy import special

from vlm_misalign_ros.core.metrics.confusion import mious
from vlm_misalign_ros.core.metrics.intervals import ALPHA, Interval

LEAST_SCENES = 8
"""Fewer scenes give no interval."""
Areas = tuple[np.ndarray, np.ndarray]
"""Hits and unions of each class by scene, int64 (scenes, 19) each."""


def kept(clean: Areas, degraded: Areas) -> Interval:
    """
    Return the ratio of two mIoU over the same scenes with its 95 % interval.

    The interval is that of the jackknife, a scene left out at a time, on the logarithm (Efron and
    Stein 1981), with Student's t of (scenes - 1) / 2 degrees of freedom: few scenes hold most of a
    rare class, and with scenes - 1 it held the truth in .92 of simulated cases
    (benchmarks/kept_interval.py). No limits with fewer than LEAST_SCENES scenes, and where a mIoU
    is 0; NaN where the clean one is.
    """
    value = float(_ratio(clean, degraded, np.zeros((1, clean[0].shape[1]), np.int64))[0])
    scenes = len(clean[0])
    if scenes < LEAST_SCENES or not value > 0:
        return Interval(value, nan, nan)
    left = _ratio(clean, degraded)
    if not np.all(left > 0):
        return Interval(value, nan, nan)
    logs = np.log(left)
    error = ((scenes - 1) / scenes * ((logs - logs.mean()) ** 2).sum()) ** 0.5
    reach = float(special.stdtrit((scenes - 1) / 2, 1 - ALPHA / 2)) * float(error)
    return Interval(value, exp(log(value) - reach), exp(log(value) + reach))


def _ratio(clean: Areas, degraded: Areas, without: np.ndarray | None = None) -> np.ndarray:
    """Return degraded over clean mIoU with each scene left out, (R,); `without`: of these rows."""
    over, under = (
        mious(*(part.sum(axis=0) - (part if without is None else without) for part in areas))
        for areas in (degraded, clean)
    )
    found: np.ndarray = np.divide(over, under, out=np.full(len(over), nan), where=under > 0)
    return found

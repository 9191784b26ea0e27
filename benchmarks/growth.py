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

"""The slope of a long series, with an interval that allows for neighbours being alike."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

BATCHES = 12
"""Stretches that a regression is over."""


@dataclass(frozen=True)
class Slope:
    """How much something grows in an hour of a camera at 10 Hz."""

    value: float
    low: float
    high: float

    @property
    def flat(self) -> bool:
        """Return whether the interval holds zero."""
        return self.low <= 0 <= self.high

    def __str__(self) -> str:
        """Return value and interval."""
        return f'{self.value + 0.0:.3f} [{self.low + 0.0:.3f}, {self.high + 0.0:.3f}]'


def slope(hours: np.ndarray, values: np.ndarray, beside: np.ndarray | None = None) -> Slope:
    """
    Return the slope of `values`, (N,), over `hours`, (N,), with its 95 % interval.

    By batch means: what is near in time is alike, so that single values would make an interval
    that is far too narrow. The means of BATCHES stretches of equal length, each of minutes, are
    regressed by least squares, with t of as many degrees of freedom as there are batches less
    coefficients. `beside` is regressed on, too: what the machine did for others.
    """
    columns = [np.ones_like(hours), hours] + ([] if beside is None else [beside])
    batches = [np.array_split(column, BATCHES) for column in (*columns, values)]
    *design, means = ([part.mean() for part in batch] for batch in batches)
    matrix, wanted = np.array(design).T, np.array(means)
    found, *_ = np.linalg.lstsq(matrix, wanted, rcond=None)
    degrees = BATCHES - matrix.shape[1]
    spread = float(np.sum((wanted - matrix @ found) ** 2)) / degrees
    error = math.sqrt(max(spread * np.linalg.inv(matrix.T @ matrix)[1, 1], 0.0))
    half = float(stats.t.ppf(0.975, degrees)) * error
    # Of what never changes least squares leaves a few units of the last place.
    value = 0.0 if np.ptp(values) == 0 else float(found[1])
    return Slope(value, value - half, value + half)

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

"""Counts over a window of header time; sums, never means of ratios."""

from __future__ import annotations

from bisect import bisect_right, insort
from math import inf
from typing import Generic, Protocol, TypeVar

import numpy as np

from vlm_misalign_ros.core.metrics.confusion import SHAPE

C = TypeVar('C', bound='Summed')


class Summed(Protocol):
    """What adds up, as Counts and SelfCounts do."""

    def __add__(self: C, other: C) -> C:
        """Return the sums."""

    def __sub__(self: C, other: C) -> C:
        """Return the differences."""


class RollingCounts(Generic[C]):
    """
    Sums counts (and confusion matrices) of the frames in the window that the newest one ends.

    The window is half-open, (newest - window, newest]: at 10 Hz, 10 s hold 100 frames.
    """

    def __init__(self, window: float, nothing: C) -> None:
        """Cover `window` seconds of header time; `nothing` is the sum of no frame."""
        self._window = round(window * 1e9)
        self._nothing = nothing
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._entries: list[tuple[int, int]] = []
        self._values: dict[int, tuple[C, np.ndarray | None]] = {}
        self._serial = 0
        self._counts = self._nothing
        self._confusion = np.zeros(SHAPE, np.int64)
        self._matrices = 0

    def add(self, stamp: int, counts: C, confusion: np.ndarray | None = None) -> None:
        """Add one frame, in any order; `stamp` in nanoseconds."""
        self._serial += 1
        insort(self._entries, (stamp, self._serial))
        self._values[self._serial] = (counts, confusion)
        self._counts += counts
        if confusion is not None:
            self._confusion += confusion
            self._matrices += 1
        cut = bisect_right(self._entries, (self._entries[-1][0] - self._window, inf))
        for _, serial in self._entries[:cut]:
            old, matrix = self._values.pop(serial)
            self._counts -= old
            if matrix is not None:
                self._confusion -= matrix
                self._matrices -= 1
        del self._entries[:cut]

    def totals(self) -> tuple[C, np.ndarray | None]:
        """Return the sums over the window; no matrix when no frame brought one."""
        return self._counts, self._confusion.copy() if self._matrices else None

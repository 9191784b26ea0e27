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
Maps as runs of equal values.

Label maps are made of outlines: a 2048x1024 frame has some ten thousand runs, two hundred times
fewer than pixels, and whatever is counted over pixels can be counted over runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def starts_of_runs(*maps: np.ndarray) -> np.ndarray:
    """
    Return where runs begin along the rows, int64 (n,), as indices into the flattened maps.

    A run is a stretch of one row over which none of the maps, all (H, W), changes its value.
    """
    change = np.empty(maps[0].size, bool)
    # All rows as one, which is faster than row by row: their beginnings are set anyway.
    for number, array in enumerate(maps):
        flat = np.ascontiguousarray(array).reshape(-1)
        if number == 0:
            np.not_equal(flat[1:], flat[:-1], out=change[1:])
        else:
            change[1:] |= flat[1:] != flat[:-1]
    change[:: maps[0].shape[1]] = True
    return np.flatnonzero(change)


def lengths_of_runs(starts: np.ndarray, size: int) -> np.ndarray:
    """Return how long runs are that begin at `starts` and fill `size` pixels, int64 (n,)."""
    return np.diff(starts, append=size)


@dataclass(frozen=True)
class Runs:
    """A map as runs; the arrays are (n,)."""

    values: np.ndarray
    starts: np.ndarray
    """Indices into the flattened map, ascending."""
    lengths: np.ndarray
    width: int
    """Columns of the map."""

    @classmethod
    def of(cls, array: np.ndarray) -> Runs:
        """Return the runs of a map, (H, W)."""
        starts = starts_of_runs(array)
        return cls(
            array.ravel()[starts], starts, lengths_of_runs(starts, array.size), array.shape[1]
        )

    def only(self, chosen: np.ndarray) -> Runs:
        """Return the runs where `chosen`, bool (n,), is true."""
        return Runs(self.values[chosen], self.starts[chosen], self.lengths[chosen], self.width)

    def histogram(self) -> np.ndarray:
        """Return the pixels by value, int64 (256,), of a map of uint8."""
        return np.bincount(self.values, self.lengths, 256).astype(np.int64)

    @property
    def rows(self) -> np.ndarray:
        """Return the row of each run, int64 (n,)."""
        return self.starts // self.width

    def box(self) -> tuple[slice, slice]:
        """Return the rows and columns around all of them; there has to be one."""
        columns = self.starts % self.width
        rows = self.rows
        return (
            slice(int(rows[0]), int(rows[-1]) + 1),
            slice(int(columns.min()), int((columns + self.lengths).max())),
        )

    def sampled(self, most: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (values, indices into the map) of evenly spread pixels, about `most`."""
        ends = np.cumsum(self.lengths)
        picked = np.arange(0, ends[-1], max(1, int(ends[-1]) // most))
        run = np.searchsorted(ends, picked, 'right')
        return self.values[run], self.starts[run] + picked - (ends - self.lengths)[run]

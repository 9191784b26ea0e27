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
What covers the lens: dirt, water drops, a passing object, as height fields with a texture.

The values are the same with every version of NumPy and OpenCV: what rounds differently between
versions (scalar types, cubic and bilinear interpolation) is spelt out here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

_REACH = 2.2
"""Radii from a blob's centre to the end of its cone, where even the highest has come to 0."""

_COARSE = 3
"""Cells of the grid for one cell of a texture, which is out of focus like the outline."""


@dataclass(frozen=True)
class Shape:
    """
    A height field, float32 (h, w): the cells above a threshold are covered.

    Lower thresholds cover more and never less, so that severities nest. `paint` gives the texture,
    BGR uint8 (h', w', 3) on a coarser grid, from the threshold.
    """

    height: np.ndarray
    paint: Callable[[float], np.ndarray]


def _noise(grid: tuple[int, int], cells: int, rng: np.random.Generator) -> np.ndarray:
    """Return smooth noise, float32 `grid`, about normal, with `cells` bumps along the longer."""
    coarse = tuple(max(2, round(cells * side / max(grid))) for side in grid)
    bumps = rng.standard_normal(coarse, dtype=np.float32)
    return _enlarge(_enlarge(bumps, grid[0]).T, grid[1]).T


def _enlarge(values: np.ndarray, size: int) -> np.ndarray:
    """
    Return float32 (size, W) from (H, W): cubic convolution along the first axis.

    Keys (1981) with a = -0.75, pixel centres aligned and edges repeated, as OpenCV's INTER_CUBIC.
    """
    taps, weights = _cubic(values.shape[0], size)
    result: np.ndarray = values[taps[0]] * weights[0]
    for tap, weight in zip(taps[1:], weights[1:], strict=True):
        result += values[tap] * weight
    return result


@lru_cache(maxsize=64)
def _cubic(count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (taps, weights) of enlarging `count` values to `size`, (4, size) and (4, size, 1)."""
    place = (np.arange(size) + 0.5) * (count / size) - 0.5
    first = np.floor(place).astype(int)
    t, a = place - first, -0.75
    outer, inner = 1 + t, 1 - t
    weights = np.empty((4, size))
    weights[0] = ((a * outer - 5 * a) * outer + 8 * a) * outer - 4 * a
    weights[1] = ((a + 2) * t - (a + 3)) * t * t + 1
    weights[2] = ((a + 2) * inner - (a + 3)) * inner * inner + 1
    weights[3] = 1 - weights[0] - weights[1] - weights[2]
    taps = np.clip(first + np.arange(-1, 3)[:, None], 0, count - 1)
    return taps, weights.astype(np.float32)[:, :, None]


@dataclass(frozen=True)
class _Blobs:
    """Cones: the height of the highest at each cell, which one it is, and their geometry."""

    height: np.ndarray
    owner: np.ndarray
    x: np.ndarray
    y: np.ndarray
    radius: np.ndarray


def _blobs(
    grid: tuple[int, int],
    rng: np.random.Generator,
    count: int,
    radii: tuple[float, float],
    rough: np.ndarray,
) -> _Blobs:
    """
    Raise `count` cones at random places.

    `radii` are the least and the greatest as fractions of the grid's mean side; small ones are
    more frequent. `rough`, float32 `grid`, multiplies distances and makes the outline uneven.
    """
    rows, columns = grid
    # Far below every cone, and never flat: a quantile of the height always exists.
    height = 0.2 * _noise(grid, 24, rng) - 4
    owner = np.zeros(grid, np.uint8)
    ys, xs = rng.uniform(0, rows, count), rng.uniform(0, columns, count)
    peaks = rng.uniform(0.45, 1.0, count)
    least, most = radii
    sizes = (rows * columns) ** 0.5 * least * (most / least) ** (rng.uniform(size=count) ** 1.6)
    rough = np.maximum(rough, 1 / _REACH)
    for index in range(count):
        y, x, radius = ys[index], xs[index], sizes[index]
        reach = int(_REACH * radius) + 1
        top, left = max(int(y) - reach, 0), max(int(x) - reach, 0)
        bottom, right = min(int(y) + reach + 1, rows), min(int(x) + reach + 1, columns)
        part = (slice(top, bottom), slice(left, right))
        dy = ((np.arange(top, bottom, dtype=np.float64) - y) / radius).astype(np.float32)
        dx = ((np.arange(left, right, dtype=np.float64) - x) / radius).astype(np.float32)
        cone = np.sqrt((dy * dy)[:, None] + (dx * dx)[None, :])
        cone *= rough[part]
        np.subtract(np.float32(peaks[index]), cone, out=cone)
        np.copyto(owner[part], index, where=cone > height[part])
        np.maximum(cone, height[part], out=height[part])
    return _Blobs(height, owner, xs, ys, sizes)


def _coarse(grid: tuple[int, int]) -> tuple[int, int]:
    """Return rows and columns of a texture."""
    return max(grid[0] // _COARSE, 2), max(grid[1] // _COARSE, 2)


def _sampled(values: np.ndarray) -> np.ndarray:
    """Return every cell of the coarse grid's middle, from (h, w)."""
    rows, columns = (
        ((np.arange(few) + 0.5) * (many / few)).astype(int)
        for few, many in zip(_coarse(values.shape[:2]), values.shape, strict=True)
    )
    found: np.ndarray = values[rows[:, None], columns[None, :]]
    return found


def dirt(grid: tuple[int, int], rng: np.random.Generator) -> Shape:
    """Return splashes of mud: ragged, dark brown to grey, mottled."""
    rough = 1 + 0.25 * _noise(grid, 40, rng)
    blobs = _blobs(grid, rng, 48, (0.015, 0.18), rough)
    color = rng.uniform(26, 46) * np.array([0.80, 0.97, 1.0], np.float32)
    mottle = 1 + 0.16 * _noise(_coarse(grid), 40, rng) + 0.16 * _noise(_coarse(grid), 16, rng)

    def paint(threshold: float) -> np.ndarray:
        rise = _sampled(blobs.height) - np.float32(threshold)
        thick = 1.25 - 0.35 * np.clip(rise / 0.5, 0, 1)
        return _to_bytes((mottle * thick)[..., None] * color)

    return Shape(blobs.height, paint)


def water(grid: tuple[int, int], rng: np.random.Generator, image: np.ndarray) -> Shape:
    """Return drops: round, each showing the scene upside down and blurred, with a dark rim."""
    blobs = _blobs(grid, rng, 44, (0.022, 0.16), 1 + 0.07 * _noise(grid, 14, rng))
    every = max(1, min(image.shape[:2]) // 32)
    sparse = np.ascontiguousarray(image[::every, ::every])
    scene = cv2.resize(sparse, (16, 12), interpolation=cv2.INTER_AREA).astype(np.float32)

    def paint(threshold: float) -> np.ndarray:
        rise, owner = _sampled(blobs.height) - np.float32(threshold), _sampled(blobs.owner)
        rows, columns = np.arange(grid[0])[:, None], np.arange(grid[1])[None, :]
        across = _sampled(columns - np.zeros(grid)) - blobs.x[owner]
        down = _sampled(rows - np.zeros(grid)) - blobs.y[owner]
        # Places in 32nds of a cell: some versions round to them, and their weights are exact.
        seen = cv2.remap(
            scene,
            (np.rint((7.5 - 7.5 * across / blobs.radius[owner]) * 32) / 32).astype(np.float32),
            (np.rint((5.5 - 5.5 * down / blobs.radius[owner]) * 32) / 32).astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        rim = 0.45 + 0.5 * np.clip(rise / 0.3, 0, 1)
        return _to_bytes(seen * rim[..., None])

    return Shape(blobs.height, paint)


def passing_object(grid: tuple[int, int], rng: np.random.Generator) -> Shape:
    """Return something close that comes in from one side: dark, slanted."""
    rows, columns = grid
    side = bool(rng.integers(2))
    slant, bulge = rng.uniform(-0.25, 0.25), rng.uniform(0.05, 0.2)
    middle = rng.uniform(0.35, 0.8)
    x = np.linspace(0, 1, columns, dtype=np.float32)[None, :]
    y = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    depth = (1 - x if side else x) + slant * (y - 0.5) + bulge * (2 * (y - middle)) ** 2
    height = -depth + 0.012 * _noise(grid, 9, rng)
    shade = rng.uniform(22, 50)
    tint = 1 + 0.12 * rng.uniform(-1, 1, 3).astype(np.float32)
    down = np.linspace(0, 1, _coarse(grid)[0], dtype=np.float32)[:, None]
    fold = 1 + 0.10 * _noise(_coarse(grid), 7, rng) + 0.35 * (0.5 - down)

    def paint(threshold: float) -> np.ndarray:
        return _to_bytes((shade * fold)[..., None] * tint)

    return Shape(height.astype(np.float32), paint)


def _to_bytes(values: np.ndarray) -> np.ndarray:
    """Round to uint8 within 0 to 255."""
    rounded: np.ndarray = np.clip(np.rint(values), 0, 255)
    return rounded.astype(np.uint8)

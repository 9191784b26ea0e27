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
Occlusion: dirt or water drops on the lens, or a passing object, out of focus, with a mask.

The pixels are the same with every version of NumPy and OpenCV: the outline is found and blurred
in whole numbers.
"""

from __future__ import annotations

from enum import IntEnum

import cv2
import numpy as np

from vlm_misalign_ros.core.corruptions.occluders import dirt, passing_object, water
from vlm_misalign_ros.core.corruptions.registry import Effect
from vlm_misalign_ros.core.corruptions.scale import Scale

covers = True

COVERAGES = Scale((0.0, 0.02, 0.04, 0.11, 0.25, 0.39, 0.52, 0.65, 0.78))
"""
Fraction of the image that is covered, by severity from 0.

1 to 5: where three public Cityscapes networks kept about 95, 90, 80, 65 and 50 % of their clean
mIoU on real frames, by linear interpolation of their mean share between no occlusion and the
shares of the picture measured (4 8 14 32 %), which gives 1.8, 3.6, 11.1, 25.0 and 39.0 %; the last
is extrapolated from 14 and 32. What they kept is in docs/corruptions.md. Beyond 5 each is .13
more.
"""
severity_range = COVERAGES.range

DEFOCUS = 1 / 77
"""
Radius of the disc that a point on the lens is spread over, as a fraction of the image width.

27 px at a width of 2048. Cityscapes' field of view takes a lens of 5.3 mm on a sensor of 4.8 mm
(1/3 inch); at f/2 and focused far away it shows what is on a pane 11 cm before it spread so far.
"""

_GRID = 384
"""Shapes are drawn on a grid whose longer side has this many cells, then enlarged."""

_TILE = (128, 256)
"""Rows and columns that are blended at once; tiles without an occluder are copied."""

_STEPS = 2048
"""Parts of the grid to which the covered share is looked for."""


class Kind(IntEnum):
    """What covers the lens; drawn for each frame, recorded as `kind`."""

    DIRT = 0
    WATER = 1
    OBJECT = 2


KIND_PROBABILITIES: tuple[float, ...] = (0.5, 0.3, 0.2)
"""Chance of each Kind, in its order."""


def apply(image: np.ndarray, severity: float, rng: np.random.Generator) -> Effect:
    """
    Cover part of BGR uint8 (H, W, 3), the same part and more at a higher severity.

    The occluder is out of focus, so that it fades out over its edge. The effect's mask is 255
    wherever its opacity is at least one half and 0 elsewhere; its parameters are `kind` (see
    Kind), `coverage_target` and `coverage` (fractions of the image, asked for and masked).
    """
    kind = Kind(int(rng.choice(len(KIND_PROBABILITIES), p=KIND_PROBABILITIES)))
    return cover(image, COVERAGES.at(severity), kind, rng)


def cover(image: np.ndarray, coverage: float, kind: Kind, rng: np.random.Generator) -> Effect:
    """Cover the fraction `coverage`, 0 to 1, of BGR uint8 (H, W, 3); returns as `apply` does."""
    height, width = image.shape[:2]
    scale = min(1.0, _GRID / max(height, width))
    grid = (max(round(height * scale), 16), max(round(width * scale), 16))
    if kind is Kind.DIRT:
        shape = dirt(grid, rng)
    elif kind is Kind.WATER:
        shape = water(grid, rng, image)
    else:
        shape = passing_object(grid, rng)
    threshold, opacity = find_outline(shape.height, coverage, DEFOCUS * grid[1])
    opacity = cv2.resize(opacity, (width, height), interpolation=cv2.INTER_LINEAR)
    texture = cv2.resize(shape.paint(threshold), (width, height), interpolation=cv2.INTER_LINEAR)
    _, mask = cv2.threshold(opacity, 127, 255, cv2.THRESH_BINARY)
    return Effect(
        _blend(image, texture, opacity),
        {
            'kind': float(kind),
            'coverage_target': coverage,
            'coverage': cv2.countNonZero(mask) / mask.size,
        },
        mask,
    )


def find_outline(height: np.ndarray, coverage: float, radius: float) -> tuple[float, np.ndarray]:
    """
    Return the threshold from which `height`, float32 (h, w), is covered, and the opacity.

    The opacity, uint8 (h, w), is that of what rises above the threshold, spread over a disc of
    `radius` cells; about the fraction `coverage` of it is half opaque at least. Of the thresholds
    that are looked at the highest that covers enough is taken, so that more coverage never covers
    less anywhere.
    """
    disc = _disc(radius)
    cells = int((2 * disc + 1).sum())
    # One cell in four is enough to choose thresholds from; all are counted.
    ordered = np.sort(height[::2, ::2], axis=None)
    wanted = round(coverage * height.size)

    def threshold_of(step: int) -> np.float32:
        found: np.float32 = ordered[min(step * ordered.size // _STEPS, ordered.size - 1)]
        return found

    if not wanted:
        return float(height.max()), np.zeros(height.shape, np.uint8)
    # Below the lowest cell everything is covered; above the highest, nothing.
    low, high, sums = -1, _STEPS, np.full(height.shape, cells, np.uint8)
    step = round((1 - coverage) * _STEPS)
    while high - low > 1:
        step = min(max(step, low + 1), high - 1)
        tried = _spread(height > threshold_of(step), disc)
        found = cv2.countNonZero(cv2.threshold(tried, cells // 2, 255, cv2.THRESH_BINARY)[1])
        if found >= wanted:
            low, sums = step, tried
        else:
            high = step
        step += round((found - wanted) * _STEPS / height.size) or (1 if low == step else -1)
    threshold = float(threshold_of(low)) if low >= 0 else float(height.min()) - 1
    table = np.array([min(255, (255 * count + cells // 2) // cells) for count in range(256)])
    return threshold, cv2.LUT(sums, table.astype(np.uint8))


def _disc(radius: float) -> np.ndarray:
    """Return half the width of each row of a disc, int (2 * r + 1,), fewer than 256 cells."""
    reach = min(int(radius), 8)
    down = np.arange(-reach, reach + 1)
    half: np.ndarray = np.sqrt(np.maximum(min(radius, 8.9) ** 2 - down**2, 0)).astype(int)
    return half


def _spread(inside: np.ndarray, disc: np.ndarray) -> np.ndarray:
    """Return how many cells of the disc about each cell are inside, uint8 (h, w)."""
    rows, columns = inside.shape
    reach = len(disc) // 2
    padded = cv2.copyMakeBorder(
        inside.view(np.uint8), reach, reach, reach + 1, reach, cv2.BORDER_REPLICATE
    )
    # Sums from the left, modulo 256: differences of them are exact, as a disc has fewer cells.
    sums = np.cumsum(padded, axis=1, dtype=np.uint8)
    total = np.zeros((rows, columns), np.uint8)
    for top, half in enumerate(disc):
        row = sums[top : top + rows]
        total += row[:, reach + 1 + half : reach + 1 + half + columns]
        total -= row[:, reach - half : reach - half + columns]
    return total


def _blend(image: np.ndarray, texture: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    """Lay `texture` over `image`: opaque where `opacity` is 255, untouched where it is 0."""
    result = np.empty_like(image)
    height, width = opacity.shape
    for top in range(0, height, _TILE[0]):
        for left in range(0, width, _TILE[1]):
            tile = (slice(top, top + _TILE[0]), slice(left, left + _TILE[1]))
            if not cv2.countNonZero(opacity[tile]):
                result[tile] = image[tile]
                continue
            weight = cv2.cvtColor(opacity[tile], cv2.COLOR_GRAY2BGR)
            covering = cv2.multiply(texture[tile], weight, scale=1 / 255)
            showing = cv2.multiply(image[tile], cv2.bitwise_not(weight), scale=1 / 255)
            cv2.add(covering, showing, dst=result[tile])
    return result

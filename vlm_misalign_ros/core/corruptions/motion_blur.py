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

"""Motion blur: the mean over a centred digital line, summed by shift and add."""

from __future__ import annotations

from collections.abc import Iterator
from math import cos, floor, prod, radians, sin

import cv2
import numpy as np

from vlm_misalign_ros.core.corruptions.registry import Effect

covers = False

LENGTHS: tuple[float, ...] = (15 / 2048, 30 / 2048, 48 / 2048, 66 / 2048, 91 / 2048)
"""
Length of the line by severity 1-5, as a fraction of the image width (15 to 91 px at 2048).

How they were chosen is in docs/miniatures.md.
"""

_FACTORS = (3, 5, 7, 11, 13)
_MOST_POINTS = 225
"""Keeps sums of 8-bit values inside 16 bits (255 * 225 < 65536)."""
_STRIP_BYTES = 1 << 19
"""Working set of one strip, small enough to stay in a core's second-level cache."""
_DIRECT_AREA = 130
"""Kernels of fewer cells are faster in cv2.filter2D, which does not use an FFT for them."""

Stage = tuple[tuple[int, int], ...]
"""Offsets (dx, dy) in pixels that one stage of the cascade sums over, symmetric about (0, 0)."""


def line_stages(angle_deg: float, length_px: float) -> list[Stage]:
    """
    Split the digital line of about `length_px` at `angle_deg` into symmetric stages.

    The line has one point for each step along its major axis; their number is odd and a product
    of small factors, so that the sum over the line is a cascade of sums over the factors. Each
    stage holds its mirror image: the centroid of the line is 0. It stays within half a pixel for
    each stage of the ideal line. The shortest line has 3 points. Angles are in degrees,
    counter-clockwise from the image's x axis.
    """
    dx, dy = cos(radians(angle_deg)), -sin(radians(angle_deg))
    major = max(abs(dx), abs(dy))
    stages: list[Stage] = []
    step = 1
    for factor in _factors_near(length_px * major):
        half = factor // 2
        ahead = tuple(
            (_nearest(t * step * dx / major), _nearest(t * step * dy / major))
            for t in range(1, half + 1)
        )
        stages.append((*((-x, -y) for x, y in reversed(ahead)), (0, 0), *ahead))
        step *= factor
    return stages


def line_kernel(angle_deg: float, length_px: float) -> np.ndarray:
    """Return the blur's dense kernel, float64 (2 * ry + 1, 2 * rx + 1), whose sum is 1."""
    points = [(0, 0)]
    for stage in line_stages(angle_deg, length_px):
        points = [(x + dx, y + dy) for x, y in points for dx, dy in stage]
    rx, ry = (max(abs(point[axis]) for point in points) for axis in (0, 1))
    kernel = np.zeros((2 * ry + 1, 2 * rx + 1))
    for x, y in points:
        kernel[y + ry, x + rx] += 1 / len(points)
    return kernel


def blur_line(image: np.ndarray, angle_deg: float, length_px: float) -> np.ndarray:
    """
    Blur `image`, uint8 (H, W, C), along a line; borders reflect without repeating the edge.

    The result, uint8 (H, W, C), is the exact mean over the line, rounded to nearest (the number
    of points is odd, so that no mean lies half way).
    """
    kernel = line_kernel(angle_deg, length_px)
    if kernel.size < _DIRECT_AREA:
        return cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
    stages = line_stages(angle_deg, length_px)
    height, width, channels = image.shape
    reach = [
        (max(abs(dx) for dx, _ in stage), max(abs(dy) for _, dy in stage)) for stage in stages
    ]
    rx, ry = sum(x for x, _ in reach), sum(y for _, y in reach)
    padded = cv2.copyMakeBorder(image, ry, ry, rx, rx, cv2.BORDER_REFLECT_101)
    flat = padded.reshape(height + 2 * ry, (width + 2 * rx) * channels)
    result = np.empty_like(image)
    rows = result.reshape(height, width * channels)
    scale = 1 / prod(len(stage) for stage in stages)
    for top, bottom in _strips(height, flat.shape[1] * 2, ry):
        total = flat[top : bottom + 2 * ry].astype(np.uint16)
        for stage, (ex, ey) in zip(stages, reach, strict=True):
            total = _sum_shifted(total, stage, ex, ey, channels)
        cv2.convertScaleAbs(total, dst=rows[top:bottom], alpha=scale)
    return result


def apply(image: np.ndarray, severity: int, rng: np.random.Generator) -> Effect:
    """
    Blur BGR uint8 (H, W, 3) along a random direction (uniform over the half circle).

    The effect's parameters are `angle_deg` (degrees, 0 to 180), `length_px` (pixels asked for)
    and `points` (pixels averaged).
    """
    angle = float(rng.uniform(0.0, 180.0))
    length = LENGTHS[severity - 1] * image.shape[1]
    blurred = blur_line(image, angle, length)
    points = prod(len(stage) for stage in line_stages(angle, length))
    return Effect(blurred, {'angle_deg': angle, 'length_px': length, 'points': float(points)})


def _nearest(value: float) -> int:
    """Round half up, for the same digital line whatever the parity."""
    return floor(value + 0.5)


def _factors_near(target: float) -> tuple[int, ...]:
    """Return the odd factors, ascending, whose product (3 at least) is nearest to `target`."""
    best = 0
    found: tuple[int, ...] = (3,)
    for factors in _products((), 1):
        product = prod(factors)
        if factors and abs(product - target) < abs(best - target):
            best, found = product, factors
    return found


def _products(factors: tuple[int, ...], product: int) -> Iterator[tuple[int, ...]]:
    """Yield every ascending choice of factors whose product is allowed."""
    yield factors
    for factor in _FACTORS:
        if product * factor <= _MOST_POINTS and (not factors or factor >= factors[-1]):
            yield from _products((*factors, factor), product * factor)


def _strips(height: int, row_bytes: int, halo: int) -> Iterator[tuple[int, int]]:
    """Cut `height` rows into strips; a tall halo asks for taller strips, or it dominates."""
    rows = max(_STRIP_BYTES // row_bytes, 4 * halo, 8)
    for top in range(0, height, rows):
        yield top, min(top + rows, height)


def _sum_shifted(source: np.ndarray, stage: Stage, ex: int, ey: int, channels: int) -> np.ndarray:
    """Sum `source`, uint16 (h, w * C), over the stage's offsets, where all of them lie inside."""
    height, width = source.shape[0] - 2 * ey, source.shape[1] - 2 * ex * channels
    total = np.empty((height, width), np.uint16)
    views = []
    for dx, dy in stage:
        left = (ex + dx) * channels
        views.append(source[ey + dy : ey + dy + height, left : left + width])
    np.add(views[0], views[1], out=total)
    for view in views[2:]:
        np.add(total, view, out=total)
    return total

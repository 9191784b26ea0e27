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
from dataclasses import dataclass
from functools import cache
from math import cos, floor, radians, sin

import cv2
import numpy as np

from vlm_misalign_ros.core.corruptions.registry import Effect
from vlm_misalign_ros.core.corruptions.scale import Scale

covers = False

LENGTHS = Scale((0.0, 6.0, 9.0, 15.0, 24.0, 34.0, 48.0, 68.0, 96.0, 136.0))
"""
Length of the line by severity from 0, in pixels of a picture WIDTH wide.

1 to 5: where three public Cityscapes networks kept about 95, 90, 80, 65 and 50 % of their clean
mIoU on real frames, by linear interpolation of their mean share between the lengths measured
(7 11 15 19 23 27 31 39 48), which gives 5.9, 8.3, 14.3, 24.0 and 34.4 px; the first is
extrapolated from 7 and 11. The shares are in docs/corruptions.md. Beyond 5 each is about sqrt(2)
of the one before.
"""
severity_range = LENGTHS.range

WIDTH = 2048
"""Width of the picture that LENGTHS are pixels of."""

_FACTORS = (3, 5, 7, 11, 13)
_MOST_POINTS = 255
"""Points of the longest line."""
_MOST_WEIGHT = 257
"""Keeps weighted sums of 8-bit values inside 16 bits (255 * 257 = 65535)."""
_STRIP_BYTES = 1 << 19
"""Working set of one strip, small enough to stay in a core's second-level cache."""
_DIRECT_AREA = 130
"""Kernels of fewer cells are faster in cv2.filter2D, which does not use an FFT for them."""

Point = tuple[int, int]
"""Offset (dx, dy) in pixels."""
Stage = tuple[Point, ...]
"""Offsets that one stage of the cascade sums over, symmetric about (0, 0)."""


@dataclass(frozen=True)
class Line:
    """
    A digital line, as sums over its points.

    Its middle is a cascade of `stages`; `added` are points on both sides of that, and `ends` the
    outermost two, which count `end` where every other point counts `unit` (both whole, so that
    sums are exact, and `unit` odd, so that no mean lies half way between two grey levels).
    """

    stages: tuple[Stage, ...]
    added: tuple[Point, ...]
    ends: tuple[Point, ...]
    unit: int
    end: int

    @property
    def weight(self) -> int:
        """Return the sum of all weights."""
        points = len(self.added)
        product = 1
        for stage in self.stages:
            product *= len(stage)
        return self.unit * (product + points) + self.end * len(self.ends)

    @property
    def points(self) -> float:
        """Return the number of points, the two ends for as much as they count."""
        return self.weight / self.unit

    def kernel(self) -> np.ndarray:
        """Return the blur's dense kernel, float64 (2 * ry + 1, 2 * rx + 1), whose sum is 1."""
        middle = [(0, 0)]
        for stage in self.stages:
            middle = [(x + dx, y + dy) for x, y in middle for dx, dy in stage]
        weighted = [(point, self.unit) for point in (*middle, *self.added)]
        weighted += [(point, self.end) for point in self.ends]
        rx, ry = (max(abs(point[axis]) for point, _ in weighted) for axis in (0, 1))
        kernel = np.zeros((2 * ry + 1, 2 * rx + 1), np.int64)
        for (x, y), weight in weighted:
            kernel[y + ry, x + rx] += weight
        return kernel / self.weight


def line(angle_deg: float, length_px: float) -> Line:
    """
    Return the digital line of `length_px` at `angle_deg`, symmetric about its middle.

    It has one point for each step along its major axis. The number of steps is seldom odd and
    whole: what is over is shared between two ends that count for less, so that lines of any length
    from a single point differ. The middle has as many points as a product of small factors can
    have, so that the sum over it is a cascade of sums. Points stay within half a pixel for each
    stage of the ideal line; there are 255 at most. Angles are in degrees, counter-clockwise from
    the image's x axis.
    """
    dx, dy = cos(radians(angle_deg)), -sin(radians(angle_deg))
    major = max(abs(dx), abs(dy))

    def both(t: int) -> Stage:
        x, y = _nearest(t * dx / major), _nearest(t * dy / major)
        return (-x, -y), (x, y)

    steps = min(max(length_px * major, 1.0), float(_MOST_POINTS))
    middle, factors = max(entry for entry in _products() if entry[0] <= steps)
    stages: list[Stage] = []
    step = 1
    for factor in factors:
        ahead = [both(t * step) for t in range(1, factor // 2 + 1)]
        stages.append(
            (*(pair[0] for pair in reversed(ahead)), (0, 0), *(pair[1] for pair in ahead))
        )
        step *= factor
    over = (steps - middle) / 2
    whole = int(over)
    first = middle // 2 + 1
    added = tuple(point for t in range(first, first + whole) for point in both(t))
    unit = (int((_MOST_WEIGHT - 1) / steps) - 1) | 1
    end = _nearest((over - whole) * unit)
    ends = both(first + whole) if end else ()
    return Line(tuple(stages), added, ends, unit if end else 1, end)


def blur(image: np.ndarray, along: Line) -> np.ndarray:
    """
    Blur `image`, uint8 (H, W, C), along a line; borders reflect without repeating the edge.

    The result, uint8 (H, W, C), is the exact mean over the line, rounded to nearest.
    """
    kernel = along.kernel()
    if kernel.size == 1:
        return image.copy()
    if kernel.size < _DIRECT_AREA:
        return cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
    height, width, channels = image.shape
    ry, rx = kernel.shape[0] // 2, kernel.shape[1] // 2
    padded = cv2.copyMakeBorder(image, ry, ry, rx, rx, cv2.BORDER_REFLECT_101)
    flat = padded.reshape(height + 2 * ry, (width + 2 * rx) * channels)
    result = np.empty_like(image)
    rows = result.reshape(height, width * channels)
    for top, bottom in _strips(height, flat.shape[1] * 2, ry):
        total = _sum_line(flat[top : bottom + 2 * ry].astype(np.uint16), along, rx, ry, channels)
        cv2.convertScaleAbs(total, dst=rows[top:bottom], alpha=1 / along.weight)
    return result


def apply(image: np.ndarray, severity: float, rng: np.random.Generator) -> Effect:
    """
    Blur BGR uint8 (H, W, 3) along a random direction (uniform over the half circle).

    The effect's parameters are `angle_deg` (degrees, 0 to 180), `length_px` (pixels asked for)
    and `points` (pixels averaged, the two ends of the line for as much as they count).
    """
    angle = float(rng.uniform(0.0, 180.0))
    length = LENGTHS.at(severity) * image.shape[1] / WIDTH
    along = line(angle, length)
    return Effect(
        blur(image, along), {'angle_deg': angle, 'length_px': length, 'points': along.points}
    )


def _nearest(value: float) -> int:
    """Round half up, for the same digital line whatever the parity."""
    return floor(value + 0.5)


@cache
def _products() -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Return every number of points that a cascade can have, with its factors, ascending."""
    found: dict[int, tuple[int, ...]] = {1: ()}
    for product, factors in _multiples(1, ()):
        if product not in found or sum(factors) < sum(found[product]):
            found[product] = factors
    return tuple(sorted(found.items()))


def _multiples(product: int, factors: tuple[int, ...]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield every allowed product that has `factors` in it, with all of its factors ascending."""
    for factor in _FACTORS:
        if product * factor <= _MOST_POINTS and (not factors or factor >= factors[-1]):
            yield product * factor, (*factors, factor)
            yield from _multiples(product * factor, (*factors, factor))


def _strips(height: int, row_bytes: int, halo: int) -> Iterator[tuple[int, int]]:
    """Cut `height` rows into strips; a tall halo asks for taller strips, or it dominates."""
    rows = max(_STRIP_BYTES // row_bytes, 4 * halo, 8)
    for top in range(0, height, rows):
        yield top, min(top + rows, height)


def _sum_line(source: np.ndarray, along: Line, rx: int, ry: int, channels: int) -> np.ndarray:
    """Sum `source`, uint16 (h + 2 * ry, (w + 2 * rx) * C), along a line; uint16 (h, w * C)."""

    def seen(point: Point) -> np.ndarray:
        return _shifted(source, point, rx, ry, channels)

    reach = [
        (max(abs(dx) for dx, _ in stage), max(abs(dy) for _, dy in stage))
        for stage in along.stages
    ]
    ex, ey = rx - sum(x for x, _ in reach), ry - sum(y for _, y in reach)
    total = _shifted(source, (0, 0), ex, ey, channels)
    for stage, (x, y) in zip(along.stages, reach, strict=True):
        total = _sum([_shifted(total, point, x, y, channels) for point in stage])
    if along.added:
        total = _sum([total, *(seen(point) for point in along.added)])
    if along.ends:
        ends = _sum([seen(point) for point in along.ends])
        ends *= np.uint16(along.end)
        ends += total * np.uint16(along.unit)
        return ends
    return np.ascontiguousarray(total)


def _shifted(source: np.ndarray, point: Point, ex: int, ey: int, channels: int) -> np.ndarray:
    """Return a view of `source`, uint16 (h, w * C), without a margin, moved by `point` in it."""
    height, width = source.shape[0] - 2 * ey, source.shape[1] - 2 * ex * channels
    left, top = (ex + point[0]) * channels, ey + point[1]
    return source[top : top + height, left : left + width]


def _sum(views: list[np.ndarray]) -> np.ndarray:
    """Return the sum of uint16 arrays of one shape, two at least."""
    total: np.ndarray = np.add(views[0], views[1])
    for view in views[2:]:
        np.add(total, view, out=total)
    return total

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

"""Paints the ground of a street: grass, sidewalks, road, markings and shadows."""

from __future__ import annotations

import cv2
import numpy as np

from vlm_misalign_ros.core.world.canvas import Canvas, Color
from vlm_misalign_ros.core.world.layout import LANE
from vlm_misalign_ros.core.world.street import Street

_GRASS: Color = (70, 110, 100)
_CURB: Color = (158, 158, 156)
_BANDS = (0.0, 5.0, 8.0, 13.0, 21.0, 34.0, 55.0, 90.0, 160.0, 600.0)
"""Limits between the bands of like distance, metres."""


def _ribbon(
    canvas: Canvas,
    label: str,
    x0: float,
    x1: float,
    color: Color,
    offset: float,
    roughness: float = 0.035,
) -> None:
    """Paint a strip of ground along the street, in bands of like distance."""
    for near, far in zip(_BANDS[-2::-1], _BANDS[:0:-1], strict=True):
        middle = (near + far) / 2
        anchor = middle - offset % 1.0
        canvas.begin(label, middle, origin=((x0 + x1) / 2, 0.0, anchor), roughness=roughness)
        z = np.linspace(near, far, 4)
        outline = [(x0, 0.0, v) for v in z] + [(x1, 0.0, v) for v in z[::-1]]
        canvas.polygon(outline, color)


def paint_ground(canvas: Canvas, street: Street, travelled: float) -> None:
    """Paint grass, sidewalks and road as they are seen after so many metres."""
    city, left, right, wide = street.city, street.left, street.right, street.pavement
    _ribbon(canvas, 'terrain', -90, 90, _GRASS, travelled)
    if street.paved:
        _ribbon(canvas, 'sidewalk', left - wide - 0.5, left, city.pavement, travelled)
        _ribbon(canvas, 'sidewalk', right, right + wide + 0.5, city.pavement, travelled)
    _ribbon(canvas, 'road', left, right, city.road, travelled, city.cobbles)
    canvas.begin('road', 15.0)
    long, period = city.dash
    dashes = [
        [
            (-LANE / 2 - 0.07, 0, z),
            (-LANE / 2 - 0.07, 0, z + long),
            (-LANE / 2 + 0.07, 0, z + long),
            (-LANE / 2 + 0.07, 0, z),
        ]
        for z in np.arange(-(travelled % period), 90, period)
    ]
    canvas.polygons(np.array(dashes), city.marking)
    for edge in (left, right) if street.paved else ():
        canvas.begin('sidewalk', 12.0)
        z = np.linspace(0.5, 110, 12)
        outline = [(edge - 0.12, 0, v) for v in z] + [(edge + 0.12, 0, v) for v in z[::-1]]
        canvas.polygon(outline, _CURB)


def paint_shadow(
    canvas: Canvas, street: Street, x: float, z: float, long: float, wide: float, tall: float
) -> None:
    """Paint the shadow of a box at (x, z), metres, onto the ground, which it stays part of."""
    dx, dz = (tall * shift for shift in street.weather.light.shadow)
    corners = [
        (x + sx * wide / 2 + px, z + sz * long / 2 + pz)
        for sx in (-1, 1)
        for sz in (-1, 1)
        for px, pz in ((0, 0), (dx, dz))
    ]
    hull = cv2.convexHull(np.array(corners, np.float32))[:, 0]
    shade = 1 - 0.5 * max(street.weather.light.strength, 0.25)
    for label, color, low, high in _surfaces(street):
        part = between(hull, low, high)
        if len(part) > 2:
            canvas.begin(label, z)
            canvas.polygon(np.insert(part, 1, 0.0, axis=1), color, shade)


def _surfaces(street: Street) -> list[tuple[str, Color, float, float]]:
    """Return what the ground is from left to right: label, colour, and from where to where."""
    inner = [street.left, street.right]
    outer = [street.left - street.pavement - 0.5, street.right + street.pavement + 0.5]
    if not street.paved:
        outer = inner
    return [
        ('terrain', _GRASS, -np.inf, outer[0]),
        ('sidewalk', street.city.pavement, outer[0], inner[0]),
        ('road', street.city.road, inner[0], inner[1]),
        ('sidewalk', street.city.pavement, inner[1], outer[1]),
        ('terrain', _GRASS, outer[1], np.inf),
    ]


def between(hull: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the part of a convex outline, (N, 2), whose x lies between two limits."""
    for sign, limit in ((1.0, low), (-1.0, high)):
        inside = sign * hull[:, 0] >= sign * limit
        kept: list[np.ndarray] = []
        for here, there, first, second in zip(
            hull, np.roll(hull, -1, 0), inside, np.roll(inside, -1), strict=True
        ):
            if first:
                kept.append(here)
            if first != second:
                share = (limit - here[0]) / (there[0] - here[0])
                kept.append(here + share * (there - here))
        hull = np.array(kept, np.float32).reshape(-1, 2)
    return hull


def paint_crossing(canvas: Canvas, street: Street, z: float, length: float) -> None:
    """Paint a zebra crossing from `z`, metres, which is part of the road."""
    canvas.begin('road', max(z, 2.0))
    bars = np.array(
        [
            [(x, 0, z), (x, 0, z + length), (x + 0.45, 0, z + length), (x + 0.45, 0, z)]
            for x in np.arange(street.left + 0.3, street.right - 0.6, 0.95)
        ]
    )
    canvas.polygons(bars, street.city.marking)

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

"""Solid bodies in the synthetic scenes: prisms on the road, their flanks, ends and wheels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, sin
from typing import cast

import numpy as np

from vlm_misalign_ros.core.world.canvas import Canvas, Color

_TYRE: Color = (28, 27, 27)
_HUB: Color = (120, 120, 122)
_CIRCLE = np.stack(
    (
        np.cos(np.linspace(0, 2 * np.pi, 14, endpoint=False)),
        np.sin(np.linspace(0, 2 * np.pi, 14, endpoint=False)),
    ),
    1,
)


@dataclass(frozen=True)
class Body:
    """A vehicle in place: middle of its footprint, heading (0 = ahead, pi = oncoming), size."""

    x: float
    z: float
    heading: float
    length: float
    width: float
    height: float

    def place(self, local: np.ndarray) -> np.ndarray:
        """Return world points (..., 3) of local ones: along, to the right, up."""
        along, right, up = local[..., 0], local[..., 1], local[..., 2]
        c, s = cos(self.heading), sin(self.heading)
        placed = np.empty(local.shape)
        placed[..., 0] = self.x + along * s + right * c
        placed[..., 1] = up
        placed[..., 2] = self.z + along * c - right * s
        return placed

    def footprint(self) -> np.ndarray:
        """Return the world corners of the footprint, (4, 3), on the road."""
        half = np.array([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)], np.float64) / 2
        return self.place(half * (self.length, self.width, 0))


class Painter:
    """Paints parts of one vehicle, leaving out what faces away from the camera."""

    def __init__(self, canvas: Canvas, body: Body) -> None:
        """Paint onto `canvas`."""
        self.canvas = canvas
        self.body = body
        self._eye = np.array((0.0, canvas.camera.mount_height, 0.0))
        self.sides = [
            side for side in (-1, 1) if self._faces((0, side * body.width / 2, 1), (0, side, 0))
        ]
        self.ends = [
            end for end in (-1, 1) if self._faces((end * body.length / 2, 0, 1), (end, 0, 0))
        ]

    def _faces(self, point: Sequence[float], normal: Sequence[float]) -> bool:
        place = self.body.place
        origin = place(np.zeros(3))
        outward = place(np.array(normal, np.float64)) - origin
        return float(outward @ (self._eye - place(np.array(point, np.float64)))) > 0

    def _shade(self, normal: Sequence[float]) -> float:
        place = self.body.place
        outward = place(np.array(normal, np.float64)) - place(np.zeros(3))
        flat = self.canvas.light.shade(outward[0], outward[2])
        return float(flat * (1 - abs(outward[1])) + 1.1 * max(outward[1], 0))

    def prism(
        self, profile: Sequence[tuple[float, float]], width: float, colors: Color | Sequence[Color]
    ) -> None:
        """
        Paint a profile of (along, up) points, clockwise seen from the right, pulled to `width`.

        `colors` is one colour, or one for each edge and a last one for the sides.
        """
        points = np.array(profile, np.float64)
        single = isinstance(colors[0], (int, float))
        one = [cast(Color, colors)] * (len(points) + 1) if single else cast(list[Color], [*colors])
        after = np.roll(points, -1, 0)
        faces = []
        for index, ((s0, y0), (s1, y1)) in enumerate(zip(points, after, strict=True)):
            length = float(np.hypot(s1 - s0, y1 - y0))
            if length < 1e-6:
                continue
            normal = (-(y1 - y0) / length, 0.0, (s1 - s0) / length)
            middle = ((s0 + s1) / 2, 0.0, (y0 + y1) / 2)
            if self._faces(middle, normal):
                quad = np.array(
                    [
                        (s0, -width / 2, y0),
                        (s1, -width / 2, y1),
                        (s1, width / 2, y1),
                        (s0, width / 2, y0),
                    ]
                )
                faces.append((quad, one[index], self._shade(normal)))
        for side in self.sides:
            flank = np.insert(points, 1, side * width / 2, axis=1)
            faces.append((flank, one[-1], self._shade((0, side, 0))))
        placed = [(self.body.place(quad), color, shade) for quad, color, shade in faces]
        placed.sort(key=lambda face: -float(np.linalg.norm(face[0].mean(0) - self._eye)))
        for quad, color, shade in placed:
            self.canvas.polygon(quad, color, shade)

    def on_side(
        self, polygon: Sequence[tuple[float, float]], color: Color, width: float | None = None
    ) -> None:
        """Paint a polygon of (along, up) points onto the flank that is seen."""
        for side in self.sides:
            right = side * (self.body.width if width is None else width) / 2
            flat = np.insert(np.array(polygon, np.float64), 1, right, axis=1)
            self.canvas.polygon(self.body.place(flat), color, self._shade((0, side, 0)))

    def on_end(
        self,
        end: int,
        low: tuple[float, float],
        high: tuple[float, float],
        color: Color,
        along: float | None = None,
    ) -> None:
        """Paint a rectangle from (right, up) to (right, up) onto the rear (-1) or front (1)."""
        if end not in self.ends:
            return
        at = end * self.body.length / 2 if along is None else along
        (r0, y0), (r1, y1) = low, high
        quad = np.array([(at, r0, y0), (at, r1, y0), (at, r1, y1), (at, r0, y1)])
        self.canvas.polygon(self.body.place(quad), color, 1.0)

    def wheels(self, at: Sequence[float], radius: float) -> None:
        """Paint the wheels of the flank that is seen, at the given places along the vehicle."""
        for place in at:
            for size, color in ((radius, _TYRE), (radius * 0.6, _HUB)):
                self.on_side([(place + size * c, radius + size * s) for c, s in _CIRCLE], color)

    def tyres(self, at: Sequence[float], radius: float, up: float) -> None:
        """Paint the tyres that show under the rear or front."""
        half = self.body.width / 2
        for place in at:
            for side in (-1, 1):
                inner, outer = side * (half - 0.24), side * half
                for end in self.ends:
                    self.on_end(end, (inner, 0), (outer, up), _TYRE, place + end * radius)

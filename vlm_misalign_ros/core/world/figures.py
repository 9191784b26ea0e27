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

"""Shapes of people, two-wheelers and street furniture in the synthetic scenes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi, sin

import numpy as np

from vlm_misalign_ros.core.world.canvas import Canvas, Color

_SHOE: Color = (30, 30, 34)
_TYRE: Color = (30, 30, 30)
_SPOKES: Color = (105, 105, 105)
_STEEL: Color = (112, 114, 112)
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Looks:
    """Colours (BGR) and proportions of a person."""

    coat: Color
    trousers: Color
    skin: Color
    hair: Color
    scale: float
    """Height as a part of 1.75 m."""
    bag: bool
    phase: float
    """Start of the walking cycle, radians."""


class Figure:
    """A flat shape upright at a world point, facing the camera: right and up in metres."""

    def __init__(
        self, canvas: Canvas, x: float, z: float, scale: float = 1.0, mirror: bool = False
    ) -> None:
        """Stand at (x, 0, z), `scale` times as large, mirrored left to right on request."""
        self.canvas = canvas
        self._at = np.array((x, 0.0, z))
        self._scale = np.array((-scale if mirror else scale, scale))

    def points(self, flat: Points | np.ndarray) -> np.ndarray:
        """Return (N, 3) points of the world."""
        scaled = np.asarray(flat, np.float64) * self._scale
        placed: np.ndarray = self._at + np.insert(scaled, 2, 0.0, axis=1)
        return placed

    def fill(self, flat: Points, color: Color, shade: float = 1.0) -> None:
        """Fill a polygon."""
        self.canvas.polygon(self.points(flat), color, shade)

    def limb(self, flat: Points, width: float, color: Color) -> None:
        """Paint a chain of bars `width` metres thick."""
        chain = self.points(flat)
        for start, end in zip(chain, chain[1:], strict=False):
            self.canvas.bar(start, end, width * self._scale[1], color)

    def disc(self, center: tuple[float, float], radius: float, color: Color) -> None:
        """Fill a disc."""
        self.canvas.discs(self.points([center]), np.array([radius * self._scale[1]]), [color])


def _head(figure: Figure, x: float, y: float, looks: Looks, helmet: Color | None = None) -> None:
    figure.disc((x, y), 0.12, looks.hair if helmet is None else helmet)
    figure.fill(
        [(x - 0.09, y + 0.03), (x + 0.1, y + 0.03), (x + 0.08, y - 0.12), (x - 0.06, y - 0.12)],
        looks.skin,
    )


def paint_person(
    canvas: Canvas,
    x: float,
    z: float,
    looks: Looks,
    stride: float,
    sideways: bool,
    leftwards: bool,
) -> None:
    """Paint a walking person; `stride` is the angle of the walking cycle in radians."""
    figure = Figure(canvas, x, z, looks.scale, leftwards)
    swing = sin(stride + looks.phase)
    far: Color = (looks.trousers[0] * 0.75, looks.trousers[1] * 0.75, looks.trousers[2] * 0.75)
    sleeve: Color = (looks.coat[0] * 0.8, looks.coat[1] * 0.8, looks.coat[2] * 0.8)
    if sideways:
        for sign, color in ((-1, far), (1, looks.trousers)):
            knee, foot = sign * 0.17 * swing + 0.03, sign * 0.34 * swing
            figure.limb([(0, 0.88), (knee, 0.47), (foot, 0.06)], 0.16, color)
            figure.limb([(foot - 0.03, 0.04), (foot + 0.16, 0.04)], 0.08, _SHOE)
        figure.fill(
            [(-0.14, 0.8), (-0.16, 1.4), (-0.06, 1.5), (0.08, 1.5), (0.15, 1.38), (0.14, 0.8)],
            looks.coat,
        )
        figure.limb([(0.0, 1.4), (-0.12 * swing, 1.12), (-0.2 * swing + 0.06, 0.86)], 0.1, sleeve)
        figure.disc((-0.2 * swing + 0.06, 0.84), 0.05, looks.skin)
        if looks.bag:
            figure.fill([(-0.32, 1.0), (-0.32, 1.4), (-0.14, 1.42), (-0.14, 0.98)], sleeve, 0.7)
        _head(figure, 0.03, 1.63, looks)
        return
    for sign in (-1, 1):
        lift = max(0.0, sign * swing) * 0.08
        figure.limb(
            [(sign * 0.09, 0.88), (sign * 0.1, 0.07 + lift)],
            0.15,
            looks.trousers if sign > 0 else far,
        )
        figure.limb([(sign * 0.08, 0.04 + lift), (sign * 0.14, 0.04 + lift)], 0.09, _SHOE)
        figure.limb(
            [(sign * 0.23, 1.4), (sign * 0.28, 1.12), (sign * 0.27, 0.85 + lift)], 0.1, sleeve
        )
        figure.disc((sign * 0.27, 0.82 + lift), 0.05, looks.skin)
    figure.fill(
        [(-0.18, 0.8), (-0.24, 1.44), (-0.08, 1.52), (0.08, 1.52), (0.24, 1.44), (0.18, 0.8)],
        looks.coat,
    )
    if looks.bag:
        figure.fill([(0.2, 0.62), (0.2, 0.92), (0.42, 0.92), (0.42, 0.62)], sleeve, 0.7)
    _head(figure, 0.0, 1.63, looks)


def paint_two_wheeler(
    canvas: Canvas, x: float, z: float, paint: Color, motor: bool, sideways: bool, leftwards: bool
) -> None:
    """Paint a bicycle, or with `motor` a motorcycle, seen from the side or from the end."""
    figure = Figure(canvas, x, z, 1.0, leftwards)
    dark: Color = (paint[0] * 0.5, paint[1] * 0.5, paint[2] * 0.5)
    if not sideways:
        half, radius = (0.1, 0.32) if motor else (0.04, 0.35)
        figure.fill([(-half, 0), (-half, 2 * radius), (half, 2 * radius), (half, 0)], _TYRE)
        if motor:
            figure.fill([(-0.18, 0.45), (-0.24, 0.9), (0.24, 0.9), (0.18, 0.45)], paint)
            figure.fill([(-0.09, 0.66), (-0.09, 0.76), (0.09, 0.76), (0.09, 0.66)], (30, 25, 190))
        figure.limb([(0, 0.6), (0, 1.0)], 0.07, paint)
        figure.limb([(-0.32, 1.02), (0.32, 1.02)], 0.06, dark)
        return
    axle, radius = (0.68, 0.31) if motor else (0.53, 0.34)
    for place in (-axle, axle):
        figure.disc((place, radius), radius, _TYRE)
        figure.disc((place, radius), radius * (0.55 if motor else 0.82), _SPOKES)
        figure.disc((place, radius), 0.07, _TYRE)
    if motor:
        figure.fill(
            [
                (-0.75, 0.6),
                (-0.7, 0.82),
                (-0.05, 0.78),
                (0.1, 0.98),
                (0.45, 0.9),
                (0.4, 0.35),
                (-0.35, 0.3),
            ],
            paint,
        )
        figure.fill([(-0.72, 0.8), (-0.6, 0.9), (0.0, 0.86), (-0.02, 0.76)], _TYRE)
        figure.limb([(axle, radius), (0.45, 0.95), (0.32, 1.08)], 0.09, _STEEL)
        figure.disc((0.56, 0.86), 0.09, (210, 230, 235))
        return
    hub = (-0.08, 0.32)
    figure.limb([(-axle, radius), hub, (-0.2, 0.82), (-axle, radius)], 0.05, paint)
    figure.limb([hub, (0.38, 0.78), (-0.16, 0.72)], 0.05, paint)
    figure.limb([(axle, radius), (0.36, 0.95), (0.28, 1.0)], 0.05, dark)
    figure.limb([(-0.32, 0.88), (-0.08, 0.88)], 0.07, _TYRE)


def paint_rider(
    canvas: Canvas,
    x: float,
    z: float,
    looks: Looks,
    stride: float,
    motor: bool,
    sideways: bool,
    leftwards: bool,
    helmet: Color,
) -> None:
    """Paint the rider of a two-wheeler painted at the same place before."""
    figure = Figure(canvas, x, z, 1.0, leftwards)
    sleeve: Color = (looks.coat[0] * 0.8, looks.coat[1] * 0.8, looks.coat[2] * 0.8)
    if not sideways:
        for sign in (-1, 1):
            knee = 0.6 + 0.1 * sign * sin(stride) * (not motor)
            figure.limb(
                [(sign * 0.1, 0.92), (sign * 0.19, knee), (sign * 0.14, knee - 0.38)],
                0.14,
                looks.trousers,
            )
            figure.limb([(sign * 0.2, 1.4), (sign * 0.34, 1.2), (sign * 0.29, 1.05)], 0.1, sleeve)
        figure.fill(
            [
                (-0.19, 0.86),
                (-0.23, 1.42),
                (-0.08, 1.52),
                (0.08, 1.52),
                (0.23, 1.42),
                (0.19, 0.86),
            ],
            looks.coat,
        )
        _head(figure, 0.0, 1.65, looks, helmet)
        return
    hip = (-0.2, 0.94)
    for sign in (-1, 1):
        angle = stride + (pi if sign < 0 else 0)
        foot = (
            (0.2, 0.4)
            if motor
            else (-0.08 + 0.16 * float(np.cos(angle)), 0.32 + 0.16 * float(np.sin(angle)))
        )
        bend = ((hip[0] + foot[0]) / 2 + 0.22, (hip[1] + foot[1]) / 2 + 0.08)
        figure.limb([hip, bend, foot], 0.15, looks.trousers)
        figure.limb(
            [(foot[0] - 0.05, foot[1] - 0.03), (foot[0] + 0.12, foot[1] - 0.03)], 0.08, _SHOE
        )
    figure.fill(
        [(-0.34, 0.9), (-0.2, 1.42), (-0.02, 1.52), (0.1, 1.42), (-0.04, 0.88)], looks.coat
    )
    figure.limb([(0.02, 1.4), (0.12, 1.14), (0.31, 1.06)], 0.1, sleeve)
    _head(figure, 0.1, 1.63, looks, helmet)


def paint_pole(
    canvas: Canvas,
    x: float,
    z: float,
    height: float,
    reach: float,
    color: Color,
    lit: bool = False,
) -> None:
    """Paint a pole, with `reach` other than 0 a lamp at the end of an arm to that side."""
    figure = Figure(canvas, x, z)
    figure.limb([(0, 0), (0, height * 0.5)], 0.17, color)
    figure.limb([(0, height * 0.5), (0, height)], 0.13, color)
    if reach:
        figure.limb([(0, height), (reach, height + 0.35)], 0.1, color)
        tip = reach + (0.6 if reach > 0 else -0.6)
        figure.limb(
            [(reach, height + 0.35), (tip, height + 0.33)],
            0.2,
            (190, 235, 255) if lit else (165, 170, 170),
        )


def paint_signal(canvas: Canvas, x: float, z: float, lit: int, height: float) -> None:
    """Paint a traffic light's box; `lit` is 0 (red), 1 (amber) or 2 (green)."""
    figure = Figure(canvas, x, z)
    top = height + 0.95
    figure.fill([(-0.19, height), (-0.19, top), (0.19, top), (0.19, height)], (26, 28, 26))
    bright: tuple[Color, ...] = ((50, 40, 245), (40, 190, 250), (120, 235, 60))
    for index in range(3):
        off: Color = (bright[index][0] * 0.22, bright[index][1] * 0.22, bright[index][2] * 0.22)
        figure.disc((0, top - 0.18 - 0.3 * index), 0.12, bright[index] if index == lit else off)


def paint_sign(canvas: Canvas, x: float, z: float, kind: int, height: float) -> None:
    """Paint a traffic sign: 0 no entry, 1 warning, 2 speed limit, 3 stop, 4 blue, 5 yellow."""
    figure = Figure(canvas, x, z)
    red: Color = (40, 35, 200)
    white: Color = (232, 232, 230)
    y = height
    if kind == 1:
        figure.fill([(-0.45, y - 0.38), (0.45, y - 0.38), (0, y + 0.42)], red)
        figure.fill([(-0.29, y - 0.29), (0.29, y - 0.29), (0, y + 0.24)], white)
        figure.limb([(0, y - 0.2), (0, y + 0.05)], 0.06, (20, 20, 20))
    elif kind == 3:
        turn = np.arange(8) * pi / 4 + pi / 8
        figure.fill([(0.42 * float(np.cos(a)), y + 0.42 * float(np.sin(a))) for a in turn], red)
        figure.limb([(-0.28, y), (0.28, y)], 0.13, white)
    elif kind == 4:
        figure.fill(
            [(-0.36, y - 0.36), (-0.36, y + 0.36), (0.36, y + 0.36), (0.36, y - 0.36)],
            (170, 85, 25),
        )
        figure.fill([(-0.22, y - 0.24), (0.0, y + 0.26), (0.22, y - 0.24)], white)
    elif kind == 5:
        figure.fill([(-0.4, y), (0, y + 0.4), (0.4, y), (0, y - 0.4)], white)
        figure.fill([(-0.26, y), (0, y + 0.26), (0.26, y), (0, y - 0.26)], (30, 190, 240))
    else:
        figure.disc((0, y), 0.38, red)
        if kind == 0:
            figure.limb([(-0.2, y), (0.2, y)], 0.15, white)
        else:
            figure.disc((0, y), 0.27, white)
            figure.limb([(-0.09, y - 0.1), (-0.09, y + 0.1)], 0.06, (20, 20, 20))
            figure.limb([(0.09, y - 0.1), (0.09, y + 0.1)], 0.06, (20, 20, 20))


def paint_bin(canvas: Canvas, x: float, z: float, color: Color) -> None:
    """Paint a dust bin with its lid."""
    figure = Figure(canvas, x, z)
    figure.fill([(-0.25, 0), (-0.3, 1.0), (0.3, 1.0), (0.25, 0)], color)
    figure.fill([(-0.33, 1.0), (-0.3, 1.1), (0.3, 1.1), (0.33, 1.0)], color, 0.7)

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

"""Shapes of vehicles in the synthetic scenes: prisms with windows, lamps and wheels."""

from __future__ import annotations

from math import cos

import numpy as np

from vlm_misalign_ros.core.world.canvas import Canvas, Color
from vlm_misalign_ros.core.world.solids import Body, Painter

_PLATE: Color = (215, 215, 210)
_TAIL: Color = (30, 25, 190)
_HEAD: Color = (235, 240, 245)
_DARK: Color = (36, 36, 36)
_GLASS: Color = (78, 66, 56)
_AMBER: Color = (40, 150, 235)

SMALL = 11.0
"""Vehicles lower than this many pixels are painted without their details."""


def _lamps(painter: Painter, low: float, high: float, size: float = 0.3) -> None:
    half = painter.body.width / 2
    for side in (-1, 1):
        edge, inner = side * half * 0.97, side * (half * 0.97 - size)
        painter.on_end(-1, (inner, low), (edge, high), _TAIL)
        painter.on_end(1, (inner, low), (edge, high - 0.03), _HEAD)


def _car(painter: Painter, paint: Color, boxy: float) -> None:
    """Paint a car; `boxy` from 0 (saloon) to 1 (van)."""
    length, width, height = painter.body.length, painter.body.width, painter.body.height
    sill, waist = 0.28, height * 0.6
    rear, front = -length / 2, length / 2
    painter.tyres((-0.3 * length, 0.31 * length), 0.32, 0.5)
    hood = waist * (0.86 + 0.1 * boxy)
    painter.prism(
        [
            (rear, sill),
            (rear + 0.04, waist * 0.95),
            (rear + 0.2, waist),
            (front - 0.9 * (1 - boxy * 0.5), waist),
            (front - 0.08, hood),
            (front, sill + 0.25),
            (front, sill),
        ],
        width,
        paint,
    )
    deck = rear + 0.12 + 0.55 * (1 - boxy) * (length > 4.3)
    screen = front - (1.25 - 0.7 * boxy)
    slope = 0.5 * (1 - boxy) + 0.08
    roof = [(deck, waist), (deck + slope, height), (screen - 0.65, height), (screen, waist)]
    cabin = width * 0.88
    painter.prism(roof, cabin, (_GLASS, paint, _GLASS, paint, paint))
    top, bottom = height - 0.1, waist + 0.04
    middle = (deck + screen) / 2 - 0.1
    painter.on_side(
        [
            (deck + 0.2, bottom),
            (deck + slope + 0.08, top),
            (middle - 0.05, top),
            (middle - 0.05, bottom),
        ],
        _GLASS,
        cabin,
    )
    painter.on_side(
        [
            (middle + 0.05, bottom),
            (middle + 0.05, top),
            (screen - 0.72, top),
            (screen - 0.18, bottom),
        ],
        _GLASS,
        cabin,
    )
    dark: Color = (paint[0] * 0.6, paint[1] * 0.6, paint[2] * 0.6)
    painter.on_side(
        [
            (middle, sill + 0.1),
            (middle, waist),
            (middle + 0.03, waist),
            (middle + 0.03, sill + 0.1),
        ],
        dark,
    )
    painter.wheels((-0.3 * length, 0.31 * length), 0.32)
    _lamps(painter, waist * 0.72, waist * 0.92)
    half = width / 2
    painter.on_end(-1, (-half, sill), (half, sill + 0.14), _DARK)
    painter.on_end(-1, (-0.26, waist * 0.66), (0.26, waist * 0.66 + 0.12), _PLATE)
    painter.on_end(1, (-0.5, sill + 0.08), (0.5, sill + 0.3), _DARK)
    painter.on_end(1, (-0.26, sill + 0.12), (0.26, sill + 0.23), _PLATE)


def _truck(painter: Painter, paint: Color, load: Color) -> None:
    length, width, height = painter.body.length, painter.body.width, painter.body.height
    rear, front = -length / 2, length / 2
    cab = front - 1.9
    axles = (rear + 1.2, front - 1.0) if length < 9 else (rear + 1.2, rear + 2.4, front - 1.0)
    painter.tyres((axles[0], axles[-1]), 0.48, 0.95)
    box = [(rear, 0.95), (rear, height), (cab - 0.25, height), (cab - 0.25, 0.95)]
    top = min(2.9, height * 0.9)
    seat = [(cab, 0.45), (cab, top), (front - 0.3, top), (front, 1.6), (front, 0.45)]

    def paint_box() -> None:
        painter.prism(box, width, load)
        painter.on_side([(rear, 0.6), (rear, 0.95), (cab, 0.95), (cab, 0.6)], _DARK)
        stripe: Color = (paint[0], paint[1], paint[2])
        painter.on_side(
            [
                (rear + 0.6, height * 0.62),
                (rear + 0.6, height * 0.78),
                (cab - 0.9, height * 0.78),
                (cab - 0.9, height * 0.62),
            ],
            stripe,
        )
        half = width / 2
        painter.on_end(-1, (-half, 0.5), (half, 0.95), _DARK)
        painter.on_end(-1, (-0.03, 1.0), (0.03, height - 0.08), _DARK)
        painter.on_end(-1, (-half * 0.9, height * 0.9), (half * 0.9, height * 0.93), stripe)

    def paint_cab() -> None:
        painter.prism(seat, width * 0.97, (paint, paint, _GLASS, paint, paint, paint))
        painter.on_side(
            [
                (front - 1.35, 1.65),
                (front - 1.35, top - 0.25),
                (front - 0.4, top - 0.25),
                (front - 0.2, 1.65),
            ],
            _GLASS,
            width * 0.97,
        )
        painter.on_end(1, (-0.8, 0.7), (0.8, 1.35), _DARK)

    order = (paint_cab, paint_box) if cos(painter.body.heading) > 0 else (paint_box, paint_cab)
    for part in order:
        part()
    painter.wheels(axles, 0.48)
    _lamps(painter, 0.62, 0.84)


def _bus(painter: Painter, paint: Color, trim: Color, rail: bool) -> None:
    """Paint a bus, or with `rail` a tram."""
    length, width, height = painter.body.length, painter.body.width, painter.body.height
    rear, front = -length / 2, length / 2
    low = 0.3 if rail else 0.35
    taper = 0.7 if rail else 0.15
    if not rail:
        painter.tyres((rear + 2.6, front - 2.5), 0.48, 0.6)
    painter.prism(
        [
            (rear, low),
            (rear, 1.2),
            (rear + taper, height),
            (front - taper, height),
            (front, 1.2),
            (front, low),
        ],
        width,
        paint,
    )
    painter.on_side([(rear, low), (rear, 0.75), (front, 0.75), (front, low)], trim)
    pane, y0, y1 = 1.55, 1.35, height - 0.55
    start = rear + taper + 0.2
    for index in range(int((length - 2 * taper - 0.4) / pane)):
        left = start + index * pane
        bottom = 0.5 if index % 4 == 3 else y0
        painter.on_side(
            [(left, bottom), (left, y1), (left + pane - 0.14, y1), (left + pane - 0.14, bottom)],
            _GLASS,
        )
    if rail:
        for joint in np.arange(rear + 8, front - 4, 8.0):
            painter.on_side(
                [(joint, low), (joint, height), (joint + 0.5, height), (joint + 0.5, low)], _DARK
            )
        painter.on_side([(rear, 0.0), (rear, low), (front, low), (front, 0.0)], _DARK)
    else:
        painter.wheels((rear + 2.6, front - 2.5), 0.48)
    half = width / 2
    lean = taper * (0.5 if rail else 0.2)
    for end in (-1, 1):
        at = end * (length / 2 - lean)
        base = 1.15 if end == 1 or rail else 1.7
        painter.on_end(end, (-half * 0.88, base), (half * 0.88, height - 0.6), _GLASS, at)
        painter.on_end(end, (-half * 0.6, height - 0.48), (half * 0.6, height - 0.2), _AMBER, at)
    _lamps(painter, 0.62, 0.86, 0.34)
    painter.on_end(-1, (-0.26, 0.5), (0.26, 0.62), _PLATE)


def _shine(painter: Painter) -> None:
    """Switch the lamps on: bright discs in front, red ones behind."""
    half = painter.body.width / 2
    for end, color in ((1, (200.0, 240.0, 255.0)), (-1, (60.0, 60.0, 255.0))):
        if end in painter.ends:
            at = np.array(
                [
                    (end * (painter.body.length / 2 + 0.02), side * half * 0.8, 0.72)
                    for side in (-1, 1)
                ]
            )
            painter.canvas.discs(painter.body.place(at), np.array([0.13, 0.13]), [color] * 2)


def _silhouette(painter: Painter, label: str, paint: Color, trim: Color) -> None:
    """Paint what is left of a vehicle a few pixels high."""
    length, width, height = painter.body.length, painter.body.width, painter.body.height
    if label == 'car':
        half, waist = length / 2, height * 0.6
        painter.prism([(-half, 0.1), (-half, waist), (half, waist), (half, 0.1)], width, paint)
        painter.prism(
            [
                (-half * 0.8, waist),
                (-half * 0.5, height),
                (half * 0.3, height),
                (half * 0.55, waist),
            ],
            width * 0.88,
            (_GLASS, paint, _GLASS, paint, _GLASS),
        )
        return
    half = length / 2
    painter.prism(
        [(-half, 0.4), (-half, height), (half, height), (half, 0.4)],
        width,
        trim if label == 'truck' else paint,
    )
    for end in (-1, 1):
        painter.on_end(end, (-width * 0.4, height * 0.45), (width * 0.4, height * 0.8), _GLASS)


def paint_vehicle(
    canvas: Canvas,
    label: str,
    body: Body,
    paint: Color,
    trim: Color,
    boxy: float,
    lit: bool = False,
) -> None:
    """Paint a car, truck, bus or train (by Cityscapes' name) as part of the current thing."""
    painter = Painter(canvas, body)
    if canvas.camera.fx * body.height / max(body.z - body.length / 2, 1.0) < SMALL:
        _silhouette(painter, label, paint, trim)
    elif label == 'car':
        _car(painter, paint, boxy)
    elif label == 'truck':
        _truck(painter, paint, trim)
    else:
        _bus(painter, paint, trim, label == 'train')
    if lit:
        _shine(painter)

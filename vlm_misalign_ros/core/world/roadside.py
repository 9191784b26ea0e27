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

"""Paints what stands beside the road: houses, walls, fences, hedges, trees and furniture."""

from __future__ import annotations

import numpy as np

from vlm_misalign_ros.core.world.canvas import Canvas, Color
from vlm_misalign_ros.core.world.figures import paint_bin, paint_pole, paint_sign, paint_signal
from vlm_misalign_ros.core.world.fixtures import Fixture
from vlm_misalign_ros.core.world.ground import paint_shadow
from vlm_misalign_ros.core.world.street import Street

_LIT: Color = (140, 200, 240)
"""A window at dusk."""
_TRUNK: Color = (50, 62, 75)
_BIN: Color = (60, 80, 60)
_FENCE: Color = (120, 128, 132)
_SLATS: Color = (85, 92, 98)


def paint_lot(canvas: Canvas, street: Street, lot: Fixture, z: float) -> None:
    """Paint a lot that begins at `z`, metres."""
    if lot.kind == 'building':
        _building(canvas, street, lot, z)
    else:
        _boundary(canvas, street, lot, z)


def _building(canvas: Canvas, street: Street, lot: Fixture, z: float) -> None:
    light = street.weather.light
    canvas.begin(
        'building',
        max(z + lot.length / 3, 3.0),
        origin=(lot.x, 0.0, max(z, 1.0)),
        roughness=0.05,
        faces=True,
    )
    end, back, top = z + lot.length, lot.x + lot.side * 14, lot.height
    rng = np.random.default_rng(lot.style)
    if rng.random() < street.city.gables:
        _gable(canvas, street, lot, z, rng)
    canvas.polygon(
        [(lot.x, 0, z), (back, 0, z), (back, top, z), (lot.x, top, z)],
        lot.color,
        light.shade(0, -1),
    )
    canvas.polygon(
        [(lot.x, 0, z), (lot.x, 0, end), (lot.x, top, end), (lot.x, top, z)],
        lot.color,
        light.shade(-lot.side, 0),
    )
    _openings(canvas, street, lot, z, rng)


def _gable(
    canvas: Canvas, street: Street, lot: Fixture, z: float, rng: np.random.Generator
) -> None:
    """Paint a pitched roof: the tiles towards the street and the gable towards the camera."""
    light = street.weather.light
    end, top = z + lot.length, lot.height
    ridge, tiles = top + float(rng.uniform(1.5, 3.5)), (70 + 20 * rng.random(), 75, 120)
    inner, back = lot.x + lot.side * 4, lot.x + lot.side * 14
    canvas.polygon(
        [(lot.x, top, z), (inner, ridge, z), (inner, ridge, end), (lot.x, top, end)],
        tiles,
        light.shade(-lot.side, 0),
    )
    canvas.polygon(
        [(lot.x, top, z), (inner, ridge, z), (back, top, z)], lot.color, light.shade(0, -1) * 0.95
    )


def _openings(
    canvas: Canvas, street: Street, lot: Fixture, z: float, rng: np.random.Generator
) -> None:
    """Paint windows and door; none where they would be smaller than a few pixels."""
    city, shade = street.city, street.weather.light.shade(-lot.side, 0)
    bay, storey = float(rng.uniform(2.2, 3.4)), float(rng.uniform(2.8, 3.4))
    if storey * canvas.camera.fx / max(z + lot.length, 1.0) < 4:
        return
    wide, tall = bay * city.windows[0], storey * city.windows[1]
    starts = np.arange(z + 0.8, z + lot.length - wide, bay)
    levels = np.arange(0.9, lot.height - tall - 0.3, storey)
    if not len(starts) or not len(levels):
        return
    a, b = (grid.ravel() for grid in np.meshgrid(starts, levels))
    x = np.full_like(a, lot.x)
    panes = np.stack(
        [
            np.stack([x, b, a], 1),
            np.stack([x, b, a + wide], 1),
            np.stack([x, b + tall, a + wide], 1),
            np.stack([x, b + tall, a], 1),
        ],
        1,
    )
    lit = rng.random(len(panes)) < 0.4 * street.weather.lamps
    canvas.polygons(panes[~lit], city.glass, shade)
    canvas.polygons(panes[lit], _LIT)
    door = float(z + 1.2 + rng.random() * max(lot.length - 3, 0.1))
    canvas.polygon(
        [(lot.x, 0, door), (lot.x, 0, door + 1.1), (lot.x, 2.1, door + 1.1), (lot.x, 2.1, door)],
        (50, 60, 80 + 40 * rng.random()),
        shade,
    )


def _boundary(canvas: Canvas, street: Street, lot: Fixture, z: float) -> None:
    """Paint a hedge, a wall or a fence, and the trees of the garden behind it."""
    near = max(z + lot.length / 3, 3.0)
    end, x = z + lot.length, lot.x + lot.side * 0.3
    face = [(x, 0, z), (x, 0, end), (x, lot.height, end), (x, lot.height, z)]
    shade = street.weather.light.shade(-lot.side, 0)
    if lot.kind == 'hedge':
        canvas.begin('vegetation', near, origin=(x, 0, max(z, 1.0)), roughness=0.12, faces=True)
        canvas.polygon(face, street.city.leaves, shade * 0.9)
    elif lot.kind == 'wall':
        canvas.begin('wall', near, origin=(x, 0, max(z, 1.0)), roughness=0.06, faces=True)
        canvas.polygon(face, lot.color, shade * 0.9)
    elif lot.kind == 'fence':
        canvas.begin('fence', near, origin=(x, 0, max(z, 1.0)), faces=True)
        canvas.polygon(face, _FENCE, shade * 0.8)
        slats = np.arange(z, end, 0.8)
        top = lot.height - 0.1
        bars = np.array(
            [[(x, 0.05, s), (x, 0.05, s + 0.3), (x, top, s + 0.3), (x, top, s)] for s in slats]
        )
        canvas.polygons(bars, _SLATS, shade)
    if lot.kind in ('lawn', 'hedge') or lot.kind == 'wall' and lot.style % 2:
        _garden(canvas, street, lot, z)


def _garden(canvas: Canvas, street: Street, lot: Fixture, z: float) -> None:
    """Paint the trees of a lot, far to near."""
    rng = np.random.default_rng(lot.style)
    for place in np.arange(z + 2, z + lot.length, 6.0)[::-1]:
        _tree(
            canvas,
            street,
            lot.x + lot.side * float(rng.uniform(3, 7)),
            float(place),
            float(rng.uniform(5, 11)),
            int(rng.integers(1 << 30)),
        )


_CROWNS = {'round': (0.24, 0.24, 0.7), 'tall': (0.11, 0.34, 0.6), 'cone': (0.16, 0.3, 0.55)}
"""Spread across and up, and middle, of a tree's crown as parts of its height."""


def _tree(canvas: Canvas, street: Street, x: float, z: float, height: float, style: int) -> None:
    if z < 1.5:
        return
    rng = np.random.default_rng(style)
    canvas.begin('vegetation', z, origin=(x, 0, z), roughness=0.12)
    canvas.bar((x, 0, z), (x, height * 0.55, z), 0.28, _TRUNK)
    count = 14 if height * canvas.camera.fx / z > 24 else 4
    kind = street.city.trees
    across, upward, middle = _CROWNS[kind]
    up = rng.normal(0, 0.6, count).clip(-1.2, 1.2)
    narrow = 1.0 - 0.45 * up if kind == 'cone' else np.ones(count)
    centers = np.stack(
        [
            x + rng.normal(0, height * across * 0.6, count) * narrow,
            height * (middle + upward * up),
            np.full(count, z),
        ],
        1,
    )
    tint = rng.uniform(0.8, 1.2, count)
    base = np.array(street.city.leaves) * rng.uniform(0.75, 1.2) + rng.normal(0, 6, 3)
    colors: list[Color] = [(base[0] * t, base[1] * t, base[2] * t) for t in tint]
    radii = rng.uniform(0.5, 0.9, count) * height * min(across, upward) * narrow
    canvas.discs(centers, radii * (1.5 if count == 4 else 1.0), colors)


def paint_furniture(canvas: Canvas, street: Street, thing: Fixture, z: float) -> None:
    """Paint a tree, bin, lamp, pole, traffic light or traffic sign that stands at `z`, metres."""
    if z < 2.0:
        return
    x = thing.x
    if thing.kind == 'tree':
        paint_shadow(canvas, street, x, z, 0.4, 0.4, 2.5)
        _tree(canvas, street, x, z, thing.height, thing.style)
        return
    if thing.kind == 'bin':
        canvas.begin('dynamic', z, origin=(x, 0, z))
        paint_bin(canvas, x, z, _BIN)
        return
    canvas.begin('pole', z, origin=(x, 0, z))
    if thing.kind in ('lamp', 'pole'):
        reach = -1.4 * thing.side * (thing.kind == 'lamp')
        paint_pole(canvas, x, z, thing.height, reach, thing.color, street.weather.lamps)
        return
    paint_pole(canvas, x, z, 2.6, 0.0, thing.color)
    if thing.kind == 'signal':
        canvas.begin('traffic light', z, origin=(x, 0, z))
        paint_signal(canvas, x, z, thing.style % 3, 2.4)
    else:
        canvas.begin('traffic sign', z, origin=(x, 0, z))
        paint_sign(canvas, x, z, thing.style % 6, 2.5)

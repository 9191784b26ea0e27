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

"""What stays on a street: the lots along it, its furniture and its crossing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlm_misalign_ros.core.world.canvas import Color
from vlm_misalign_ros.core.world.cities import City
from vlm_misalign_ros.core.world.districts import District
from vlm_misalign_ros.core.world.draws import one_of, pick_color
from vlm_misalign_ros.core.world.layout import Layout
from vlm_misalign_ros.core.world.missing import furniture_left, lots_left

_STEEL: Color = (112, 114, 112)
LOTS = ('building', 'hedge', 'wall', 'fence', 'lawn')
"""Kinds of fixtures that stand behind the sidewalks."""


@dataclass(frozen=True)
class Fixture:
    """Something that stays: a lot, a tree, a pole, a sign, a light, a bin, a crossing."""

    kind: str
    x: float
    z: float
    length: float
    """Along the street, metres; 0 of furniture."""
    height: float
    color: Color
    style: int
    """Seed of the rest of its looks."""

    @property
    def side(self) -> int:
        """Return the side of the street it is on: 1 right, -1 left."""
        return 1 if self.x > 0 else -1


def place_fixtures(
    rng: np.random.Generator,
    city: City,
    district: District,
    missing: frozenset[str],
    layout: Layout,
) -> list[Fixture]:
    """Draw the lots and the furniture of both sides, the right one first."""
    lots, furniture = lots_left(district, missing), furniture_left(district, missing)
    found = []
    for side, edge in ((1, layout.right), (-1, layout.left)):
        behind = edge + side * layout.pavement
        found += _lots(rng, city, lots, behind, layout.ahead, 'tree' in missing)
        found += _furniture(rng, furniture, edge, side, layout.ahead)
    return found


def make_crossing(z: float, color: Color) -> Fixture:
    """Return a zebra crossing of the colour of the markings that begins at `z`, metres."""
    return Fixture('crossing', x=0.0, z=z, length=3.0, height=0.0, color=color, style=0)


def _lots(
    rng: np.random.Generator,
    city: City,
    kinds: dict[str, float],
    edge: float,
    ahead: float,
    bare: bool,
) -> list[Fixture]:
    found, z = [], -6.0
    while z < ahead:
        length = float(rng.uniform(9, 22))
        kind = one_of(rng, kinds)
        height = float(rng.uniform(*city.roofs) if kind == 'building' else rng.uniform(1.2, 2.6))
        # An even style is a wall without trees behind it.
        style = 2 * int(rng.integers(1 << 29)) + int(not bare)
        found.append(Fixture(kind, edge, z, length, height, pick_color(rng, city.walls), style))
        z += length + (float(rng.uniform(0, 2)) if kind == 'building' else 0.0)
    return found


def _furniture(
    rng: np.random.Generator, kinds: dict[str, float], edge: float, side: int, ahead: float
) -> list[Fixture]:
    found, z = [], float(rng.uniform(0, 12))
    while kinds and z < ahead:
        found.append(
            Fixture(
                kind=one_of(rng, kinds),
                x=edge + side * 0.45,
                z=z,
                length=0.0,
                height=float(rng.uniform(5, 8)),
                color=_STEEL,
                style=int(rng.integers(1 << 30)),
            )
        )
        z += float(rng.uniform(4, 14))
    return found

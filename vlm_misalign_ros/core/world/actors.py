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

"""What moves on a street or could: kinds, sizes, looks and instance numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, pi

import numpy as np

from vlm_misalign_ros.core.world.canvas import Color
from vlm_misalign_ros.core.world.draws import pick_color
from vlm_misalign_ros.core.world.figures import Looks

SIZES = {
    'car': (4.4, 1.8, 1.48),
    'truck': (8.0, 2.45, 3.3),
    'bus': (11.5, 2.5, 3.1),
    'train': (24.0, 2.4, 3.4),
}
"""Length, width and height of the vehicles, metres."""
PARTS = {'cyclist': ('bicycle', 'rider'), 'motorcyclist': ('motorcycle', 'rider')}
"""Labels of those who are made of two things."""

_PAINTS: tuple[Color, ...] = (
    (40, 40, 42),
    (190, 190, 188),
    (225, 225, 222),
    (120, 60, 30),
    (45, 40, 150),
    (110, 112, 108),
    (60, 85, 50),
    (70, 130, 190),
)
_CLOTHES: tuple[Color, ...] = (
    (60, 50, 45),
    (40, 40, 160),
    (140, 70, 40),
    (60, 120, 60),
    (200, 200, 195),
    (50, 150, 210),
    (110, 60, 110),
    (35, 35, 35),
)
_SKIN: tuple[Color, ...] = ((150, 175, 215), (105, 135, 185), (60, 85, 130), (40, 55, 85))
_HAIR: tuple[Color, ...] = ((30, 35, 45), (40, 70, 105), (120, 125, 130), (25, 25, 25))


@dataclass
class Actor:
    """Something that moves or could; `label` of a person, rider, vehicle or two-wheeler."""

    label: str
    x: float
    z: float
    speed_x: float
    speed_z: float
    """Metres a second over the ground; the car that looks moves along z."""
    paint: Color
    trim: Color
    looks: Looks
    boxy: float
    scale: float
    numbers: dict[str, int | None] = field(default_factory=dict)
    """Instance number by label: a cyclist is a rider and a bicycle. None: part of a group."""
    sideways: tuple[float, float] = (-inf, inf)
    """From when to when it moves along x, seconds; before and after it keeps to its lane."""

    def across(self, time: float) -> float:
        """Return its x, metres, after so many seconds."""
        begin, end = self.sideways
        begin = max(begin, 0.0)
        return self.x + self.speed_x * max(min(time, end) - begin, 0.0)


def make_actor(
    rng: np.random.Generator,
    label: str,
    x: float,
    z: float,
    speed_x: float = 0.0,
    speed_z: float = 0.0,
) -> Actor:
    """Draw the looks of somebody or something at (x, z), metres; speeds in metres a second."""
    looks = Looks(
        coat=pick_color(rng, _CLOTHES),
        trousers=pick_color(rng, _CLOTHES),
        skin=pick_color(rng, _SKIN),
        hair=pick_color(rng, _HAIR),
        scale=float(rng.uniform(0.9, 1.08)),
        bag=bool(rng.random() < 0.3),
        phase=float(rng.uniform(0, 2 * pi)),
    )
    return Actor(
        label,
        x,
        z,
        speed_x,
        speed_z,
        paint=pick_color(rng, _PAINTS),
        trim=pick_color(rng, _PAINTS),
        looks=looks,
        boxy=float(rng.random() ** 2),
        scale=float(rng.uniform(0.92, 1.08)),
    )


def number_instances(actors: list[Actor]) -> None:
    """Give everybody an instance number that stays the same through the sequence."""
    counts: dict[str, int] = {}
    for actor in actors:
        for label in PARTS.get(actor.label, (actor.label,)):
            if label not in actor.numbers:
                actor.numbers[label] = counts.setdefault(label, 0)
                counts[label] += 1

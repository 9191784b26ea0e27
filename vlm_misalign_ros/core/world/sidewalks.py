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

"""Who walks and what is left standing on the sidewalks, and who walks over the crossing."""

from __future__ import annotations

import numpy as np

from vlm_misalign_ros.core.world.actors import Actor, make_actor
from vlm_misalign_ros.core.world.districts import District
from vlm_misalign_ros.core.world.draws import along, either
from vlm_misalign_ros.core.world.layout import Layout


def on_sidewalks(rng: np.random.Generator, district: District, layout: Layout) -> list[Actor]:
    """Draw the people and the two-wheelers of both sidewalks, the right one first."""
    actors = []
    for side, edge in ((1, layout.right), (-1, layout.left)):
        spread = 2 / district.people * float(rng.uniform(0.5, 2.0))
        for z in along(rng, 2, (1.5, max(spread, 3.0)), layout.ahead):
            x = edge + side * float(rng.uniform(0.4, layout.pavement - 0.3))
            speed = either(rng) * float(rng.uniform(0.8, 1.6)) * (rng.random() < 0.8)
            if rng.random() > district.bicycles:
                actors += _walkers(rng, x, z, speed)
            else:
                actors += _two_wheelers(rng, edge, side, z)
    return actors


def _walkers(rng: np.random.Generator, x: float, z: float, speed: float) -> list[Actor]:
    together = 1 + int(rng.random() < 0.3) + int(rng.random() < 0.08)
    return [
        make_actor(rng, 'person', x + 0.55 * number, z + 0.3 * number, speed_z=speed)
        for number in range(together)
    ]


def _two_wheelers(rng: np.random.Generator, edge: float, side: int, z: float) -> list[Actor]:
    if rng.random() < 0.25:
        return [make_actor(rng, 'motorcycle', edge + side * 0.7, z)]
    if rng.random() >= 0.3:
        return [make_actor(rng, 'bicycle', edge + side * 0.5, z)]
    stand = [
        make_actor(rng, 'bicycle', edge + side * 0.6, z + 0.6 * number)
        for number in range(3 + int(rng.integers(3)))
    ]
    # Nobody tells the bicycles of a stand apart: a group, in Cityscapes' terms.
    for bicycle in stand:
        bicycle.numbers['bicycle'] = None
    return stand


def on_crossing(rng: np.random.Generator, layout: Layout, z: float) -> list[Actor]:
    """Draw who walks over a zebra crossing with its middle at `z`, metres."""
    actors = []
    for _ in range(int(rng.integers(0, 5))):
        away = either(rng)
        x = float(rng.uniform(layout.left - 1, layout.right + 1))
        where = z + float(rng.uniform(-1.2, 1.2))
        actors.append(make_actor(rng, 'person', x, where, away * float(rng.uniform(0.9, 1.5))))
    return actors

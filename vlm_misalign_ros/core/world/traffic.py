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

"""Who is on the road: traffic, parked cars, cyclists, and somebody in the way."""

from __future__ import annotations

import numpy as np

from vlm_misalign_ros.core.world.actors import PARTS, SIZES, Actor, make_actor
from vlm_misalign_ros.core.world.districts import District
from vlm_misalign_ros.core.world.draws import along, either, one_of
from vlm_misalign_ros.core.world.layout import LANE, Layout
from vlm_misalign_ros.core.world.missing import is_missing


def oncoming(rng: np.random.Generator, district: District, layout: Layout) -> list[Actor]:
    """Draw the traffic of the other lane, which overtakes in a one-way street."""
    actors = []
    for z in along(rng, 6, (14, 55), layout.ahead):
        label = one_of(rng, district.vehicles)
        if layout.one_way:
            speed = layout.speed + float(rng.uniform(-2, 5))
            z -= 8.0
        else:
            speed = -float(rng.uniform(6, 12))
        x = -LANE + float(rng.normal(0, 0.15))
        actors.append(make_actor(rng, label, x, z + 6, speed_z=speed))
    if rng.random() < district.tram:
        z = float(rng.uniform(24, 60))
        speed = layout.speed + 0.5 if layout.one_way else -5.0
        tram = make_actor(rng, 'train', -LANE - 0.1, z, speed_z=speed)
        actors = [a for a in actors if abs(a.z - tram.z) > SIZES['train'][0]]
        actors.append(tram)
    return actors


def parked(rng: np.random.Generator, district: District, layout: Layout) -> list[Actor]:
    """Draw what is parked at the curbs, where there is room."""
    actors = []
    for x, room in (
        (layout.right - 1.15, layout.parking_right),
        (layout.left + 1.15, layout.parking_left),
    ):
        share = float(rng.uniform(0.1, district.parked)) * room
        for z in along(rng, 3, (5.8, 8), layout.ahead):
            if rng.random() < share:
                kind = 'truck' if rng.random() < 0.05 else 'car'
                actors.append(make_actor(rng, kind, x, z))
    return actors


def cyclists(rng: np.random.Generator, layout: Layout) -> list[Actor]:
    """Draw cyclists at the edges of the road, outside the lane of the car that looks."""
    actors = []
    right = layout.right - 2.35 if layout.parking_right else layout.right + 0.5
    for z in along(rng, 3, (25, 90), layout.ahead):
        speed = float(rng.uniform(3, 6))
        actors.append(make_actor(rng, 'cyclist', right + 0.2, z, speed_z=speed))
    left = layout.left + (2.5 if layout.parking_left else 0.5)
    backward = 1 if layout.one_way else -1
    for z in along(rng, 5, (25, 90), layout.ahead):
        speed = backward * float(rng.uniform(3, 6))
        actors.append(make_actor(rng, 'cyclist', left, z, speed_z=speed))
    return actors


def leader(rng: np.random.Generator, district: District, layout: Layout) -> Actor:
    """Draw the vehicle ahead in the lane of the car that looks, far enough for a clear road."""
    label = one_of(rng, district.vehicles)
    return make_actor(rng, label, 0.0, float(rng.uniform(48, 90)), speed_z=layout.speed)


_HAZARDS = {
    'person': 0.34,
    'cyclist': 0.22,
    'motorcyclist': 0.14,
    'car': 0.18,
    'truck': 0.06,
    'bus': 0.06,
}


def hazard(rng: np.random.Generator, speed: float, missing: frozenset[str]) -> Actor | None:
    """
    Draw somebody in the lane of the car that looks, nearer than it takes to stop.

    `speed` is that of the car, metres a second. None where nobody is left who could be there.
    """
    z = float(rng.uniform(7.5, 17))
    kinds = {label: share for label, share in _HAZARDS.items() if not is_missing(label, missing)}
    if not kinds:
        return None
    label = one_of(rng, kinds)
    if label == 'person':
        side = either(rng)
        x = side * float(rng.uniform(0.1, 1.1))
        across = -side * float(rng.uniform(0.3, 0.8))
        return make_actor(rng, label, x, z, across, speed * 0.92)
    if label in PARTS:
        return make_actor(rng, label, float(rng.uniform(-0.6, 0.8)), z, speed_z=speed * 0.95)
    x, middle = float(rng.uniform(-0.2, 0.2)), z + SIZES[label][0] / 2
    return make_actor(rng, label, x, middle, speed_z=speed * 0.97)

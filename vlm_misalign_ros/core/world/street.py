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

"""A synthetic street: its city and district, fixtures, traffic and people, drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlm_misalign_ros.core.types import Camera
from vlm_misalign_ros.core.world.actors import Actor, number_instances
from vlm_misalign_ros.core.world.cities import City
from vlm_misalign_ros.core.world.districts import DISTRICTS, District
from vlm_misalign_ros.core.world.events import events
from vlm_misalign_ros.core.world.fixtures import Fixture, make_crossing, place_fixtures
from vlm_misalign_ros.core.world.layout import make_layout
from vlm_misalign_ros.core.world.missing import draw_missing, is_missing
from vlm_misalign_ros.core.world.sidewalks import on_crossing, on_sidewalks
from vlm_misalign_ros.core.world.traffic import cyclists, hazard, leader, oncoming, parked
from vlm_misalign_ros.core.world.weather import Weather, make_weather

_IN_THE_WAY = 0.54
"""Share of streets on which somebody is in the way."""
_EVENTS = 7
"""What the draws of events are seeded by beside seed and sequence."""


@dataclass
class Street:
    """One sequence: the street, who is on it, the camera and the weather."""

    city: City
    district: District
    camera: Camera
    weather: Weather
    curvature: float
    """1 / m."""
    speed: float
    """Of the car that looks, metres a second."""
    left: float
    right: float
    """X of the curbs, metres."""
    pavement: float
    """Width of the sidewalks, metres."""
    paved: bool
    """Whether there are sidewalks; else there is grass."""
    one_way: bool
    fixtures: list[Fixture]
    actors: list[Actor]


def make_street(
    seed: int,
    sequence: int,
    cities: tuple[City, ...],
    width: int,
    height: int,
    seconds: float,
    eventful: bool = False,
) -> Street:
    """
    Return the street of a sequence that lasts so many seconds, in one of `cities`.

    `width` and `height` are those of the pictures, pixels. On an `eventful` street nobody stays in
    the way; hazards come and go instead.
    """
    # One draw more, or another order, and every street of every seed is another one.
    rng = np.random.default_rng((seed, sequence))
    city = cities[sequence % len(cities)]
    district = DISTRICTS[int(rng.integers(len(DISTRICTS)))]
    camera = _camera(rng, width, height)
    layout = make_layout(rng, seconds)
    weather = make_weather(rng)
    missing = draw_missing(rng)
    fixtures = place_fixtures(rng, city, district, missing, layout)
    actors = [
        *oncoming(rng, district, layout),
        *parked(rng, district, layout),
        *on_sidewalks(rng, district, layout),
        *cyclists(rng, layout),
    ]
    if rng.random() < district.crossing:
        crossing = make_crossing(float(rng.uniform(33, 80)), city.marking)
        fixtures.append(crossing)
        actors += on_crossing(rng, layout, crossing.z + crossing.length / 2)
    actors.append(leader(rng, district, layout))
    actors = [actor for actor in actors if not is_missing(actor.label, missing)]
    if eventful:
        own = np.random.default_rng((seed, sequence, _EVENTS))
        actors += events(own, district, layout, missing, seconds)
    elif rng.random() < _IN_THE_WAY and (danger := hazard(rng, layout.speed, missing)) is not None:
        actors.append(danger)
    number_instances(actors)
    return Street(
        city=city,
        district=district,
        camera=camera,
        weather=weather,
        curvature=float(rng.normal(0, 0.0006)),
        speed=layout.speed,
        left=layout.left,
        right=layout.right,
        pavement=layout.pavement,
        paved='sidewalk' not in missing,
        one_way=layout.one_way,
        fixtures=fixtures,
        actors=actors,
    )


def _camera(rng: np.random.Generator, width: int, height: int) -> Camera:
    scale = width / 2048
    focal = 2262.5 * scale * float(rng.uniform(0.85, 1.1))
    return Camera(
        width=width,
        height=height,
        fx=focal,
        fy=focal,
        cx=width / 2 * float(rng.uniform(0.95, 1.05)),
        cy=height * float(rng.uniform(0.48, 0.52)),
        mount_height=float(rng.uniform(1.2, 1.5)),
        pitch=float(rng.uniform(0.01, 0.06)),
    )

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

"""Hazard truth: whether anything in the ego corridor is nearer than the stopping distance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from vlm_misalign_ros.core.labels.classes import BY_ID, BY_NAME, TWO_WHEELERS, VEHICLE_MEMBERS
from vlm_misalign_ros.core.truth.camera import axis_depth, ground_distance, road_distance, scaled
from vlm_misalign_ros.core.truth.inventory import Inventory
from vlm_misalign_ros.core.types import Camera, Hazard

CLEAR_FACTOR = 1.5
"""CLEAR means nothing within this many stopping distances."""
WIDTHS = (2 / 3, 1.0, 4 / 3)
DISTANCES = (0.75, 1.0, 1.5)
"""Factors on corridor width and stopping distance in the sensitivity sweep."""

_DANGERS = frozenset(
    BY_NAME[name].id for name in ('person', 'rider', *VEHICLE_MEMBERS, *TWO_WHEELERS)
)


@dataclass(frozen=True)
class HazardSettings:
    """The corridor, metres."""

    corridor_width: float = 3.0
    stopping_distance: float = 20.0


@dataclass(frozen=True)
class Approach:
    """Where one thing that could be a danger stands."""

    label: int
    distance: float
    """Along the road, metres."""
    offset: float
    """From the middle of the corridor to the nearest pixel of its foot, metres."""
    measured: bool
    """By depth, else estimated over flat ground."""


@dataclass(frozen=True)
class HazardResult:
    """The verdict, and the nearest thing in the corridor within CLEAR_FACTOR distances."""

    verdict: Hazard
    nearest: float | None
    """Distance in metres."""
    nearest_class: str | None
    source: str = 'flat ground'
    """`depth` where the distance was measured, `flat ground` where it was estimated."""


def approaches(inventory: Inventory, camera: Camera) -> list[Approach]:
    """
    Return where every person, rider, two-wheeler and vehicle of a frame stands.

    The distance is the depth of its near side, projected onto the road, where it is known, else
    that of flat road at its lowest row; how far it is to the side is told by the depth of each
    column of its foot. The corridor is straight ahead; `camera` is scaled to the
    map when it was made for another size.
    """
    height, width = inventory.shape
    camera = scaled(camera, width, height)
    found = []
    for thing in inventory.things:
        if thing.label not in _DANGERS:
            continue
        depth: float | np.ndarray
        if thing.depth is not None:
            depth = thing.depth
            distance = road_distance(camera, depth)
            if thing.foot_depth is not None:
                depth = np.where(thing.foot_depth > 0, thing.foot_depth, depth)
        else:
            # The lower edge of the lowest row touches the road.
            distance = ground_distance(camera, thing.bottom + 0.5)
            depth = axis_depth(camera, distance)
        if distance == float('inf'):
            continue
        sideways = (thing.foot - camera.cx) / camera.fx * depth
        found.append(
            Approach(thing.label, distance, float(np.abs(sideways).min()), thing.depth is not None)
        )
    return found


def hazard(things: Iterable[Approach], settings: HazardSettings) -> HazardResult:
    """
    Return the hazard verdict over the things of a frame.

    HAZARD when one of them has a foot in the corridor and is nearer than the stopping distance,
    CLEAR when none is within CLEAR_FACTOR times that, INDETERMINATE between.
    """
    limit = CLEAR_FACTOR * settings.stopping_distance
    inside = [
        thing
        for thing in things
        if thing.offset <= settings.corridor_width / 2 and thing.distance < limit
    ]
    if not inside:
        return HazardResult(Hazard.CLEAR, None, None)
    nearest = min(inside, key=lambda thing: (thing.distance, thing.label))
    verdict = (
        Hazard.HAZARD if nearest.distance < settings.stopping_distance else Hazard.INDETERMINATE
    )
    return HazardResult(
        verdict,
        round(nearest.distance, 3),
        BY_ID[nearest.label].name,
        'depth' if nearest.measured else 'flat ground',
    )


def sweep(things: Sequence[Approach], settings: HazardSettings) -> dict[str, Hazard]:
    """Return the verdict for every corridor width and stopping distance of the sweep."""
    found = {}
    for width in WIDTHS:
        for distance in DISTANCES:
            chosen = HazardSettings(
                settings.corridor_width * width, settings.stopping_distance * distance
            )
            found[sweep_name(chosen)] = hazard(things, chosen).verdict
    return found


def sweep_name(settings: HazardSettings) -> str:
    """Return e.g. `3.00 m x 20.0 m`."""
    return f'{settings.corridor_width:.2f} m x {settings.stopping_distance:.1f} m'

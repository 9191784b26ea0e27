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

"""
Hazard truth: whether anything in the ego corridor is nearer than the stopping distance.

What cannot be told is INDETERMINATE, of the scene as of what an occluder leaves to see.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from math import cos, inf, isinf

import numpy as np

from vlm_misalign_ros.core.labels.classes import BY_ID, BY_NAME, TWO_WHEELERS, VEHICLE_MEMBERS
from vlm_misalign_ros.core.truth.camera import axis_depth, ground_distance, road_distance, scaled
from vlm_misalign_ros.core.truth.corridor import Corridor, Road
from vlm_misalign_ros.core.truth.inventory import Inventory, Thing
from vlm_misalign_ros.core.truth.lens import straightened
from vlm_misalign_ros.core.types import Camera, Hazard

CLEAR_FACTOR = 1.5
"""CLEAR means nothing within this many stopping distances."""
WIDTHS = (2 / 3, 1.0, 4 / 3)
DISTANCES = (0.75, 1.0, 1.5)
"""Factors on corridor width and stopping distance in the sensitivity sweep."""

LEAST_SEEN = 0.5
"""Metres. A thing of unknown distance that shows less than so much would show at CLEAR_FACTOR
stopping distances is taken to be farther: in the distance feet are above the horizon of flat road
by a row or two."""

DANGERS = frozenset(
    BY_NAME[name].id for name in ('person', 'rider', *VEHICLE_MEMBERS, *TWO_WHEELERS)
)
"""Label ids of who can be a danger."""


@dataclass(frozen=True)
class HazardSettings:
    """The corridor, metres, and what of its road may be blocked or unknown."""

    corridor_width: float = 3.0
    stopping_distance: float = 20.0
    obstacle_share: float = 0.01
    """Of the corridor's pixels; from more than that on obstacles or unlabelled, or covered, it is
    not CLEAR."""


class Doubt(str, Enum):
    """Why a frame is INDETERMINATE; of several reasons the first."""

    BETWEEN = 'between'
    """A thing in the corridor is farther than the stopping distance, and not far enough."""
    UNKNOWN_DISTANCE = 'unknown distance'
    """A thing is in the corridor, nobody knows how far."""
    OBSTACLES = 'obstacles'
    """More than `obstacle_share` of the corridor is on no drivable surface or not labelled, and
    most of that on no drivable surface."""
    UNLABELLED = 'unlabelled'
    """The same, most of that not labelled."""
    OUT_OF_VIEW = 'out of view'
    """The picture shows nothing of the corridor."""
    HIDDEN = 'hidden'
    """Visible truth: what makes the scene a HAZARD is too much covered to be seen."""
    COVERED = 'covered'
    """Visible truth: so much of the corridor is covered that nobody sees that it is CLEAR."""
    CAMERA = 'camera'
    """Nobody knows the geometry of the camera: it is not calibrated, or has an unknown lens."""


@dataclass(frozen=True)
class Approach:
    """Where one thing that could be a danger stands."""

    label: int
    distance: float
    """Along the road, metres; inf where nobody knows (a foot above the horizon, no depth)."""
    offset: float
    """From the middle of the corridor to the nearest pixel of its foot, metres; of a thing of
    unknown distance metres for each metre along the road."""
    measured: bool
    """By depth, else estimated over flat ground."""
    tall: float = inf
    """Metres that it shows from top to bottom for each metre of its distance."""
    thing: Thing | None = field(default=None, compare=False, repr=False)

    def inside(self, settings: HazardSettings) -> bool:
        """Return whether its foot is in the corridor; one of unknown distance: may be."""
        offset = self.offset
        if isinf(self.distance):
            if self.tall * CLEAR_FACTOR * settings.stopping_distance < LEAST_SEEN:
                return False
            offset *= settings.stopping_distance
        return offset <= settings.corridor_width / 2


@dataclass(frozen=True)
class HazardResult:
    """The verdict, and the nearest thing in the corridor within CLEAR_FACTOR distances."""

    verdict: Hazard
    nearest: float | None
    """Distance in metres."""
    nearest_class: str | None
    source: str = 'flat ground'
    """`depth` where the distance was measured, `flat ground` where it was estimated."""
    doubt: Doubt | None = None
    """Why it is INDETERMINATE; None where it is not."""


def approaches(inventory: Inventory, camera: Camera) -> list[Approach]:
    """
    Return where every person, rider, two-wheeler and vehicle of a frame stands.

    The distance is the depth of its near side, projected onto the road, where it is known, else
    that of flat road at its lowest row; how far it is to the side is told by the depth of each
    column of its foot. Where its lowest row is not below the horizon and its depth is not known,
    its distance is not known either, and it is inf. The corridor is straight ahead; `camera` is
    scaled to the map when it was made for another size.
    """
    height, width = inventory.shape
    camera = scaled(camera, width, height)
    found = []
    for thing in inventory.things:
        if thing.label not in DANGERS:
            continue
        # The lower edge of the lowest row touches the road.
        columns, rows = straightened(
            camera, thing.foot, np.full(len(thing.foot), thing.bottom + 0.5)
        )
        depth: float | np.ndarray
        if thing.depth is not None:
            depth = thing.depth
            distance = road_distance(camera, depth)
            if thing.foot_depth is not None:
                depth = np.where(thing.foot_depth > 0, thing.foot_depth, depth)
        else:
            # Of a foot that a lens has bent the lowest pixel is the one that it bent the most.
            known = rows[np.isfinite(rows)]
            distance = ground_distance(camera, float(known.min())) if known.size else inf
            # Far ahead a metre along the road is cos(pitch) along the optical axis.
            depth = cos(camera.pitch) if distance == inf else axis_depth(camera, distance)
        aside = np.abs((columns - camera.cx) / camera.fx * depth)
        # One of which the lens does not tell where it stands may be in the middle.
        offset = float(np.fmin.reduce(aside)) if np.isfinite(aside).any() else 0.0
        tall = thing.height / camera.fy
        # As a record keeps them, so that whoever reads it comes to the same verdict.
        found.append(
            Approach(
                thing.label,
                round(distance, 3),
                round(offset, 4),
                thing.depth is not None,
                round(tall, 6),
                thing,
            )
        )
    return found


def hazard(
    things: Iterable[Approach], settings: HazardSettings, corridor: Corridor | None = None
) -> HazardResult:
    """
    Return the hazard verdict over the things of a frame and its corridor.

    HAZARD when one of them has a foot in the corridor and is nearer than the stopping distance,
    CLEAR when none is within CLEAR_FACTOR times that and nothing else speaks against it (Doubt),
    INDETERMINATE between. `corridor` is that of these settings; without one nothing is known of
    obstacles, and they are not looked for.
    """
    limit = CLEAR_FACTOR * settings.stopping_distance
    inside = [thing for thing in things if thing.inside(settings)]
    near = [thing for thing in inside if thing.distance < limit]
    if not near:
        doubt = Doubt.UNKNOWN_DISTANCE if any(isinf(thing.distance) for thing in inside) else None
        if doubt is None and corridor is not None:
            doubt = _doubt(corridor, settings.obstacle_share)
        verdict = Hazard.CLEAR if doubt is None else Hazard.INDETERMINATE
        return HazardResult(verdict, None, None, doubt=doubt)
    nearest = min(near, key=lambda thing: (thing.distance, thing.label))
    danger = nearest.distance < settings.stopping_distance
    return HazardResult(
        Hazard.HAZARD if danger else Hazard.INDETERMINATE,
        round(nearest.distance, 3),
        BY_ID[nearest.label].name,
        'depth' if nearest.measured else 'flat ground',
        None if danger else Doubt.BETWEEN,
    )


def _doubt(corridor: Corridor, share: float) -> Doubt | None:
    """Return what keeps a corridor without road users from being CLEAR."""
    size = corridor.pixels + corridor.silent
    if not size:
        return Doubt.OUT_OF_VIEW
    if corridor.silent + corridor.blocked <= share * size:
        return None
    return Doubt.UNLABELLED if corridor.silent > corridor.blocked else Doubt.OBSTACLES


def visible_hazard(
    scene: HazardResult,
    seen: Iterable[Approach],
    settings: HazardSettings,
    covered: tuple[int, int],
) -> HazardResult:
    """
    Return the verdict over what an occluder leaves to see.

    It is the scene's or INDETERMINATE, never another: HAZARD while one of the things that make
    the scene one can still be seen (`seen`), CLEAR while no more than `obstacle_share` of the
    corridor within CLEAR_FACTOR stopping distances is covered (`covered`: pixels, of pixels).
    Where things stand is the scene's truth: a foot behind dirt has not moved away.
    """
    if scene.verdict is Hazard.HAZARD:
        left = hazard(seen, settings)
        if left.verdict is Hazard.HAZARD:
            return left
        return HazardResult(Hazard.INDETERMINATE, None, None, doubt=Doubt.HIDDEN)
    if scene.verdict is Hazard.CLEAR and covered[0] > settings.obstacle_share * covered[1]:
        return HazardResult(Hazard.INDETERMINATE, None, None, doubt=Doubt.COVERED)
    return scene


def sweep(
    things: Sequence[Approach], settings: HazardSettings, road: Road | None = None
) -> dict[str, Hazard]:
    """Return the verdict for every corridor width and stopping distance of the sweep."""
    return verdicts(things, settings, {} if road is None else corridors(road, settings))


def swept(settings: HazardSettings) -> dict[str, HazardSettings]:
    """Return the settings of the sweep around some, by their names."""
    found = [
        replace(
            settings,
            corridor_width=settings.corridor_width * width,
            stopping_distance=settings.stopping_distance * distance,
        )
        for width in WIDTHS
        for distance in DISTANCES
    ]
    return {sweep_name(chosen): chosen for chosen in found}


def corridors(road: Road, settings: HazardSettings) -> dict[str, Corridor]:
    """Return the corridors of the sweep by the names of its settings."""
    return {
        name: road.within(chosen.corridor_width, chosen.stopping_distance)
        for name, chosen in swept(settings).items()
    }


def meets(thing: Approach, settings: HazardSettings) -> bool:
    """
    Return whether a thing decides anything in a corridor of the sweep around some settings.

    It stands in the widest one, nearer than where the longest one is CLEAR, or at a distance that
    nobody knows.
    """
    widest = HazardSettings(
        settings.corridor_width * max(WIDTHS), settings.stopping_distance * max(DISTANCES)
    )
    reach = CLEAR_FACTOR * widest.stopping_distance
    if isinf(thing.distance):
        # At a shorter distance it is farther to the side, and fewer are taken to be farther.
        return any(thing.inside(chosen) for chosen in swept(settings).values())
    return thing.inside(widest) and thing.distance < reach


def verdicts(
    things: Sequence[Approach], settings: HazardSettings, known: Mapping[str, Corridor]
) -> dict[str, Hazard]:
    """Return the verdict of each of the sweep's settings; `known` are their corridors by name."""
    return {
        name: hazard(things, chosen, known.get(name)).verdict
        for name, chosen in swept(settings).items()
    }


def sweep_name(settings: HazardSettings) -> str:
    """Return e.g. `3.00 m x 20.0 m`."""
    return f'{settings.corridor_width:.2f} m x {settings.stopping_distance:.1f} m'

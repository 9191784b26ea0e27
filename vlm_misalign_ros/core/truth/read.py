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
From maps and camera to truth: what has to be said of a frame, and whether going on is safe.

The one place where truth is put together: evaluation, calibration, drawing and training ask here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from math import inf, isfinite
from typing import Any

import numpy as np

from vlm_misalign_ros.core.labels.maps import LabelMap
from vlm_misalign_ros.core.labels.shares import Limits
from vlm_misalign_ros.core.labels.telling import Telling
from vlm_misalign_ros.core.truth.camera import (
    ground_distance,
    nominal_camera,
    road_distance,
    scaled,
)
from vlm_misalign_ros.core.truth.corridor import Corridor, Cover, Road, with_hood
from vlm_misalign_ros.core.truth.hazard import (
    CLEAR_FACTOR,
    Approach,
    Doubt,
    HazardResult,
    HazardSettings,
    approaches,
    corridors,
    hazard,
    meets,
    swept,
    verdicts,
    visible_hazard,
)
from vlm_misalign_ros.core.truth.inventory import Inventory, take_inventory
from vlm_misalign_ros.core.truth.lens import straightened
from vlm_misalign_ros.core.truth.maps import TruthMaps as TruthMaps
from vlm_misalign_ros.core.truth.maps import known_depth as known_depth
from vlm_misalign_ros.core.truth.presence import (
    Needed,
    PresenceSettings,
    left_to_see,
    presence,
    required,
    visible_inventory,
)
from vlm_misalign_ros.core.truth.spans import Runs
from vlm_misalign_ros.core.truth.trust import Trust, assess
from vlm_misalign_ros.core.types import Camera, Frame, Hazard, NoCamera, Presence


@dataclass(frozen=True)
class TruthSettings:
    """Every number that decides what is true of a frame."""

    presence: PresenceSettings = field(default_factory=PresenceSettings)
    hazard: HazardSettings = field(default_factory=HazardSettings)
    camera_height: float = 1.22
    """Metres above the road, of the default camera (Cityscapes' nominal value)."""
    camera_pitch: float = 0.038
    """Radians, positive looking down, of the default camera (Cityscapes' nominal value)."""
    limits: Limits = field(default_factory=Limits)
    """How much of a frame may be unlabelled. Decides which frames count, not what is true."""

    def to_plain(self) -> dict[str, float]:
        """Return what decides what is true, by the names that it has as parameters."""
        return {
            **asdict(self.presence),
            **asdict(self.hazard),
            'camera_height': self.camera_height,
            'camera_pitch': self.camera_pitch,
        }

    @classmethod
    def from_plain(cls, values: Mapping[str, float]) -> TruthSettings:
        """Return the settings that `to_plain` gave; TypeError for other names."""
        rest: dict[str, Any] = dict(values)
        presence, limits = (
            {name: rest.pop(name) for name in asdict(made) if name in rest}
            for made in (PresenceSettings(), HazardSettings())
        )
        return cls(PresenceSettings(**presence), HazardSettings(**limits), **rest)


def trust_of(frame: Frame, settings: TruthSettings) -> Trust:
    """
    Return whether a labelled frame of a data set can be scored.

    ValueError when it has no labels.
    """
    if frame.labels is None:
        raise ValueError(f'frame {frame.key} has no labels')
    labels = LabelMap.of(frame.labels, frame.tells_hood, Telling.of(frame.about))
    return assess(labels, frame.instances, settings.limits)


@dataclass(frozen=True)
class Seen:
    """What is in a frame, or in a view of it, and what of it has to be said."""

    inventory: Inventory
    needed: dict[str, Needed]
    """The things that have to be mentioned, by class."""
    scene: dict[str, Presence]
    """State of every name in labels.SCORED."""
    visible: dict[str, Presence] | None
    """The same of what an occluder leaves to see; None without one."""

    @property
    def areas(self) -> dict[str, float]:
        """Return the area of the largest required thing by class, pixels at 2048 x 1024."""
        return {name: needed.area for name, needed in self.needed.items()}


@dataclass(frozen=True)
class Truth:
    """What is true of a frame."""

    seen: Seen
    camera: Camera
    """Scaled to the maps."""
    things: list[Approach]
    """Everybody who could be a danger."""
    hazard: HazardResult
    visible_hazard: HazardResult | None
    """The same of what an occluder leaves to see; None without one."""
    corridor: Corridor
    """What lies on the road within the stopping distance."""
    covered: tuple[int, int] | None
    """Covered pixels of the corridor within CLEAR_FACTOR stopping distances, and all of them."""
    road: Road
    distances: dict[str, float]
    """Of the nearest required thing by class, metres along the road."""
    settings: TruthSettings

    known: bool = True
    """Whether the camera's geometry is: without it nobody knows what is in the way."""

    cover: Cover | None = None
    """What an occluder covers of the road; None without one, or without a known camera."""
    hidden: tuple[Approach, ...] = ()
    """Those of the sweep's things of which an occluder leaves too little to be seen."""

    @cached_property
    def roads(self) -> dict[str, Corridor]:
        """Return the corridors of the sweep by name; none where the camera is not known."""
        return corridors(self.road, self.settings.hazard) if self.known else {}

    def sweep(self) -> dict[str, Hazard]:
        """Return the verdict for every corridor width and stopping distance of the sweep."""
        found = verdicts(self.things, self.settings.hazard, self.roads)
        return found if self.known else dict.fromkeys(found, Hazard.INDETERMINATE)

    def covers(self) -> dict[str, tuple[int, int]]:
        """Return `covered` of each corridor of the sweep by name; none without an occluder."""
        if self.cover is None:
            return {}
        return {
            name: self.cover.within(chosen.corridor_width, CLEAR_FACTOR * chosen.stopping_distance)
            for name, chosen in swept(self.settings.hazard).items()
        }

    def standing(self) -> list[Approach]:
        """Return the things that any corridor of the sweep meets, as `meets` has it."""
        return [thing for thing in self.things if meets(thing, self.settings.hazard)]


def read_seen(maps: TruthMaps, settings: TruthSettings, runs: Runs | None = None) -> Seen:
    """Return what is in a frame, or in a view of it; `runs` as in `take_inventory`."""
    inventory = take_inventory(maps.labels, maps.instances, maps.depth, runs=runs)
    needed = required(inventory, settings.presence)
    scene = presence(inventory, needed, maps.telling)
    needed = {name: n for name, n in needed.items() if scene.get(name) is not Presence.TOLERATED}
    return Seen(inventory, needed, scene, _left(maps, settings))


def _left(maps: TruthMaps, settings: TruthSettings) -> dict[str, Presence] | None:
    """Return what an occluder leaves to see; None without one."""
    if maps.visible is None:
        return None
    left = visible_inventory(maps.labels, maps.instances, maps.depth, maps.visible)
    return presence(left, required(left, settings.presence), maps.telling)


@dataclass(frozen=True)
class Ahead:
    """Who and what is in the way, and what follows from it."""

    camera: Camera
    """Scaled to the maps."""
    things: list[Approach]
    """Everybody who could be a danger."""
    road: Road
    corridor: Corridor
    """What lies on the road within the stopping distance."""
    hazard: HazardResult
    maps: TruthMaps
    """Those of the frame, as a pinhole would show them."""


def used_camera(camera: Camera | None, shape: tuple[int, int], settings: TruthSettings) -> Camera:
    """
    Return the camera of a frame, scaled to maps of a shape, (H, W).

    Without one the default is taken: Cityscapes' intrinsics, at the height and pitch of the
    settings.
    """
    height, width = shape
    found = camera or nominal_camera(shape, settings.camera_height, settings.camera_pitch)
    return scaled(found, width, height)


def look_ahead(
    inventory: Inventory, maps: TruthMaps, camera: Camera | None, settings: TruthSettings
) -> Ahead:
    """Return who and what of an inventory of the maps is in the way; `camera` as `used_camera`."""
    used = used_camera(camera, inventory.shape, settings)
    things = approaches(inventory, used)
    limits = settings.hazard
    straight = maps.flat(used)
    bent = Runs.of(straight.labels) if used.distortion else inventory.runs
    runs = with_hood(bent, straight.labels, maps.tells_hood)
    road = Road(replace(inventory, runs=runs), used, straight.depth)
    corridor = road.within(limits.corridor_width, limits.stopping_distance)
    return Ahead(used, things, road, corridor, hazard(things, limits, corridor), straight)


def read_truth(
    maps: TruthMaps, camera: Camera | NoCamera | None, settings: TruthSettings
) -> Truth:
    """
    Return what is true of a frame; without a `camera` the default one is taken.

    Of one whose geometry is not known nobody knows what is in the way: INDETERMINATE.
    """
    scene = read_scene(maps, camera, settings)
    return scene if maps.visible is None else behind(scene, maps)


def read_scene(
    maps: TruthMaps,
    camera: Camera | NoCamera | None,
    settings: TruthSettings,
    runs: Runs | None = None,
) -> Truth:
    """Return what `read_truth` does of a frame before whose lens nothing is."""
    maps = replace(maps, visible=None)
    seen = read_seen(maps, settings, runs)
    if isinstance(camera, NoCamera):
        return _without_camera(seen, settings)
    ahead = look_ahead(seen.inventory, maps, camera, settings)
    used = ahead.camera
    return Truth(
        seen,
        used,
        ahead.things,
        ahead.hazard,
        None,
        ahead.corridor,
        None,
        ahead.road,
        {name: _distance(needed, used) for name, needed in seen.needed.items()},
        settings,
    )


def behind(scene: Truth, maps: TruthMaps) -> Truth:
    """
    Return the truth of a scene, and what of it an occluder leaves to see.

    `scene` is what `read_scene` gave of the maps; `maps.visible` is there.
    """
    assert maps.visible is not None
    settings = scene.settings
    seen = replace(scene.seen, visible=_left(maps, settings))
    if not scene.known:
        return replace(scene, seen=seen, visible_hazard=scene.hazard, covered=(0, 0))
    visible = maps.flat_visible(scene.camera)
    limits = settings.hazard
    cover = scene.road.cover(visible)
    reach = CLEAR_FACTOR * limits.stopping_distance
    covered = cover.within(limits.corridor_width, reach)
    hidden = tuple(_hidden(scene.things, maps, maps.visible, settings))
    gone = set(map(id, hidden))
    left = [near for near in scene.things if id(near) not in gone]
    return replace(
        scene,
        seen=seen,
        visible_hazard=visible_hazard(scene.hazard, left, limits, covered),
        covered=covered,
        cover=cover,
        hidden=hidden,
    )


def _without_camera(seen: Seen, settings: TruthSettings) -> Truth:
    """Return what is true of a scene whatever its camera: what is in it, not where it stands."""
    used = used_camera(None, seen.inventory.shape, settings)
    unknown = HazardResult(Hazard.INDETERMINATE, None, None, doubt=Doubt.CAMERA)
    return Truth(
        seen,
        used,
        [],
        unknown,
        None,
        Corridor(0, 0, {}),
        None,
        Road(seen.inventory, used),
        dict.fromkeys(seen.needed, inf),
        settings,
        known=False,
    )


def _hidden(
    things: list[Approach], maps: TruthMaps, visible: np.ndarray, settings: TruthSettings
) -> Iterator[Approach]:
    """Yield the things that a corridor of the sweep meets and that an occluder hides."""
    marks = maps.labels if maps.instances is None else maps.instances
    for near in things:
        if near.thing is None or not meets(near, settings.hazard):
            continue
        if not left_to_see(near.thing, marks, visible, settings.presence):
            yield near


def _distance(needed: Needed, camera: Camera) -> float:
    """Return how far the nearest required thing of a class is, metres, as hazard does."""
    if needed.depth is None:
        row = needed.bottom + 0.5
        if camera.distortion:
            row = float(straightened(camera, np.array([needed.column]), np.array([row]))[1][0])
        return ground_distance(camera, row) if isfinite(row) else inf
    return road_distance(camera, needed.depth)

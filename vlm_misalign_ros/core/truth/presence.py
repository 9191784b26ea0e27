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

"""Ground truth of a frame: ABSENT, TOLERATED or REQUIRED for each class (docs/metrics.md)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from vlm_misalign_ros.core.labels.classes import (
    BY_ID,
    BY_NAME,
    CLASSES,
    TWO_WHEELERS,
    VEHICLE,
    VEHICLE_MEMBERS,
)
from vlm_misalign_ros.core.labels.telling import EVERYTHING, Telling
from vlm_misalign_ros.core.truth.inventory import Inventory, Thing, take_inventory
from vlm_misalign_ros.core.types import Presence

COMPATIBLE: dict[str, tuple[str, ...]] = {
    'road': ('parking', 'ground'),
    'sidewalk': ('ground',),
    'terrain': ('ground',),
    'building': ('bridge', 'tunnel'),
    'wall': ('guard rail', 'bridge', 'tunnel'),
    'fence': ('guard rail',),
    'pole': ('polegroup',),
    'person': ('rider',),
    'car': ('caravan',),
    'truck': ('caravan', 'trailer'),
}
"""Labels whose pixels make a mention of the class tolerable: a rider is a person, too."""

NATIVE = 2048 * 1024
"""Pixels of the picture that areas are given for; its height is 1024."""


@dataclass(frozen=True)
class PresenceSettings:
    """From which size, in pixels at 2048 x 1024, and up to where a thing has to be mentioned."""

    minimum_area: float = 1000.0
    minimum_height: float = 50.0
    maximum_distance: float = 50.0
    """Metres; a thing of unknown depth counts as near enough."""


@dataclass(frozen=True)
class Needed:
    """The things of one class that have to be mentioned."""

    area: float
    """Of the largest, in pixels at 2048 x 1024."""
    depth: float | None
    """Of the nearest, metres; None where it is not known."""
    bottom: int
    """Lowest row of any."""
    column: float = 0.0
    """Middle of the foot of that one."""


def required(inventory: Inventory, settings: PresenceSettings) -> dict[str, Needed]:
    """
    Return the classes with a thing that a driver has to see.

    Its area (scaled by the picture's area) and its height (scaled by the picture's height) reach
    the settings, it is no group, and where its depth is known it is no
    farther than the maximum.
    """
    found: dict[str, Needed] = {}
    for thing in inventory.things:
        if not is_required(thing, inventory.shape, settings):
            continue
        name, area = BY_ID[thing.label].name, native_area(thing.area, inventory.shape)
        old = found.get(name)
        depths = [d for d in (thing.depth, old.depth if old else None) if d is not None]
        lowest = (thing.bottom, float(thing.foot[len(thing.foot) // 2]))
        if old is not None and old.bottom >= thing.bottom:
            lowest = (old.bottom, old.column)
        found[name] = Needed(
            max(area, old.area if old else 0.0), min(depths, default=None), *lowest
        )
    return found


def is_required(thing: Thing, shape: tuple[int, int], settings: PresenceSettings) -> bool:
    """Return whether a driver has to see a thing of a picture of this shape, (H, W)."""
    near = thing.depth is None or thing.depth <= settings.maximum_distance
    return (
        not thing.group
        and native_area(thing.area, shape) >= settings.minimum_area
        and near
        and thing.height >= settings.minimum_height * shape[0] / 1024
    )


def native_area(pixels: int, shape: tuple[int, int]) -> float:
    """Return pixels of a picture of this shape, (H, W), as pixels at 2048 x 1024."""
    return pixels * NATIVE / (shape[0] * shape[1])


def presence(
    inventory: Inventory, needed: dict[str, Needed], telling: Telling = EVERYTHING
) -> dict[str, Presence]:
    """
    Return the state of each name in labels.SCORED; `needed` is what `required` gave.

    Stuff without outlines is never required. A member makes the super-class vehicle what it is
    itself; a two-wheeler makes it tolerated. A class that the labels cannot give is not known to
    be absent: tolerated. What pixels may be that stand for several classes is tolerated, none of
    it required; vehicle is where all that they may be are members.
    """
    found = {label for label in BY_ID if inventory.pixels[label] > 0}
    possible = {BY_ID[other].name for label in found for other in telling.stands_for(label)}
    # Nobody needs to tell a trailer from a lorry: only classes that are scored count here.
    possible |= set(CLASSES) - telling.told
    alone = {name for name in needed if len(_may_be(name, telling)) == 1}

    def state(name: str, others: tuple[str, ...], required: bool) -> Presence:
        if required:
            return Presence.REQUIRED
        return Presence.ABSENT if possible.isdisjoint((name, *others)) else Presence.TOLERATED

    states = {name: state(name, COMPATIBLE.get(name, ()), name in alone) for name in CLASSES}
    members = any(_may_be(name, telling) <= set(VEHICLE_MEMBERS) for name in needed)
    states[VEHICLE] = state(VEHICLE, (*VEHICLE_MEMBERS, *TWO_WHEELERS), members)
    return states


def _may_be(name: str, telling: Telling) -> set[str]:
    """Return the labels that pixels of the label `name` may be."""
    return {BY_ID[label].name for label in telling.stands_for(BY_NAME[name].id)}


def visible_inventory(
    labels: np.ndarray, instances: np.ndarray | None, depth: np.ndarray | None, visible: np.ndarray
) -> Inventory:
    """Return what is in a frame counting only pixels where `visible`, bool (H, W)."""
    mask = np.ascontiguousarray(visible).view(np.uint8)
    seen = cv2.copyTo(np.ascontiguousarray(labels), mask)
    ids = None if instances is None else cv2.copyTo(np.ascontiguousarray(instances), mask)
    return take_inventory(seen, ids, depth)


def mask_of(thing: Thing, marks: np.ndarray) -> tuple[slice, np.ndarray]:
    """
    Return the rows of a thing, and where in them it is, bool (rows, W).

    `marks` is the map that tells things apart, (H, W): the instance map, or the label map where
    there is none.
    """
    rows = slice(thing.top, thing.bottom + 1)
    mask = marks[rows] == (thing.number or thing.label)
    if not thing.number:
        # Without a number of its own it is the connected part in which its foot stands.
        parts = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)[1]
        foot = parts[-1, thing.foot]
        mask = parts == foot[foot > 0][0]
    return rows, mask


def left_to_see(
    thing: Thing, marks: np.ndarray, visible: np.ndarray, settings: PresenceSettings
) -> bool:
    """
    Return whether an occluder leaves a thing to be seen.

    It does when nothing of it is covered, or when what is left has the area and height from which
    a driver has to see a thing. `marks` is the map that tells things apart, (H, W): the instance
    map, or the label map where there is none; `visible` bool (H, W).
    """
    rows, mask = mask_of(thing, marks)
    seen = mask & visible[rows]
    area = int(np.count_nonzero(seen))
    if area == thing.area:
        return True
    filled = np.flatnonzero(seen.any(axis=1))
    height = int(filled[-1] - filled[0]) + 1 if filled.size else 0
    return (
        native_area(area, marks.shape) >= settings.minimum_area
        and height >= settings.minimum_height * marks.shape[0] / 1024
    )

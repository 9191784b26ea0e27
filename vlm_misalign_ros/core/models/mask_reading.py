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
What a predicted mask says: which classes it holds enough of, and whether going on is safe.

Things are told by their connected parts, stuff by its share of the picture. What is smaller than
the least area of its class is not named; who stands in the way has a least area of his own,
whatever his class: it takes less to see that somebody is there than who.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from vlm_misalign_ros.core.labels.classes import (
    BY_ID,
    BY_NAME,
    CLASSES,
    STUFF,
    STUFF_SHARE,
    to_label_ids,
)
from vlm_misalign_ros.core.labels.fitting import contradiction
from vlm_misalign_ros.core.labels.maps import LabelMap, spread
from vlm_misalign_ros.core.truth.camera import axis_of_rows
from vlm_misalign_ros.core.truth.hazard import DANGERS, approaches
from vlm_misalign_ros.core.truth.inventory import Inventory, Thing, take_inventory
from vlm_misalign_ros.core.truth.presence import NATIVE, native_area
from vlm_misalign_ros.core.truth.read import TruthMaps, TruthSettings, look_ahead, used_camera
from vlm_misalign_ros.core.truth.trust import assess
from vlm_misalign_ros.core.types import Camera, Hazard, Judgement

IN_THE_WAY = 'in the way'
"""Name of the least area of who stands in the way."""
NO_HOOD = 1.0
"""Where the hood begins that a picture does not show."""
_HOOD = BY_NAME['ego vehicle'].id
_JUDGED = {Hazard.HAZARD: Judgement.UNSAFE, Hazard.CLEAR: Judgement.SAFE}


@dataclass(frozen=True)
class Reading:
    """By what a mask is read."""

    least: Mapping[str, float] = field(default_factory=dict)
    """Least area by class, and IN_THE_WAY, pixels at 2048 x 1024; those that lack: the default."""
    hood: float = NO_HOOD
    """From which part of the picture's height on, from above, it shows the ego vehicle alone."""
    settings: TruthSettings = field(default_factory=TruthSettings)
    """The corridor, the camera where none is known, and the default areas."""

    def least_of(self, name: str) -> float:
        """Return from which area on a class is there, or somebody is, pixels at 2048 x 1024."""
        return self.least.get(name, default_area(name, self.settings))


def default_area(name: str, settings: TruthSettings) -> float:
    """Return the area from which the truth counts a class, pixels at 2048 x 1024."""
    return STUFF_SHARE * NATIVE if name in STUFF else settings.presence.minimum_area


@dataclass(frozen=True)
class Mask:
    """A predicted mask, taken apart."""

    labels: np.ndarray
    """Label ids, uint8 (H, W); the hood is ego vehicle, what is no class is unlabeled."""
    inventory: Inventory
    """Its things are the connected parts (8 neighbours), and know where their columns end."""

    @classmethod
    def of(cls, train_ids: np.ndarray, hood: float = NO_HOOD) -> Mask:
        """Take apart train ids, uint8 (H, W); `hood` is where the ego vehicle begins."""
        labels = to_label_ids(train_ids)
        labels[round(hood * labels.shape[0]) :] = _HOOD
        return cls(labels, take_inventory(labels, None, ends=DANGERS))

    def areas(self) -> dict[str, float]:
        """Return the largest part of each thing and all of each stuff, pixels at 2048 x 1024."""
        shape, pixels = self.inventory.shape, self.inventory.pixels
        found = dict.fromkeys(CLASSES, 0)
        found.update({name: int(pixels[BY_NAME[name].id]) for name in STUFF})
        for thing in self.inventory.things:
            name = BY_ID[thing.label].name
            found[name] = max(found[name], thing.area)
        return {name: native_area(area, shape) for name, area in found.items()}


def named(areas: Mapping[str, float], reading: Reading) -> list[str]:
    """Return the classes whose area reaches the least one, in the order of train ids."""
    return [name for name in CLASSES if 0 < areas[name] >= reading.least_of(name)]


def judged(mask: Mask, camera: Camera | None, reading: Reading) -> Judgement:
    """
    Return whether going on is safe, by flat ground and the corridor on the mask.

    UNSAFE where the mask makes a HAZARD, SAFE where it makes the road CLEAR, and UNPARSED where
    it says neither, or could be no truth of a scene (core/truth/trust): what is not known is never
    guessed. Without a `camera` the default one is taken.
    """
    settings, inventory = reading.settings, mask.inventory
    # No label for the hood, and nobody knows where it is: what is unlabelled there may be it.
    tells_hood = reading.hood < NO_HOOD
    labels = LabelMap(mask.labels, tells_hood=tells_hood)
    trust = assess(labels, limits=settings.limits, counts=inventory.pixels)
    if not trust.scorable or contradiction(spread(mask.labels)):
        return Judgement.UNPARSED
    used = used_camera(camera, inventory.shape, settings)
    least = reading.least_of(IN_THE_WAY)
    things = tuple(
        thing
        for thing in _standing(mask, used, settings)
        if native_area(thing.area, inventory.shape) >= least
    )
    maps = TruthMaps(mask.labels, tells_hood=tells_hood)
    ahead = look_ahead(replace(inventory, things=things), maps, used, settings)
    return _JUDGED.get(ahead.hazard.verdict, Judgement.UNPARSED)


def in_the_way(mask: Mask, camera: Camera | None, settings: TruthSettings) -> float:
    """
    Return the area of the largest part that makes a HAZARD, pixels at 2048 x 1024; 0 for none.

    Without a `camera` the default one is taken.
    """
    used = used_camera(camera, mask.inventory.shape, settings)
    things = tuple(_standing(mask, used, settings))
    areas = [
        native_area(near.thing.area, mask.inventory.shape)
        for near in approaches(replace(mask.inventory, things=things), used)
        if near.thing is not None
        and near.distance < settings.hazard.stopping_distance
        and near.inside(settings.hazard)
    ]
    return max(areas, default=0.0)


def _standing(mask: Mask, camera: Camera, settings: TruthSettings) -> Iterator[Thing]:
    """
    Yield the parts of road users, and again with their nearest column in the corridor as foot.

    Several may hang together in one part, of which the lowest rows are the feet of but one. So a
    part also stands where its columns end: what ends above the ground seems farther away and
    farther to the side, never nearer, than it is.
    """
    reach = settings.hazard.corridor_width / 2
    for thing in mask.inventory.things:
        if thing.ends is None:
            continue
        yield thing
        columns, rows = thing.ends
        sideways = np.abs(columns - camera.cx) / camera.fx
        # The lower edge of a pixel touches the road, as in truth.hazard.
        with np.errstate(invalid='ignore'):
            inside = sideways * axis_of_rows(camera, rows + 0.5) <= reach
        if inside.any():
            lowest = int(rows[inside].max())
            yield replace(thing, bottom=lowest, foot=columns[inside & (rows == lowest)])

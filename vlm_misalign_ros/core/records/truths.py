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

"""What a record tells of a frame's ground truth: what is true, and what the labels were worth."""

from __future__ import annotations

from math import inf, isinf

import msgspec

from vlm_misalign_ros.core.labels.classes import BY_ID, BY_NAME
from vlm_misalign_ros.core.truth.hazard import Approach, Doubt
from vlm_misalign_ros.core.truth.trust import Fault
from vlm_misalign_ros.core.types import Hazard, Presence


class RequiredEntry(msgspec.Struct, frozen=True):
    """The things of one class that had to be mentioned."""

    area: float
    """Of the largest, pixels at 2048 x 1024."""
    distance: float | None
    """Of the nearest, metres along the road; null where it is not known."""


class CorridorEntry(msgspec.Struct, frozen=True):
    """What lies on the road of the ego corridor within the stopping distance, pixels."""

    pixels: int
    """Of which is known what they show: hood and what is not labelled are left out."""
    unlabelled: int
    """Not labelled, or with a value outside the label table."""
    obstacles: dict[str, int]
    """By label, those on which nobody drives."""
    covered: int
    """Of `reach` those that an occluder covers."""
    reach: int
    """Pixels up to where CLEAR begins, without the hood; 0 without an occluder."""


class StandingEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody whom a corridor of the sweep meets, or may meet."""

    label: str
    """Of Cityscapes, such as `person` or `caravan`."""
    distance: float | None
    """Along the road, metres; null where nobody knows it."""
    aside: float
    """From the middle of the corridor to the nearest pixel of its foot, metres; where its distance
    is not known, metres for each metre along the road."""
    tall: float
    """Metres that it shows from top to bottom for each metre of its distance."""
    measured: bool = False
    """Whether its distance is by depth, and no estimate over flat ground."""
    hidden: bool = False
    """Whether an occluder leaves too little of it to be seen."""

    @classmethod
    def of(cls, thing: Approach, hidden: bool) -> StandingEntry:
        """Return where a thing stands, as a record keeps it."""
        return cls(
            BY_ID[thing.label].name,
            None if isinf(thing.distance) else thing.distance,
            thing.offset,
            thing.tall,
            thing.measured,
            hidden,
        )

    def approach(self) -> Approach:
        """Return it as truth/hazard judges it."""
        distance = inf if self.distance is None else self.distance
        return Approach(BY_NAME[self.label].id, distance, self.aside, self.measured, self.tall)


RoadCounts = tuple[int, int, dict[str, int], int, int]
"""The counts of a CorridorEntry, in its order."""


class TruthEntry(msgspec.Struct, frozen=True):
    """What is true of a frame."""

    presence: dict[str, Presence]
    """State of each of the 19 classes and of `vehicle`."""
    visible: dict[str, Presence] | None
    """The same of what an occluder leaves to see; null without one."""
    required: dict[str, RequiredEntry]
    """By class, what had to be mentioned."""
    objects: int
    """Countable things."""
    hazard: Hazard
    """Whether going on is safe."""
    nearest: float | None
    """Metres to the nearest thing in the corridor; null where there is none."""
    nearest_class: str | None
    """What that is."""
    distance_source: str
    """`depth` where that distance was measured, `flat ground` where it was estimated."""
    sweep: dict[str, Hazard]
    """The verdict for other corridor widths and stopping distances."""
    doubt: Doubt | None = None
    """Why it is INDETERMINATE; null where it is not."""
    hazard_visible: Hazard | None = None
    """The verdict over what an occluder leaves to see; null without one."""
    doubt_visible: Doubt | None = None
    """Why that is INDETERMINATE; null where it is not, or without an occluder."""
    corridor: CorridorEntry | None = None
    """What lies on its road."""
    standing: list[StandingEntry] | msgspec.UnsetType = msgspec.UNSET
    """Who decides its verdict and those of the sweep; absent in records of before there was it,
    and where nobody knows the geometry of the camera."""
    roads: dict[str, RoadCounts] | msgspec.UnsetType = msgspec.UNSET
    """By name in `sweep`, what lies on its road: the fields of `corridor` in their order; absent
    as `standing` is."""


class LabelsEntry(msgspec.Struct, frozen=True):
    """What the label map of a frame was worth."""

    encoding: str
    """The encoding that decoded it; `auto` while that had not decided."""
    unlabelled: float
    """Share of the scene (without hood and border) that says nothing, 0 to 1."""
    outside: dict[str, int]
    """Pixels by value outside the encoding's table; the most frequent eight."""
    others: int
    """Pixels of further such values."""
    fault: Fault | None
    """Why nothing was scored against it; null where it can be."""

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
The hazard truth of a record by another corridor: judged by truth/hazard, from what is kept of it.

A record keeps who stands in the way of any corridor of its sweep, and what lies on the road of
each. So the verdict of these nine is known, of no other: what lies on another road is not kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isclose

from msgspec import UNSET, structs

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.records.truths import CorridorEntry, RoadCounts, TruthEntry
from vlm_misalign_ros.core.truth.corridor import Corridor
from vlm_misalign_ros.core.truth.hazard import (
    Doubt,
    HazardSettings,
    hazard,
    swept,
    verdicts,
    visible_hazard,
)
from vlm_misalign_ros.core.types import Hazard

_SAME = 1e-6
"""Relative difference below which two lengths are one, however they were rounded."""


@dataclass(frozen=True)
class Corridors:
    """From the corridor of a run to another one of its sweep."""

    before: HazardSettings
    after: HazardSettings
    name: str
    """Of the corridor from now on, in the sweep of the run."""

    @classmethod
    def between(cls, before: HazardSettings, after: HazardSettings) -> Corridors:
        """Return the way from one to the other; ConfigurationError where records do not tell."""
        known = swept(before)
        for name, chosen in known.items():
            if isclose(chosen.corridor_width, after.corridor_width, rel_tol=_SAME) and isclose(
                chosen.stopping_distance, after.stopping_distance, rel_tol=_SAME
            ):
                return cls(before, after, name)
        widths = sorted({chosen.corridor_width for chosen in known.values()})
        lengths = sorted({chosen.stopping_distance for chosen in known.values()})
        raise ConfigurationError(
            f'what lies on the road of a corridor of {after.corridor_width:g} m x '
            f'{after.stopping_distance:g} m is not in the records',
            f'they have it for a monitor.corridor_width of {_listed(widths)} with a '
            f'monitor.stopping_distance of {_listed(lengths)}; for others score '
            'the labels again (run, or analyse of the bag)',
        )

    @property
    def changed(self) -> bool:
        """Return whether the two are not the same."""
        return self.before != self.after

    def lacking(self, truth: TruthEntry) -> str:
        """Return what a record lacks for another corridor; empty for nothing."""
        if not self.changed or truth.doubt is Doubt.CAMERA:
            return ''
        if truth.standing is UNSET or truth.roads is UNSET:
            return 'who stands in the corridor and what lies on its road was not kept yet'
        if truth.roads.keys() != swept(self.before).keys():
            return 'its roads are those around another corridor: score the first run again'
        return ''

    def retold(self, truth: TruthEntry) -> TruthEntry:
        """Return the truth of a frame by the other corridor; the record lacks nothing for it."""
        if truth.doubt is Doubt.CAMERA or truth.standing is UNSET or truth.roads is UNSET:
            # Nobody knows where anything stands, or an old record is kept as it is.
            return truth
        if truth.roads.keys() != swept(self.before).keys():
            # So is one that was scored again before: its sweep is around the first corridor.
            return truth
        things = [entry.approach() for entry in truth.standing]
        roads = {name: _corridor(counts) for name, counts in truth.roads.items()}
        scene = hazard(things, self.after, roads[self.name])
        visible = None
        if truth.hazard_visible is not None:
            seen = [
                thing
                for thing, entry in zip(things, truth.standing, strict=True)
                if not entry.hidden
            ]
            visible = visible_hazard(scene, seen, self.after, truth.roads[self.name][3:])
        return structs.replace(
            truth,
            hazard=scene.verdict,
            nearest=scene.nearest,
            nearest_class=scene.nearest_class,
            distance_source=scene.source,
            sweep=self._sweep(truth, roads),
            doubt=scene.doubt,
            hazard_visible=None if visible is None else visible.verdict,
            doubt_visible=None if visible is None else visible.doubt,
            corridor=CorridorEntry(*truth.roads[self.name]),
        )

    def _sweep(self, truth: TruthEntry, roads: Mapping[str, Corridor]) -> dict[str, Hazard]:
        """Return the verdicts of the sweep, which stays that of the run."""
        around = replace(self.before, obstacle_share=self.after.obstacle_share)
        assert truth.standing is not UNSET
        things = [entry.approach() for entry in truth.standing]
        return verdicts(things, around, roads)


def _listed(values: list[float]) -> str:
    return ', '.join(f'{value:.7g}' for value in values)


def _corridor(counts: RoadCounts) -> Corridor:
    pixels, silent, obstacles, *_ = counts
    return Corridor(pixels, silent, obstacles)

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

"""Which messages a bag's frames are made of, and to which picture truth belongs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from vlm_misalign_ros.core.about import About
from vlm_misalign_ros.core.evaluation.stretches import JUMP_BACK
from vlm_misalign_ros.core.types import Camera, NoCamera


@dataclass
class Index:
    """Which messages there are, by what their headers tell; times are in nanoseconds."""

    pictures: list[tuple[int, int, int]] = field(default_factory=list)
    """(stretch, stamp, arrival), stretches beginning where time jumps back."""
    others: dict[str, dict[int, list[tuple[int, int]]]] = field(default_factory=dict)
    """(arrival, checksum) by part and stamp."""
    cameras: dict[tuple[int, int], Camera | NoCamera] = field(default_factory=dict)
    """By (stretch, stamp)."""
    sources: dict[tuple[int, int], tuple[bool, About] | None] = field(default_factory=dict)
    """
    Whether labels tell the hood, and what else they do not, by (stretch, stamp).

    None where that cannot be read, or was told in two ways.
    """
    doubled: int = 0
    unsure: set[tuple[int, int]] = field(default_factory=set)
    """(stretch, stamp) of pictures that came twice, and differ."""
    unreadable: int = 0
    stretch: int = 0
    """The one that is being read."""
    newest: int = -1
    """Stamp of its pictures."""
    seen: dict[int, int] = field(default_factory=dict)
    """Checksums of its pictures by stamp."""

    def add_picture(self, stamp: int, arrival: int, content: int) -> None:
        """Take up a picture, `content` its checksum: each but once, however often it comes."""
        if stamp < self.newest - JUMP_BACK:
            self.stretch, self.newest, self.seen = self.stretch + 1, -1, {}
        if stamp in self.seen:
            self.doubled += 1
            if self.seen[stamp] != content:
                self.unsure.add((self.stretch, stamp))
            return
        self.seen[stamp] = content
        self.newest = max(self.newest, stamp)
        self.pictures.append((self.stretch, stamp, arrival))

    def add_source(self, stamp: int, told: tuple[bool, About] | None) -> None:
        """Take up what a message tells of the labels of a picture; None where it tells nothing."""
        place = self.place(stamp)
        self.sources[place] = told if self.sources.get(place, told) == told else None

    def place(self, stamp: int) -> tuple[int, int]:
        """Return (stretch, stamp) of what comes beside a picture, or before it."""
        return self.stretch + (stamp < self.newest - JUMP_BACK), stamp


class Owners:
    """
    Tells what belongs to a picture, where stamps come again after a jump back in time.

    A message of the truth belongs to the picture of its stamp that was recorded nearest, of the
    stretch that was being recorded or within JUMP_BACK of it; to no picture of another stretch.
    """

    def __init__(self, index: Index) -> None:
        """Take up what there is."""
        self._others = index.others
        self._starts: list[int] = []
        self._pictures: dict[int, list[tuple[int, int]]] = {}
        for stretch, stamp, arrival in index.pictures:
            if stretch == len(self._starts):
                self._starts.append(arrival)
            self._pictures.setdefault(stamp, []).append((stretch, arrival))

    def of(
        self, stretch: int, stamp: int, arrival: int
    ) -> Iterator[tuple[str, list[tuple[int, int]]]]:
        """Yield (part, [(arrival, checksum)]) of what belongs to a picture, nearest first."""
        for part, at in self._others.items():
            mine = [
                other for other in at.get(stamp, ()) if self._owner(stamp, other[0]) == stretch
            ]
            if mine:
                yield part, sorted(mine, key=lambda other: abs(other[0] - arrival))

    def _owner(self, stamp: int, arrival: int) -> int | None:
        place = max(bisect_right(self._starts, arrival) - 1, 0)
        near = [
            (abs(other - arrival), stretch)
            for stretch, other in self._pictures[stamp]
            if stretch == place or abs(other - arrival) <= JUMP_BACK
        ]
        return min(near)[1] if near else None

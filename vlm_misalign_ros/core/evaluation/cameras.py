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

"""Cameras as camera_info tells them, by the stretch between jumps in time and by stamp."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.aligning import nearest
from vlm_misalign_ros.core.evaluation.join import Joined, Twice
from vlm_misalign_ros.core.evaluation.journal import Journal
from vlm_misalign_ros.core.evaluation.parts import CAMERA
from vlm_misalign_ros.core.stamps import format_stamp
from vlm_misalign_ros.core.types import Camera, NoCamera

Told = Camera | NoCamera


@dataclass(frozen=True)
class At:
    """The camera of a frame."""

    camera: Told | None
    """None where none was ever told."""
    others: int = 0
    """How many other ones were told of it."""
    borrowed: bool = False
    """Whether it was told of another frame."""


class Cameras:
    """The last KEPT cameras, each with who told it and how often something else came."""

    KEPT = 256

    def __init__(self) -> None:
        """Start with none."""
        self._last: Told | None = None
        self._known: dict[tuple[int, int], tuple[Told, str, int]] = {}

    def tell(
        self, epoch: int, stamp: int, camera: Told, publisher: str, closed: bool
    ) -> Twice | None:
        """Keep a camera; return what it is where another was told of the same stamp."""
        self._last = camera
        known = self._known.get((epoch, stamp))
        if known is None:
            self._known[epoch, stamp] = camera, publisher, 0
            while len(self._known) > self.KEPT:
                self._known.pop(next(iter(self._known)))
            return None
        first, who, count = known
        if first == camera:
            return None
        self._known[epoch, stamp] = first, who, count + 1
        return Twice(stamp, CAMERA, (who, publisher), count + 1, 1, closed)

    def refuse(self, error: RecordError) -> None:
        """Take note that something came that can be no camera: until one comes, it is unknown."""
        if self._last is None:
            self._last = NoCamera(error.what)

    def at(self, epoch: int, stamp: int, reach: int) -> At:
        """
        Return the camera of a frame.

        It is that of the stamp, or of the nearest within `reach` nanoseconds. Without one it is
        borrowed: of the newest before, else of the oldest after, else the last before time
        jumped.
        """
        found = self._known.get((epoch, stamp))
        if found is None and reach:
            near = nearest(sorted(at for of, at in self._known if of == epoch), stamp, reach)
            found = None if near is None else self._known[epoch, near]
        if found is not None:
            return At(found[0], found[2])
        stamps = [at for of, at in self._known if of == epoch]
        before = [at for at in stamps if at < stamp]
        if stamps:
            return At(self._known[epoch, max(before) if before else min(stamps)][0], 0, True)
        return At(self._last, 0, isinstance(self._last, Camera))

    def of(
        self, epoch: int, joined: Joined, reach: int, counters: Counter[str], journal: Journal
    ) -> Told | None:
        """Return the camera of a frame; count, and say once, where it is borrowed or unknown."""
        found = self.at(epoch, joined.stamp, reach)
        if found.others:
            joined.heard.counts[CAMERA] = found.others
        if found.borrowed:
            counters['camera_of_another_stamp'] += 1
            journal.once(
                'camera borrowed',
                f'no camera_info has the stamp of the picture at {format_stamp(joined.stamp)}: '
                'the newest before is used for such frames',
            )
        if isinstance(found.camera, NoCamera):
            counters['camera_unknown'] += 1
            text = f'nobody knows what is in the way: {found.camera.reason}'
            if journal.once('camera unknown', text):
                journal.notes.append(text)
        return found.camera

    def restart(self, epoch: int) -> None:
        """Forget what was told before `epoch`: time has jumped."""
        self._known = {key: value for key, value in self._known.items() if key[0] >= epoch}

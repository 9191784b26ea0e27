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

from vlm_misalign_ros.core.evaluation.aligning import nearest
from vlm_misalign_ros.core.evaluation.join import Twice
from vlm_misalign_ros.core.evaluation.parts import CAMERA
from vlm_misalign_ros.core.types import Camera


class Cameras:
    """The last KEPT cameras, each with who told it and how often something else came."""

    KEPT = 256

    def __init__(self) -> None:
        """Start with none."""
        self._last: Camera | None = None
        self._known: dict[tuple[int, int], tuple[Camera | None, str, int]] = {}

    def tell(
        self, epoch: int, stamp: int, camera: Camera | None, publisher: str, closed: bool
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

    def at(self, epoch: int, stamp: int, reach: int) -> tuple[Camera | None, int]:
        """
        Return the camera of a frame, and how many other ones were told of it.

        It is that of the stamp, or of the nearest within `reach` nanoseconds, or the last one.
        """
        found = self._known.get((epoch, stamp))
        if found is None and reach:
            near = nearest(sorted(at for of, at in self._known if of == epoch), stamp, reach)
            found = None if near is None else self._known[epoch, near]
        return (self._last, 0) if found is None else (found[0], found[2])

    def restart(self, epoch: int) -> None:
        """Forget what was told before `epoch`: time has jumped."""
        self._known = {key: value for key, value in self._known.items() if key[0] >= epoch}

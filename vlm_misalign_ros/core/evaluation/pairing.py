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

"""What a node needs of one frame before it can work on it, brought together by stamp."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any


class Pairing:
    """
    Collects the parts of frames; a frame is handed out once, when all of them are there.

    At most `capacity` frames wait; of more the oldest arrival goes, and is counted in `dropped`.
    """

    def __init__(self, needed: Iterable[str], capacity: int) -> None:
        """Collect the parts named `needed`."""
        self.needed = frozenset(needed)
        self._capacity = capacity
        self._open: dict[int, dict[str, Any]] = {}
        self.dropped = 0

    def add(self, stamp: int, part: str, value: Any) -> dict[str, Any] | None:
        """
        Return the parts of a frame that this one completes; None while one lacks.

        A part that comes twice counts as it came last; one that nobody needs is let go.
        """
        if part not in self.needed:
            return None
        parts = self._open.setdefault(stamp, {})
        parts[part] = value
        if len(parts) < len(self.needed):
            while len(self._open) > self._capacity:
                self._open.pop(next(iter(self._open)))
                self.dropped += 1
            return None
        return self._open.pop(stamp)

    def take(self, stamp: int) -> Mapping[str, Any]:
        """Return the parts that there are of a frame, which is not waited for any longer."""
        return self._open.pop(stamp, {})


class Past:
    """
    The frames before each one, of the same sequence and pass.

    `frames` of them at most, `stride` frames apart; at the beginning of a sequence there are
    fewer. A frame of another sequence, or one that is not later, begins anew.
    """

    def __init__(self, frames: int, stride: int) -> None:
        """Keep what `frames` past ones need."""
        self._stride = stride
        self._kept: deque[Any] = deque(maxlen=frames * stride + 1)
        self._sequence: Any = None
        self._newest: int | None = None

    def add(self, stamp: int, sequence: Any, frame: Any) -> tuple[Any, ...]:
        """Take up a frame; return the past ones, oldest first, and it."""
        back = self._newest is not None and stamp <= self._newest
        if sequence != self._sequence or back:
            self._kept.clear()
        self._sequence, self._newest = sequence, stamp
        self._kept.append(frame)
        newest_first = list(self._kept)[::-1][:: self._stride]
        return tuple(newest_first[::-1])

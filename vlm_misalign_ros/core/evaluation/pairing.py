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

PASSED_KEPT = 256
"""Frames of which it is remembered that they were passed over, at least."""


class Pairing:
    """
    Collects the parts of frames; a frame is handed out once, when all of them are there.

    At most `capacity` frames wait; of more the oldest arrival goes: it is counted in `dropped`,
    and kept for `let_go`.
    """

    def __init__(self, needed: Iterable[str], capacity: int) -> None:
        """Collect the parts named `needed`."""
        self.needed = frozenset(needed)
        self._capacity = capacity
        self.dropped = 0
        self._gone: list[tuple[int, Mapping[str, Any]]] = []
        self._passed: dict[int, None] = {}
        self._newest = 0
        self._open: dict[int, dict[str, Any]] = {}

    def add(self, stamp: int, part: str, value: Any) -> dict[str, Any] | None:
        """
        Return the parts of a frame that this one completes; None while one lacks.

        A part that comes twice counts as it came last; one that nobody needs is let go, and so
        is one of a frame that was passed over.
        """
        if part not in self.needed or stamp in self._passed:
            return None
        parts = self._open.setdefault(stamp, {})
        parts[part] = value
        if len(parts) < len(self.needed):
            while len(self._open) > self._capacity:
                oldest = next(iter(self._open))
                self.dropped += 1
                self._gone.append((oldest, self._open.pop(oldest)))
            return None
        return self._open.pop(stamp)

    def let_go(self) -> list[tuple[int, Mapping[str, Any]]]:
        """Return, once, the stamps of frames that waited for too long, and what there was."""
        gone, self._gone = self._gone, []
        return gone

    def pass_over(self, stamp: int) -> bool:
        """Wait no longer for a frame, nor when more of it comes; return whether that is new."""
        if stamp in self._passed:
            return False
        self._passed[stamp] = None
        _bound(self._passed, max(self._capacity, PASSED_KEPT))
        self._open.pop(stamp, None)
        return True

    def turn(self, stamp: int) -> None:
        """
        Take note of a picture: an earlier one than the last begins anew.

        It is of the next run, or of a recording that is looped; stamps come again there, and what
        was passed over before says nothing of them.
        """
        if stamp < self._newest:
            self._passed.clear()
        self._newest = stamp

    def take(self, stamp: int) -> Mapping[str, Any]:
        """Return the parts that there are of a frame, which is not waited for any longer."""
        return self._open.pop(stamp, {})


class Announced:
    """
    Finds which pictures got lost on the way, by the conditions that announce them.

    Both come from one node, which sends each condition before its picture, and both topics keep
    their order: once a later picture has come, an earlier one cannot come any more. Which topic is
    heard first does not matter. Where stamps begin anew, in the next run or a recording that is
    looped, what was announced before is not lost but forgotten: its stamps come again.
    """

    def __init__(self, kept: int = PASSED_KEPT) -> None:
        """Remember `kept` pictures or conditions that wait for their other half, at most."""
        self._kept = kept
        self._conditions: dict[int, None] = {}
        self._pictures: dict[int, None] = {}

    def announce(self, stamp: int) -> list[int]:
        """Take up that there is a picture; return the stamps of those that are lost by it."""
        if stamp in self._pictures:
            # It came ahead of its condition: what was announced before and did not come is lost.
            del self._pictures[stamp]
            before = list(self._conditions)
            self._conditions.clear()
            return [old for old in before if old < stamp]
        self._conditions[stamp] = None
        _bound(self._conditions, self._kept)
        return []

    def came(self, stamp: int) -> list[int]:
        """Take up that a picture came; return the stamps of those that are lost by it."""
        if stamp not in self._conditions:
            self._pictures[stamp] = None
            _bound(self._pictures, self._kept)
            return []
        order = list(self._conditions)
        place = order.index(stamp)
        for old in order[: place + 1]:
            del self._conditions[old]
        return [old for old in order[:place] if old < stamp]


def _bound(kept: dict[int, None], most: int) -> None:
    while len(kept) > most:
        kept.pop(next(iter(kept)))


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

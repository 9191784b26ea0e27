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
How a model node is: what it works on, for how long, what became of its last frames.

No ROS here; `runtime` publishes what this says on /diagnostics.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from enum import IntEnum
from statistics import fmean

from vlm_misalign_ros.core.stamps import format_stamp

RECENT = 32
"""Frames over which the means are."""
SILENT = 5.0
"""Seconds without a picture after which what is told of a node is stale."""


class Level(IntEnum):
    """The levels of diagnostic_msgs/DiagnosticStatus, as rqt_robot_monitor shows them."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


@dataclass(frozen=True)
class Told:
    """One status."""

    level: Level
    text: str
    values: dict[str, str]


class Vitals:
    """Gathers what happens in a node, from any thread."""

    def __init__(self, hung_after: float) -> None:
        """Begin with nothing; on one frame longer than `hung_after` seconds, a node is hung."""
        self._hung_after = hung_after
        self._lock = threading.Lock()
        self._working: dict[int, tuple[int, float]] = {}
        self._took: deque[float] = deque(maxlen=RECENT)
        self._waited: deque[float] = deque(maxlen=RECENT)
        self._ages: deque[float] = deque(maxlen=RECENT)
        self._came_at: float | None = None
        self._failure = ''
        self.idle = ''
        """Why every frame is passed over; empty where none is for that."""
        self.cause = ''
        """Why the node cannot work at all; empty where it can."""
        self.answered = self.passed = self.failed = self.lost = 0
        self.last: int | None = None
        """Stamp of the newest frame that was answered, nanoseconds."""

    def came(self) -> None:
        """Take note that a picture came."""
        self._came_at = time.monotonic()

    def begin(self, stamp: int, waited: float) -> None:
        """Take note that this thread begins to work on a frame, which `waited` seconds."""
        with self._lock:
            self._working[threading.get_ident()] = stamp, time.monotonic()
            self._waited.append(waited)

    def end(self, stamp: int, age: float | None) -> None:
        """Take note that this thread has answered a frame, `age` seconds after its stamp."""
        with self._lock:
            _, since = self._working.pop(threading.get_ident(), (stamp, time.monotonic()))
            self._took.append(time.monotonic() - since)
            if age is not None:
                self._ages.append(age)
            self.answered += 1
            self.last = stamp if self.last is None else max(self.last, stamp)
            self._failure = ''

    def fail(self, reason: str) -> None:
        """Take note that this thread failed on its frame."""
        with self._lock:
            self._working.pop(threading.get_ident(), None)
            self.failed += 1
            self._failure = reason

    def pass_over(self) -> None:
        """Take note that a frame was passed over."""
        with self._lock:
            self.passed += 1

    def lose(self) -> None:
        """Take note that a picture never came."""
        with self._lock:
            self.lost += 1

    def told(self, waiting: int = 0) -> Told:
        """Return the status; `waiting` is how many frames wait."""
        now = time.monotonic()
        with self._lock:
            stamp, since = min(
                self._working.values(), key=lambda entry: entry[1], default=(0, now)
            )
            busy = now - since
            values = {
                'answered': str(self.answered),
                'dropped': str(self.passed),
                'failed': str(self.failed),
                'lost': str(self.lost),
                'waiting': str(waiting),
                'working_on': format_stamp(stamp) if self._working else '',
                'working_seconds': f'{busy:.3f}',
                'last_stamp': '' if self.last is None else format_stamp(self.last),
                'work_seconds': _mean(self._took),
                'queue_seconds': _mean(self._waited),
                'result_seconds': _mean(self._ages),
            }
            level, text = self._judged(now, stamp, busy)
        return Told(level, text, values)

    def _judged(self, now: float, stamp: int, busy: float) -> tuple[Level, str]:
        if self.cause:
            return Level.ERROR, self.cause
        if busy > self._hung_after:
            return Level.ERROR, f'hung: works on frame {format_stamp(stamp)} for {busy:.0f} s'
        if self.idle:
            return Level.WARN, f'passes every frame over: {self.idle}'
        if self._failure:
            return Level.WARN, f'the last frame failed: {self._failure}'
        if self._came_at is None:
            return Level.STALE, 'no picture has come yet'
        if now - self._came_at > SILENT and not self._working:
            return Level.STALE, f'no picture for {now - self._came_at:.0f} s'
        if self.last is None:
            return Level.OK, 'works on its first frame'
        return Level.OK, f'answered frame {format_stamp(self.last)}'


def _mean(seconds: deque[float]) -> str:
    return f'{fmean(seconds):.4f}' if seconds else 'nan'

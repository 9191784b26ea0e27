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

"""How long to wait: between attempts (backoff with full jitter), and for a rate that is kept."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Protocol

FIRST = 0.5
"""Seconds within which the first attempt anew is made."""
MOST = 30.0
"""Seconds within which any is; and for how long a server's Retry-After is waited for."""


class Clock(Protocol):
    """Time that goes on, and can be waited for."""

    def now(self) -> float:
        """Return seconds from any beginning."""

    def wait(self, seconds: float, /) -> None:
        """Return after so many seconds."""


class Wall:
    """The clock of this machine."""

    def now(self) -> float:
        """Return seconds from any beginning."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """Return after so many seconds."""
        time.sleep(seconds)


def backoff(attempt: int, drawn: random.Random) -> float:
    """
    Return the seconds to wait before attempt `attempt` + 1, `attempt` from 0.

    Uniform from 0 to FIRST * 2**attempt, MOST at most: "full jitter" of M. Brooker, Exponential
    Backoff and Jitter, AWS Architecture Blog, 2015. Many clients that failed together do not come
    back together.
    """
    return drawn.uniform(0.0, min(MOST, FIRST * 2.0 ** min(attempt, 30)))


def retry_after(text: str, now: Callable[[], datetime] | None = None) -> float | None:
    """
    Return the seconds that a Retry-After header asks for; None for one that cannot be read.

    It holds seconds or a date (RFC 9110, section 10.2.3).
    """
    try:
        seconds = float(text)
    except ValueError:
        try:
            until = parsedate_to_datetime(text)
        except (TypeError, ValueError, OverflowError):
            return None
        if until.tzinfo is None:
            until = until.replace(tzinfo=timezone.utc)
        today = now() if now else datetime.now(timezone.utc)
        seconds = (until - today).total_seconds()
    return max(seconds, 0.0) if isfinite(seconds) else None


class Gate:
    """
    Lets requests through at a rate, and none while the server has asked for a pause.

    Of one process; several that ask one server each keep a rate of their own.
    """

    def __init__(self, per_minute: float, clock: Clock) -> None:
        """Let `per_minute` requests through, evenly; 0: any."""
        self._every = 60.0 / per_minute if per_minute > 0 else 0.0
        self._clock = clock
        self._lock = threading.Lock()
        self._next = float('-inf')
        self._closed_until = float('-inf')

    def enter(self) -> float:
        """
        Wait for one's turn; return 0.0, or the seconds that the server still asks not to be asked.

        Those are returned only where they are more than MOST, and without waiting.
        """
        with self._lock:
            now = self._clock.now()
            if self._closed_until - now > MOST:
                return self._closed_until - now
            turn = max(now, self._next)
            self._next = turn + self._every
        if turn > now:
            self._clock.wait(turn - now)
        while True:
            with self._lock:
                pause = self._closed_until - self._clock.now()
            if pause <= 0:
                return 0.0
            if pause > MOST:
                return pause
            self._clock.wait(pause)

    def close(self, seconds: float) -> None:
        """Let nobody through for so many seconds, as the server asked."""
        with self._lock:
            self._closed_until = max(self._closed_until, self._clock.now() + seconds)
            self._next = max(self._next, self._closed_until)

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

"""Threads that work on frames outside the subscription callback; one, unless asked otherwise."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Generic, TypeVar

from vlm_misalign_ros.core.evaluation.guarding import Guard as Guard

T = TypeVar('T')


class Arrived(Generic[T]):
    """Something to work on, with when it came."""

    def __init__(self, what: T) -> None:
        """Come now."""
        self.what = what
        self._came = time.monotonic()

    @property
    def waited(self) -> float:
        """Return for how many seconds it is there."""
        return time.monotonic() - self._came


class Worker(Generic[T]):
    """
    Hand items to `work` in one thread, or in several at once.

    Policy `every_frame` keeps up to `capacity` waiting items and drops the oldest beyond that;
    `latest` keeps only the newest. Items of several lanes are kept apart: each has that room of
    its own. What is dropped is counted, and `passed` is told each and why, by the thread that
    submits. The first exception of `work` ends its thread and stays in `error` for the node to
    raise. Items begin in the order in which they came; with several threads they may end in
    another.
    """

    def __init__(
        self,
        work: Callable[[T], None],
        policy: str,
        capacity: int,
        threads: int = 1,
        passed: Callable[[T, str], None] = lambda item, reason: None,
    ) -> None:
        """Start the threads."""
        self._work = work
        self._passed = passed
        self._reason = (
            'a newer frame was taken (policy latest)'
            if policy == 'latest'
            else f'the queue was full (queue_size {capacity})'
        )
        self._capacity = 1 if policy == 'latest' else capacity
        self._items: deque[tuple[int, T]] = deque()
        self._waiting: Counter[int] = Counter()
        """By lane."""
        self._ready = threading.Condition()
        self._stopping = False
        self.dropped = 0
        self.error: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._run, name='worker', daemon=True) for _ in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, item: T, lane: int = 0) -> None:
        """Add an item; returns at once."""
        dropped: list[T] = []
        with self._ready:
            while self._waiting[lane] >= self._capacity:
                oldest = next(k for k, entry in enumerate(self._items) if entry[0] == lane)
                dropped.append(self._items[oldest][1])
                del self._items[oldest]
                self._waiting[lane] -= 1
            self.dropped += len(dropped)
            self._items.append((lane, item))
            self._waiting[lane] += 1
            self._ready.notify()
        for old in dropped:
            self._passed(old, self._reason)

    def pass_over(self, reason: str) -> None:
        """Tell of every item that waits that it is passed over; those in hand go on."""
        with self._ready:
            waiting = [item for _, item in self._items]
            self._items.clear()
            self._waiting.clear()
            self.dropped += len(waiting)
        for item in waiting:
            self._passed(item, reason)

    @property
    def waiting(self) -> int:
        """Return how many items wait; any thread may ask."""
        return len(self._items)

    def stop(self, timeout: float = 5.0) -> None:
        """End each thread after the item in hand; wait `timeout` seconds for all of them."""
        with self._ready:
            self._stopping = True
            self._ready.notify_all()
        until = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0.0))

    def _run(self) -> None:
        while True:
            with self._ready:
                while not self._items and not self._stopping:
                    self._ready.wait()
                if self._stopping:
                    return
                lane, item = self._items.popleft()
                self._waiting[lane] -= 1
            try:
                self._work(item)
            except BaseException as error:  # noqa: B036  (handed to the node's thread)
                with self._ready:
                    if not self._stopping and self.error is None:
                        self.error = error
                return

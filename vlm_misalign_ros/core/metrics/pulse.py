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

"""How a model keeps up: its coverage and its times, in a window of header time and in total."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from math import nan

QUEUE, MODEL, RESULT = 'queue_seconds', 'model_seconds', 'result_seconds'
"""From arrival to the start of the work; in the model; from the stamp to the answer."""
KINDS = (QUEUE, MODEL, RESULT)
SPARE = 64
"""Entries of a heap that may be out of date."""


class _Span:
    """Mean and maximum of one kind of times over what is in it; each step in log time."""

    def __init__(self) -> None:
        self._live: dict[int, float] = {}
        self._total = 0.0
        self._heap: list[tuple[float, int]] = []

    def add(self, key: int, value: float) -> None:
        self._live[key] = value
        self._total += value
        heappush(self._heap, (-value, key))

    def remove(self, key: int) -> None:
        value = self._live.pop(key, None)
        if value is None:
            return
        # What is left of nothing is nothing: sums of floats drift.
        self._total = self._total - value if self._live else 0.0
        while self._heap and self._live.get(self._heap[0][1]) != -self._heap[0][0]:
            heappop(self._heap)
        if len(self._heap) > 2 * len(self._live) + SPARE:
            self._heap = [(-value, key) for key, value in self._live.items()]
            heapify(self._heap)

    def told(self) -> tuple[float, float]:
        if not self._live:
            return nan, nan
        return max(self._total, 0.0) / len(self._live), -self._heap[0][0]


@dataclass
class _Total:
    """The same of everything, which is not kept."""

    count: int = 0
    total: float = 0.0
    most: float = nan

    def add(self, value: float) -> None:
        self.count += 1
        self.total += value
        self.most = value if self.count == 1 else max(self.most, value)

    def told(self) -> tuple[float, float]:
        return (self.total / self.count if self.count else nan), self.most


class Pulse:
    """
    What became of the frames of one model, and how long they took.

    The window is (newest - window, newest] of header time, as that of the rates. What lies in it
    is kept, and nothing else.
    """

    def __init__(self, window: float, scored: str = 'scored') -> None:
        """Cover `window` seconds; `scored` is the state that counts as covered."""
        self._window = round(window * 1e9)
        self._scored = scored
        self._totals = {kind: _Total() for kind in KINDS}
        self.clear()

    def clear(self) -> None:
        """Empty the window: time has jumped."""
        self._stamps: list[int] = []
        self._states: dict[int, str] = {}
        self._covered = 0
        self._spans = {kind: _Span() for kind in KINDS}

    def enter(
        self, stamp: int, state: str, seconds: Mapping[str, float], windowed: bool = True
    ) -> None:
        """
        Take up a closed frame; `seconds` by KINDS, as far as they are known.

        Not `windowed` is one from before time jumped, which is in the totals alone.
        """
        for kind in KINDS:
            if kind in seconds:
                self._totals[kind].add(seconds[kind])
        if not windowed:
            return
        if stamp in self._states:
            self._drop(stamp)
        else:
            insort(self._stamps, stamp)
        self._states[stamp] = state
        self._covered += state == self._scored
        for kind in KINDS:
            if kind in seconds:
                self._spans[kind].add(stamp, seconds[kind])
        cut = bisect_right(self._stamps, self._stamps[-1] - self._window)
        for old in self._stamps[:cut]:
            self._drop(old)
        del self._stamps[:cut]

    def _drop(self, stamp: int) -> None:
        self._covered -= self._states.pop(stamp) == self._scored
        for span in self._spans.values():
            span.remove(stamp)

    def move(self, stamp: int, state: str) -> None:
        """Take up that a frame in the window is in another state after all."""
        if stamp in self._states:
            self._covered += (state == self._scored) - (self._states[stamp] == self._scored)
            self._states[stamp] = state

    @property
    def coverage(self) -> float:
        """Return the share of the frames in the window that were scored; NaN without any."""
        return self._covered / len(self._states) if self._states else nan

    def seconds(self, kind: str, whole: bool) -> tuple[float, float]:
        """Return mean and maximum of one kind, in total or over the window; NaN without any."""
        return self._totals[kind].told() if whole else self._spans[kind].told()

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
from math import nan

QUEUE, MODEL, RESULT = 'queue_seconds', 'model_seconds', 'result_seconds'
"""From arrival to the start of the work; in the model; from the stamp to the answer."""
KINDS = (QUEUE, MODEL, RESULT)


@dataclass
class _Span:
    """Sums of one kind of times."""

    count: int = 0
    total: float = 0.0
    most: float = nan

    def add(self, value: float) -> None:
        self.count += 1
        self.total += value
        self.most = value if self.count == 1 else max(self.most, value)

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else nan


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
        self._total = {kind: _Span() for kind in KINDS}
        self.clear()

    def clear(self) -> None:
        """Empty the window: time has jumped."""
        self._stamps: list[int] = []
        self._states: dict[int, str] = {}
        self._seconds: dict[int, dict[str, float]] = {}

    def enter(self, stamp: int, state: str, seconds: Mapping[str, float]) -> None:
        """Take up a closed frame; `seconds` by KINDS, as far as they are known."""
        if stamp not in self._states:
            insort(self._stamps, stamp)
        self._states[stamp] = state
        self._seconds[stamp] = {kind: seconds[kind] for kind in KINDS if kind in seconds}
        for kind, value in self._seconds[stamp].items():
            self._total[kind].add(value)
        cut = bisect_right(self._stamps, self._stamps[-1] - self._window)
        for old in self._stamps[:cut]:
            del self._states[old], self._seconds[old]
        del self._stamps[:cut]

    def move(self, stamp: int, state: str) -> None:
        """Take up that a frame in the window is in another state after all."""
        if stamp in self._states:
            self._states[stamp] = state

    @property
    def coverage(self) -> float:
        """Return the share of the frames in the window that were scored; NaN without any."""
        states = self._states.values()
        return sum(s == self._scored for s in states) / len(states) if states else nan

    def seconds(self, kind: str, whole: bool) -> tuple[float, float]:
        """Return mean and maximum of one kind, in total or over the window; NaN without any."""
        if whole:
            return self._total[kind].mean, self._total[kind].most
        span = _Span()
        for found in self._seconds.values():
            if kind in found:
                span.add(found[kind])
        return span.mean, span.most

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

"""The rates of the newest frames of each model, a line each, while a run goes on."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from vlm_misalign_ros.core.corruptions.conditions import BLANK, CLEAN
from vlm_misalign_ros.core.metrics.counts import Counts
from vlm_misalign_ros.core.metrics.rates import HEADLINES, rates
from vlm_misalign_ros.core.records.schema import FrameRecord, Status
from vlm_misalign_ros.core.report.terminal import number

LAST = 100
"""Scored frames of a model that its rates are of, clean and degraded apart."""
MODELS = 8
"""Models that have a line."""
HEAD = f'{" / ".join(row.title for row in HEADLINES)}, of the last {LAST} frames'
"""What the numbers of a line are."""


@dataclass
class _Window:
    """The newest frames of one model, of one kind."""

    frames: deque[tuple[str, Counts]] = field(default_factory=deque)
    total: Counts = field(default_factory=Counts)

    def add(self, condition: str, counts: Counts) -> None:
        self.frames.append((condition, counts))
        self.total += counts
        if len(self.frames) > LAST:
            self.total -= self.frames.popleft()[1]

    def values(self) -> dict[str, float]:
        """Return each headline rate; NaN without a denominator."""
        found = rates(self.total, HEADLINES)
        return {row.name: found[row.name].value for row in HEADLINES}

    def told(self) -> str:
        """Return the condition, or `degraded` for several, with the rates."""
        names = {name for name, _ in self.frames}
        values = ' / '.join(map(number, self.values().values()))
        return f'{names.pop() if len(names) == 1 else "degraded"} {values}'


class Rolling:
    """Takes up frames as they close; the blank control is left out."""

    def __init__(self) -> None:
        """Start with none."""
        self._windows: dict[str, dict[bool, _Window]] = {}

    def add(self, record: FrameRecord) -> None:
        """Take up a closed frame."""
        if record.condition.corruption == BLANK:
            return
        degraded = record.condition.corruption != CLEAN
        for name, entry in record.models.items():
            if entry.status is Status.SCORED and entry.score is not None:
                windows = self._windows.setdefault(name, {})
                window = windows.setdefault(degraded, _Window())
                window.add(record.condition.name, entry.score.counts)

    def values(self) -> dict[tuple[str, bool], dict[str, float]]:
        """Return the headline rates by model and whether frames are degraded."""
        return {
            (name, kind): window.values()
            for name, windows in self._windows.items()
            for kind, window in windows.items()
        }

    def lines(self) -> Sequence[str]:
        """Return a line a model: rates of clean, then of degraded frames; none before any."""
        width = max(map(len, self._windows), default=0)
        found = [
            f'{name:<{width}}  ' + '   '.join(windows[kind].told() for kind in sorted(windows))
            for name, windows in self._windows.items()
        ]
        more = len(found) - MODELS
        return [*found[:MODELS], f'and {more} more models'] if more > 0 else found

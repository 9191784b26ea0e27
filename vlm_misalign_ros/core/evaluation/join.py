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
The join on the stamp: exact, bounded, resettable, aware of lateness; it counts what never came.

Each stamp collects named parts. A frame closes when it has every part it needs, or at its
deadline with what it lacks. A part that many frames in a row had to be closed without is no
longer waited for until it speaks again, so one dead node cannot stall a run.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from vlm_misalign_ros.core.evaluation.parts import Parts
from vlm_misalign_ros.core.records.schema import Closing


@dataclass
class Joined:
    """A closed frame."""

    stamp: int
    """Header time, nanoseconds."""
    parts: Parts
    missing: tuple[str, ...]
    """Parts that were needed and never came."""
    reason: Closing


@dataclass
class _Open:
    parts: Parts = field(default_factory=dict)
    since: float = 0.0


class StampJoin:
    """
    Join named parts by stamp.

    `needs(parts)` returns the names a frame needs, given what it already has (an occlusion
    frame needs its mask); `deadline` is in seconds of the caller's clock, from a frame's first
    part; at most `capacity` frames are open.
    """

    CLOSED_KEPT = 4096

    def __init__(
        self,
        needs: Callable[[Parts], Iterable[str]],
        deadline: float,
        capacity: int = 256,
        patience: int = 2,
    ) -> None:
        """Start empty."""
        self._needs = needs
        self._deadline = deadline
        self._capacity = capacity
        self._patience = patience
        self._open: OrderedDict[int, _Open] = OrderedDict()
        self._closed: OrderedDict[int, tuple[str, ...]] = OrderedDict()
        self._misses: Counter[str] = Counter()
        self.counters: Counter[str] = Counter()
        """`received`, `late`, `duplicate`, `complete`, `deadline`, `overflow`, `reset`, `end`."""

    @property
    def open_frames(self) -> int:
        """Return the number of frames that are not closed."""
        return len(self._open)

    @property
    def silent(self) -> tuple[str, ...]:
        """Return the parts that are no longer waited for."""
        return tuple(
            sorted(name for name, count in self._misses.items() if count >= self._patience)
        )

    def waiting_for(self) -> tuple[str, ...]:
        """Return the parts that the oldest open frame lacks."""
        for entry in self._open.values():
            return tuple(sorted(set(self._needs(entry.parts)) - set(entry.parts)))
        return ()

    def add(self, stamp: int, name: str, value: Any, now: float) -> tuple[list[Joined], bool]:
        """
        Add one part; return the frames that closed by it, and whether the part came late.

        Late is a part that its frame needed but was closed without.
        """
        self.counters['received'] += 1
        if stamp in self._closed:
            self._misses.pop(name, None)
            late = name in self._closed[stamp]
            self.counters['late' if late else 'duplicate'] += 1
            if late:
                self._closed[stamp] = tuple(n for n in self._closed[stamp] if n != name)
            return [], late
        entry = self._open.get(stamp)
        if entry is None:
            entry = self._open[stamp] = _Open(since=now)
        if name in entry.parts:
            self.counters['duplicate'] += 1
            return [], False
        entry.parts[name] = value
        self._misses.pop(name, None)
        closed = self._close_complete(stamp)
        while len(self._open) > self._capacity:
            closed.append(self._close(next(iter(self._open)), Closing.OVERFLOW))
        return closed, False

    def _lacks(self, entry: _Open) -> list[str]:
        return [name for name in self._needs(entry.parts) if name not in entry.parts]

    def _close_complete(self, stamp: int) -> list[Joined]:
        entry = self._open[stamp]
        lacking = self._lacks(entry)
        if any(self._misses[name] < self._patience for name in lacking):
            return []
        return [self._close(stamp, Closing.DEADLINE if lacking else Closing.COMPLETE)]

    def _close(self, stamp: int, reason: Closing) -> Joined:
        entry = self._open.pop(stamp)
        missing = tuple(sorted(set(self._lacks(entry))))
        if reason is Closing.DEADLINE:
            self._misses.update(missing)
        self._closed[stamp] = missing
        while len(self._closed) > self.CLOSED_KEPT:
            self._closed.popitem(last=False)
        self.counters[reason.value] += 1
        return Joined(stamp, entry.parts, missing, reason)

    def expire(self, now: float) -> list[Joined]:
        """Close the frames whose deadline has passed, and those that wait for silent parts."""
        closed = [
            self._close(stamp, Closing.DEADLINE)
            for stamp in list(self._open)
            if now - self._open[stamp].since >= self._deadline
        ]
        if closed:
            for stamp in list(self._open):
                closed.extend(self._close_complete(stamp))
        return closed

    def flush(self, reason: Closing = Closing.END) -> list[Joined]:
        """Close everything that is open."""
        return [self._close(stamp, reason) for stamp in list(self._open)]

    def reset(self) -> list[Joined]:
        """Close everything and forget the past: time has jumped."""
        closed = self.flush(Closing.RESET)
        self._closed.clear()
        self._misses.clear()
        return closed

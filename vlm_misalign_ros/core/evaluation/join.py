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
The join on the stamp: exact, bounded, aware of lateness; it counts what never came.

Each stamp collects named parts. A frame closes when it has every part it needs, or at its
deadline with what it lacks. A part that many frames in a row had to be closed without is no
longer waited for until it speaks again, so one dead node cannot stall a run. A part that comes
twice with the same content is counted; with other content it is told, since nobody can know
which of the two was meant. That a frame was passed over gives way to any other content.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from vlm_misalign_ros.core.evaluation.contents import PASSED
from vlm_misalign_ros.core.evaluation.parts import PICTURES, Parts
from vlm_misalign_ros.core.records.schema import Closing
from vlm_misalign_ros.core.stamps import NANO


@dataclass
class Heard:
    """What is known of the parts of one stamp beside their values."""

    publishers: dict[str, str] = field(default_factory=dict)
    """Who sent each part, where that is known."""
    contents: dict[str, str] = field(default_factory=dict)
    """Each part's content in short."""
    others: dict[str, list[str]] = field(default_factory=dict)
    """The contents with which parts came again, StampJoin.CONTENTS_KEPT of each at most."""
    counts: Counter[str] = field(default_factory=Counter)
    """How many other contents each part had."""
    offsets: dict[str, int] = field(default_factory=dict)
    """Nanoseconds by which parts that were joined beside their stamp lie behind it."""

    @property
    def pictures(self) -> int:
        """Return how many pictures were sent with this stamp, 1 at least."""
        return 1 + max((self.counts[name] for name in PICTURES), default=0)

    def seconds_beside(self) -> dict[str, float]:
        """Return the offsets in seconds, in alphabetical order."""
        return {name: offset / NANO for name, offset in sorted(self.offsets.items())}


@dataclass
class Joined:
    """A closed frame."""

    stamp: int
    """Header time, nanoseconds."""
    parts: Parts
    missing: tuple[str, ...]
    """Parts that were needed and never came."""
    reason: Closing
    heard: Heard = field(default_factory=Heard)
    open_seconds: float = 0.0
    """From its first part to its closing, by the caller's clock."""


@dataclass(frozen=True)
class Twice:
    """A part that came again with other content."""

    stamp: int
    part: str
    publishers: tuple[str, str]
    """Who sent the first and who this one; empty where it is not known."""
    count: int
    """Contents of this part other than the first, with this one."""
    pictures: int
    """Pictures that were sent with this stamp."""
    closed: bool
    """Whether the frame was closed before."""


@dataclass
class _Open:
    parts: Parts = field(default_factory=dict)
    since: float = 0.0
    heard: Heard = field(default_factory=Heard)


@dataclass
class _Closed:
    missing: tuple[str, ...]
    pictured: bool
    heard: Heard


class StampJoin:
    """
    Join named parts by stamp.

    `needs(parts)` returns the names a frame needs, given what it already has (an occlusion
    frame needs its mask); `deadline` is in seconds of the caller's clock, from a frame's first
    part; at most `capacity` frames are open. `content(name, value)` says in short what a part
    holds, by which a repetition is told from another content; without it every repetition is one.
    `doubled` is called for each other content. `pictured(parts)` says whether parts are of a
    picture: what is not is nobody's miss, and begins anew when a picture comes after all.
    """

    CLOSED_KEPT = 4096
    CONTENTS_KEPT = 64

    def __init__(
        self,
        needs: Callable[[Parts], Iterable[str]],
        deadline: float,
        capacity: int = 256,
        patience: int = 2,
        *,
        content: Callable[[str, Any], str] = lambda name, value: '',
        doubled: Callable[[Twice], None] = lambda twice: None,
        pictured: Callable[[Iterable[str]], bool] = lambda names: True,
    ) -> None:
        """Start empty."""
        self._needs = needs
        self._deadline = deadline
        self._capacity = capacity
        self._patience = patience
        self._content = content
        self._doubled = doubled
        self._pictured = pictured
        self._open: OrderedDict[int, _Open] = OrderedDict()
        self._closed: OrderedDict[int, _Closed] = OrderedDict()
        self._misses: Counter[str] = Counter()
        self._now = 0.0
        self._absent: frozenset[str] = frozenset()
        self.counters: Counter[str] = Counter()
        """
        Parts: `received`, `late`, `repeated`, `doubled`; frames: `complete`, `deadline`,
        `overflow`, `reset`, `end`.
        """

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

    def add(
        self, stamp: int, name: str, value: Any, now: float, publisher: str = '', offset: int = 0
    ) -> tuple[list[Joined], bool]:
        """
        Add one part; return the frames that closed by it, and whether the part came late.

        Late is a part that its frame needed but was closed without. `offset` is how many
        nanoseconds the part's own stamp lies behind `stamp`.
        """
        self.counters['received'] += 1
        self._now = now
        past = self._closed.get(stamp)
        heard = Heard()
        if past is not None and not past.pictured and self._pictured((name,)):
            # What was heard of its truth stays true: two contents of it are two.
            heard = self._closed.pop(stamp).heard
        elif past is not None:
            return [], self._after(past, stamp, name, value, publisher)
        entry = self._open.get(stamp)
        if entry is None:
            entry = self._open[stamp] = _Open(since=now, heard=heard)
        content = self._content(name, value)
        first = entry.heard.contents.setdefault(name, content)
        # What was passed over once may have been taken when it came again.
        instead = first == PASSED != content
        if not instead and (name in entry.parts or content != first):
            self._again(entry.heard, stamp, name, content, publisher, False)
            return [], False
        entry.heard.contents[name] = content
        entry.parts[name] = value
        entry.heard.publishers.setdefault(name, publisher)
        if offset:
            entry.heard.offsets[name] = offset
        self._misses.pop(name, None)
        closed = self._close_complete(stamp)
        while len(self._open) > self._capacity:
            closed.append(self._close(next(iter(self._open)), Closing.OVERFLOW))
        return closed, False

    def _after(self, past: _Closed, stamp: int, name: str, value: Any, publisher: str) -> bool:
        """Take a part of a closed frame; return whether it is a late one."""
        self._misses.pop(name, None)
        content = self._content(name, value)
        first = past.heard.contents.get(name)
        if first is not None and not first == PASSED != content:
            self._again(past.heard, stamp, name, content, publisher, True)
            return False
        past.heard.contents[name] = content
        past.heard.publishers[name] = publisher
        late = first is None and name in past.missing
        self.counters['late' if late else 'unneeded'] += 1
        return late

    def _again(
        self, heard: Heard, stamp: int, name: str, content: str, publisher: str, closed: bool
    ) -> None:
        """Count a part that came again, and tell it where it holds something else."""
        others = heard.others.get(name, [])
        if content in (heard.contents[name], PASSED, *others):
            self.counters['repeated'] += 1
            return
        if len(others) < self.CONTENTS_KEPT:
            heard.others[name] = [*others, content]
        heard.counts[name] += 1
        self.counters['doubled'] += 1
        publishers = heard.publishers[name], publisher
        self._doubled(Twice(stamp, name, publishers, heard.counts[name], heard.pictures, closed))

    def knows(self, stamp: int) -> bool:
        """Return whether a frame of this stamp is open, or among the last that were closed."""
        return stamp in self._open or stamp in self._closed

    def adopt(self, stamp: int, parts: Parts, heard: Heard, now: float) -> list[Joined]:
        """Take over a frame from another join; return it where it closed by it."""
        self.counters['received'] += len(parts)
        self._now = now
        self._open[stamp] = _Open(parts, now, heard)
        return self._close_complete(stamp)

    def follow(self, other: StampJoin) -> None:
        """Count on where another join does, and wait for nobody who is absent there."""
        self.counters = other.counters
        self._absent = other._absent

    def lacks(self, stamp: int, name: str) -> bool:
        """Return whether a frame of this stamp is known to which a part never came."""
        if stamp in self._open:
            return name not in self._open[stamp].parts
        past = self._closed.get(stamp)
        return past is not None and name in past.missing and name not in past.heard.contents

    def holds_no(self, stamp: int, names: Iterable[str]) -> bool:
        """Return whether a frame of this stamp is open without any of the parts `names`."""
        return stamp in self._open and not self._open[stamp].parts.keys() & set(names)

    def take_over(self, stamp: int, other: StampJoin, now: float) -> None:
        """Have a frame of another join, whose counters are the same, go on in this one."""
        parts, heard = other.take(stamp)
        self._open[stamp] = _Open(parts, now, heard)

    def restore(self, stamp: int, missing: Iterable[str]) -> None:
        """Take up that a frame was closed by another join, without what is `missing`."""
        self._closed[stamp] = _Closed(tuple(missing), True, Heard())
        while len(self._closed) > self.CLOSED_KEPT:
            self._closed.popitem(last=False)

    def take(self, stamp: int) -> tuple[Parts, Heard]:
        """Take an open frame out, as if it had never been here; empty where there is none."""
        entry = self._open.pop(stamp, None)
        return ({}, Heard()) if entry is None else (entry.parts, entry.heard)

    def _lacks(self, entry: _Open) -> list[str]:
        return [name for name in self._needs(entry.parts) if name not in entry.parts]

    def _is_awaited(self, name: str) -> bool:
        return self._misses[name] < self._patience and name not in self._absent

    def without(self, names: Iterable[str], now: float) -> list[Joined]:
        """Take up which parts nobody sends, so that nobody waits for them; return what closed."""
        absent = frozenset(names)
        if absent == self._absent:
            return []
        self._absent, self._now = absent, now
        return [frame for stamp in list(self._open) for frame in self._close_complete(stamp)]

    def _close_complete(self, stamp: int) -> list[Joined]:
        entry = self._open[stamp]
        lacking = self._lacks(entry)
        if any(self._is_awaited(name) for name in lacking):
            return []
        return [self._close(stamp, Closing.DEADLINE if lacking else Closing.COMPLETE)]

    def _close(self, stamp: int, reason: Closing) -> Joined:
        entry = self._open.pop(stamp)
        missing = tuple(sorted(set(self._lacks(entry))))
        pictured = self._pictured(entry.parts)
        if reason is Closing.DEADLINE and pictured:
            self._misses.update(missing)
        self._closed[stamp] = _Closed(missing, pictured, entry.heard)
        while len(self._closed) > self.CLOSED_KEPT:
            self._closed.popitem(last=False)
        self.counters[reason.value] += 1
        seconds = max(self._now - entry.since, 0.0)
        return Joined(stamp, entry.parts, missing, reason, entry.heard, seconds)

    def expire(self, now: float) -> list[Joined]:
        """Close the frames whose deadline has passed, and those that wait for silent parts."""
        self._now = now
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

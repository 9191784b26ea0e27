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

"""Bags made of the messages of others as they are: a stretch of time, or several as one."""

from __future__ import annotations

import heapq
import math
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from vlm_misalign_ros.bags.headers import Headers
from vlm_misalign_ros.bags.reading import CDR, Bag, Raw, open_bag
from vlm_misalign_ros.bags.reading_types import same_fields
from vlm_misalign_ros.bags.stored import Definition
from vlm_misalign_ros.bags.whole import refuse_present, whole_folder
from vlm_misalign_ros.bags.writer import BagWriter
from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
from vlm_misalign_ros.core.stamps import NANO, join_stamp

Progress = Callable[[int, int], object]
_STAMP = re.compile(r'@(\d{1,12})(?:\.(\d{1,9}))?')
_LATCHED = re.compile(r'\bdurability[\'"]?: *[\'"]?(?:1|transient_local)\b')
"""Durability of messages that are given to whoever comes later, by number and by name."""

_HELD = 64 << 20
"""Bytes of latched messages from before a cut, the last of them, that are kept."""


@dataclass(frozen=True)
class Copied:
    """What was written."""

    messages: int
    seconds: float
    notes: tuple[str, ...]
    """What was left out, or lost before, a line each."""


class Copy:
    """A bag that takes messages of others, with their definitions and QoS."""

    def __init__(self, folder: Path) -> None:
        """Create the bag."""
        self._writer = BagWriter(folder)
        self._topics: dict[str, tuple[str, Definition, Path]] = {}
        self._others: set[tuple[str, str]] = set()
        self._first: int | None = None
        self._last = 0
        self.notes: list[str] = []
        self.count = 0

    def announce(self, bags: Sequence[Bag]) -> None:
        """
        Take the topics of bags; those that are no CDR are left out, with a note.

        RecordError where two bags have a topic of several types, or of one with other fields.
        """
        qos: dict[str, list[str]] = {}
        for bag in bags:
            for name, topic in bag.topics.items():
                if topic.format != CDR:
                    self.notes.append(f'{name} of {bag.path} is {topic.format[:40]!r}: left out')
                    continue
                self._agree(name, topic.type, topic.definition, bag.path)
                known = qos.setdefault(name, [])
                if topic.qos and topic.qos not in known:
                    known.append(topic.qos)
        for name, (kind, definition, _) in self._topics.items():
            self._writer.add_topic(name, kind, schema=definition, qos=_joined(qos[name]))

    def _agree(self, name: str, kind: str, definition: Definition, path: Path) -> None:
        before = self._topics.setdefault(name, (kind, definition, path))
        if before[0] != kind:
            raise RecordError(
                f'{name} is {before[0]} in {before[2]} and {kind} in {path}',
                'one topic has one type: leave one of the bags out',
            )
        if not before[1].text:
            self._topics[name] = kind, definition, path
        elif definition.text and not same_fields(kind, before[1], definition):
            raise RecordError(
                f'{kind} of {name} has other fields in {path} than in {before[2]}',
                'one topic has one definition: leave one of the bags out',
            )

    def takes(self, raw: Raw) -> bool:
        """Return whether a message is of a topic that is kept; of another type it is told."""
        if raw.topic not in self._topics:
            return False
        if self._topics[raw.topic][0] == raw.type:
            return True
        if (raw.topic, raw.type) not in self._others:
            self._others.add((raw.topic, raw.type))
            self.notes.append(f'{raw.topic} has messages of {raw.type}, too: left out')
        return False

    def write(self, raw: Raw, time: int | None = None) -> None:
        """Write a message, as recorded then or at another `time`."""
        when = raw.arrival if time is None else time
        self._writer.write(raw.topic, raw.data, when)
        self._first = when if self._first is None else min(self._first, when)
        self._last = max(self._last, when)
        self.count += 1

    def close(self, bags: Sequence[Bag]) -> Copied:
        """End the bag; return what was written of these bags."""
        self._writer.close()
        lost = [f'{bag.path} lost: {told}' for bag in bags if (told := bag.told())]
        seconds = 0.0 if self._first is None else (self._last - self._first) / NANO
        return Copied(self.count, seconds, (*self.notes, *lost))


def _joined(profiles: Sequence[str]) -> str:
    """Return the QoS profiles of several bags as one list."""
    return '\n'.join(text.strip('\n') for text in profiles)


def merge_bags(paths: Sequence[Path], out: Path, progress: Progress | None = None) -> Copied:
    """
    Write the messages of several bags into one, by when they were recorded.

    Bytes, definitions and offered QoS stay. Raises RecordError where bags do not go together, and
    leaves nothing then.
    """
    if len({path.resolve() for path in paths}) < len(paths):
        raise ConfigurationError('a bag is given twice', 'give each once')
    refuse_present(out)
    with ExitStack() as stack:
        bags = [stack.enter_context(open_bag(path)) for path in paths]
        folder = stack.enter_context(whole_folder(out))
        total = sum(bag.count or 0 for bag in bags)
        copy = Copy(folder)
        copy.announce(bags)
        streams = [bag.messages(_readable(bag)) for bag in bags]
        for number, raw in enumerate(heapq.merge(*streams, key=lambda raw: raw.arrival), 1):
            if copy.takes(raw):
                copy.write(raw)
            if progress is not None:
                progress(number, total)
        return copy.close(bags)


def _readable(bag: Bag) -> list[str]:
    return [name for name, topic in bag.topics.items() if topic.format == CDR]


@dataclass(frozen=True)
class Edge:
    """A time at which a bag is cut."""

    value: int
    """Nanoseconds: from the bag's first message, or of a stamp."""
    stamp: bool

    @classmethod
    def parse(cls, text: str, name: str) -> Edge | None:
        """
        Return the edge in `12.5` (seconds from the first message) or `@1700000000.5` (a stamp).

        None for an empty text; ConfigurationError for any other.
        """
        if not text:
            return None
        match = _STAMP.fullmatch(text)
        if match is not None:
            return cls(join_stamp(int(match[1]), int((match[2] or '').ljust(9, '0'))), True)
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
        if not 0 <= seconds < 2**31:
            raise ConfigurationError(
                f'{name} is {text[:40]!r}',
                'give seconds from the first message, such as 12.5, or a stamp, such as '
                '@1700000000.5',
            )
        return cls(round(seconds * NANO), False)


def cut_bag(
    path: Path, out: Path, start: str = '', end: str = '', progress: Progress | None = None
) -> Copied:
    """
    Write what of a bag lies from `start` on and before `end`.

    Both as `Edge.parse` reads them; a time since the first message is held against when a message
    was recorded, a stamp against its header's. What has no header goes with what came last before
    it. Messages of latched topics from before the start, such as tf_static, are kept, at the
    start. Raises RecordError where nothing is left.
    """
    edges = Edge.parse(start, '--start'), Edge.parse(end, '--end')
    if not any(edges):
        raise ConfigurationError('neither --start nor --end is given', 'give one')
    refuse_present(out)
    with open_bag(path) as bag, whole_folder(out) as folder:
        copy = Copy(folder)
        copy.announce([bag])
        cut = _Cut(bag, *edges)
        for number, (raw, time) in enumerate(cut.messages(), 1):
            if time is not None and copy.takes(raw):
                copy.write(raw, time)
            if progress is not None:
                progress(number, bag.count or 0)
        found = copy.close([bag])
        if not cut.kept:
            raise RecordError(
                f'no message of bag {path} lies between {start or "its start"} and '
                f'{end or "its end"}',
                cut.told,
            )
        return found


class _Cut:
    """Which messages of a bag lie in a stretch of time."""

    def __init__(self, bag: Bag, start: Edge | None, end: Edge | None) -> None:
        self._bag, self._start, self._end = bag, start, end
        self._headers = Headers(bag)
        self._first: int | None = None
        self._last = 0
        self._stamp: int | None = None
        self._began: int | None = None
        self.kept = 0

    @property
    def told(self) -> str:
        """Return between which times the bag's messages lie."""
        if self._first is None:
            return 'the bag is empty'
        seconds = (self._last - self._first) / NANO
        return f'it was recorded from {self._first / NANO:.3f} on, for {seconds:.3f} s'

    def messages(self) -> Iterator[tuple[Raw, int | None]]:
        """Yield every message, with the time at which it is written; None where it is not."""
        latched = {name for name, topic in self._bag.topics.items() if _is_latched(topic.qos)}
        waiting: deque[Raw] = deque()
        held = 0
        for raw in self._bag.messages(_readable(self._bag)):
            self._first = raw.arrival if self._first is None else self._first
            self._last = raw.arrival
            before, inside = self._place(raw)
            if not inside:
                if before and raw.topic in latched:
                    waiting.append(raw)
                    held += len(raw.data)
                while held > _HELD:
                    held -= len(waiting.popleft().data)
                yield raw, None
                continue
            if self._began is None:
                self._began = raw.arrival
                while waiting:
                    yield waiting.popleft(), self._began
            self.kept += 1
            yield raw, max(raw.arrival, self._began)

    def _place(self, raw: Raw) -> tuple[bool, bool]:
        """Return whether a message lies before the stretch, and whether it lies in it."""
        assert self._first is not None
        since = raw.arrival - self._first
        stamp = self._stamp_of(raw)
        low = self._before(self._start, since, stamp, True)
        high = self._before(self._end, since, stamp, False)
        return low, not low and high

    def _before(self, edge: Edge | None, since: int, stamp: int | None, doubt: bool) -> bool:
        """Return whether a message lies before an edge, in doubt `doubt`."""
        if edge is None:
            return not doubt
        if not edge.stamp:
            return since < edge.value
        return doubt if stamp is None else stamp < edge.value

    def _stamp_of(self, raw: Raw) -> int | None:
        """Return the stamp of a message, or the last one before it."""
        found = self._headers.stamp(raw)
        self._stamp = self._stamp if found is None else found
        return self._stamp


def _is_latched(qos: str) -> bool:
    """Return whether any publisher of a topic gave its messages to late subscribers."""
    return _LATCHED.search(qos) is not None

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

"""What a bag holds, topic by topic, and what this package can do with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vlm_misalign_ros.bags.headers import Headers
from vlm_misalign_ros.bags.losing import told_lost
from vlm_misalign_ros.bags.pacing import Intervals, Stamps
from vlm_misalign_ros.bags.reading import CDR, Bag, Raw, Topic, open_bag
from vlm_misalign_ros.bags.uses import Roles, uses_of
from vlm_misalign_ros.core.errors import MisalignError, RecordError
from vlm_misalign_ros.core.labels import inspecting
from vlm_misalign_ros.core.stamps import AGREE, format_stamp
from vlm_misalign_ros.wire import images
from vlm_misalign_ros.wire.packed import declared
from vlm_misalign_ros.wire.raw import image_head
from vlm_misalign_ros.wire.strange import of_strangers
from vlm_misalign_ros.wire.transports import COMPRESSED_IMAGE, IMAGE

SAMPLES = 8
"""Label maps of a topic that are looked at, evenly spread as far as counts are known."""
_NAMES = ('label', 'seman', 'segment', 'truth')
_KINDS = 16
"""Encodings and sizes that are told of a topic."""


@dataclass
class Looked:
    """What the messages of a topic are."""

    topic: Topic
    count: int = 0
    bytes: int = 0
    arrivals: Intervals = field(default_factory=Intervals)
    stamps: Stamps | None = None
    """None where messages have no header."""
    pictures: Counter[str] = field(default_factory=Counter)
    """Messages by encoding and size."""
    encodings: tuple[str, ...] = ()
    """Label encodings that fit the maps that were looked at."""
    labels: dict[str, Any] = field(default_factory=dict)
    problem: str = ''
    """Why its messages cannot be read, or the first that could not."""

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        found: dict[str, Any] = {
            'name': self.topic.name,
            'type': self.topic.type,
            'types': list(self.topic.types),
            'format': self.topic.format,
            'messages': self.count,
            'promised': self.topic.count,
            'bytes': self.bytes,
            'seconds': self.arrivals.seconds,
            'rate': self.arrivals.rate,
            'interval': self.arrivals.median,
            'gaps': self.arrivals.gaps,
            'longest_gaps': [{'seconds': s, 'at': at} for s, at in self.arrivals.longest],
            'pictures': dict(self.pictures.most_common(_KINDS)),
            'label_encodings': list(self.encodings),
            'labels': self.labels,
            'problem': self.problem,
            'stamps': None,
        }
        if self.stamps is not None:
            told = self.stamps
            found['stamps'] = {
                'rate': told.intervals.rate,
                'gaps': told.intervals.gaps,
                'back': told.back,
                'back_seconds': told.farthest,
                'doubled_alike': told.alike,
                'doubled_other': told.doubled,
                'unread': told.unread,
                'delay': list(told.delays) if told.delays else None,
            }
        return found


@dataclass(frozen=True)
class Report:
    """What a bag holds."""

    path: Path
    topics: tuple[Looked, ...]
    start: int | None
    seconds: float
    lost: str
    """In messages and seconds; empty for nothing."""
    notes: tuple[str, ...]
    uses: tuple[str, ...]
    """What can be done with it, and what it lacks, a line each."""

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            'bag': str(self.path),
            'start': None if self.start is None else format_stamp(self.start),
            'seconds': self.seconds,
            'messages': sum(topic.count for topic in self.topics),
            'topics': [topic.to_plain() for topic in self.topics],
            'lost': self.lost,
            'notes': list(self.notes),
            'uses': list(self.uses),
        }


def inspect_bag(path: Path, progress: Callable[[int, int], object] | None = None) -> Report:
    """
    Return what a bag holds, after one look at every message.

    Raises RecordError for a bag in which nothing can be read.
    """
    with open_bag(path) as bag:
        looked = {name: Looked(topic) for name, topic in sorted(bag.topics.items())}
        for entry in looked.values():
            if entry.topic.format != CDR:
                entry.problem = f'serialised as {entry.topic.format[:40]!r}, which is not read'
        readable = [name for name, entry in looked.items() if not entry.problem]
        first = last = None
        looker = _Looker(bag, looked)
        for number, raw in enumerate(bag.messages(readable), 1):
            first = raw.arrival if first is None else first
            last = raw.arrival
            looker.take(raw)
            if progress is not None:
                progress(number, bag.count or 0)
        looker.close()
        found = tuple(looked.values())
        return Report(
            path,
            found,
            first,
            0.0 if first is None or last is None else (last - first) / 1e9,
            bag.told(),
            (*bag.faults, *told_lost(bag), *_notes(found)),
            tuple(uses_of(path, Roles.of(looked))),
        )


class _Looker:
    """Looks at messages one after the other."""

    def __init__(self, bag: Bag, looked: Mapping[str, Looked]) -> None:
        self._bag, self._looked = bag, looked
        self._maps: dict[str, list[np.ndarray]] = {}
        self._headers = Headers(bag)

    def take(self, raw: Raw) -> None:
        entry = self._looked[raw.topic]
        entry.count += 1
        entry.bytes += len(raw.data)
        entry.arrivals.add(raw.arrival)
        if self._headers.has(raw):
            entry.stamps = entry.stamps or Stamps()
            stamp = self._headers.stamp(raw)
            if stamp is None:
                entry.stamps.unread += 1
            else:
                entry.stamps.add(stamp, raw.arrival, raw.data)
        entry.problem = entry.problem or self._headers.problem(raw)
        if raw.type in (IMAGE, COMPRESSED_IMAGE):
            try:
                with of_strangers():
                    self._picture(raw, entry)
            except RecordError as error:
                entry.problem = entry.problem or str(error)

    def _picture(self, raw: Raw, entry: Looked) -> None:
        if raw.type == IMAGE:
            head = image_head(raw.data)
            kind = head.encoding[:40]
            entry.pictures[f'{kind} {head.width}x{head.height}'] += 1
        else:
            message = self._bag.decode(raw)
            told = declared(memoryview(message.data).cast('B'))
            kind = 'jpeg' if told.lossy else 'png'
            entry.pictures[f'{kind} {told.width}x{told.height}'] += 1
        while len(entry.pictures) > 2 * _KINDS:
            del entry.pictures[entry.pictures.most_common()[-1][0]]
        named = any(name in raw.topic.lower() for name in _NAMES)
        narrow = kind in ('mono8', '8UC1')
        every = max(1, (entry.topic.count or 1) // SAMPLES)
        maps = self._maps.setdefault(raw.topic, [])
        if (named or narrow) and (entry.count - 1) % every == 0 and len(maps) < SAMPLES:
            try:
                found = images.label_pixels(self._bag.decode(raw))
            except RecordError:
                return
            if found.dtype == np.uint8:
                # A map that is kept until the end must not keep its message.
                step = max(1, found.shape[0] * found.shape[1] >> 21)
                maps.append(found[::step, ::step].copy())

    def close(self) -> None:
        """Say of the maps that were kept which label encodings fit them."""
        for name, maps in self._maps.items():
            if not maps:
                continue
            entry = self._looked[name]
            try:
                found = inspecting.inspect(maps)
            except MisalignError as error:
                entry.problem = entry.problem or str(error)
                continue
            entry.encodings = found.fitting
            if found.fitting:
                entry.labels = found.of(found.fitting[0]).to_plain()


def _notes(topics: tuple[Looked, ...]) -> Iterator[str]:
    """Yield what is odd about topics, a line each."""
    for entry in topics:
        name = entry.topic.name
        if len(entry.topic.types) > 1:
            yield f'{name} has several types: {", ".join(entry.topic.types)}'
        told = entry.arrivals
        if told.gaps:
            seconds, at = told.longest[0] if told.longest else (0.0, 0.0)
            yield (
                f'{name} has {told.gaps} gaps above 2.5 x {told.median:.3g} s, the longest '
                f'{seconds:.3f} s at {at:.3f} s'
            )
        if entry.stamps is not None:
            yield from _stamp_notes(name, entry.stamps)


def _stamp_notes(name: str, told: Stamps) -> Iterator[str]:
    if told.back:
        yield f'{name}: {told.back} stamps go back, by {told.farthest:.3f} s at most'
    if told.alike:
        yield f'{name}: {told.alike} stamps come again with the same content'
    if told.doubled:
        yield f'{name}: {told.doubled} stamps come again with other content: never scored'
    if told.unread:
        yield f'{name}: {told.unread} messages have no stamp that is a time'
    low, high = told.delays or (0.0, 0.0)
    if low < 0 or high > AGREE:
        yield (f'{name}: stamps lie {low:.3g} to {high:.3g} s before the recording: another clock')

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
Reads a rosbag2 bag of anybody: MCAP or SQLite, whole or damaged, with or without its metadata.

Nothing but the topics that are asked for is looked at. What cannot be read is left out, and told
at the end in messages and seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, cast

from vlm_misalign_ros.bags.inflating import form_of, inflate
from vlm_misalign_ros.bags.merging import Place, merged
from vlm_misalign_ros.bags.reading_folder import Folder, look, open_storage
from vlm_misalign_ros.bags.reading_types import Types
from vlm_misalign_ros.bags.stored import (
    MAX_TOLD,
    Definition,
    Loss,
    Storage,
    Stored,
    Stream,
    covered,
)
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.language.lines import line

CDR = 'cdr'
_OPEN_FILES = 64
"""Files of a split bag that are read at once where they overlap in time."""
_TOLD = 4
"""Losses that are told one by one."""


class Raw(NamedTuple):
    """A message of a bag."""

    topic: str
    type: str
    arrival: int
    """When it was recorded, nanoseconds."""
    data: bytes
    """CDR, as it was on the wire; of `Bag.views` it may be a memoryview of it."""
    connection: int
    """Of its publisher, as this bag numbers them from 1."""


@dataclass(frozen=True)
class Topic:
    """A topic of a bag."""

    name: str
    types: tuple[str, ...]
    """Message types, that of the first publisher first: there should be one."""
    count: int | None
    """Messages that the bag says it has; None where nothing tells."""
    format: str = CDR
    """How its messages are serialised."""
    definition: Definition = Definition()
    """Of its first type."""
    qos: str = ''
    """Offered QoS profiles as they were recorded."""

    @property
    def type(self) -> str:
        """Return the message type."""
        return self.types[0]


@dataclass
class _Part:
    """A file of the bag, and how the bag numbers and names its streams."""

    storage: Storage
    connections: dict[int, int] = field(default_factory=dict)


class Bag:
    """An open bag; a context that closes it."""

    def __init__(self, path: Path) -> None:
        """Open it; RecordError names one in which nothing can be read."""
        self.path = path
        self.topics: dict[str, Topic] = {}
        self._types = Types()
        self._parts: list[_Part] = []
        self._unpacked: list[TemporaryDirectory[str]] = []
        self._files: list[Loss] = []
        self._short: dict[tuple[str, str], Loss] = {}
        self._faults: list[str] = []
        try:
            self._folder = look(path)
            self._open(self._folder)
        except OSError as error:
            self.close()
            raise RecordError(
                f'bag {path} cannot be read: {error.strerror or error}', 'make it readable'
            ) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close its files, and remove what was unpacked."""
        for part in self._parts:
            part.storage.close()
        for folder in self._unpacked:
            folder.cleanup()
        self._unpacked.clear()

    def __enter__(self) -> Bag:
        """Return it, open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _open(self, folder: Folder) -> None:
        refused: list[RecordError] = []
        for path in folder.files:
            try:
                self._parts.append(_Part(open_storage(path, self._unpacked)))
            except RecordError as error:
                refused.append(error)
                self._files.append(Loss(error.what))
        if not self._parts:
            raise refused[0]
        if folder.promised is None:
            self._promise(folder)
        self._number()
        empty = not any(part.storage.streams for part in self._parts)
        if empty and (self._files or any(part.storage.losses for part in self._parts)):
            told = '; '.join(str(loss) for loss in self.losses[:2])
            raise RecordError(f'bag {self.path} cannot be read: {told}', 'record it again')

    def _promise(self, folder: Folder) -> None:
        """Take what the files say that they have, where all do."""
        counts: Counter[tuple[str, str]] = Counter()
        for part in self._parts:
            if part.storage.promised is None:
                return
            for number, stream in part.storage.streams.items():
                counts[stream.topic, stream.type] += part.storage.promised.get(number, 0)
        if not self._files:
            folder.promised = dict(counts)

    def _number(self) -> None:
        """Give every publisher of all files a number, and gather the topics."""
        known: dict[tuple[str, str, int], int] = {}
        streams: dict[str, list[Stream]] = {}
        for part in self._parts:
            among: Counter[tuple[str, str]] = Counter()
            for number, stream in sorted(part.storage.streams.items()):
                key = stream.topic, stream.type, among[stream.topic, stream.type]
                among[stream.topic, stream.type] += 1
                part.connections[number] = known.setdefault(key, len(known) + 1)
                streams.setdefault(stream.topic, []).append(stream)
        promised = self._folder.promised
        for topic, kind in promised or {}:
            # Told of and in no file: whoever asks for it is to hear that it is lost.
            if all(stream.type != kind for stream in streams.get(topic, ())):
                streams.setdefault(topic, []).append(Stream(0, topic, kind))
        self.topics = {name: _topic(name, found, promised) for name, found in streams.items()}

    @property
    def count(self) -> int | None:
        """Return how many messages the bag says it has; None where nothing tells."""
        promised = self._folder.promised
        return None if promised is None else sum(promised.values())

    @property
    def start(self) -> int | None:
        """Return when the first message arrived, nanoseconds; None where nothing tells."""
        begun = [part.storage.start for part in self._parts if part.storage.start is not None]
        return min(begun, default=None)

    @property
    def files(self) -> list[Path]:
        """Return the files that are read."""
        return [part.storage.path for part in self._parts]

    # Messages ----------------------------------------------------------------------------------

    def messages(
        self, names: Iterable[str] | None = None, start: int | None = None, end: int | None = None
    ) -> Iterator[Raw]:
        """
        Yield the messages of topics by arrival, from `start` on and before `end`, nanoseconds.

        Without names, of all topics. What cannot be read is left out: `losses`, once the iterator
        has come to its end. RecordError for a topic whose messages are no CDR.
        """
        for raw in self.views(names, start, end):
            yield raw if isinstance(raw.data, bytes) else raw._replace(data=bytes(raw.data))

    def views(
        self, names: Iterable[str] | None = None, start: int | None = None, end: int | None = None
    ) -> Iterator[Raw]:
        """
        Yield what `messages` does, for who only decodes it.

        `data` may be a memoryview, which spares the copy of every picture.
        """
        asked = frozenset(self.topics if names is None else names)
        for name in sorted(asked & self.topics.keys()):
            if self.topics[name].format != CDR:
                raise RecordError(
                    f'topic {name} of bag {self.path} is serialised as '
                    f'{self.topics[name].format[:40]!r}',
                    'record it as cdr',
                )
        came: Counter[tuple[str, str]] = Counter()
        spoilt: Counter[str] = Counter()
        last: int | None = None
        places = [
            Place(part.storage.start or 0, 1, partial(_read, part, asked, start, end, index))
            for index, part in enumerate(self._parts)
        ]
        for message in merged(places, _OPEN_FILES):
            index, number = divmod(message.number, _STREAMS)
            part = self._parts[index]
            stream = part.storage.streams[number]
            came[stream.topic, stream.type] += 1
            last = message.arrival if last is None else max(last, message.arrival)
            data = message.data
            # No CDR begins as what is compressed does: without metadata, the bytes say it.
            form = self._folder.form if self._folder.mode else form_of(bytes(data[:4]))
            if form:
                try:
                    data = inflate(bytes(data), form)
                except RecordError as error:
                    spoilt[stream.topic] += 1
                    self._spoilt(stream, message, error, spoilt[stream.topic])
                    continue
            connection = part.connections[number]
            yield Raw(stream.topic, stream.type, message.arrival, cast('bytes', data), connection)
        if start is None and end is None:
            self._compare(asked, came, last)

    def _spoilt(self, stream: Stream, message: Stored, error: RecordError, count: int) -> None:
        """Keep a message that cannot be unpacked: so many of its topic in this reading."""
        key = '', stream.topic
        before = self._short.get(key, Loss('', 0, message.arrival, message.arrival))
        self._short[key] = Loss(
            f'messages of {stream.topic} cannot be unpacked: {error.what}',
            max(before.messages or 0, count),
            min(before.start or 0, message.arrival),
            max(before.end or 0, message.arrival),
        )

    def _compare(
        self, asked: Collection[str], came: Mapping[tuple[str, str], int], last: int | None
    ) -> None:
        """Hold the messages that came against those that were told of."""
        promised = self._folder.promised
        if promised is None:
            return
        # Counts alone do not tell of when: what is lost at the end, its metadata do.
        end = self._folder.end if self._cut and last is not None else None
        for (topic, kind), told in promised.items():
            found = came[topic, kind]
            if topic not in asked or found == told:
                continue
            what = f'the bag holds {found} messages of {topic}, and tells of {told}'
            if found > told:
                if what not in self._faults:
                    self._faults.append(what)
            else:
                late = end is not None and last is not None and end > last
                self._short[topic, kind] = Loss(
                    what, told - found, last if late else None, end if late else None
                )

    @property
    def _cut(self) -> bool:
        """Return whether a file has no end, or is not there."""
        return bool(self._files or self._folder.losses) or any(
            loss.messages is None and loss.start is None
            for part in self._parts
            for loss in part.storage.losses.values()
        )

    def decode(self, raw: Raw) -> Any:
        """Return the message in bytes of a bag; RecordError where there is none in them."""
        topic = self.topics[raw.topic]
        if raw.type == topic.type:
            definition = topic.definition
        else:
            definition = next(
                (
                    stream.definition
                    for part in self._parts
                    for stream in part.storage.streams.values()
                    if (stream.topic, stream.type) == (raw.topic, raw.type)
                ),
                Definition(),
            )
        return self._types.decode(raw.data, raw.type, definition)

    # What is wrong with it ---------------------------------------------------------------------

    @property
    def losses(self) -> list[Loss]:
        """Return what is lost; complete when the messages were read."""
        found = [*self._folder.losses, *self._files]
        for part in self._parts:
            found.extend(loss for _, loss in sorted(part.storage.losses.items()))
        return [*found, *self._short.values()]

    @property
    def faults(self) -> list[str]:
        """Return what is wrong with the bag though nothing is lost by it."""
        found = list(self._folder.faults)
        for part in self._parts:
            found.extend(part.storage.faults)
        found += [*self._faults, *self._types.faults]
        return [line(fault, MAX_TOLD) for fault in found]

    def told(self) -> str:
        """Return in one line what is lost, in messages and seconds; empty for nothing."""
        losses = self.losses
        if not losses:
            return ''
        text = '; '.join(str(loss) for loss in losses[:_TOLD])
        if len(losses) > _TOLD:
            text += f'; and {len(losses) - _TOLD} more'
        return f'{text}. Lost: {self._total(losses)}'

    def _total(self, losses: list[Loss]) -> str:
        """Return how much is lost, counted once."""
        short = list(self._short.values())
        counted = sum(loss.messages or 0 for loss in short)
        unknown = False
        if self._folder.promised is None or not short:
            # What files tell of their damage may be of topics that were not asked for.
            others = [loss.messages for loss in losses if loss not in short]
            counted = max(counted, sum(number or 0 for number in others))
            unknown = None in others
        count = f'{"at least " if unknown else ""}{counted} messages'
        if unknown and not counted:
            count = 'an unknown number of messages'
        seconds = covered(losses)
        return count if seconds is None else f'{count}, {seconds:.3f} s'


def _topic(
    name: str, found: list[Stream], promised: Mapping[tuple[str, str], int] | None
) -> Topic:
    """Return a topic of some streams; the first that has a definition stands for its type."""
    types = tuple(dict.fromkeys(stream.type for stream in found))
    first = next((s for s in found if s.type == types[0] and s.definition.text), found[0])
    count = None
    if promised is not None:
        count = sum(number for (topic, _), number in promised.items() if topic == name)
    return Topic(name, types, count, first.format, first.definition, first.qos)


_STREAMS = 1 << 48
"""More than any file has streams: a place in the bag and a stream of its are one number."""


def _read(
    part: _Part, asked: Collection[str], start: int | None, end: int | None, index: int
) -> Iterator[Stored]:
    """Yield what a file has of the topics that are asked for."""
    streams = part.storage.streams
    numbers = [number for number, stream in streams.items() if stream.topic in asked]
    if not numbers:
        return
    for arrival, number, data in part.storage.messages(numbers, start, end):
        yield Stored(arrival, index * _STREAMS + number, data)


def open_bag(path: Path) -> Bag:
    """Return a bag, open; RecordError names one in which nothing can be read."""
    return Bag(path)

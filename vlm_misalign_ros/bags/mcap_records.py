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

"""The records of an MCAP file as bytes: none is longer than what it lies in."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from vlm_misalign_ros.bags.stored import MAX_TEXT, Definition, Stream, full_type
from vlm_misalign_ros.core.errors import RecordError

MAGIC = b'\x89MCAP0\r\n'
HEAD = struct.Struct('<BQ')
"""Of a record: what it is, and how many bytes follow."""
MESSAGE = struct.Struct('<HIQQ')
"""Of a message: channel, sequence, when it was logged and published, nanoseconds."""
_CHUNK = struct.Struct('<QQQI')
FOOTER = struct.Struct('<BQQQI8s')


class Op(IntEnum):
    """What a record is."""

    HEADER = 0x01
    FOOTER = 0x02
    SCHEMA = 0x03
    CHANNEL = 0x04
    MESSAGE = 0x05
    CHUNK = 0x06
    MESSAGE_INDEX = 0x07
    CHUNK_INDEX = 0x08
    STATISTICS = 0x0B
    DATA_END = 0x0F


class Fields:
    """Reads the fields of a record in turn; RecordError where it ends within one."""

    def __init__(self, data: bytes | memoryview) -> None:
        """Begin with the first."""
        self._data = memoryview(data)
        self.at = 0

    def take(self, form: str) -> tuple[int, ...]:
        """Return numbers in the manner of `struct`, least byte first."""
        layout = struct.Struct('<' + form)
        return layout.unpack(self.bytes(layout.size))

    def bytes(self, size: int) -> memoryview:
        """Return as many bytes."""
        found = self._data[self.at : self.at + size]
        if len(found) != size:
            raise RecordError(f'a record ends {size - len(found):,} bytes early')
        self.at += size
        return found

    def block(self) -> memoryview:
        """Return bytes before which their number stands."""
        return self.bytes(*self.take('I'))

    def text(self) -> str:
        """Return text, at most MAX_TEXT bytes; what is no UTF-8 is replaced."""
        found = self.block()
        if len(found) > MAX_TEXT:
            raise RecordError(f'a text of {len(found):,} bytes: at most {MAX_TEXT:,} are read')
        return bytes(found).decode('utf-8', 'replace')


class Chunk(NamedTuple):
    """A chunk of a file, as its head or the index tells."""

    at: int
    """Where its record begins."""
    data_at: int
    packed: int
    """Bytes that it has in the file."""
    size: int
    """Bytes that it has unpacked."""
    form: str
    start: int
    end: int
    """Of its messages, nanoseconds; the last one is at `end`."""
    channels: frozenset[int] | None
    """Of its messages; None where it has no index."""
    whole: bool = True
    """Whether the file does not end within it."""


def read_chunk(at: int, head: bytes | memoryview, left: int) -> tuple[Chunk, int]:
    """
    Return (chunk, checksum unpacked) of the record at `at`, by the first bytes behind its length.

    `left` bytes of the file follow its length. RecordError where these are no head of a chunk.
    """
    fields = Fields(head)
    start, end, size, crc = fields.take('QQQI')
    form = fields.text()
    (packed,) = fields.take('Q')
    data_at = at + HEAD.size + fields.at
    whole = fields.at + packed <= left
    return Chunk(at, data_at, packed, size, form, start, end, None, whole), crc


def read_chunk_index(data: bytes) -> Chunk:
    """Return the chunk that a record of the index tells of."""
    fields = Fields(data)
    start, end, at, _ = fields.take('QQQQ')
    offsets = fields.block()
    fields.take('Q')
    form = fields.text()
    packed, size = fields.take('QQ')
    channels = frozenset(number for number, _ in struct.iter_unpack('<HQ', offsets))
    data_at = at + HEAD.size + _CHUNK.size + 4 + len(form.encode()) + 8
    return Chunk(at, data_at, packed, size, form, start, end, channels or None)


class Statistics(NamedTuple):
    """What a file says that it has."""

    counts: dict[int, int]
    """Messages by channel."""
    messages: int
    channels: int
    chunks: int
    start: int
    """Of the first message, nanoseconds."""


def read_statistics(data: bytes) -> Statistics:
    """Return the statistics in a record."""
    fields = Fields(data)
    count, _, channels, _, _, chunks, start, _ = fields.take('QHIIIIQQ')
    counts = {number: n for number, n in struct.iter_unpack('<HQ', fields.block())}
    return Statistics(counts, count, channels, chunks, start)


def index_entry(data: bytes | memoryview) -> tuple[int, int]:
    """Return (channel, how many messages) of an index of messages."""
    number, size = Fields(data).take('HI')
    return number, size // 16


class Known:
    """Schemas and channels of a file, as they come."""

    def __init__(self) -> None:
        """Begin with none."""
        self.streams: dict[int, Stream] = {}
        self._schemas: dict[int, tuple[str, Definition]] = {}
        self._waiting: dict[int, tuple[int, Stream]] = {}

    def add(self, op: int, data: bytes | memoryview) -> None:
        """Take a record that is a schema or a channel; RecordError for a spoilt one."""
        fields = Fields(data)
        if op == Op.SCHEMA:
            (number,) = fields.take('H')
            name, encoding, text = fields.text(), fields.text(), fields.text()
            self._schemas.setdefault(number, (full_type(name), Definition(encoding, text)))
        elif op == Op.CHANNEL:
            number, schema = fields.take('HH')
            topic, form = fields.text(), fields.text()
            name, definition = self._schemas.get(schema, ('', Definition()))
            stream = Stream(number, topic, name, form, definition, _qos(fields.block()))
            known = self.streams.get(number)
            if known is None or not known.type:
                self.streams[number] = stream


def _qos(data: memoryview) -> str:
    fields = Fields(data)
    while fields.at < len(data):
        key, value = fields.text(), fields.text()
        if key == 'offered_qos_profiles':
            return value
    return ''


def records(data: bytes | memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield (what, content) of the records in bytes; RecordError where they end within one."""
    view, at = memoryview(data), 0
    while at < len(data):
        if len(data) - at < HEAD.size:
            raise RecordError('a record ends within its head')
        op, size = HEAD.unpack_from(data, at)
        at += HEAD.size
        if size > len(data) - at:
            raise RecordError(f'a record of {size:,} bytes lies in {len(data) - at:,}')
        yield op, view[at : at + size]
        at += size

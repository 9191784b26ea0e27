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
Reads an MCAP file: by its index where that is sound, else from its beginning, as far as it goes.

A damaged chunk is left out, and said; what stands before and behind it is read.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from vlm_misalign_ros.bags.inflating import FORMS, inflate, inflate_start
from vlm_misalign_ros.bags.mcap_records import (
    FOOTER,
    HEAD,
    MAGIC,
    MESSAGE,
    Chunk,
    Known,
    Op,
    Statistics,
    index_entry,
    read_chunk,
    read_chunk_index,
    read_statistics,
    records,
)
from vlm_misalign_ros.bags.merging import Place, merged
from vlm_misalign_ros.bags.stored import MAX_SIZE, ROOM, Loss, Stored, Stream
from vlm_misalign_ros.core.errors import RecordError

_HEAD_OF_CHUNK = 128
"""Bytes that hold the head of any chunk whose compression has a name of at most 80 bytes."""
_PIECE = 1 << 17
"""Bytes of a chunk that are read and checked at once, so that a processor's cache holds them."""
_SHIFT = -(HEAD.size + MESSAGE.size) % 8
"""By it the first message of a chunk begins where numbers of any size may lie."""
_MAX_RECORD = 64 << 20
"""Bytes of a record that is neither chunk nor message nor attachment."""
_SPOILT = (RecordError, struct.error, ValueError, OverflowError, MemoryError)


class _Run:
    """Messages outside chunks that follow on each other."""

    def __init__(self, at: int, start: int) -> None:
        self.at, self.end, self.start = at, at, start
        self.channels: set[int] = set()


class McapFile:
    """An open MCAP file."""

    def __init__(self, path: Path) -> None:
        """Open it and read what it tells of itself; OSError where the file cannot be read."""
        self.path = path
        self.streams: dict[int, Stream] = {}
        self.start: int | None = None
        self.promised: dict[int, int] | None = None
        self.losses: dict[int, Loss] = {}
        self.faults: list[str] = []
        self._chunks: list[Chunk] = []
        self._runs: list[_Run] = []
        self._known = Known()
        self._file = open(path, 'rb')
        try:
            self._size = os.fstat(self._file.fileno()).st_size
            if self._at(0, len(MAGIC)) != MAGIC:
                self.losses[0] = Loss(f'{path.name} does not begin as an MCAP file', 0)
            if not self._read_index():
                self._scan()
        except BaseException:
            self.close()
            raise
        self.streams = self._known.streams
        begun = [chunk.start for chunk in self._chunks] + [run.start for run in self._runs]
        self.start = min(begun, default=None)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _at(self, at: int, size: int) -> bytes:
        self._file.seek(at)
        return self._file.read(size)

    # What the file has -------------------------------------------------------------------------

    def _read_index(self) -> bool:
        """Return whether the index at the end tells where everything is."""
        size = FOOTER.size
        end = self._size - size
        foot = self._at(end, size) if end > 0 else b''
        if len(foot) < size or not foot.endswith(MAGIC):
            return False
        op, length, begin, _, crc, _ = FOOTER.unpack(foot)
        if op != Op.FOOTER or length != size - HEAD.size - len(MAGIC) or not begin:
            return False
        try:
            if not len(MAGIC) <= begin <= end:
                raise RecordError('it lies outside the file')
            found = self._summary(begin, end, crc, foot)
        except _SPOILT as error:
            self.losses[end] = Loss(
                f'the index of {self.path.name} is damaged ({error}); the file was read from its '
                'beginning',
                0,
            )
            found = False
        if not found:
            self._chunks, self._runs = [], []
            self._known, self.promised = Known(), None
        return found

    def _summary(self, begin: int, end: int, crc: int, foot: bytes) -> bool:
        statistics: Statistics | None = None
        total, at = 0, begin
        while at < end:
            head = self._at(at, HEAD.size)
            op, length = HEAD.unpack(head)
            if length > min(end - at - HEAD.size, _MAX_RECORD):
                raise RecordError(f'a record at byte {at:,} has {length:,} bytes')
            data = self._file.read(length)
            total = zlib.crc32(data, zlib.crc32(head, total))
            at += HEAD.size + length
            self._known.add(op, data)
            if op == Op.CHUNK_INDEX:
                self._chunks.append(self._fits(read_chunk_index(data), begin))
            elif op == Op.STATISTICS:
                statistics = read_statistics(data)
        if crc and zlib.crc32(foot[: HEAD.size + 16], total) != crc:
            raise RecordError('its checksum is another')
        return statistics is not None and self._is_complete(statistics, begin)

    def _is_complete(self, statistics: Statistics, end: int) -> bool:
        """Return whether the index has everything that the statistics tell of; take these."""
        known = self._known.streams.keys()
        if statistics.chunks != len(self._chunks) or statistics.channels > len(known):
            return False
        if not all(chunk.channels is None or chunk.channels <= known for chunk in self._chunks):
            return False
        counts = statistics.counts
        self.promised = counts if sum(counts.values()) == statistics.messages else None
        if statistics.messages and not self._chunks:
            run = _Run(len(MAGIC), statistics.start)
            run.end, run.channels = end, set(known)
            self._runs.append(run)
        return True

    def _fits(self, chunk: Chunk, end: int) -> Chunk:
        if chunk.data_at + chunk.packed > end or chunk.form not in FORMS:
            raise RecordError(f'a chunk at byte {chunk.at:,} lies outside the file')
        return chunk

    def _scan(self) -> None:
        """Go from record to record, to the end or to where none follows."""
        at = len(MAGIC)
        ended = False
        chunk: Chunk | None = None
        channels: set[int] = set()
        while at < self._size:
            head = self._at(at, HEAD.size)
            if len(head) < HEAD.size:
                break
            op, length = HEAD.unpack(head)
            left = self._size - at - HEAD.size
            if op != Op.MESSAGE_INDEX:
                self._take(chunk, channels)
                chunk, channels = None, set()
            if op == 0 or (length > left and op not in (Op.CHUNK, Op.MESSAGE)):
                break
            try:
                if op == Op.CHUNK:
                    chunk = self._head(at, length, left)
                elif op == Op.MESSAGE:
                    self._message(at, length, left)
                elif length <= _MAX_RECORD:
                    self._small(op, at + HEAD.size, length, channels)
            except _SPOILT as error:
                self.losses[at] = Loss(f'{self.path.name} is damaged at byte {at:,}: {error}')
            ended = ended or op == Op.DATA_END
            at += HEAD.size + length
            if op == Op.FOOTER:
                break
        self._take(chunk, channels)
        self._end_of_scan(at, ended)

    def _small(self, op: int, at: int, length: int, channels: set[int]) -> None:
        """Take a schema, a channel, or the channel of an index of messages."""
        if op == Op.MESSAGE_INDEX:
            channels.add(index_entry(self._at(at, min(length, 6)))[0])
        elif op in (Op.SCHEMA, Op.CHANNEL):
            self._known.add(op, self._at(at, length))

    def _end_of_scan(self, at: int, ended: bool) -> None:
        name = self.path.name
        if ended and (at < self._size - len(MAGIC) or self._at(at, len(MAGIC)) != MAGIC):
            self.losses[self._size] = Loss(f'{name} is cut or damaged behind its last message', 0)
        elif not ended and at >= self._size - len(MAGIC):
            self.losses[self._size] = Loss(
                f'{name} has no end: whoever wrote it was stopped, or it was cut at byte '
                f'{self._size:,}'
            )
        elif not ended:
            self.losses[at] = Loss(
                f'{name} is damaged at byte {at:,}: nothing can be found in the '
                f'{self._size - at:,} bytes from there on'
            )

    def _head(self, at: int, length: int, left: int) -> Chunk:
        """Return the chunk at a place; whole or cut."""
        head = self._at(at + HEAD.size, min(_HEAD_OF_CHUNK, length, left))
        chunk, _ = read_chunk(at, head, min(length, left))
        if chunk.form not in FORMS:
            raise RecordError(f'a chunk is compressed by {chunk.form[:20]!r}, which is not read')
        if chunk.whole:
            return chunk
        if length <= left:
            raise RecordError('a chunk tells of more bytes than it has')
        there = self._size - chunk.data_at
        return chunk._replace(packed=there)

    def _take(self, chunk: Chunk | None, channels: set[int]) -> None:
        """Keep a chunk of a scan, once its indexes were seen; look into it for new channels."""
        if chunk is None:
            return
        if not channels or not channels <= self._known.streams.keys():
            try:
                for op, data in records(self._content(chunk)):
                    self._known.add(op, data)
                    if op == Op.MESSAGE:
                        channels.add(MESSAGE.unpack_from(data)[0])
            except _SPOILT as error:
                # What came before is known by now.
                if chunk.whole:
                    self._lose(chunk, error)
        self._chunks.append(chunk._replace(channels=frozenset(channels) or None))

    def _message(self, at: int, length: int, left: int) -> None:
        """Count a message outside chunks among its neighbours."""
        if not MESSAGE.size <= length <= left:
            raise RecordError(f'a message of {length:,} bytes')
        number, _, arrival, _ = MESSAGE.unpack(self._at(at + HEAD.size, MESSAGE.size))
        if not self._runs or self._runs[-1].end != at:
            self._runs.append(_Run(at, arrival))
        run = self._runs[-1]
        run.end = at + HEAD.size + length
        run.start = min(run.start, arrival)
        run.channels.add(number)

    # Messages ----------------------------------------------------------------------------------

    def messages(
        self, numbers: Collection[int], start: int | None = None, end: int | None = None
    ) -> Iterator[Stored]:
        """Yield the messages of streams by arrival, from `start` on and before `end`."""
        asked = frozenset(numbers)
        low = -1 if start is None else start
        high = 1 << 64 if end is None else end

        def chosen(number: int, arrival: int) -> bool:
            return number in asked and low <= arrival < high

        places = []
        for chunk in self._chunks:
            there = chunk.channels is None or not asked.isdisjoint(chunk.channels)
            # A cut or spoilt head may tell of any time.
            if there and (chunk.start < high and low <= chunk.end or not chunk.whole):
                found = partial(self._of_chunk, chunk, chosen)
                places.append(Place(chunk.start, chunk.size, found))
        for run in self._runs:
            if not asked.isdisjoint(run.channels) and run.start < high:
                places.append(Place(run.start, 0, partial(self._of_run, run, chosen)))
        yield from merged(places, ROOM)

    def _content(self, chunk: Chunk) -> bytes | memoryview:
        """Return a chunk unpacked, or as much of it as the file has; RecordError if spoilt."""
        if chunk.size > MAX_SIZE:
            raise RecordError(f'it has {chunk.size:,} bytes unpacked: at most {MAX_SIZE:,} are')
        if chunk.packed > MAX_SIZE:
            raise RecordError(f'it has {chunk.packed:,} bytes: at most {MAX_SIZE:,} are read')
        head = self._at(chunk.at, _HEAD_OF_CHUNK)
        op, length = HEAD.unpack_from(head)
        if op != Op.CHUNK:
            raise RecordError('it is no chunk')
        _, crc = read_chunk(chunk.at, head[HEAD.size : HEAD.size + length], length)
        if chunk.whole and not chunk.form and chunk.packed == chunk.size:
            return self._plain(chunk, crc)
        data = self._at(chunk.data_at, chunk.packed)
        if not chunk.whole:
            return inflate_start(data, chunk.form, chunk.size)
        found = inflate(data, chunk.form, chunk.size)
        if crc and zlib.crc32(found) != crc:
            raise RecordError('its checksum is another')
        return found

    def _plain(self, chunk: Chunk, crc: int) -> memoryview:
        """Return a whole chunk that is not compressed; a piece is checked while it is at hand."""
        data = np.empty(chunk.size + _SHIFT, np.uint8).data[_SHIFT:]
        self._file.seek(chunk.data_at)
        at, total = 0, 0
        while at < chunk.size:
            read = self._file.readinto(data[at : at + _PIECE])
            if not read:
                raise RecordError(f'{at:,} bytes are there, and {chunk.size:,} were told of')
            total = zlib.crc32(data[at : at + read], total) if crc else 0
            at += read
        if total != crc:
            raise RecordError('its checksum is another')
        return data.toreadonly()

    def _of_chunk(self, chunk: Chunk, chosen: Callable[[int, int], bool]) -> Iterator[Stored]:
        found: list[tuple[int, int, int, memoryview]] = []
        content: bytes | memoryview = b''
        try:
            content = self._content(chunk)
            for op, data in records(content):
                if op == Op.MESSAGE:
                    number, _, arrival, _ = MESSAGE.unpack_from(data)
                    if chosen(number, arrival):
                        found.append((arrival, len(found), number, data[MESSAGE.size :]))
        except _SPOILT as error:
            if chunk.whole:
                self._lose(chunk, error)
        found.sort(key=lambda entry: entry[0])
        for arrival, _, number, message in found:
            # A picture fills its chunk: kept as it is, it is not copied.
            most = len(message) > len(content) // 2
            yield Stored(arrival, number, message if most else bytes(message))

    def _lose(self, chunk: Chunk, error: Exception) -> None:
        """Tell of a chunk that cannot be read, as its index has it."""
        counts: Counter[int] = Counter()
        at = chunk.data_at + chunk.packed
        try:
            while at < self._size:
                op, length = HEAD.unpack(self._at(at, HEAD.size))
                if op != Op.MESSAGE_INDEX:
                    break
                number, count = index_entry(self._file.read(6))
                counts[number] += count
                at += HEAD.size + length
        except _SPOILT:
            counts.clear()
        self.losses[chunk.at] = Loss(
            f'a chunk of {self.path.name} at byte {chunk.at:,} cannot be read: {error}',
            sum(counts.values()) or None,
            chunk.start,
            chunk.end,
        )

    def _of_run(self, run: _Run, chosen: Callable[[int, int], bool]) -> Iterator[Stored]:
        """Yield messages outside chunks, in the order in which they were written."""
        at = run.at
        while at < run.end:
            head = self._at(at, HEAD.size + MESSAGE.size)
            if len(head) < HEAD.size:
                break
            op, length = HEAD.unpack_from(head)
            if length > self._size - at - HEAD.size:
                self.losses[at] = Loss(f'{self.path.name} is damaged from byte {at:,} on')
                return
            if op == Op.MESSAGE and length >= MESSAGE.size:
                number, _, arrival, _ = MESSAGE.unpack_from(head, HEAD.size)
                if chosen(number, arrival):
                    if length > MAX_SIZE:
                        self.losses[at] = Loss(
                            f'a message of {self.path.name} has {length:,} bytes: at most '
                            f'{MAX_SIZE:,} are read',
                            1,
                            arrival,
                            arrival,
                        )
                    else:
                        data = self._at(at + HEAD.size + MESSAGE.size, length - MESSAGE.size)
                        yield Stored(arrival, number, data)
            at += HEAD.size + length

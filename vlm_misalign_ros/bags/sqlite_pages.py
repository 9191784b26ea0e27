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
Finds the rows of a damaged SQLite file page by page, without its trees.

The file format is that of https://www.sqlite.org/fileformat2.html (1.3 to 2.1). Rows of bags are
told by their columns: messages are (key, topic, time, bytes), topics (key, name, type, format,
...), definitions (key, type, encoding, text, ...).
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from vlm_misalign_ros.bags.stored import MAX_SIZE, MAX_TEXT

HEADER = b'SQLite format 3\0'
_LEAF = 0x0D
"""Of a page with rows of a table."""
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
"""Bytes of a whole number, by its serial type."""
_TYPE = re.compile(r'[A-Za-z]\w*/(msg|srv|action)/\w+', re.ASCII)
Value = int | str | bytes | None


class Row(NamedTuple):
    """A row of a table."""

    key: int
    values: list[Value]


class Broken(NamedTuple):
    """A row that the file has the beginning of."""

    key: int


def page_size(head: bytes) -> int:
    """Return the bytes of a page by the first 100 of a file; 0 where they tell of none."""
    if len(head) < 100 or not head.startswith(HEADER):
        return 0
    (size,) = struct.unpack_from('>H', head, 16)
    size = 65536 if size == 1 else size
    return size if size >= 512 and size & (size - 1) == 0 else 0


def missing(path: Path) -> int:
    """Return how many bytes a file lacks of those that its header tells of."""
    with open(path, 'rb') as file:
        head = file.read(100)
        size = page_size(head)
        if not size:
            return 0
        counter, valid_for = struct.unpack_from('>I', head, 24), struct.unpack_from('>I', head, 92)
        (pages,) = struct.unpack_from('>I', head, 28)
        # SQLite before 3.7 left the count of pages as it was.
        told = pages * size if counter == valid_for else 0
        return max(0, told - os.fstat(file.fileno()).st_size)


class Pages:
    """The whole pages of a file."""

    def __init__(self, file: BinaryIO) -> None:
        """Take an open file whose header is sound enough to tell the size of a page."""
        head = file.read(100)
        self._file = file
        self._size = page_size(head)
        self._count = os.fstat(file.fileno()).st_size // self._size if self._size else 0
        self._usable = self._size - head[20] if self._size else 0
        if self._usable < 480:
            self._count = 0

    def rows(self, most: int = MAX_SIZE) -> Iterator[Row | Broken]:
        """Yield the rows on all pages, in the order of the pages; none longer than `most`."""
        for number in range(1, self._count + 1):
            page = self._page(number)
            begin = 100 if number == 1 else 0
            if page[begin] != _LEAF:
                continue
            (cells,) = struct.unpack_from('>H', page, begin + 3)
            last = min(cells, (self._usable - begin - 8) // 2)
            for index in range(last):
                (at,) = struct.unpack_from('>H', page, begin + 8 + 2 * index)
                if begin + 8 + 2 * last <= at < self._usable:
                    found = self._cell(page, at, most)
                    if found is not None:
                        yield found

    def _page(self, number: int) -> bytes:
        self._file.seek((number - 1) * self._size)
        return self._file.read(self._size)

    def _cell(self, page: bytes, at: int, most: int) -> Row | Broken | None:
        try:
            length, at = varint(page, at)
            key, at = varint(page, at)
            if not 0 < length <= most or key <= 0:
                return None
            data = self._payload(page, at, length)
            if data is None:
                return Broken(key)
            values = decoded(data)
        except (IndexError, struct.error, ValueError):
            return None
        return Row(key, values)

    def _payload(self, page: bytes, at: int, length: int) -> bytes | None:
        """Return what a cell holds, with what overflows onto other pages; None where it lacks."""
        usable = self._usable
        if length <= usable - 35:
            data = page[at : at + length]
            return data if len(data) == length and at + length <= usable else None
        least = (usable - 12) * 32 // 255 - 23
        here = least + (length - least) % (usable - 4)
        if here > usable - 35:
            here = least
        parts, left = [page[at : at + here]], length - here
        (following,) = struct.unpack_from('>I', page, at + here)
        while left > 0:
            if not 0 < following <= self._count:
                return None
            page = self._page(following)
            (following,) = struct.unpack_from('>I', page)
            parts.append(page[4 : 4 + min(left, usable - 4)])
            left -= usable - 4
        return b''.join(parts)


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return (number, where the next byte is)."""
    value = 0
    for index in range(8):
        byte = data[at + index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + index + 1
    return value << 8 | data[at + 8], at + 9


def decoded(data: bytes) -> list[Value]:
    """Return the columns of a record; ValueError for bytes that are none."""
    end, at = varint(data, 0)
    kinds = []
    while at < end:
        kind, at = varint(data, at)
        kinds.append(kind)
    if at != end or len(kinds) > 16:
        raise ValueError('no record')
    values: list[Value] = []
    for kind in kinds:
        value, at = _value(data, at, kind)
        values.append(value)
    if at != len(data):
        raise ValueError('no record')
    return values


def _value(data: bytes, at: int, kind: int) -> tuple[Value, int]:
    if kind in (0, 8, 9):
        return (None, 0, 1)[(0, 8, 9).index(kind)], at
    if kind in _INTEGERS:
        size = _INTEGERS[kind]
        return int.from_bytes(data[at : at + size], 'big', signed=True), at + size
    if kind < 12:
        raise ValueError('no column of a bag')
    size = (kind - 12) // 2
    found = data[at : at + size]
    if kind % 2 == 0:
        return found, at + size
    if size > MAX_TEXT:
        raise ValueError('a long text')
    return found.decode('utf-8', 'replace'), at + size


def is_message(row: Row) -> bool:
    """Return whether a row is a message: (key, topic, time, bytes)."""
    if len(row.values) != 4:
        return False
    _, topic, time, data = row.values
    timed = isinstance(time, int) and time >= 0
    return isinstance(topic, int) and timed and isinstance(data, bytes)


def is_topic(row: Row) -> bool:
    """Return whether a row is a topic: (key, name, type, format, and more of later versions)."""
    values = row.values
    texts = all(isinstance(value, str) for value in values[1:])
    if not (4 <= len(values) <= 6 and texts):
        return False
    return str(values[1]).startswith('/') and _TYPE.fullmatch(str(values[2])) is not None


def is_definition(row: Row) -> bool:
    """Return whether a row is a definition: (key, type, encoding, text, hash)."""
    values = row.values
    texts = all(isinstance(value, str) for value in values[1:])
    return len(values) == 5 and texts and values[2] in ('ros2msg', 'ros2idl')

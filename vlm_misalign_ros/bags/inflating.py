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

"""Unpacks what a file says is compressed, and never more of it than was said."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO, cast

import lz4.frame
import zstandard

from vlm_misalign_ros.bags.stored import MAX_SIZE
from vlm_misalign_ros.core.errors import RecordError

ZSTD, LZ4 = 'zstd', 'lz4'
FORMS = ('', ZSTD, LZ4)
_MAGIC = {b'\x28\xb5\x2f\xfd': ZSTD, b'\x04\x22\x4d\x18': LZ4}
_SKIPPED, _LONGEST_HEAD = 0x184D2A50, 18
"""How frames of zstd that hold nothing begin; bytes of the longest head of others."""
_WINDOW = 1 << 27
"""Bytes that a decoder of zstd may keep: what `zstd` itself takes without being told to."""


def form_of(head: bytes) -> str:
    """Return how bytes are compressed, by how they begin; empty for not at all."""
    return _MAGIC.get(head[:4], '')


def stream(source: BinaryIO, form: str) -> BinaryIO:
    """Return what reads `source` unpacked; RecordError for a form that nobody reads here."""
    if form == ZSTD:
        decoder = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
        return cast(BinaryIO, decoder.stream_reader(source, read_across_frames=True))
    if form == LZ4:
        return cast(BinaryIO, _Lz4(source))
    raise RecordError(
        f'compression {form[:40]!r} is not read', f'read are {ZSTD} and {LZ4}: unpack it first'
    )


class _Lz4:
    """Reads frames of LZ4; what is cut gives what can be unpacked of it before the error."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._decoder = lz4.frame.LZ4FrameDecompressor()
        self._begun = False

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes; none at the end. EOFError, RuntimeError where spoilt."""
        while True:
            data = b''
            if self._decoder.eof:
                data = self._decoder.unused_data or b''
                self._decoder = lz4.frame.LZ4FrameDecompressor()
                self._begun = False
            if not data and self._decoder.needs_input:
                data = self._source.read(1 << 16)
                if not data:
                    if self._begun:
                        raise EOFError('a frame of LZ4 is cut')
                    return b''
            self._begun = True
            found = self._decoder.decompress(data, size)
            if found:
                return bytes(found)


def inflate(data: bytes, form: str, size: int | None = None) -> bytes:
    """
    Return bytes unpacked: `size` of them, or as many as there are up to MAX_SIZE.

    RecordError where there are others, more, or none.
    """
    if not form:
        found = data
    else:
        limit = MAX_SIZE if size is None else min(size, MAX_SIZE)
        found, complete = _read(data, form, limit)
        if not complete or (size is None and not data):
            raise RecordError('what is compressed is cut or spoilt')
        if len(found) > limit:
            raise RecordError(f'what is compressed has more than {limit:,} bytes')
    if size is not None and len(found) != size:
        raise RecordError(f'{len(found):,} bytes are there, and {size:,} were told of')
    return found


def inflate_start(data: bytes, form: str, size: int) -> bytes:
    """Return what can be unpacked of bytes that were cut, at most `size`."""
    return data if not form else _read(data, form, min(size, MAX_SIZE))[0][:size]


def _read(data: bytes, form: str, limit: int) -> tuple[bytes, bool]:
    """Return (at most limit + 1 bytes, whether nothing was wrong with what they come from)."""
    source = stream(io.BytesIO(data), form)
    parts: list[bytes] = []
    length = 0
    try:
        while length <= limit:
            part = source.read(min(1 << 20, limit + 1 - length))
            if not part:
                break
            parts.append(part)
            length += len(part)
        complete = form != ZSTD or _frames_end(data)
    except (zstandard.ZstdError, RuntimeError, EOFError, OSError, ValueError, struct.error):
        complete = False
    return b''.join(parts), complete


def _frames_end(data: bytes) -> bool:
    """
    Return whether the last frame of zstd ends where the bytes do: its decoder says nothing of it.

    Raises ZstdError and struct.error for bytes that end within a head
    (https://www.rfc-editor.org/rfc/rfc8878, 3.1).
    """
    at = 0
    while at < len(data):
        (magic,) = struct.unpack_from('<I', data, at)
        if magic & ~0xF == _SKIPPED:
            at += 8 + struct.unpack_from('<I', data, at + 4)[0]
            continue
        head = data[at : at + _LONGEST_HEAD]
        at += zstandard.frame_header_size(head)
        last = False
        while not last:
            low, high = struct.unpack_from('<HB', data, at)
            block = high << 16 | low
            last = bool(block & 1)
            # A block of one byte repeated tells how often, and has that one byte.
            at += 3 + (1 if block >> 1 & 3 == 1 else block >> 3)
        at += 4 if zstandard.get_frame_parameters(head).has_checksum else 0
    return at == len(data)

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

"""PNG files: cheap header checks, and decoding that fails where OpenCV would keep silent."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vlm_misalign_ros.core.errors import DatasetError

SIGNATURE = b'\x89PNG\r\n\x1a\n'
_TRAILER = b'\x00\x00\x00\x00IEND\xaeB`\x82'
_GREY, _RGB, _RGBA = 0, 2, 6
_AGAIN = 'copy or download it again'


@dataclass(frozen=True)
class PngHeader:
    """What the header of a PNG file says: size in pixels, bits per channel, colour type."""

    width: int
    height: int
    depth: int
    color: int

    @property
    def size(self) -> tuple[int, int]:
        """Return (width, height) in pixels."""
        return self.width, self.height


def read_header(path: Path) -> PngHeader:
    """
    Return the header of a PNG file after a look at its first 29 and last 12 bytes.

    Raises DatasetError when the file cannot be read, is no PNG or ends early.
    """
    try:
        with path.open('rb') as file:
            head = file.read(29)
            file.seek(max(file.seek(0, 2) - len(_TRAILER), 0))
            tail = file.read()
    except OSError as error:
        raise _unreadable(path, error) from error
    if not head.startswith(SIGNATURE):
        raise DatasetError(
            f'{path} is no PNG file: it begins with {head[:8].hex() or "nothing"}', _AGAIN
        )
    if len(head) < 29 or head[12:16] != b'IHDR' or tail != _TRAILER:
        raise DatasetError(f'{path} is truncated: it does not end with the IEND chunk', _AGAIN)
    width, height, depth, color = struct.unpack('>IIBB', head[16:26])
    return PngHeader(width, height, depth, color)


def require_color(path: Path, header: PngHeader) -> None:
    """Raise DatasetError unless the file is an 8-bit colour or grey picture."""
    if header.depth != 8 or header.color not in (_GREY, _RGB, _RGBA):
        raise DatasetError(
            f'{path} has {header.depth} bits of PNG colour type {header.color}',
            'expected an 8-bit colour picture',
        )


def require_grey(path: Path, header: PngHeader, depth: int) -> None:
    """Raise DatasetError unless the file is a grey picture of `depth` bits."""
    if header.depth != depth or header.color != _GREY:
        raise DatasetError(
            f'{path} has {header.depth} bits of PNG colour type {header.color}',
            f'expected {depth}-bit grey (colour type 0)',
        )


def decode(path: Path, flags: int) -> np.ndarray:
    """
    Return the pixels of a PNG file, uint8 or uint16, in OpenCV's channel order.

    `flags` are those of cv2.imread. Checks the checksum of every chunk first: OpenCV returns
    the part above a damaged row as if nothing were wrong. Raises DatasetError when the file is
    unreadable, damaged or no PNG.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    check_chunks(str(path), data)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise DatasetError(f'{path} cannot be decoded: {error.err}', _AGAIN) from error
    if pixels is None:
        raise DatasetError(f'{path} cannot be decoded', _AGAIN)
    return pixels


def check_chunks(name: str, data: bytes | memoryview) -> None:
    """
    Walk the chunks of a PNG up to IEND and compare their checksums.

    Raises DatasetError that begins with `name` for what is damaged, cut off or no PNG.
    """
    view, start = memoryview(data), len(SIGNATURE)
    if view[:start] != SIGNATURE:
        raise DatasetError(f'{name} is no PNG file', _AGAIN)
    while start + 12 <= len(data):
        length, kind = struct.unpack_from('>I4s', data, start)
        end = start + 8 + length
        if end + 4 > len(data):
            break
        if zlib.crc32(view[start + 4 : end]) != struct.unpack_from('>I', data, end)[0]:
            raise DatasetError(
                f'{name} is damaged: wrong checksum of chunk {kind.decode("latin1")} at byte '
                f'{start}',
                _AGAIN,
            )
        if kind == b'IEND':
            return
        start = end + 4
    raise DatasetError(f'{name} is truncated after {len(data)} bytes', _AGAIN)


def _unreadable(path: Path, error: OSError) -> DatasetError:
    return DatasetError(
        f'{path} cannot be read: {error.strerror}', 'check that it exists and its permissions'
    )

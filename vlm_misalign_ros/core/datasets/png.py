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
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGBA = 0, 2, 3, 4, 6
_DEPTHS = {
    _GREY: (1, 2, 4, 8, 16),
    _RGB: (8, 16),
    _PALETTE: (1, 2, 4, 8),
    _GREY_ALPHA: (8, 16),
    _RGBA: (8, 16),
}
"""Bits per channel that there are, by colour type (PNG specification, table 12)."""
AGAIN = 'copy or download it again'


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

    Raises DatasetError when the file cannot be read, is no PNG, ends early or has bits per channel
    that no PNG has.
    """
    try:
        with path.open('rb') as file:
            head = file.read(29)
            file.seek(max(file.seek(0, 2) - len(_TRAILER), 0))
            tail = file.read()
    except OSError as error:
        raise unreadable(path, error) from error
    if not head.startswith(SIGNATURE):
        raise DatasetError(
            f'{path} is no PNG file: it begins with {head[:8].hex() or "nothing"}', AGAIN
        )
    if len(head) < 29 or head[12:16] != b'IHDR' or tail != _TRAILER:
        raise DatasetError(f'{path} is truncated: it does not end with the IEND chunk', AGAIN)
    width, height, depth, color = struct.unpack('>IIBB', head[16:26])
    if depth not in _DEPTHS.get(color, ()):
        raise DatasetError(f'{path} has {depth} bits of PNG colour type {color}', AGAIN)
    return PngHeader(width, height, depth, color)


def require_color(path: Path, header: PngHeader) -> None:
    """Raise DatasetError unless the file is an 8-bit colour or grey picture, or a paletted one."""
    good = header.depth == 8 and header.color in (_GREY, _RGB, _RGBA)
    if not good and header.color != _PALETTE:
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


def require_values(path: Path, header: PngHeader) -> None:
    """Raise DatasetError unless the file has a value a pixel: 8-bit grey, or a palette's index."""
    if header.color == _PALETTE:
        return
    require_grey(path, header, 8)


def decode_values(path: Path) -> np.ndarray:
    """
    Return the value of each pixel of a grey or paletted PNG file, uint8 or uint16 (H, W).

    Of a palette that is the index, which is what a label map means; its colours are for people.
    Raises DatasetError as `decode` does, and for a picture in colours.
    """
    header = read_header(path)
    if header.color == _PALETTE:
        data = _grey_of(_bytes(path), path)
        scale = 255 // (2**header.depth - 1)
        pixels = _pixels(path, data, cv2.IMREAD_UNCHANGED)
        # Grey of fewer bits is brought to eight; an index is not.
        return pixels // np.uint8(scale) if scale > 1 else pixels
    if header.color != _GREY:
        require_grey(path, header, header.depth)
    return decode(path, cv2.IMREAD_UNCHANGED)


def _grey_of(data: bytes, path: Path) -> bytes:
    """Return a paletted PNG as one in grey: its indices are stored as grey values are."""
    check_chunks(str(path), data)
    head = bytearray(data[: len(SIGNATURE) + 25])
    head[25] = _GREY
    head[29:33] = struct.pack('>I', zlib.crc32(head[12:29]))
    parts, start = [bytes(head)], len(head)
    while start + 12 <= len(data):
        length, kind = struct.unpack_from('>I4s', data, start)
        if kind in (b'IDAT', b'IEND'):
            parts.append(data[start : start + 12 + length])
        start += 12 + length
    return b''.join(parts)


def decode(path: Path, flags: int) -> np.ndarray:
    """
    Return the pixels of a PNG file, uint8 or uint16, in OpenCV's channel order.

    `flags` are those of cv2.imread. Checks the checksum of every chunk first: OpenCV returns
    the part above a damaged row as if nothing were wrong. Raises DatasetError when the file is
    unreadable, damaged or no PNG.
    """
    data = _bytes(path)
    check_chunks(str(path), data)
    return _pixels(path, data, flags)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def _pixels(path: Path, data: bytes, flags: int) -> np.ndarray:
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise DatasetError(f'{path} cannot be decoded: {error.err}', AGAIN) from error
    if pixels is None:
        raise DatasetError(f'{path} cannot be decoded', AGAIN)
    return pixels


def check_chunks(name: str, data: bytes | memoryview) -> None:
    """
    Walk the chunks of a PNG up to IEND and compare their checksums.

    Raises DatasetError that begins with `name` for what is damaged, cut off or no PNG.
    """
    view, start = memoryview(data), len(SIGNATURE)
    if view[:start] != SIGNATURE:
        raise DatasetError(f'{name} is no PNG file', AGAIN)
    while start + 12 <= len(data):
        length, kind = struct.unpack_from('>I4s', data, start)
        end = start + 8 + length
        if end + 4 > len(data):
            break
        if zlib.crc32(view[start + 4 : end]) != struct.unpack_from('>I', data, end)[0]:
            raise DatasetError(
                f'{name} is damaged: wrong checksum of chunk {kind.decode("latin1")} at byte '
                f'{start}',
                AGAIN,
            )
        if kind == b'IEND':
            return
        start = end + 4
    raise DatasetError(f'{name} is truncated after {len(data)} bytes', AGAIN)


def unreadable(path: Path, error: OSError) -> DatasetError:
    """Return the refusal of a file that cannot be read."""
    return DatasetError(
        f'{path} cannot be read: {error.strerror}', 'check that it exists and its permissions'
    )

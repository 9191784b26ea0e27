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
Pictures and maps in a CompressedImage: JPEG and PNG, and compressedDepth of image_transport.

What is in the bytes decides, not what `format` says of them; of that is only used what bytes do
not tell: which encoding the picture had. Sizes are read, and bounded, before anything is decoded.
Source of the forms: ros-perception/image_transport_plugins, compressed_image_transport and
compressed_depth_image_transport.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from vlm_misalign_ros.core.datasets.png import SIGNATURE, check_chunks
from vlm_misalign_ros.core.errors import DatasetError, RecordError
from vlm_misalign_ros.wire import rvl
from vlm_misalign_ros.wire.layouts import LAYOUTS, Layout
from vlm_misalign_ros.wire.pixels import colored

MOST_PIXELS = 1 << 26
"""Of a picture that is unpacked; a camera of 8192 x 4320 pixels has half as many."""
MOST_BYTES = 1 << 28
"""Of a picture once it is unpacked."""
MOST_SCANS = 64
"""Of a JPEG. Each takes the time of a whole picture, and a camera's has one, or about ten."""

_JPEG = b'\xff\xd8\xff'
_SCAN, _END = b'\xff\xda', b'\xff\xd9'
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Markers of JPEG that tell the size of the picture (ITU-T T.81, table B.1)."""
_ALONE = {0x01, *range(0xD0, 0xD8)}
"""Markers without a length."""
_SEGMENTS = {0xC4, 0xCC, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)}
"""
Markers with a length that libjpeg reads or skips before a frame. It takes others for an error, and
`FF 00` for no marker at all: what is behind one it reads elsewhere than its length says.
"""
_CHANNELS = {0: 1, 2: 3, 3: 4, 4: 4, 6: 4}
"""Most of what OpenCV makes of a PNG's pixel, by colour type."""
_DEPTH_HEADER = struct.Struct('<iff')
"""compressedDepth: what it is, and two numbers by which depth was made 16 bits."""
_READ = 'publish JPEG or PNG (the parameter `format` of compressed_image_transport)'


@dataclass(frozen=True)
class Declared:
    """What the head of a packed picture says of it."""

    lossy: bool
    width: int
    height: int
    bytes: int
    """Once unpacked, at most."""


def is_packed(message: Any) -> bool:
    """Return whether a message has the fields of a CompressedImage."""
    return hasattr(message, 'format') and not hasattr(message, 'encoding')


def declared(data: memoryview) -> Declared:
    """
    Return what JPEG or PNG bytes say of their picture, without decoding it.

    Raises RecordError for anything else, for what is cut off and for a picture of no size, or
    larger than MOST_PIXELS, MOST_BYTES and MOST_SCANS allow.
    """
    if data[:8] == SIGNATURE:
        found = _png(data)
    elif data[:3] == _JPEG:
        found = _jpeg(bytes(data))
    else:
        began = bytes(data[:8]).hex() or 'nothing'
        raise RecordError(f'a packed picture is no JPEG and no PNG: it begins with {began}', _READ)
    pixels = max(found.width * found.height, 1)
    _check_size(found.width, found.height, -(-found.bytes // pixels), len(data))
    return found


def _check_size(width: int, height: int, each: int, packed: int) -> None:
    """
    Raise RecordError for no size, and for one that is not unpacked.

    `each`: bytes that a pixel takes while it is unpacked.
    """
    told, size = f'a packed picture of {width} x {height} pixels', width * height * each
    if not width or not height:
        raise RecordError(told, _READ)
    if width * height > MOST_PIXELS or size > MOST_BYTES:
        raise RecordError(
            f'{told}, {size} bytes, in {packed} is not unpacked',
            f'{MOST_PIXELS} pixels and {MOST_BYTES} bytes at most',
        )


def _png(data: memoryview) -> Declared:
    if len(data) < 29 or bytes(data[12:16]) != b'IHDR':
        raise RecordError(f'a PNG of {len(data)} bytes has no header', _READ)
    width, height, bits, color = struct.unpack('>IIBB', data[16:26])
    size = width * height * _CHANNELS.get(color, 4) * (2 if bits == 16 else 1)
    return Declared(False, width, height, size)


def _jpeg(data: bytes) -> Declared:
    """Walk the segments of a JPEG up to the one that tells the size."""
    if data.count(_SCAN) > MOST_SCANS:
        raise RecordError(f'a JPEG of more than {MOST_SCANS} scans is not unpacked', _READ)
    # Of a picture that is cut off OpenCV returns the part that is there, and grey below.
    if data.rfind(_END) < data.rfind(_SCAN):
        raise RecordError(f'a JPEG of {len(data)} bytes is cut off', 'send it whole')
    start = 2
    while start + 9 < len(data) and data[start] == 0xFF:
        marker = data[start + 1]
        if marker == 0xFF or marker in _ALONE:
            start += 1 if marker == 0xFF else 2
            continue
        if marker in _FRAMES:
            bits, height, width, parts = struct.unpack_from('>BHHB', data, start + 4)
            if bits != 8:
                raise RecordError(f'a JPEG of {bits} bits', 'publish one of 8 bits')
            return Declared(True, width, height, width * height * max(parts, 3))
        if marker not in _SEGMENTS:
            break
        start += 2 + struct.unpack_from('>H', data, start + 2)[0]
    raise RecordError(f'a JPEG of {len(data)} bytes does not tell its size', _READ)


def is_lossless(message: Any) -> bool:
    """Return whether a CompressedImage has its picture to the last bit; RecordError for none."""
    return not declared(_data(message)).lossy


def _decoded(data: memoryview) -> np.ndarray:
    """Return the pixels of a picture as OpenCV has them, (H, W) or (H, W, C), blue first."""
    told = declared(data)
    name = f'a {"JPEG" if told.lossy else "PNG"} of {len(data)} bytes'
    # Orientation is for people: maps of the same camera have none.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    if not told.lossy:
        try:
            check_chunks(name, data)
        except DatasetError as error:
            raise RecordError(error.what, 'send it whole') from error
        flags = cv2.IMREAD_UNCHANGED
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise RecordError(f'{name} cannot be decoded: {error.err}', _READ) from error
    if pixels is None or pixels.shape[:2] != (told.height, told.width):
        raise RecordError(f'{name} cannot be decoded', _READ)
    return pixels


def _data(message: Any) -> memoryview:
    return memoryview(message.data).cast('B')


def original(text: str) -> str:
    """
    Return the encoding that a picture had before it was packed; empty where `format` says none.

    image_transport writes `bgr8; jpeg compressed bgr8`, others `jpeg` alone.
    """
    before, parted, _ = text.partition(';')
    return before.strip() if parted else ''


def _layout(message: Any, array: np.ndarray) -> Layout:
    """Return how the pixels of a decoded picture lie."""
    had = LAYOUTS.get(original(message.format))
    if array.ndim == 2:
        if had is not None and had.raw and had.channels == 1 and not had.chroma:
            return had
        return LAYOUTS['mono8']
    # Said of one that was packed red first, so that unpacking turns it round.
    order = 'rgb' if 'compressed rgb' in message.format else 'bgr'
    return LAYOUTS[f'{order}a8' if array.shape[2] == 4 else f'{order}8']


def unpacked_bgr(message: Any) -> np.ndarray:
    """
    Return the picture of a CompressedImage as BGR uint8 (H, W, 3).

    Sixteen bits become eight as in `pixels.to_bgr`; a Bayer pattern in a PNG becomes a picture.
    Raises RecordError for what cannot be unpacked, and for what was no colour picture.
    """
    had = original(message.format)
    if had in LAYOUTS and not LAYOUTS[had].color:
        raise RecordError(
            f'a packed picture of {had!r} is no colour picture', 'publish bgr8 or rgb8'
        )
    array = _decoded(_data(message))
    return colored(array, _layout(message, array))


def unpacked_map(message: Any, what: str) -> np.ndarray:
    """
    Return a map in a CompressedImage, (H, W) or RGB (H, W, 3), to the last bit.

    `what` names it in the RecordError for a JPEG, which blends values at every outline.
    """
    data = _data(message)
    if declared(data).lossy:
        raise RecordError(
            f'{what} came as JPEG, which blends values at every outline',
            'publish PNG (set `format` of compressed_image_transport to png), or raw',
        )
    array = _decoded(data)
    if array.ndim == 2:
        return array
    return array[:, :, 2::-1] if _layout(message, array).blue_first else array[:, :, :3]


def unpacked_depth(message: Any) -> np.ndarray:
    """
    Return depth in a CompressedImage: uint16 millimetres or float32 metres (H, W).

    A PNG of 16 bits, or compressedDepth (PNG or RVL), whose first twelve bytes have the a and b of
    value = a / metres + b where the picture was 32FC1. Raises RecordError as `unpacked_map`.
    """
    data, text = _data(message), message.format
    if 'compressedDepth' not in text:
        return _sixteen(unpacked_map(message, 'depth'))
    if len(data) <= _DEPTH_HEADER.size:
        raise RecordError(f'compressedDepth came with {len(data)} bytes', 'send it whole')
    _, first, second = _DEPTH_HEADER.unpack(data[: _DEPTH_HEADER.size])
    values = _sixteen(_inner(data[_DEPTH_HEADER.size :], text))
    if original(text) != '32FC1':
        return values
    with np.errstate(all='ignore'):
        metres: np.ndarray = np.float32(first) / (values.astype(np.float32) - np.float32(second))
    return np.where(values > 0, metres, np.float32(np.nan))


def _inner(data: memoryview, text: str) -> np.ndarray:
    """Return the values in compressedDepth, behind its header."""
    if 'rvl' in text.partition('compressedDepth')[2]:
        _check_size(*rvl.size(data), rvl.EACH, len(data))
        return rvl.decoded(data)
    if declared(data).lossy:
        raise RecordError('compressedDepth came as JPEG', 'set its `format` to png')
    return _decoded(data)


def _sixteen(array: np.ndarray) -> np.ndarray:
    """Return millimetres again in sixteen bits, however few they needed."""
    if array.ndim != 2:
        raise RecordError('depth came in colours', 'publish 16UC1 or 32FC1')
    return array.astype(np.uint16)

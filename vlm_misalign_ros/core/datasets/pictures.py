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

"""Camera pictures of data sets, PNG or JPEG: cheap header checks, and decoding that fails."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from vlm_misalign_ros.core.datasets.png import (
    AGAIN,
    SIGNATURE,
    check_chunks,
    read_header,
    require_color,
    unreadable,
)
from vlm_misalign_ros.core.errors import DatasetError

PICTURES = ('.png', '.jpg', '.jpeg')
"""How the names of pictures end, in any case."""
_START, _END = b'\xff\xd8', b'\xff\xd9'
_TAIL = 1024
"""Bytes at the end of a JPEG file in which its end has to be told; some cameras pad it."""
_NO_FRAME = {0xC4, 0xC8, 0xCC}
"""Markers among those of frames (C0 to CF) that begin none (ITU-T T.81, table B.1)."""


def picture_size(path: Path) -> tuple[int, int]:
    """
    Return (width, height), pixels, of a PNG or JPEG picture after a look at its header and end.

    Raises DatasetError when the file cannot be read, is neither, ends early or has not 8 bits.
    """
    try:
        with path.open('rb') as file:
            if file.read(2) == _START:
                return _jpeg_size(path, file)
    except OSError as error:
        raise unreadable(path, error) from error
    header = read_header(path)
    require_color(path, header)
    return header.size


def read_picture(path: Path) -> np.ndarray:
    """
    Return a picture as it is stored, BGR uint8 (H, W, 3); no orientation of EXIF is applied.

    Label maps lie on the stored pixels. Raises DatasetError for what cannot be decoded.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
    if data.startswith(SIGNATURE):
        check_chunks(str(path), data)
    elif not data.startswith(_START):
        raise _neither(path, data[:8])
    elif _END not in data[-_TAIL:]:
        raise _cut(path)
    try:
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise DatasetError(f'{path} cannot be decoded: {error.err}', AGAIN) from error
    if pixels is None:
        raise DatasetError(f'{path} cannot be decoded', AGAIN)
    return pixels


def _jpeg_size(path: Path, file: BinaryIO) -> tuple[int, int]:
    """Return (width, height) of a JPEG file that was read behind its first marker."""
    size = _frame(path, file)
    file.seek(max(file.seek(0, 2) - _TAIL, 0))
    if _END not in file.read():
        raise _cut(path)
    return size


def _frame(path: Path, file: BinaryIO) -> tuple[int, int]:
    """Walk the segments of a JPEG file up to the one that begins a frame; return its size."""
    while True:
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF:
            raise _cut(path)
        marker, length = head[1], int.from_bytes(head[2:], 'big')
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            fields = file.read(5)
            if len(fields) < 5:
                raise _cut(path)
            depth, height, width = struct.unpack('>BHH', fields)
            if depth != 8 or not height or not width:
                raise DatasetError(
                    f'{path} is a JPEG of {depth} bits, {width} x {height} pixels',
                    'expected an 8-bit picture',
                )
            return width, height
        file.seek(length - 2, 1)


def _cut(path: Path) -> DatasetError:
    return DatasetError(f'{path} is a JPEG file that is damaged or ends early', AGAIN)


def _neither(path: Path, head: bytes) -> DatasetError:
    told = head.hex() or 'nothing'
    return DatasetError(f'{path} is neither PNG nor JPEG: it begins with {told}', AGAIN)

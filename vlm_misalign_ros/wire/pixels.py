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

"""Pixel buffers of sensor_msgs/Image to and from arrays, for live messages and bags alike."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from vlm_misalign_ros.core.errors import RecordError

_LAYOUT: dict[str, tuple[type, int]] = {
    'bgr8': (np.uint8, 3),
    'rgb8': (np.uint8, 3),
    'bgra8': (np.uint8, 4),
    'rgba8': (np.uint8, 4),
    'mono8': (np.uint8, 1),
    'mono16': (np.uint16, 1),
    '8UC1': (np.uint8, 1),
    '8UC3': (np.uint8, 3),
    '8UC4': (np.uint8, 4),
    '16UC1': (np.uint16, 1),
    '32FC1': (np.float32, 1),
}

_TO_BGR = {
    'rgb8': cv2.COLOR_RGB2BGR,
    'bgra8': cv2.COLOR_BGRA2BGR,
    '8UC4': cv2.COLOR_BGRA2BGR,
    'rgba8': cv2.COLOR_RGBA2BGR,
    'mono8': cv2.COLOR_GRAY2BGR,
    '8UC1': cv2.COLOR_GRAY2BGR,
}

ENCODINGS = tuple(_LAYOUT)
"""Encodings read without cv_bridge."""


Fallback = Callable[[Any], np.ndarray]
"""From an Image-like message to BGR uint8 (H, W, 3)."""


def to_array(message: Any) -> np.ndarray:
    """
    Return the pixels of an Image-like message without copying where possible.

    `message` has the fields of sensor_msgs/Image. The array is uint8, uint16 or float32, (H, W)
    or (H, W, C). Raises RecordError for an unknown encoding or a buffer of another size.
    """
    if message.encoding not in _LAYOUT:
        raise RecordError(
            f'image encoding {message.encoding[:40]!r} is not supported',
            'publish one of ' + ', '.join(ENCODINGS) + ', or install cv_bridge',
        )
    dtype, channels = _LAYOUT[message.encoding]
    height, width, step = int(message.height), int(message.width), int(message.step)
    size = np.dtype(dtype).itemsize
    row = width * channels * size
    buffer = np.frombuffer(message.data, np.uint8) if len(message.data) else np.empty(0, np.uint8)
    if not height or not width or step < row or buffer.size < height * step:
        raise RecordError(
            f'image of {width} x {height} {message.encoding} has {buffer.size} bytes with a '
            f'step of {step}',
            f'expected a step of at least {row}',
        )
    pixels = buffer[: height * step].reshape(height, step)[:, :row]
    array: np.ndarray = np.ascontiguousarray(pixels).view(dtype)
    if size > 1 and bool(message.is_bigendian) != (sys.byteorder == 'big'):
        array = array.byteswap()
    return array.reshape((height, width) if channels == 1 else (height, width, channels))


def to_bgr(message: Any, fallback: Fallback | None = None) -> np.ndarray:
    """
    Return the pixels of an Image-like message as BGR uint8 (H, W, 3).

    `fallback` reads the encodings that are not among ENCODINGS (cv_bridge, where it imports).
    Raises RecordError as `to_array`.
    """
    if message.encoding not in _LAYOUT and fallback is not None:
        return fallback(message)
    array = to_array(message)
    if array.dtype != np.uint8:
        raise RecordError(
            f'image encoding {message.encoding!r} is no colour picture', 'publish bgr8 or rgb8'
        )
    code = _TO_BGR.get(message.encoding)
    return array if code is None else cv2.cvtColor(np.ascontiguousarray(array), code)


def to_millimetres(array: np.ndarray) -> np.ndarray:
    """
    Return depth in millimetres, uint16 (H, W), from a depth image as REP 118 has it.

    uint16 is millimetres already; float32 metres, where what is not finite or not above 0 is not
    known and becomes 0. RecordError for another type.
    """
    if array.ndim != 2 or array.dtype not in (np.uint16, np.float32):
        raise RecordError(
            f'a depth image of {array.dtype} with {array.ndim} dimensions',
            'publish 16UC1 (millimetres) or 32FC1 (metres)',
        )
    if array.dtype == np.uint16:
        return array
    known = np.isfinite(array) & (array > 0)
    with np.errstate(over='ignore'):
        millimetres = np.rint(np.where(known, array, 0) * 1000).clip(0, 65535)
    found: np.ndarray = millimetres.astype(np.uint16)
    return found


_BGR = ('bgr8', 'bgra8', '8UC3', '8UC4')
"""Colour encodings that have blue first."""


def to_label_pixels(message: Any) -> np.ndarray:
    """
    Return the pixels of a label map as core.labels.encodings takes them.

    (H, W) of one channel, or RGB (H, W, 3) whatever order the message has. Sixteen bits of which
    eight are used are eight. Raises RecordError as `to_array`.
    """
    array = to_array(message)
    if array.ndim == 2:
        small = array.dtype == np.uint16 and int(array.max()) < 256
        return array.astype(np.uint8) if small else array
    return array[:, :, 2::-1] if message.encoding in _BGR else array[:, :, :3]


PNG_EFFORT = 1
"""Of zlib, 0 to 9: more makes a frame of 2048 x 1024 a little smaller, and takes longer."""


def pack(bgr: np.ndarray, form: str, quality: int) -> tuple[str, np.ndarray]:
    """
    Return format and bytes of a CompressedImage of BGR uint8 (H, W, 3).

    `form` is `png`, which loses nothing, or `jpeg` at a `quality` of 1 to 100. Raises RecordError
    for a picture that cannot be packed.
    """
    options = (
        [cv2.IMWRITE_PNG_COMPRESSION, PNG_EFFORT]
        if form == 'png'
        else [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    good, packed = cv2.imencode('.png' if form == 'png' else '.jpg', bgr, options)
    if not good:
        raise RecordError(f'a picture of {bgr.shape} cannot be packed as {form}')
    # In the words of image_transport's own plug-in, which others read the order of channels from.
    return f'bgr8; {form} compressed bgr8', packed

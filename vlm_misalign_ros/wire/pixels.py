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
from vlm_misalign_ros.wire.layouts import LAYOUTS, Layout

ENCODINGS = tuple(LAYOUTS)
"""Encodings read without cv_bridge."""
LEAST_BAYER = 3
"""Pixels of a side below which OpenCV makes no picture of a Bayer pattern."""
TO_EIGHT = 255 / 65535
"""From sixteen bits to eight, as cv_bridge does it."""

Fallback = Callable[[Any], np.ndarray]
"""From an Image-like message to BGR uint8 (H, W, 3)."""


def _layout(message: Any) -> Layout:
    found = LAYOUTS.get(message.encoding)
    if found is None:
        raise RecordError(
            f'image encoding {message.encoding[:40]!r} is not supported',
            'publish one of ' + ', '.join(ENCODINGS) + ', or install cv_bridge',
        )
    return found


def _bytes(message: Any, layout: Layout) -> tuple[np.ndarray, int]:
    """
    Return the rows of an Image-like message, uint8 (H and those of colour, step), and their width.

    Nothing is copied. RecordError for a size that the encoding cannot have, and for fewer bytes.
    """
    height, width, step = int(message.height), int(message.width), int(message.step)
    row = width * layout.channels * np.dtype(layout.type).itemsize
    rows = height + height * layout.chroma // 2
    # Sizes are hostile until the bytes are seen to be there.
    size = len(message.data)
    shape = f'image of {width} x {height} {message.encoding}'
    if not height or not width or step < row or size < rows * step:
        raise RecordError(
            f'{shape} has {size} bytes with a step of {step}',
            f'expected a step of at least {row}, and {rows} rows of it',
        )
    for even, name, value in zip(layout.even, ('width', 'height'), (width, height), strict=True):
        if even and value % 2:
            raise RecordError(
                f'{shape}: pixels share their colour two by two, and its {name} is odd',
                f'publish an even {name}, or bgr8',
            )
    return np.frombuffer(message.data, np.uint8, rows * step).reshape(rows, step), row


def _elements(message: Any, layout: Layout, pixels: np.ndarray) -> np.ndarray:
    """Return rows of bytes as elements in this machine's order; copied where that is another."""
    if layout.type == 'u1':
        return pixels
    kind = np.dtype(layout.type)
    if not pixels.flags.c_contiguous or pixels.ctypes.data % kind.itemsize:
        pixels = pixels.copy()
    array = pixels.view(kind)
    if bool(message.is_bigendian) != (sys.byteorder == 'big'):
        array = array.byteswap()
    return array


def _pixels(message: Any, layout: Layout) -> np.ndarray:
    """Return (H, W) or (H, W, C) of a format with one plane; a view where that can be."""
    lines, row = _bytes(message, layout)
    array = _elements(message, layout, lines[:, :row])
    if layout.channels == 1:
        return array
    return array.reshape(len(array), int(message.width), layout.channels)


def to_array(message: Any) -> np.ndarray:
    """
    Return the pixels of an Image-like message without copying where possible.

    `message` has the fields of sensor_msgs/Image. The array is uint8, uint16, int32 or float32,
    (H, W) or (H, W, C), in the order of the message. Raises RecordError for an unknown encoding,
    for one whose pixels have no values of their own (YUV, Bayer), or a buffer of another size.
    """
    layout = _layout(message)
    if layout.raw:
        raise RecordError(
            f'{message.encoding} is for pictures: what a pixel holds is blended with others',
            'publish maps as mono8, mono16, 16UC1, 32SC1, 32FC1, bgr8 or rgb8',
        )
    return np.ascontiguousarray(_pixels(message, layout))


def to_bgr(message: Any, fallback: Fallback | None = None) -> np.ndarray:
    """
    Return the pixels of an Image-like message as BGR uint8 (H, W, 3).

    Sixteen bits become eight by 255 / 65535. `fallback` reads the encodings that are not among
    ENCODINGS (cv_bridge, where it imports). Raises RecordError as `to_array`.
    """
    if message.encoding not in LAYOUTS and fallback is not None:
        return fallback(message)
    layout = _layout(message)
    if not layout.color:
        raise RecordError(
            f'image encoding {message.encoding!r} is no colour picture', 'publish bgr8 or rgb8'
        )
    if layout.chroma:
        return _from_planes(message, layout)
    return colored(_pixels(message, layout), layout)


def colored(array: np.ndarray, layout: Layout) -> np.ndarray:
    """Return pixels of a layout with one plane, (H, W) or (H, W, C), as BGR uint8 (H, W, 3)."""
    bayer = layout.raw and layout.channels == 1
    if bayer and min(array.shape) < LEAST_BAYER:
        raise RecordError(
            f'a Bayer pattern of {array.shape[1]} x {array.shape[0]} pixels is no picture',
            f'publish {LEAST_BAYER} at least each way',
        )
    if array.dtype == np.uint16 and not bayer:
        array = _in_eight_bits(array)
    if layout.code is not None:
        array = cv2.cvtColor(array, layout.code)
    if array.dtype == np.uint16:
        array = _in_eight_bits(array)
    return np.ascontiguousarray(array)


def _in_eight_bits(array: np.ndarray) -> np.ndarray:
    found: np.ndarray = cv2.convertScaleAbs(array, alpha=TO_EIGHT)
    return found.reshape(array.shape)


def _from_planes(message: Any, layout: Layout) -> np.ndarray:
    """Return BGR uint8 (H, W, 3) of luma in one plane, and two colours by turns in the next."""
    assert layout.code is not None
    lines, width = _bytes(message, layout)
    if layout.chroma == 1:
        return cv2.cvtColor(lines[:, :width], layout.code)
    height = int(message.height)
    # A row of colour is as long as two of luma, padding and all.
    colours = lines[height:].reshape(height, -1)[:, : 2 * width].reshape(height, width, 2)
    luma, (first, second) = lines[:height, :width], cv2.split(colours)
    doubled = cv2.merge([luma, first, luma, second]).reshape(height, 2 * width, 2)
    size = (width, height)
    return cv2.resize(cv2.cvtColor(doubled, layout.code), size, interpolation=cv2.INTER_NEAREST)


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


def to_label_pixels(message: Any) -> np.ndarray:
    """
    Return the pixels of a label map as core.labels.encodings takes them.

    (H, W) of one channel, or RGB (H, W, 3) whatever order the message has. More bits than eight of
    which eight are used are eight. Raises RecordError as `to_array`.
    """
    array = narrowed(to_array(message))
    return array if array.ndim == 2 else red_first(array, message.encoding)


def red_first(array: np.ndarray, encoding: str) -> np.ndarray:
    """Return RGB (H, W, 3) of colours, (H, W, C), in the order of an encoding; a view."""
    return array[:, :, 2::-1] if LAYOUTS[encoding].blue_first else array[:, :, :3]


def narrowed(array: np.ndarray) -> np.ndarray:
    """
    Return whole numbers in the fewest bits that they need: uint8 or uint16.

    Of 32 bits, what is below 0 or above 65535 becomes 65535, which no table of labels has.
    """
    if array.dtype == np.int32:
        strange = (array < 0) | (array > 65535)
        array = np.where(strange, 65535, array).astype(np.uint16)
    small = array.dtype == np.uint16 and array.size and int(array.max()) < 256
    return array.astype(np.uint8) if small else array


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

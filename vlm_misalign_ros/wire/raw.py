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

"""What the first bytes of a serialised message tell, without decoding the rest."""

from __future__ import annotations

import struct
from typing import NamedTuple

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.wire.values import check_stamp

_HEAD = 4
"""Bytes of CDR before the message: which byte order it has."""
_LONGEST = 1 << 16
"""Of a text; a frame's name and an encoding are short."""


class ImageHead(NamedTuple):
    """What an Image tells before its pixels."""

    height: int
    width: int
    encoding: str


def raw_stamp(data: bytes) -> int:
    """
    Return the header stamp, nanoseconds, of a CDR-serialised message that starts with one.

    Raises RecordError for fewer bytes than that, and for what is no time of a frame.
    """
    try:
        seconds, nanoseconds = struct.unpack_from(f'{_order(data)}iI', data, _HEAD)
    except (IndexError, struct.error) as error:
        raise RecordError(f'a message of {len(data)} bytes has no header') from error
    return check_stamp(seconds, nanoseconds)


def image_head(data: bytes) -> ImageHead:
    """Return size and encoding of a serialised sensor_msgs/Image; RecordError for none."""
    try:
        order = _order(data)
        _, place = _text(data, _HEAD + 8, order)
        place += -(place - _HEAD) % 4
        height, width = struct.unpack_from(f'{order}II', data, place)
        encoding, _ = _text(data, place + 8, order)
    except (IndexError, struct.error) as error:
        raise RecordError(f'an image of {len(data)} bytes is cut off') from error
    return ImageHead(height, width, encoding)


def _order(data: bytes) -> str:
    """Return the byte order of struct; RecordError for what is no CDR of ROS 2."""
    if data[0] or data[1] > 1:
        raise RecordError(f'a message begins with {data[:2].hex()}, which is no CDR')
    return '<' if data[1] else '>'


def _text(data: bytes, place: int, order: str) -> tuple[str, int]:
    """Return a string and the place behind it."""
    (size,) = struct.unpack_from(f'{order}I', data, place)
    if size > _LONGEST or place + 4 + size > len(data):
        raise RecordError(f'an image of {len(data)} bytes has a text of {size}')
    text = data[place + 4 : place + 4 + size].rstrip(b'\0').decode('utf-8', 'replace')
    return text, place + 4 + size

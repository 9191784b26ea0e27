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
RVL, which compressedDepth may use in place of PNG: runs of zeros and of differences.

Source: A. D. Wilson, Fast Lossless Depth Image Compression, ISS 2017. Numbers come in groups of
three bits, the lowest first, a fourth bit says that more come; eight such nibbles are a word of
32 bits, the first in its highest bits. By turns come how many pixels are 0, how many follow that
are not, and of each of these the difference to the one before, its sign in the lowest bit.
"""

from __future__ import annotations

import struct

import numpy as np

from vlm_misalign_ros.core.errors import RecordError

_HEAD = struct.Struct('<II')
"""compressedDepth: columns and rows."""
_SHIFTS = np.arange(28, -1, -4, dtype=np.uint32)
_LONGEST = 11
"""Nibbles of a number of 32 bits."""
MOST_RUNS = 1 << 18
"""Of a picture. Each is a step of Python's; a depth image of 2048 x 1024 has some thousands."""
_MOST_BYTES = 4
"""Of a pixel: its number has 17 bits at most, and each run two numbers more."""
_REMEDY = 'send it whole, or set `format` of compressedDepth to png'


def size(data: memoryview) -> tuple[int, int]:
    """Return the width and height that RVL data declare; RecordError where there are none."""
    if len(data) < _HEAD.size:
        raise RecordError(f'RVL of {len(data)} bytes has no size', _REMEDY)
    width, height = _HEAD.unpack(data[: _HEAD.size])
    return width, height


def decoded(data: memoryview) -> np.ndarray:
    """
    Return depth of RVL data, uint16 (H, W).

    Whoever calls has seen that its size can be unpacked. RecordError for data that are no picture
    of that size.
    """
    width, height = size(data)
    count = width * height
    if len(data) > _MOST_BYTES * count + 64:
        raise RecordError(f'RVL of {width} x {height} pixels has {len(data)} bytes', _REMEDY)
    numbers = _numbers(data[_HEAD.size :])
    places, firsts, lengths = _runs(numbers, count)
    total = int(lengths.sum())
    within = np.arange(total) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    signed = numbers[np.repeat(firsts, lengths) + within].astype(np.int64)
    found = np.zeros(count, np.uint16)
    differences = (signed >> 1) ^ -(signed & 1)
    found[np.repeat(places, lengths) + within] = np.cumsum(differences) & 0xFFFF
    return found.reshape(height, width)


def _numbers(data: memoryview) -> np.ndarray:
    """Return all numbers, uint32 (n,), those of the filling behind the last word's end too."""
    words = np.frombuffer(data[: len(data) // 4 * 4], '<u4')
    nibbles = (words[:, None] >> _SHIFTS & 15).astype(np.uint8).ravel()
    ends = np.flatnonzero(nibbles < 8)
    if not ends.size:
        raise RecordError(f'RVL of {len(data)} bytes holds no number', _REMEDY)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if int(lengths.max()) > _LONGEST:
        raise RecordError('RVL holds a number of more than 32 bits', _REMEDY)
    nibbles = nibbles[: int(ends[-1]) + 1]
    place = (np.arange(nibbles.size) - np.repeat(starts, lengths)).astype(np.uint32)
    found: np.ndarray = np.add.reduceat((nibbles & 7).astype(np.uint32) << 3 * place, starts)
    return found


def _runs(numbers: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return of each run that is not 0 its first pixel, its first number, and its length."""
    found: list[tuple[int, int, int]] = []
    at = place = 0
    while place < count:
        if at + 2 > len(numbers):
            raise RecordError(f'RVL ends after {place} of {count} pixels', _REMEDY)
        if len(found) >= MOST_RUNS:
            raise RecordError(f'RVL of more than {MOST_RUNS} runs is not unpacked', _REMEDY)
        zeros, others = int(numbers[at]), int(numbers[at + 1])
        at, place = at + 2, place + zeros
        if place + others > count or at + others > len(numbers):
            raise RecordError(f'RVL holds more than {count} pixels, or ends before them', _REMEDY)
        found.append((place, at, others))
        at, place = at + others, place + others
    places, firsts, lengths = np.array(found, np.int64).reshape(-1, 3).T
    return places, firsts, lengths

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
EACH = 32
"""Bytes of memory that unpacking takes a pixel, at most, beside what blocks and runs take."""
_BLOCK = 1 << 14
"""Words that are taken apart together."""
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
    # No more numbers than all pixels and all runs can have: what is behind them is filling.
    numbers = _numbers(data[_HEAD.size :], count + 2 * MOST_RUNS)
    zeros, others = _runs(numbers, count)
    heads = np.cumsum(others + 2) - (others + 2)
    signed = np.ones(int((others + 2).sum()), bool)
    signed[heads] = signed[heads + 1] = False
    numbers = numbers[: signed.size][signed]
    differences = (numbers >> 1 ^ -(numbers & 1)).astype(np.uint16)
    found = np.zeros(count, np.uint16)
    lengths = np.stack([zeros, others], axis=1).ravel()
    there = np.repeat(np.tile([False, True], len(zeros)), lengths)
    # Values are sums of differences modulo 2^16, as sixteen bits have them.
    found[there] = np.cumsum(differences, dtype=np.uint16)
    return found.reshape(height, width)


def _numbers(data: memoryview, most: int) -> np.ndarray:
    """Return the first `most` numbers, or all, uint32 (n,); of a filling, too, that is no more."""
    words = np.frombuffer(data[: len(data) // 4 * 4], '<u4')
    found: list[np.ndarray] = []
    at = 0
    while most:
        block = words[at // 8 : at // 8 + _BLOCK, None] >> _SHIFTS & 15
        nibbles = block.astype(np.uint8).ravel()[at % 8 :]
        ends = np.flatnonzero(nibbles < 8)[:most]
        if not ends.size:
            break
        starts = np.concatenate([[0], ends[:-1] + 1])
        lengths = ends - starts + 1
        if int(lengths.max()) > _LONGEST:
            raise RecordError('RVL holds a number of more than 32 bits', _REMEDY)
        nibbles = nibbles[: int(ends[-1]) + 1]
        place = (np.arange(nibbles.size) - np.repeat(starts, lengths)).astype(np.uint32)
        found.append(np.add.reduceat((nibbles & 7).astype(np.uint32) << 3 * place, starts))
        at, most = at + nibbles.size, most - ends.size
    if not found:
        raise RecordError(f'RVL of {len(data)} bytes holds no number', _REMEDY)
    return np.concatenate(found)


def _runs(numbers: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return of each run how many pixels are 0, and how many follow that are not, int64."""
    found: list[tuple[int, int]] = []
    at = place = 0
    while place < count:
        if at + 2 > len(numbers):
            raise RecordError(f'RVL ends after {place} of {count} pixels', _REMEDY)
        if len(found) >= MOST_RUNS:
            raise RecordError(f'RVL of more than {MOST_RUNS} runs is not unpacked', _REMEDY)
        zeros, others = int(numbers[at]), int(numbers[at + 1])
        at, place = at + 2 + others, place + zeros + others
        if place > count or at > len(numbers):
            raise RecordError(f'RVL holds more than {count} pixels, or ends before them', _REMEDY)
        found.append((zeros, others))
    zeros_of, others_of = np.array(found, np.int64).reshape(-1, 2).T
    return zeros_of, others_of

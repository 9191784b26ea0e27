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

"""What a part holds, in short: by it a repetition is told from another content."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from vlm_misalign_ros.core.checksums import checksum
from vlm_misalign_ros.core.evaluation.parts import IMAGE, OCCLUDER, SEGMENTATION, SOURCE_IMAGE
from vlm_misalign_ros.core.records.times import IN_RESULTS
from vlm_misalign_ros.core.types import Applied, Passed

_TOLD = (IMAGE, OCCLUDER, SEGMENTATION, SOURCE_IMAGE)
"""Parts of which a message tells the checksum."""
PASSED = 'passed over'
"""The content of whatever says that a frame was passed over, for which reason ever."""
_ROW = 4096
"""Words of a row: their weights stay in the processor's cache."""
_PLAIN = (str, int, float, bool, type(None))


def content_of(part: str, value: Any) -> str:
    """
    Return what a part's value holds, in short; of a picture or mask its `checksum`.

    Arrays within dataclasses, mappings and sequences count to the last pixel. The seconds that a
    model took are no part of what it said.
    """
    if isinstance(value, np.ndarray):
        return checksum(value) if part in _TOLD else fingerprint(value)
    if isinstance(value, Passed) or isinstance(value, Applied) and value.passed:
        return PASSED
    return f'{zlib.crc32(_spelled(value).encode()):08x}'


def fingerprint(array: np.ndarray) -> str:
    """
    Return 96 bits of an array's pixels with type and shape, in a quarter of a checksum's time.

    Multilinear hashing (Carter and Wegman 1979) modulo 2**64 over words of eight bytes with fixed
    random odd weights: of a row of _ROW words, and of the sums of all rows. A change within one
    word is always seen, other changes but for one in 2**63; one in 2**8 where no other byte than
    the last of each word changes.
    """
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    rows = flat.size // (8 * _ROW)
    end = 8 * _ROW * rows
    sums = np.dot(flat[:end].view(np.uint64).reshape(rows, _ROW), _weights(_ROW, 0))
    total = int(np.dot(sums, _weights(rows, 1)))
    rest = zlib.crc32(flat[end:].tobytes())
    return f'{array.dtype}{array.shape}:{total:016x}{rest:08x}'


@lru_cache(maxsize=8)
def _weights(count: int, seed: int) -> np.ndarray:
    drawn = np.random.Generator(np.random.PCG64(seed)).integers(0, 2**64, count, np.uint64)
    return drawn | np.uint64(1)


def _spelled(value: Any) -> str:
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, np.ndarray):
        return fingerprint(value)
    if is_dataclass(value) and not isinstance(value, type):
        names = (entry.name for entry in fields(value) if entry.name not in IN_RESULTS)
        return ','.join([f'{name}={_spelled(getattr(value, name))}' for name in names])
    if isinstance(value, Mapping):
        if all(isinstance(entry, _PLAIN) for entry in value.values()):
            return repr(sorted(value.items()))
        return ','.join([f'{key!r}:{_spelled(entry)}' for key, entry in sorted(value.items())])
    if isinstance(value, (list, tuple)):
        return '(' + ','.join(map(_spelled, value)) + ')'
    return repr(value)

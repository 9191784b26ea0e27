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

"""Checksums of pictures and masks: what ties a condition, an answer and a mask to one picture."""

from __future__ import annotations

import zlib

import numpy as np

LONGEST = 64
"""Characters of a checksum that are taken from a message."""


def checksum(array: np.ndarray) -> str:
    """
    Return `WIDTHxHEIGHT:CRC` of a picture or mask, (H, W) or (H, W, C) of any dtype.

    CRC is the CRC-32 of zlib (ISO 3309) over the pixels in row order, in hexadecimal; of a
    picture that is BGR uint8, which for an Image in bgr8 without padding is its `data`. Other
    values or another size have another checksum but for one in 2**32; nobody is kept from
    forging one. A picture of 2048 x 1024 takes about 1.2 ms.
    """
    height, width = array.shape[:2]
    return f'{width}x{height}:{zlib.crc32(np.ascontiguousarray(array).data):08x}'

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

"""Checksums of pictures."""

import zlib

import numpy as np
import pytest

from vlm_misalign_ros.core.checksums import checksum

PICTURE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


def test_a_checksum_is_size_and_crc32_of_the_bytes_as_a_message_has_them():
    assert checksum(PICTURE) == f'3x2:{zlib.crc32(bytes(range(18))):08x}'
    # The check value of CRC-32/ISO-HDLC: "123456789".
    digits = np.frombuffer(b'123456789', np.uint8).reshape(3, 3)
    assert checksum(digits) == '3x3:cbf43926'


def test_it_is_of_the_pixels_however_they_lie_in_memory():
    wide = np.zeros((2, 8, 3), np.uint8)
    wide[:, :3] = PICTURE
    assert checksum(wide[:, :3]) == checksum(PICTURE)
    assert checksum(np.asfortranarray(PICTURE)) == checksum(PICTURE)


@pytest.mark.parametrize('place', [(0, 0, 0), (1, 2, 2)])
def test_one_bit_or_another_shape_is_another_picture(place):
    changed = PICTURE.copy()
    changed[place] ^= 1
    assert checksum(changed) != checksum(PICTURE)
    assert checksum(PICTURE.reshape(3, 2, 3)) != checksum(PICTURE)

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

"""Checksums of pictures, and what a part holds in short."""

import zlib
from dataclasses import dataclass, replace

import numpy as np
import pytest

from vlm_misalign_ros.core.checksums import checksum
from vlm_misalign_ros.core.evaluation.contents import content_of
from vlm_misalign_ros.core.types import Applied, Condition, Description, Kind

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


@dataclass(frozen=True)
class Held:
    name: str
    map: np.ndarray


def test_arrays_within_other_values_count_to_the_last_pixel():
    # numpy's repr leaves the middle of a large array out.
    one, other = np.zeros((200, 200), np.uint8), np.zeros((200, 200), np.uint8)
    other[100, 100] = 1
    for wrap in (lambda a: Held('x', a), lambda a: {'map': a}, lambda a: [('x', a)]):
        assert content_of(wrap(one)) == content_of(wrap(one.copy())) != content_of(wrap(other))


def test_the_seconds_that_a_model_took_are_no_content():
    answer = Description('m', Kind.GENERATIVE, 'a car', latency=0.25)
    assert content_of(answer) == content_of(replace(answer, latency=9.0))
    assert content_of(answer) != content_of(replace(answer, text='a bus'))


def test_every_field_of_a_condition_is_content():
    applied = Applied(Condition('motion_blur', 3), 5, {'angle': 0.1}, False, 'a', 'b', 'c')
    others = [
        replace(applied, condition=Condition('motion_blur', 4)),
        replace(applied, seed=6),
        replace(applied, parameters={'angle': 0.2}),
        replace(applied, covers=True),
        replace(applied, image='x'),
        replace(applied, occluder='x'),
        replace(applied, source='x'),
    ]
    assert len({content_of(entry) for entry in (applied, *others)}) == 8

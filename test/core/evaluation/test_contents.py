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

"""What a part holds, in short."""

import zlib
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from vlm_misalign_ros.core.checksums import checksum
from vlm_misalign_ros.core.evaluation.contents import content_of, fingerprint
from vlm_misalign_ros.core.types import Applied, Condition, Description, Kind

PART = 'any'


@dataclass(frozen=True)
class Held:
    name: str
    map: np.ndarray


def test_arrays_within_other_values_count_to_the_last_pixel():
    # numpy's repr leaves the middle of a large array out.
    one, other = np.zeros((200, 200), np.uint8), np.zeros((200, 200), np.uint8)
    other[100, 100] = 1
    for wrap in (lambda a: Held('x', a), lambda a: {'map': a}, lambda a: [('x', a)]):
        assert (
            content_of(PART, wrap(one))
            == content_of(PART, wrap(one.copy()))
            != content_of(PART, wrap(other))
        )


def test_the_seconds_that_a_model_took_are_no_content():
    answer = Description('m', Kind.GENERATIVE, 'a car', latency=0.25)
    assert content_of(PART, answer) == content_of(PART, replace(answer, latency=9.0))
    assert content_of(PART, answer) != content_of(PART, replace(answer, text='a bus'))


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
    assert len({content_of(PART, entry) for entry in (applied, *others)}) == 8


def test_of_what_a_message_tells_the_checksum_that_is_the_content():
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    for part in ('image', 'occluder', 'segmentation', 'source_image'):
        assert content_of(part, picture) == checksum(picture)
    assert content_of('labels', picture) == fingerprint(picture)


@given(
    st_numpy.arrays(
        st.sampled_from([np.uint8, np.uint16]), st.tuples(st.integers(1, 9), st.integers(1, 9))
    ),
    st.data(),
)
def test_any_one_pixel_that_changes_is_seen(array, data):
    place = data.draw(st.tuples(*(st.integers(0, side - 1) for side in array.shape)))
    changed = array.copy()
    changed[place] ^= data.draw(st.integers(1, 255))
    assert fingerprint(changed) != fingerprint(array)
    assert fingerprint(array.copy()) == fingerprint(np.asfortranarray(array))


def drawn(count, seed):
    found = np.random.Generator(np.random.PCG64(seed)).integers(0, 2**64, count, np.uint64)
    return [int(weight) | 1 for weight in found]


def test_a_fingerprint_is_the_weighted_sum_of_words_modulo_two_to_the_64():
    array = np.random.default_rng(0).integers(0, 256, (3, 8 * 4096 + 5), np.uint8)
    plain = array.tobytes()
    columns, rows, total = drawn(4096, 0), drawn(3, 1), 0
    for place in range(3 * 4096):
        word = int.from_bytes(plain[8 * place : 8 * place + 8], 'little')
        total += word * columns[place % 4096] * rows[place // 4096]
    rest = zlib.crc32(plain[3 * 8 * 4096 :])
    assert fingerprint(array) == f'uint8(3, 32773):{total % 2**64:016x}{rest:08x}'


@given(st.integers(0, 3 * 32773 - 1), st.integers(1, 255))
def test_any_one_pixel_of_a_large_map_that_changes_is_seen(place, by):
    array = np.zeros((3, 32773), np.uint8)
    before = fingerprint(array)
    array.reshape(-1)[place] ^= by
    assert fingerprint(array) != before


@pytest.mark.parametrize('other', [np.zeros((8, 4), np.uint8), np.zeros((4, 4), np.uint16)])
def test_another_shape_or_type_is_another_content(other):
    assert fingerprint(other) != fingerprint(np.zeros((4, 8), np.uint8))

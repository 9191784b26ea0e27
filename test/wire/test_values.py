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

"""Core types through the strings of a DiagnosticArray, and pixels through an Image."""

import json
import string
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.labels.classes import CLASSES, SCORED
from vlm_misalign_ros.core.language.bounding import MAX_TEXT, clean_text
from vlm_misalign_ros.core.language.styles import STYLES
from vlm_misalign_ros.core.types import (
    WHOLE,
    Applied,
    Camera,
    Condition,
    Confidence,
    Description,
    Failed,
    Input,
    Judgement,
    Kind,
    Mention,
    Source,
)
from vlm_misalign_ros.wire import pixels as images
from vlm_misalign_ros.wire import values as codec

names = st.text(string.ascii_letters + string.digits + string.punctuation + ' äß漢', max_size=40)
finite = st.floats(allow_nan=False, allow_infinity=False)
shares = st.floats(0, 1)
by_class = st.dictionaries(st.sampled_from(CLASSES), shares)
focal = st.floats(1e-3, 1e6)
centres = st.floats(-1e6, 1e6)
conditions = st.just(Condition()) | st.builds(
    Condition, st.sampled_from(['motion_blur', 'occlusion']), st.integers(0, 5)
)


@given(
    st.builds(
        Source,
        names,
        names,
        names,
        st.integers(-1, 10**6),
        st.integers(0, 10**6),
        st.integers(-1, 99),
        conditions,
        st.booleans(),
        st.booleans(),
    ),
    st.none()
    | st.builds(
        Camera,
        st.integers(1, 9999),
        st.integers(1, 9999),
        focal,
        focal,
        centres,
        centres,
        st.floats(1e-3, 1e3),
        st.floats(-1.5, 1.5),
        st.floats(-100, 100),
    ),
)
def test_a_source_comes_back_as_it_was(source, camera):
    assert codec.source_from_values(codec.source_to_values(source, camera)) == (source, camera)


@given(
    st.builds(
        Applied,
        conditions,
        st.integers(0, 2**63 - 1),
        st.dictionaries(st.sampled_from(['angle_deg', 'read']), finite),
    )
)
def test_a_condition_comes_back_as_it_was(applied):
    assert codec.applied_from_values(codec.applied_to_values(applied)) == applied


@given(
    st.builds(
        Description,
        model=names,
        kind=st.sampled_from(Kind),
        text=st.text(string.ascii_letters + ' äß漢字\n\t', max_size=200),
        mentions=st.dictionaries(st.sampled_from(SCORED), st.sampled_from(Mention)),
        further=st.dictionaries(st.sampled_from(['cone', 'animal']), st.sampled_from(Mention)),
        input=st.sampled_from(Input),
        shown=st.integers(0, 65),
        prompted=st.sets(st.sampled_from(SCORED)).map(lambda found: tuple(sorted(found))),
        paraphrases=st.lists(st.sampled_from(Judgement), max_size=16).map(tuple),
        scores=st.dictionaries(st.sampled_from(CLASSES), shares),
        judgement=st.sampled_from(Judgement),
        judgement_score=st.none() | shares,
        prompt_id=names,
        truncated=st.booleans(),
        cut=st.integers(0, 10**9),
        style=st.sampled_from(['', *STYLES]),
        latency=st.floats(0, 1e9),
        view=st.sampled_from([WHOLE, (0.25, 0.0, 0.75, 1.0)]),
    )
)
def test_a_description_comes_back_to_the_last_digit(description):
    values = codec.description_to_values(description)
    assert all(isinstance(value, str) for value in values.values())
    assert codec.description_from_values(values) == description


@pytest.mark.parametrize(
    'change, word',
    [
        ({'mentions': '{"unicorn": "ASSERTED"}'}, 'unicorn'),
        ({'mentions': '{"car": "MAYBE"}'}, 'MAYBE'),
        ({'view': '[0.5, 0, 0.5, 1]'}, 'view'),
        ({'style': 'poem'}, 'poem.*allowed: caption'),
        ({'cut': '-1'}, 'cut'),
        ({'view': '[0, 0, 2]'}, 'view'),
        ({'view': '"whole"'}, 'view'),
        ({'mentions': '[1, 2]'}, 'mentions'),
        ({'mentions': '{"car"'}, 'mentions'),
        ({'further': '[1]'}, 'further'),
        ({'further': '{"car": "ASSERTED"}'}, 'car'),
        ({'further': '{"cone": 1}'}, 'further.cone'),
        ({'further': '{"": "ASSERTED"}'}, 'further class'),
        ({'scores': '{"car": NaN}'}, 'finite'),
        ({'scores': '{"car": "x"}'}, 'scores.car'),
        ({'judgement': 'FINE'}, 'FINE'),
        ({'latency': 'fast'}, 'latency'),
    ],
)
def test_a_hostile_description_is_refused_by_the_value_that_is_wrong(change, word):
    values = codec.description_to_values(Description('m', Kind.GENERATIVE, 'text'))
    with pytest.raises(RecordError, match=word):
        codec.description_from_values({**values, **change})


def test_text_is_bounded_and_freed_of_control_characters():
    cleaned = clean_text('a\x00b\x1b[31mc\nd\te\ud800' + 'x' * 50_000)
    assert cleaned.startswith('ab[31mc\nd\te?') and len(cleaned) <= MAX_TEXT


def picture(encoding, pixels, **change):
    fields = {
        'encoding': encoding,
        'height': pixels.shape[0],
        'width': pixels.shape[1],
        'step': pixels.strides[0],
        'is_bigendian': 0,
        'data': pixels.tobytes(),
    }
    return SimpleNamespace(**{**fields, **change})


@pytest.mark.parametrize(
    'encoding, code',
    [('rgb8', cv2.COLOR_BGR2RGB), ('bgra8', cv2.COLOR_BGR2BGRA), ('rgba8', cv2.COLOR_BGR2RGBA)],
)
def test_every_encoding_becomes_bgr(encoding, code):
    bgr = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    assert np.array_equal(images.to_bgr(picture(encoding, cv2.cvtColor(bgr, code))), bgr)


def test_padded_rows_and_big_endian_values_are_read_right():
    values = np.arange(12, dtype=np.uint16).reshape(3, 4) * 999
    padded = np.zeros((3, 6), np.uint16)
    padded[:, :4] = values
    message = picture('mono16', padded, width=4)
    assert np.array_equal(images.to_array(message), values)
    swapped = picture('mono16', values.byteswap(), is_bigendian=1)
    assert np.array_equal(images.to_array(swapped), values)


@pytest.mark.parametrize(
    'change, word',
    [
        ({'encoding': 'yuv9'}, 'yuv9'),
        ({'height': 99}, 'bytes'),
        ({'step': 3}, 'step'),
        ({'width': 0}, '0 x'),
    ],
)
def test_an_image_that_lies_about_its_size_is_refused(change, word):
    with pytest.raises(RecordError, match=word):
        images.to_bgr(
            picture(**{'encoding': 'bgr8', 'pixels': np.zeros((4, 6, 3), np.uint8), **change})
        )


@pytest.mark.parametrize(
    'camera',
    [
        {'width': 4},
        {'width': 4, 'height': 4, 'fx': 0.0, 'fy': 1.0, 'cx': 1.0, 'cy': 1.0},
        {'width': 4, 'height': 4, 'fx': 'far', 'fy': 1.0, 'cx': 1.0, 'cy': 1.0},
        {'width': 4, 'height': 4, 'fx': 1.0, 'fy': 1.0, 'cx': 1.0, 'cy': 1.0, 'pitch': [1]},
        [1, 2],
    ],
)
def test_a_camera_that_cannot_be_is_refused(camera):
    values = codec.source_to_values(Source('d', 's', 'k', 0, 1, 0, Condition()))
    with pytest.raises(RecordError, match='camera'):
        codec.source_from_values({**values, 'camera': json.dumps(camera)})


def test_depth_images_become_millimetres():
    metres = np.array([[1.2345, np.nan, np.inf, -1, 0, 99]], np.float32)
    assert images.to_millimetres(metres).tolist() == [[1234, 0, 0, 0, 0, 65535]]
    whole = np.array([[0, 7, 65535]], np.uint16)
    assert images.to_millimetres(whole) is whole
    for wrong in (np.zeros((2, 2), np.uint8), np.zeros((2, 2, 3), np.float32)):
        with pytest.raises(RecordError, match='16UC1'):
            images.to_millimetres(wrong)


FLAGS = [
    (codec.source_from_values, {'index': '0'}, 'depth', lambda found: found[0].depth),
    (codec.source_from_values, {'index': '0'}, 'probe', lambda found: found[0].probe),
    (codec.source_from_values, {'index': '0'}, 'hood', lambda found: found[0].tells_hood),
    (codec.applied_from_values, {}, 'covers', lambda found: found.covers),
    (
        codec.description_from_values,
        {'kind': 'generative'},
        'truncated',
        lambda found: found.truncated,
    ),
]


@pytest.mark.parametrize(('read', 'values', 'key', 'found'), FLAGS)
def test_a_flag_is_0_or_1_and_nothing_else(read, values, key, found):
    assert found(read({**values, key: '1'})) is True
    assert found(read({**values, key: '0'})) is False
    assert found(read(values)) is (key == 'hood')
    for other in ('true', 'True', '', '2', ' 1', 'yes'):
        with pytest.raises(RecordError, match=f"'{key}' is"):
            read({**values, key: other})


@pytest.mark.parametrize(
    ('read', 'values', 'key', 'text'),
    [
        (codec.applied_from_values, {}, 'parameters', '{"sigma": 1, "sigma": 2}'),
        (
            codec.description_from_values,
            {'kind': 'generative'},
            'mentions',
            '{"car": "asserted", "car": "denied"}',
        ),
        (
            codec.description_from_values,
            {'kind': 'generative'},
            'scores',
            '{"car": 0.1, "car": 0.9}',
        ),
        (codec.source_from_values, {'index': '0'}, 'camera', '{"fx": 1, "fx": 2}'),
    ],
)
def test_a_key_that_comes_twice_in_json_is_refused(read, values, key, text):
    with pytest.raises(RecordError, match=f"'{key}' is not JSON .a key comes twice"):
        read({**values, key: text})


@given(st.builds(Confidence, shares, shares, st.just('a'), st.just('b'), by_class))
def test_confidence_comes_back_with_every_digit(told):
    assert codec.confidence_from_values(codec.confidence_to_values(told)) == told


@pytest.mark.parametrize('text', [' ', '\n', '\x07', '\u202e', '\u200b'])
def test_an_error_without_words_is_an_error_all_the_same(text):
    for read in (codec.description_from_values, codec.confidence_from_values):
        found = read({'error': text})
        assert isinstance(found, Failed) and found.reason.strip()
    assert codec.applied_from_values({'error': text}).error.strip()
    assert codec.applied_from_values({'error': ''}).error == ''
    told = codec.failed_to_values(Failed(text))
    assert isinstance(codec.confidence_from_values(told), Failed)

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

"""The part of a frame that a model says it saw, as it comes from whoever sent it."""

import json

import pytest

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.types import Description, Kind
from vlm_misalign_ros.wire.values import description_from_values, description_to_values

ANSWER = description_to_values(Description('m', Kind.GENERATIVE, 'a car'))


def view(text):
    return description_from_values({**ANSWER, 'view': text}).view


@pytest.mark.parametrize(
    'given',
    [[0, 0, 1, 1], [0.25, 0, 0.75, 1], [0, 0.5, 1, 1], [0.0, 0.0, 0.01, 0.01], [0.5, 0.98, 1, 1]],
)
def test_a_view_inside_the_frame_is_taken_as_it_is(given):
    assert view(json.dumps(given)) == tuple(given)


def test_an_answer_that_tells_no_view_saw_the_whole_frame():
    assert view('') == (0, 0, 1, 1)
    without = {name: text for name, text in ANSWER.items() if name != 'view'}
    assert description_from_values(without).view == (0, 0, 1, 1)


@pytest.mark.parametrize(
    'given',
    [
        # Less than 0.
        [-0.001, 0, 1, 1],
        [0, -0.001, 1, 1],
        # More than 1.
        [0, 0, 1.001, 1],
        [0, 0, 1, 1.001],
        [0, 0, 2048, 1024],
        # Empty, or turned round.
        [0.5, 0, 0.5, 1],
        [0, 0.5, 1, 0.5],
        [0.75, 0, 0.25, 1],
        [0, 0.75, 1, 0.25],
        [0, 0, 0, 0],
        [1, 1, 1, 1],
        # Less than a pixel of most pictures.
        [0.0, 0.0, 1e-6, 1e-6],
        [0.999999, 0.999999, 1, 1],
        [0, 0, 1, 0.0099],
    ],
)
def test_a_view_that_leaves_the_frame_or_is_empty_is_refused(given):
    with pytest.raises(RecordError, match="'view' is .*expected parts of width and height"):
        view(json.dumps(given))


@pytest.mark.parametrize(
    'text', ['[NaN, 0, 1, 1]', '[0, NaN, 1, 1]', '[0, 0, NaN, 1]', '[0, 0, Infinity, 1]']
)
def test_a_view_of_no_number_is_refused(text):
    with pytest.raises(RecordError, match="'view'"):
        view(text)


@pytest.mark.parametrize(
    'text', ['[]', '[0, 0, 1]', '[0, 0, 1, 1, 1]', 'null', '1', '[[0], 0, 1, 1]', '["", 0, 1, 1]']
)
def test_what_is_not_four_numbers_is_refused(text):
    with pytest.raises(RecordError, match=r'expected \[left, top, right, bottom\]'):
        view(text)


def test_a_number_that_is_no_float_is_refused():
    with pytest.raises(RecordError, match="'view'"):
        view(f'[0, 0, 1, 1{"0" * 400}]')

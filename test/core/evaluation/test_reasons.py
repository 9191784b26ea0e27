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

"""Reasons why frames are not shown: counted, and told in few lines."""

from vlm_misalign_ros.core.evaluation.reasons import MOST, Reasons


def test_reasons_that_differ_in_names_and_numbers_are_one():
    found = Reasons()
    for number in range(3):
        found.add(f"frame 'a_{number}' under fog:{number} is another picture: 8x8:{number:08x}")
    found.add('no picture')
    assert found.number == 4 and found.first.startswith("frame 'a_0'")
    first, second = found.told('left out')
    assert first == (
        "3 frames left out: frame 'a_0' under fog:0 is another picture: 8x8:00000000 "
        '(the first of them)'
    )
    assert second == '1 frame left out: no picture'


def test_equal_reasons_are_told_as_they_are():
    found = Reasons()
    found.add('no mask')
    found.add('no mask')
    assert found.told('without a mask') == ['2 frames without a mask: no mask']


def test_without_any_there_is_nothing_to_tell():
    assert Reasons().told('left out') == [] and Reasons().first == '' and not Reasons().number


def test_the_rest_of_very_many_is_counted():
    found = Reasons()
    for letter in range(MOST + 5):
        found.add(f'{"x" * (letter + 1)} fails')
    lines = found.told('left out')
    assert len(lines) == MOST + 1 and lines[-1] == '5 frames left out for other reasons'

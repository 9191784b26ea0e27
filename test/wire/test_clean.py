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


"""What is said of the clean picture, as it travels: whole, bounded, and checked."""

import json
from dataclasses import replace

import pytest

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.language.bounding import MAX_TEXT
from vlm_misalign_ros.core.types import (
    AgainstClean,
    Confidence,
    Description,
    Failed,
    Judgement,
    Kind,
    Mention,
    Passed,
)
from vlm_misalign_ros.wire import values as codec

CLEAN = Description(
    'm',
    Kind.GENERATIVE,
    'a "car"\nand no bus',
    mentions={'car': Mention.ASSERTED, 'bus': Mention.DENIED},
    judgement=Judgement.UNSAFE,
    image='64x32:0badcafe',
)
ANSWER = Description('m', Kind.GENERATIVE, 'a bus', mentions={'bus': Mention.ASSERTED})
SURE = Confidence(0.5, 0.25, 'a', 'b')


@pytest.mark.parametrize('clean', [None, CLEAN, Failed('out of memory')])
def test_an_answer_comes_back_with_that_to_the_clean_picture(clean):
    sent = codec.description_to_values(replace(ANSWER, clean=clean))
    assert codec.description_from_values(sent).clean == clean
    assert ('clean' in sent) is (clean is not None)


@pytest.mark.parametrize('sign', ['a', '\u00e9', '\u4e2d', '\U0001f600', '"', '\\', '\n', '\t'])
def test_the_longest_text_comes_back_whole_as_that_of_the_degraded_picture(sign):
    """With as much beside it as there may be: 100 names of 40 characters, and all classes."""
    said = replace(
        CLEAN,
        model='m' * 256,
        text=sign * MAX_TEXT,
        mentions=dict.fromkeys(SCORED, Mention.ASSERTED),
        further={f'{number:\u4e2d>40}': Mention.ASSERTED for number in range(100)},
        scores={name: 0.123456 for name in SCORED},
        prompted=tuple(sorted(SCORED)),
        paraphrases=(Judgement.UNSAFE,) * 64,
    )
    sent = codec.description_to_values(replace(said, clean=said))
    back = codec.description_from_values(sent)
    assert back.clean == replace(back, clean=None) == said


def test_a_clean_picture_that_was_passed_over_is_no_answer():
    sent = {**codec.description_to_values(ANSWER)}
    sent['clean'] = json.dumps(codec.passed_to_values(Passed('paused')))
    assert codec.description_from_values(sent).clean == Failed('paused')


@pytest.mark.parametrize(
    'text',
    [
        '[]',
        '3',
        '{"kind": 3}',
        '{"kind": "generative", "clean": "{}"}',
        '{"kind": "oracle"}',
        '{"kind": "generative", "mentions": "{\\"unicorn\\": \\"ASSERTED\\"}"}',
        '{',
    ],
)
def test_what_is_no_answer_is_refused(text):
    with pytest.raises(RecordError):
        codec.description_from_values({**codec.description_to_values(ANSWER), 'clean': text})


@pytest.mark.parametrize(
    'against',
    [None, AgainstClean(((0, 1, 5), (18, 19, 7)), '64x32:1'), AgainstClean(error='never came')],
)
def test_a_mask_comes_back_with_how_it_stands_to_the_clean_one(against):
    sent = codec.confidence_to_values(replace(SURE, against_clean=against))
    assert codec.confidence_from_values(sent).against_clean == against


@pytest.mark.parametrize(
    'cells',
    [
        [[0, 20, 1]],
        [[19, 0, 1]],
        [[0, 0, -1]],
        [[0, 0, 2**62]],
        [[0, 0]],
        [[0, 0, 1], [0, 0, 1]],
        'abc',
        {'a': 1},
        [['a', 0, 1]],
    ],
)
def test_cells_that_no_mask_has_are_refused(cells):
    sent = {**codec.confidence_to_values(SURE), 'clean': json.dumps({'cells': cells})}
    with pytest.raises(RecordError):
        codec.confidence_from_values(sent)

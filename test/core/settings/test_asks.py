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

"""Asks: names, what they inherit, and what is refused."""

import pytest

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.settings.asks import AskParameters, asks_of
from vlm_misalign_ros.core.settings.configuration import parse
from vlm_misalign_ros.core.settings.nodes import VlmParameters
from vlm_misalign_ros.core.types import Input

SEGMENTATION = {'model': 'miniature:segformer'}


def configuration(vlms, **more):
    return parse({'vlms': vlms, 'segmentation': SEGMENTATION, **more})


def asks(entry, name='llava', **more):
    (vlm,) = configuration({name: {'model': 'miniature:llava', **entry}}, **more).vlms
    return asks_of(vlm)


def test_a_model_without_asks_is_asked_once_under_its_own_name():
    (ask,) = asks({'prompt': 'json', 'input': 'overlay'})
    assert (ask.name, ask.chosen) == ('llava', AskParameters(prompt='json', input='overlay'))
    assert ask.input is Input.OVERLAY


def test_one_ask_has_the_name_of_its_model_and_several_have_names_of_their_own():
    assert [ask.name for ask in asks({'asks': {'plain': {}}})] == ['llava']
    several = asks({'asks': {'plain': None, 'terse': {'prompt': 'caption'}}})
    assert [ask.name for ask in several] == ['llava_plain', 'llava_terse']
    assert [ask.chosen.prompt for ask in several] == ['', 'caption']


def test_what_an_ask_leaves_out_is_as_its_model_says():
    several = asks(
        {
            'prompt': 'json',
            'frames': 2,
            'asks': {'own': {}, 'text': {'text': 'What is there?'}, 'still': {'frames': 0}},
        }
    )
    assert [ask.chosen for ask in several] == [
        AskParameters(prompt='json', frames=2),
        # The words of an ask stand in place of the model's prompt.
        AskParameters(text='What is there?', frames=2),
        AskParameters(prompt='json'),
    ]


def test_operating_points_of_pictures_are_for_pictures():
    clip = {'model': 'miniature:clip', 'calibration': 'own'}
    with pytest.raises(ConfigurationError, match=r"input 'mask' and the calibration 'own'"):
        asks({**clip, 'asks': {'plain': {}, 'seen': {'input': 'mask'}}}, 'clip')
    assert len(asks({'model': 'miniature:clip', 'asks': {'a': {}, 'b': {'input': 'mask'}}})) == 2


def test_the_monitor_expects_every_ask():
    found = configuration(
        {
            'clip': {'model': 'miniature:clip'},
            'llava': {'model': 'miniature:llava', 'asks': {'a': {}, 'b': {'input': 'objects'}}},
        },
        record=True,
    )
    assert found.monitor.models == found.recorder.models == ('clip', 'llava_a', 'llava_b')


@pytest.mark.parametrize(
    'vlms, words',
    [
        (
            {'a': {'asks': {'b_c': {}, 'd': {}}}, 'a_b': {'asks': {'c': {}, 'd': {}}}},
            "name 'a_b_c' belongs to two asks",
        ),
        ({'a': {'asks': {'b': {}, 'c': {}}}, 'a_b': {}}, "name 'a_b' belongs to two asks"),
        ({'a': {'asks': {}}}, r'vlms.a.asks is \{\}. give a mapping'),
        ({'a': {'asks': ['b']}}, r"vlms.a.asks is \['b'\]"),
        ({'a': {'asks': {'b-c': {}}}}, "ask 'b-c' of vlms.a is no ROS name"),
        ({'a': {'asks': {'b': 3}}}, "ask 'b' of vlms.a is 3. give a mapping"),
        ({'a': {'asks': {'b': {'imput': 'image'}}}}, "vlms.a.asks.b has no parameter 'imput'"),
        ({'a': {'asks': {'b': {'input': 'masque'}}}}, "'input' of vlms.a.asks.b is 'masque'"),
        ({'a': {'frames': -1}}, "'frames' of vlms.a is -1. allowed: 0 to 64"),
        ({'a': {'prompt': 'json', 'text': 'What?'}}, "vlms.a has the prompt 'json' and a text"),
        ({'a': {'frames': 2, 'input': 'objects'}}, "vlms.a has 2 past frames and the input 'obj"),
    ],
)
def test_what_cannot_be_asked_is_named(vlms, words):
    named = {name: {'model': 'miniature:llava', **entry} for name, entry in vlms.items()}
    with pytest.raises(ConfigurationError, match=words):
        configuration(named)


@pytest.mark.parametrize('chosen', [entry for entry in Input if entry is not Input.IMAGE])
def test_an_ask_about_a_mask_needs_somebody_who_segments(chosen):
    with pytest.raises(ConfigurationError, match=r"of m needs a mask, and section 'segmentation'"):
        parse({'vlms': {'m': {'model': 'miniature:llava', 'input': chosen.value}}})


@pytest.mark.parametrize('text', ['{', '[1]', '- a', 'word'])
def test_an_ask_that_is_no_mapping_is_refused_by_the_node_too(text):
    with pytest.raises(ConfigurationError, match='has the ask'):
        asks_of(VlmParameters(name='m', asks=(text,)))

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

"""Models outside in a configuration: what they become, and what is refused in which words."""

import pytest

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.settings import configuration
from vlm_misalign_ros.core.settings.outside import (
    OutsideMaskParameters,
    OutsideVlmParameters,
    build_outside,
    read_outside,
    to_text,
)

PUBLISHED = {'topic': '/vlm/response', 'rule': 'published', 'latency': 0.8, 'tolerance': 0.04}
NEAREST = {'topic': '/vlm/response', 'rule': 'nearest_before', 'bound': 5.0}


def parse(vlms, mode='live', **more):
    data = {'mode': mode, 'vlms': vlms, **more}
    if mode == 'evaluation':
        data.setdefault('replay', {'dataset': 'd', 'max_in_flight': 1})
    return configuration.parse(data)


def test_a_topic_without_a_model_is_expected_and_nothing_is_started_for_it():
    chosen = parse({'clip': {'model': 'open_clip:a/b'}, 'theirs': PUBLISHED}, record=True)
    assert [vlm.name for vlm in chosen.vlms] == ['clip']
    assert chosen.monitor.models == chosen.recorder.models == ('clip', 'theirs')
    assert chosen.monitor.outside == chosen.recorder.outside
    (entry,) = read_outside(chosen.monitor.outside).values()
    assert entry == chosen.outside[0]
    assert (entry.topic, entry.rule, entry.latency) == ('/vlm/response', 'published', 0.8)
    assert chosen.resolved()['outside'][0]['tolerance'] == 0.04


def test_a_run_may_have_nothing_but_models_outside():
    assert parse({'theirs': PUBLISHED}).vlms == ()
    with pytest.raises(ConfigurationError, match="section 'vlms' is empty"):
        parse({})


def test_a_mask_may_come_from_outside():
    mask = {'topic': '/carla/semantic', 'label_encoding': 'carla_tags'}
    chosen = parse({'theirs': PUBLISHED}, segmentation=mask)
    assert chosen.segmentation is None and chosen.monitor.segmentation
    entry = read_outside(chosen.monitor.outside)['segmentation']
    assert isinstance(entry, OutsideMaskParameters) and entry.label_encoding == 'carla_tags'


def test_the_lexicon_of_the_run_goes_for_models_outside_too():
    chosen = parse({'theirs': PUBLISHED}, lexicon='my.yaml')
    assert read_outside(chosen.monitor.outside)['theirs'].lexicon == 'my.yaml'


@pytest.mark.parametrize('theirs', [PUBLISHED, NEAREST], ids=lambda chosen: chosen['rule'])
@pytest.mark.parametrize('untold', [{}, {'time': ''}], ids=['no time', 'empty'])
def test_in_an_evaluation_time_of_day_is_arrival_and_one_picture_is_in_flight(theirs, untold):
    theirs = {**theirs, **untold}
    chosen = parse({'theirs': theirs}, 'evaluation')
    assert chosen.outside[0].time == 'arrival'
    assert parse({'theirs': theirs}).outside[0].time == ''
    with pytest.raises(ConfigurationError, match='max_in_flight.*is 2, and answers of theirs'):
        parse({'theirs': theirs}, 'evaluation', replay={'dataset': 'd'})
    # Stamps that are copied, or are of the replay's time, need none of that.
    for told in ({'topic': '/a'}, {**theirs, 'time': 'stamp'}):
        parse({'theirs': told}, 'evaluation', replay={'dataset': 'd'})


def test_text_and_back():
    entry = build_outside(
        OutsideVlmParameters,
        {'name': 'm', 'topic': 'a/b', 'rule': 'oldest', 'period': 0.1, 'cameras': 6, 'once': True},
        'm',
    )
    assert read_outside([to_text(entry)]) == {'m': entry}
    assert entry.spread == pytest.approx(0.1 * 5 / 6)


@pytest.mark.parametrize(
    'chosen, words',
    [
        ({'topic': ''}, ("'topic'", "''", 'a name of ROS')),
        ({'topic': '/a b'}, ("'topic'", "'/a b'")),
        ({'topic': '/a', 'type': 'String'}, ("'type'", "'String'", 'PACKAGE/msg/NAME')),
        ({'topic': '/a', 'type': 'os.path/msg/X'}, ("'type'", 'PACKAGE/msg/NAME')),
        ({'topic': '/a', 'field': '__class__'}, ("'field'", "'__class__'")),
        ({'topic': '/a', 'rule': 'newest'}, ("'rule'", "'newest'", 'exact, oldest')),
        ({'topic': '/a', 'rule': 'published'}, ('published', "no 'tolerance'")),
        ({'topic': '/a', 'rule': 'oldest'}, ('oldest', "no 'period'")),
        ({'topic': '/a', 'rule': 'nearest_before'}, ("no 'bound'",)),
        ({'topic': '/a', 'latency': 0.5}, ("'latency'", '0.5', 'exact does not use it')),
        ({**PUBLISHED, 'bound': 1.0}, ("'bound'", 'published does not use it')),
        ({'topic': '/a', 'time': 'arrival'}, ("'time'", 'the rule exact needs stamps')),
        ({'topic': '/a', 'rule': 'oldest', 'period': 0.1, 'cameras': 1}, ("'cameras'", 'exact')),
        ({**PUBLISHED, 'tolerance': float('nan')}, ("'tolerance'", 'nan')),
        ({**PUBLISHED, 'model': 'miniature:llava'}, ('a model and a topic',)),
        ({**PUBLISHED, 'name': 'x'}, ("'name'", 'set by the run itself')),
        ({**PUBLISHED, 'lexicon': 'x'}, ("'lexicon'", 'set by the run itself')),
        ({**PUBLISHED, 'device': 'cpu'}, ("no parameter 'device'", 'latency')),
        ({**PUBLISHED, 'label_encoding': 'x'}, ("no parameter 'label_encoding'",)),
    ],
)
def test_what_will_not_do_is_refused_by_name(chosen, words):
    with pytest.raises(ConfigurationError) as caught:
        parse({'theirs': chosen})
    assert all(word in str(caught.value) for word in (*words, 'vlms.theirs')), caught.value


def test_a_mask_has_no_prompt_and_a_model_not_the_name_of_the_mask():
    with pytest.raises(ConfigurationError, match="segmentation has no parameter 'prompt'"):
        parse({'theirs': PUBLISHED}, segmentation={'topic': '/m', 'prompt': 'default'})
    with pytest.raises(ConfigurationError, match="'segmentation'.*that of the mask"):
        parse({'segmentation': PUBLISHED})


@pytest.mark.parametrize(
    'texts, words',
    [
        (['{'], 'is no JSON'),
        (['[' * 100_000], 'is no JSON'),
        (['[]'], 'with a `name`'),
        (['{"topic": "/a"}'], 'with a `name`'),
        (['{"name": "m", "topic": "/a"}'] * 2, 'a `name` of its own'),
        (['{"name": "m", "topic": "/a", "rate": 1}'], "no parameter 'rate'"),
    ],
)
def test_a_parameter_of_ros_that_is_no_such_text_is_refused(texts, words):
    with pytest.raises(ConfigurationError, match=words):
        read_outside(texts)

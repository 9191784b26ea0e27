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

"""ROS parameter files as entries of a configuration."""

import pytest
import yaml

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.settings.configuration import parse
from vlm_misalign_ros.core.settings.fixed import FIXED
from vlm_misalign_ros.core.settings.nodes import (
    CorruptionParameters,
    MonitorParameters,
    RecorderParameters,
    ReplayParameters,
    VlmParameters,
)
from vlm_misalign_ros.core.settings.parameters import table
from vlm_misalign_ros.core.settings.params_file import with_params_file

BARE = {
    'mode': 'live',
    'segmentation': {'model': 'miniature:segformer'},
    'vlms': {'clip': {'model': 'miniature:clip'}, 'said': {'topic': '/said'}},
}


@pytest.fixture
def lay(tmp_path):
    def make(text, **data):
        path = tmp_path / 'params.yaml'
        path.write_text(text)
        return with_params_file({**BARE, **data}, path)

    return make


@pytest.mark.parametrize(
    'pattern, space, hit',
    [
        ('monitor', '', True),
        ('/monitor', '', True),
        ('/**', '', True),
        ('/**', 'car/front', True),
        ('/*', '', True),
        ('/*', 'car', False),
        ('/*/monitor', 'car', True),
        ('/**/monitor', 'car/front', True),
        ('/**/monitor', '', True),
        ('/car/monitor', 'car', True),
        ('/car/monitor', '/car/', True),
        ('monitor', 'car', False),
        ('/other/monitor', 'car', False),
        ('/mon*', '', True),
    ],
)
def test_nodes_are_found_by_the_patterns_of_ros(lay, pattern, space, hit):
    text = yaml.safe_dump({pattern: {'ros__parameters': {'deadline': 5.0}}})
    if hit:
        assert lay(text, namespace=space)['monitor']['deadline'] == 5.0
    else:
        with pytest.raises(ConfigurationError, match='is for no node of this run'):
            lay(text, namespace=space)


def test_namespaces_may_be_nested(lay):
    text = 'car: {front: {monitor: {ros__parameters: {window: 3.0}}}}'
    assert lay(text, namespace='car/front')['monitor'] == {'window': 3.0}


def test_each_node_has_its_section(lay):
    text = """
    corruption: {ros__parameters: {condition: 'low_light:2'}}
    segmentation: {ros__parameters: {input_height: 256}}
    vlm_clip: {ros__parameters: {threshold: 0.4, asks: ['']}}
    annotator: {ros__parameters: {width: 640}}
    """
    data = lay(text, annotate=True)
    assert data['vlms']['clip'] == {'model': 'miniature:clip', 'threshold': 0.4, 'asks': []}
    chosen = parse({**data, 'vlms': {'clip': {**data['vlms']['clip'], 'asks': {'a': {}}}}})
    assert chosen.corruption.condition == 'low_light:2' and chosen.annotator.width == 640
    assert chosen.segmentation.input_height == 256


def test_what_is_for_all_reaches_those_that_have_it(lay):
    text = '/**: {ros__parameters: {reliability: reliable, speed: 3, use_sim_time: true}}'
    data = lay(text)
    assert data['use_sim_time'] is True and 'replay' not in data
    chosen = parse(data)
    for node in (chosen.monitor, chosen.corruption, chosen.segmentation, chosen.vlms[0]):
        assert node.reliability == 'reliable'


@pytest.mark.parametrize('pattern', ['/**', '/*'])
def test_what_is_for_all_leaves_what_the_run_sets_itself(lay, pattern):
    """A stack's file gives its own nodes a name, a source and a seed."""
    fixed = sorted({name for names in FIXED.values() for name in names})
    meant = {**dict.fromkeys(fixed, 'lidar'), 'reliability': 'reliable'}
    data = lay(yaml.safe_dump({pattern: {'ros__parameters': meant}}), record=True)
    assert all(
        name not in section or name not in FIXED[kind]
        for kind, section in (
            (MonitorParameters, data['monitor']),
            (RecorderParameters, data['recorder']),
            (CorruptionParameters, data['corruption']),
            (VlmParameters, data['vlms']['clip']),
        )
        for name in fixed
    )
    assert data['monitor']['reliability'] == data['vlms']['clip']['reliability'] == 'reliable'


@pytest.mark.parametrize('kind', FIXED)
def test_what_the_run_sets_itself_is_refused_of_a_node_that_is_named(lay, kind):
    node = {
        MonitorParameters: 'monitor',
        ReplayParameters: 'replay',
        RecorderParameters: 'recorder',
        CorruptionParameters: 'corruption',
        VlmParameters: 'vlm_clip',
    }[kind]
    assert set(FIXED[kind]) <= {entry.name for entry in table(kind)}
    for name in FIXED[kind]:
        text = f'{node}: {{ros__parameters: {{{name}: x}}}}'
        more = {'mode': 'evaluation', 'replay': {'dataset': 'x'}} if node == 'replay' else {}
        with pytest.raises(ConfigurationError, match=f"'{name}' of .* is set by the run itself"):
            parse(lay(text, record=True, **more))


@pytest.mark.parametrize(
    'wrong, words',
    [
        ({'vlms': ['a']}, "section 'vlms' is"),
        ({'vlms': {1: {'model': 'miniature:clip'}}}, "section 'vlms' is"),
        ({'monitor': 3}, "section 'monitor' is 3"),
        ({'qos_overrides': 3}, "section 'qos_overrides' is 3"),
        ({'qos_overrides': {'/a': 3}}, "section 'qos_overrides' is 3"),
        ({'qos_overrides': {'/a': {'publisher': [3]}}}, "section 'qos_overrides' is"),
    ],
)
def test_a_section_of_another_form_is_named(lay, wrong, words):
    text = '/**: {ros__parameters: {reliability: reliable, qos_overrides./a.publisher.depth: 2}}'
    with pytest.raises(ConfigurationError) as caught:
        parse(lay(text, **wrong))
    assert words in str(caught.value)


def test_an_empty_section_of_overrides_is_none(lay):
    text = '/**: {ros__parameters: {qos_overrides./a.publisher.depth: 2}}'
    assert lay(text, qos_overrides=None)['qos_overrides'] == {'/a': {'publisher': {'depth': 2}}}


def test_a_later_entry_lies_over_an_earlier_one(lay):
    text = """
    /**: {ros__parameters: {window: 3.0}}
    monitor: {ros__parameters: {window: 4.0}}
    """
    assert lay(text)['monitor'] == {'window': 4.0}


def test_qos_overrides_stay_those_of_their_topics(lay):
    text = """
    corruption:
      ros__parameters:
        qos_overrides:
          /camera/image_raw:
            subscription: {reliability: best_effort, depth: 2}
    """
    assert parse(lay(text)).ros.parameters() == {
        'qos_overrides./camera/image_raw.subscription.reliability': 'best_effort',
        'qos_overrides./camera/image_raw.subscription.depth': 2,
    }


@pytest.mark.parametrize(
    'text, words',
    [
        ('monitor: {ros__parameters: {dedline: 3.0}}', "'dedline' (did you mean 'deadline'?)"),
        ('vlm_said: {ros__parameters: {threads: 2}}', 'is for no node'),
        ('lidar: {ros__parameters: {rate: 3}}', 'monitor, corruption'),
        ('', 'has no parameters'),
        ('[1, 2]', 'has no parameters'),
        ('monitor: {ros__parameters: 3}', 'is no mapping'),
        ('ros__parameters: {deadline: 3}', 'is no mapping of one'),
        ('monitor: {', 'cannot be read'),
        ('a: {' * 50 + '}' * 50, 'nested too deep'),
    ],
)
def test_what_does_not_fit_is_named(lay, text, words):
    with pytest.raises(ConfigurationError) as caught:
        lay(text)
    assert words in str(caught.value)


def test_a_value_that_is_not_allowed_is_refused_where_all_are(lay):
    with pytest.raises(ConfigurationError, match="'deadline' of monitor is -1.0"):
        parse(lay('monitor: {ros__parameters: {deadline: -1.0}}'))
    with pytest.raises(ConfigurationError, match='set by the run itself'):
        parse(lay('monitor: {ros__parameters: {run_folder: /tmp}}'))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match='does not exist'):
        with_params_file(BARE, tmp_path / 'none.yaml')

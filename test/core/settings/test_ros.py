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

"""Clock, log level and QoS overrides of a run: from its configuration to every node."""

import pytest

from vlm_misalign_ros.app.graph import build_graph, check_names, full_name
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.settings.configuration import parse

BARE = {'mode': 'live', 'vlms': {'clip': {'model': 'miniature:clip'}}}


def overrides(topic, **policies):
    return {'qos_overrides': {topic: {'subscription': policies}}}


def test_every_node_gets_the_clock_and_the_overrides(tmp_path):
    more = overrides('/camera/image_raw', reliability='reliable')
    chosen = parse({**BARE, 'use_sim_time': True, 'log_level': 'warn', 'annotate': True, **more})
    graph = build_graph(chosen, tmp_path)
    assert {spec.executable for spec in graph.nodes} == {
        'monitor',
        'corruption',
        'vlm',
        'annotator',
    }
    for spec in graph.nodes:
        assert spec.parameters['use_sim_time'] is True
        name = 'qos_overrides./camera/image_raw.subscription.reliability'
        assert spec.parameters[name] == 'reliable'
    assert graph.arguments == ('--log-level', 'warn')
    assert chosen.resolved()['ros']['use_sim_time'] is True


def test_without_them_nothing_is_added(tmp_path):
    graph = build_graph(parse(BARE), tmp_path)
    assert graph.arguments == ()
    assert all('use_sim_time' not in spec.parameters for spec in graph.nodes)


@pytest.mark.parametrize(
    'data, words',
    [
        ({'use_sim_time': 'yes'}, "'use_sim_time' is 'yes'"),
        ({'use_sim_time': 1}, "'use_sim_time' is 1"),
        ({'log_level': 'loud'}, 'debug, info, warn, error, fatal'),
        ({'qos_overrides': 3}, 'expected topics'),
        (overrides('camera', depth=1), 'names no topic'),
        ({'qos_overrides': {'/a': {'reader': {}}}}, 'known: publisher, subscription'),
        ({'qos_overrides': {'/a': {'publisher': 3}}}, 'expected a mapping'),
        (overrides('/a', durability='volatile'), 'known: reliability, history, depth'),
        (overrides('/a', reliability='fast'), 'reliable, best_effort, system_default'),
        (overrides('/a', depth=0), '1 to 10000'),
        (overrides('/a', depth=True), '1 to 10000'),
        ({'annotator': 3, 'annotate': True}, 'expected a mapping'),
        ({'annotate': 'yes'}, "'annotate' is 'yes'"),
    ],
)
def test_what_does_not_fit_is_named(data, words):
    with pytest.raises(ConfigurationError) as caught:
        parse({**BARE, **data})
    assert words in str(caught.value)


@pytest.mark.parametrize(
    'topic, fits',
    [
        ('/front/degraded/image_raw', True),
        ('/front/degraded/image_raw/compressed', True),
        ('/ego/rgb', True),
        ('/degraded/image_raw', False),
        ('/front/camera/image_raw', False),
        ('/front/monitor/frame', True),
        ('/ego/rgb/compressed', True),
        ('/ego/info', True),
        ('/front/camera/camera_info', False),
        ('/front/degraded/condition', True),
        ('/front/segmentation/confidence', True),
        ('/front/vlm/clip/description', True),
        ('/front/vlm/other/description', False),
        ('/front/vlm/stranger/description', False),
        ('/stranger/says', True),
        ('/diagnostics', True),
        ('/front/diagnostics', False),
        ('/depth/compressedDepth', True),
        ('/clock', False),
    ],
)
def test_overrides_are_of_topics_that_are_there(topic, fits):
    chosen = parse(
        {
            **BARE,
            'namespace': '/front',
            'vlms': {
                **BARE['vlms'],
                'stranger': {'topic': '/stranger/says', 'type': 'std_msgs/msg/String'},
            },
            'remap': {
                'camera/image_raw': '/ego/rgb',
                'camera/camera_info': '/ego/info',
                'ground_truth/depth': '/depth',
            },
            **overrides(topic, depth=3),
        }
    )
    if fits:
        check_names(chosen)
    else:
        with pytest.raises(ConfigurationError, match='no topic of this run'):
            check_names(chosen)


@pytest.mark.parametrize('space', ['', 'front'])
@pytest.mark.parametrize(
    'name, there',
    [
        ('camera/image_raw', True),
        ('/{}vlm/clip/description', True),
        ('degraded/image', False),
        ('vlm/other/description', False),
        ('/other/camera/image_raw', False),
    ],
)
def test_rules_are_of_topics_that_are_there(name, there, space):
    name = name.format(f'{space}/' if space else '')
    chosen = parse({**BARE, 'namespace': space, 'remap': {name: '/ego/it'}})
    if there:
        check_names(chosen)
    else:
        with pytest.raises(ConfigurationError, match=f"remap has '{name}'"):
            check_names(chosen)


@pytest.mark.parametrize(
    'space, target, wanted',
    [('', 'rgb', '/rgb'), ('/front/', 'rgb', '/front/rgb'), ('front', '/ego/rgb', '/ego/rgb')],
)
def test_names_are_resolved_as_ros_does(space, target, wanted):
    assert full_name(space, {'camera/image_raw': target}, 'camera/image_raw') == wanted


def test_the_annotator_reads_labels_as_the_monitor_does():
    data = {**BARE, 'annotate': True, 'monitor': {'label_encoding': 'carla_tags'}}
    assert parse(data).annotator.label_encoding == 'carla_tags'
    assert (
        parse({**data, 'annotator': {'label_encoding': 'auto'}}).annotator.label_encoding == 'auto'
    )
    assert parse({**data, 'annotate': False}).annotator is None

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

"""The arguments of the launch files, without launch: what each makes of the configuration."""

from pathlib import Path

import pytest
import yaml

from vlm_misalign_ros.app.arguments import (
    EVALUATE,
    FLAG,
    LIVE,
    configured,
    doubtful,
    refuse_unknown,
)
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.settings.configuration import parse

TABLES = {'live': LIVE, 'evaluation': EVALUATE}
BARE = {'vlms': {'clip': {'model': 'miniature:clip'}}}


@pytest.fixture
def ask(tmp_path):
    """Return the configuration that arguments make of a bare one."""

    def make(mode='live', pushed='', sim_time=None, data=(), **given):
        path = tmp_path / 'config.yaml'
        path.write_text(yaml.safe_dump({**BARE, 'mode': mode, **dict(data)}))
        values = {argument.name: argument.default for argument in TABLES[mode]}
        return configured(mode, {**values, 'config': str(path), **given}, pushed, sim_time)

    return make


def test_without_arguments_the_configuration_stays_what_it_is(ask):
    for mode in TABLES:
        assert ask(mode) == {**BARE, 'mode': mode, 'out': 'runs'}


def place(data, key):
    for part in key.split('.'):
        data = data[part]
    return data


@pytest.mark.parametrize(
    'name, text, key, value',
    [
        ('name', '2026', 'name', '2026'),
        ('out', 'true', 'out', 'true'),
        ('seed', '7', 'seed', 7),
        ('record', 'True', 'record', True),
        ('namespace', '/car/front/', 'namespace', 'car/front'),
        ('use_sim_time', 'true', 'use_sim_time', True),
        ('use_sim_time', 'False', 'use_sim_time', False),
        ('log_level', 'debug', 'log_level', 'debug'),
        ('annotate', 'false', 'annotate', False),
        ('self_consistency', 'true', 'self_consistency', True),
        ('truth', 'true', 'monitor.truth', True),
        ('reference', 'transformers:x/y', 'reference', {'model': 'transformers:x/y'}),
        ('label_encoding', 'auto', 'monitor.label_encoding', 'auto'),
        ('instance_encoding', 'carla', 'monitor.instance_encoding', 'carla'),
        ('depth_encoding', 'carla', 'monitor.depth_encoding', 'carla'),
        ('image_topic', '/a', 'remap', {'camera/image_raw': '/a'}),
        ('image', '/a', 'remap', {'camera/image_raw': '/a'}),
        ('camera_info_topic', '/a', 'remap', {'camera/camera_info': '/a'}),
        ('camera_info', '/a', 'remap', {'camera/camera_info': '/a'}),
        ('labels_topic', '/a', 'remap', {'ground_truth/labels': '/a'}),
        ('labels', '/a', 'remap', {'ground_truth/labels': '/a'}),
        ('instances_topic', '/a', 'remap', {'ground_truth/instances': '/a'}),
        ('instances', '/a', 'remap', {'ground_truth/instances': '/a'}),
        ('instances', 'false', 'monitor.instances', False),
        ('instances', 'True', 'monitor.instances', True),
        ('depth_topic', '/a', 'remap', {'ground_truth/depth': '/a'}),
        ('depth', 'true', 'monitor.depth', True),
        ('image_transport', 'compressed', 'corruption.image_transport', 'compressed'),
        ('image_transport', 'raw', 'monitor.image_transport', 'raw'),
        ('instance_encoding', 'carla', 'monitor.instance_encoding', 'carla'),
        ('depth_encoding', 'carla', 'monitor.depth_encoding', 'carla'),
        ('camera_image', 'rectified', 'monitor.camera_image', 'rectified'),
        ('condition', 'occlusion:2', 'corruption.condition', 'occlusion:2'),
        ('duration', '12.5', 'monitor.duration', 12.5),
        ('set', 'monitor.deadline=3; vlms.clip.threshold=0.4', 'monitor.deadline', 3),
    ],
)
def test_an_argument_of_live(ask, name, text, key, value):
    data = ask(**{name: text})
    assert place(data, key) == value
    parse(data)


@pytest.mark.parametrize(
    'name, text, key, value',
    [
        ('dataset', '/d', 'replay.dataset', '/d'),
        (
            'conditions',
            'clean; low_light:1,3',
            'replay.conditions',
            ['clean', 'low_light:1', 'low_light:3'],
        ),
        ('limit', '4', 'replay.limit', 4),
        ('instances', 'false', 'monitor.instances', False),
        ('depth', 'False', 'replay.depth', False),
        ('namespace', 'car', 'namespace', 'car'),
        ('self_consistency', 'True', 'self_consistency', True),
    ],
)
def test_an_argument_of_evaluate(ask, name, text, key, value):
    data = ask('evaluation', **{name: text})
    assert place(data, key) == value
    parse(data)


def test_two_names_of_one_argument_may_not_disagree(ask):
    assert ask(image='/a', image_topic='/a')['remap'] == {'camera/image_raw': '/a'}
    with pytest.raises(ConfigurationError, match="image_topic is '/b' and image, .*'/a'"):
        ask(image='/a', image_topic='/b')
    with pytest.raises(ConfigurationError, match='instances:=true or false'):
        ask(instances='/a', instances_topic='/b')
    both = ask(instances='true', instances_topic='/b')
    assert both['remap'] == {'ground_truth/instances': '/b'} and both['monitor']['instances']


@pytest.mark.parametrize(
    'pushed, own, wanted',
    [
        ('', 'front', 'front'),
        ('/car', 'front', 'car/front'),
        ('/car', '/front', 'front'),
        ('/car', '', 'car'),
        ('', '/', ''),
    ],
)
def test_namespaces_nest_as_those_of_launch(ask, pushed, own, wanted):
    assert ask(pushed=pushed, namespace=own).get('namespace', '') == wanted


def test_the_namespace_of_the_configuration_is_that_of_launch(ask):
    assert ask(data={'namespace': 'cam'})['namespace'] == 'cam'
    assert ask(data={'namespace': 'cam'}, namespace='other')['namespace'] == 'other'


def test_what_was_set_for_all_nodes_of_a_launch_holds_until_it_is_said_otherwise(ask):
    assert ask(sim_time=True)['use_sim_time'] is True
    assert ask(sim_time=True, use_sim_time='false')['use_sim_time'] is False


def test_arguments_lie_over_the_params_file_and_that_over_the_configuration(ask, tmp_path):
    path = tmp_path / 'params.yaml'
    parameters = {'condition': 'low_light:2', 'queue_size': 9}
    path.write_text(yaml.safe_dump({'corruption': {'ros__parameters': parameters}}))
    data = ask(
        params_file=str(path),
        condition='occlusion:1',
        data={'corruption': {'queue_size': 3, 'max_failures': 5}},
    )
    assert data['corruption'] == {'condition': 'occlusion:1', 'queue_size': 9, 'max_failures': 5}


@pytest.mark.parametrize('table', [LIVE, EVALUATE], ids=['live', 'evaluate'])
def test_every_argument_is_described_and_what_is_closed_has_choices(table):
    names = [argument.name for argument in table]
    assert len(set(names)) == len(names) and all(argument.description for argument in table)
    closed = {argument.name for argument in table if argument.choices}
    flags = {argument.name for argument in table if set(FLAG[1:]) <= set(argument.choices)}
    wanted = {'overwrite', 'record', 'use_sim_time', 'respawn', 'annotate', 'depth'}
    assert wanted <= flags
    inputs = {'image_transport', 'instance_encoding', 'depth_encoding', 'camera_image'}
    assert closed - flags == {'log_level', *(inputs if table is LIVE else ())}
    for argument in table:
        assert not argument.choices or argument.default in argument.choices


@pytest.mark.parametrize(
    'name, near',
    [
        ('namspace', 'namespace'),
        ('use_simtime', 'use_sim_time'),
        ('label_encodings', 'label_encoding'),
    ],
)
def test_an_unknown_argument_is_refused_with_the_nearest(name, near):
    known = [argument.name for argument in LIVE]
    with pytest.raises(ConfigurationError, match=rf"'{name}' \(did you mean '{near}'"):
        refuse_unknown([name], known, 'live.launch.py')
    assert near in doubtful([name], known, 'live.launch.py')[0]


def test_what_launch_itself_adds_is_no_unknown_argument():
    known = [argument.name for argument in LIVE]
    refuse_unknown(['launch-prefix', 'namespace'], known, 'live.launch.py')
    assert doubtful(['cameras', 'speed', 'world'], known, 'live.launch.py') == []


@pytest.mark.parametrize('table', [LIVE, EVALUATE], ids=['live', 'evaluate'])
def test_the_docs_have_every_argument(table):
    text = (Path(__file__).resolve().parents[2] / 'docs' / 'live.md').read_text()
    assert [entry.name for entry in table if f'`{entry.name}`' not in text] == []

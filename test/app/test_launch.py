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

"""The launch files; only where ROS 2's launch is installed."""

import importlib.util
from pathlib import Path

import pytest
import yaml

pytest.importorskip('launch_ros', reason='launch is not on the package index')

from launch import LaunchContext  # noqa: E402
from launch.actions import DeclareLaunchArgument, OpaqueFunction  # noqa: E402
from launch_ros.actions import Node  # noqa: E402

from vlm_misalign_ros.app.graph import build_graph  # noqa: E402
from vlm_misalign_ros.core.errors import MisalignError  # noqa: E402
from vlm_misalign_ros.core.settings.configuration import parse  # noqa: E402

LAUNCH = Path(__file__).resolve().parents[2] / 'launch'


def load(name):
    spec = importlib.util.spec_from_file_location(name, LAUNCH / f'{name}.launch.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.generate_launch_description().entities


def started(entities, **arguments):
    """Return the nodes that a launch file starts for some arguments."""
    context = LaunchContext()
    for entity in entities:
        if isinstance(entity, DeclareLaunchArgument):
            entity.visit(context)
    context.launch_configurations.update(arguments)
    (action,) = [entity for entity in entities if isinstance(entity, OpaqueFunction)]
    return [action for action in action.execute(context) if isinstance(action, Node)]


@pytest.mark.parametrize('name', ['evaluate', 'live'])
def test_every_argument_is_described(name):
    arguments = [e for e in load(name) if isinstance(e, DeclareLaunchArgument)]
    assert {'config', 'name', 'out', 'seed', 'record', 'set'} <= {a.name for a in arguments}
    assert all(argument.description for argument in arguments)


@pytest.fixture
def config(checkpoints, tmp_path):
    path = tmp_path / 'config.yaml'
    path.write_text(
        yaml.safe_dump(
            {
                'segmentation': {'model': f'transformers:{checkpoints["segformer"]}'},
                'vlms': {'clip': {'model': f'open_clip:local-dir:{checkpoints["clip"]}'}},
            }
        )
    )
    return path


def test_a_launch_file_starts_the_nodes_of_the_graph(config, scenes, tmp_path):
    nodes = started(
        load('evaluate'),
        config=str(config),
        out=str(tmp_path),
        name='2026',
        seed='4',
        dataset=str(scenes),
        conditions='clean; low_light:1,3',
        limit='2',
        set='monitor.deadline=3.5; replay.max_in_flight=1',
    )
    resolved = yaml.safe_load((tmp_path / '2026' / 'config.yaml').read_text())
    graph = build_graph(parse(resolved), tmp_path / '2026')
    assert [node.node_executable for node in nodes] == [spec.executable for spec in graph.nodes]
    assert resolved['seed'] == 4 and resolved['monitor'] == {'deadline': 3.5}
    assert resolved['replay'] == {
        'dataset': str(scenes),
        'conditions': ['clean', 'low_light:1', 'low_light:3'],
        'limit': 2,
        'max_in_flight': 1,
    }


def test_live_topics_are_remapped(config, tmp_path):
    data = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({**data, 'mode': 'live'}))
    nodes = started(
        load('live'),
        config=str(config),
        out=str(tmp_path),
        name='run',
        image='/carla/ego/rgb',
        condition='occlusion:2',
    )
    assert 'replay' not in {node.node_executable for node in nodes}
    resolved = yaml.safe_load((tmp_path / 'run' / 'config.yaml').read_text())
    assert resolved['remap'] == {'camera/image_raw': '/carla/ego/rgb'}
    assert resolved['corruption']['condition'] == 'occlusion:2'


def test_a_configuration_of_the_other_mode_is_refused(config, tmp_path):
    with pytest.raises(MisalignError, match="needs 'live'"):
        started(load('live'), config=str(config), out=str(tmp_path))

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
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

pytest.importorskip('launch_ros', reason='launch is not on the package index')

from launch import LaunchContext, LaunchDescription, LaunchService  # noqa: E402
from launch.actions import (  # noqa: E402
    DeclareLaunchArgument,
    EmitEvent,
    LogInfo,
    OpaqueFunction,
    SetEnvironmentVariable,
    Shutdown,
    TimerAction,
)
from launch_ros.actions import Node, PushRosNamespace, SetParameter  # noqa: E402

from vlm_misalign_ros.app import launched  # noqa: E402
from vlm_misalign_ros.app.arguments import TABLES  # noqa: E402
from vlm_misalign_ros.app.graph import Graph, NodeSpec, build_graph  # noqa: E402
from vlm_misalign_ros.core.errors import ExitCode, MisalignError  # noqa: E402
from vlm_misalign_ros.core.records.ending import TOLD, told_ending  # noqa: E402
from vlm_misalign_ros.core.records.schema import FrameRecord  # noqa: E402
from vlm_misalign_ros.core.records.store import read_records  # noqa: E402
from vlm_misalign_ros.core.settings.configuration import parse  # noqa: E402

LAUNCH = Path(__file__).resolve().parents[2] / 'launch'


def load(name):
    spec = importlib.util.spec_from_file_location(name, LAUNCH / f'{name}.launch.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.generate_launch_description().entities


def started(entities, context=None, **arguments):
    """Return the nodes that a launch file starts for some arguments."""
    context = context or LaunchContext()
    for entity in entities:
        if isinstance(entity, DeclareLaunchArgument):
            entity.visit(context)
    context.launch_configurations.update(arguments)
    (action,) = [entity for entity in entities if isinstance(entity, OpaqueFunction)]
    return [action for action in action.execute(context) if isinstance(action, Node)]


@pytest.mark.parametrize('name, mode', [('evaluate', 'evaluation'), ('live', 'live')])
def test_launch_declares_every_argument_of_the_table(name, mode):
    declared = [e for e in load(name) if isinstance(e, DeclareLaunchArgument)]
    assert [entry.name for entry in declared] == [entry.name for entry in TABLES[mode]]
    for entry, argument in zip(declared, TABLES[mode], strict=True):
        assert argument.description in entry.description
        assert tuple(entry.choices or ()) == argument.choices


@pytest.mark.parametrize('name', ['respawn', 'use_sim_time', 'log_level', 'depth', 'annotate'])
def test_launch_refuses_what_is_none_of_the_choices(name):
    (argument,) = [e for e in load('live') if getattr(e, 'name', '') == name]
    context = LaunchContext()
    context.launch_configurations[name] = 'maybe'
    with pytest.raises(RuntimeError, match='Valid options'):
        argument.visit(context)


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


@pytest.fixture
def live(config):
    data = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({**data, 'mode': 'live'}))
    return config


def command_of(node, context):
    """Return the command line of a node, with the parameters of its files in place of them."""
    node._perform_substitutions(context)
    # What launch knows of a node only once it runs.
    context.extend_locals({'ros_specific_arguments': defaultdict(str)})
    words = [''.join(context.perform_substitution(w) for w in word) for word in node.cmd]
    found = {}
    for flag, value in zip(words, words[1:], strict=False):
        if flag == '--params-file':
            # launch writes lists as tuples of Python's.
            for entry in yaml.load(Path(value).read_text(), yaml.FullLoader).values():
                found |= entry['ros__parameters']
    return words, found


def test_the_namespace_the_clock_and_the_log_level_reach_every_node(live, tmp_path):
    context = LaunchContext()
    nodes = started(
        load('live'),
        context,
        config=str(live),
        out=str(tmp_path),
        name='run',
        namespace='front',
        use_sim_time='True',
        log_level='warn',
        annotate='true',
        image_topic='/ego/rgb',
    )
    assert {node.node_executable for node in nodes} > {'monitor', 'annotator', 'vlm'}
    for node in nodes:
        words, parameters = command_of(node, context)
        assert parameters['use_sim_time'] is True
        assert words[words.index('--log-level') + 1] == 'warn'
        assert node.expanded_node_namespace == '/front'
        assert 'camera/image_raw:=/ego/rgb' in words
    resolved = yaml.safe_load((tmp_path / 'run' / 'config.yaml').read_text())
    assert resolved['namespace'] == 'front' and resolved['use_sim_time'] is True


def test_a_pushed_namespace_is_that_of_the_run_too(live, tmp_path):
    context = LaunchContext()
    PushRosNamespace('car').visit(context)
    SetParameter('use_sim_time', True).visit(context)
    nodes = started(
        load('live'), context, config=str(live), out=str(tmp_path), name='run', namespace='front'
    )
    for node in nodes:
        words, parameters = command_of(node, context)
        assert node.expanded_node_namespace == '/car/front'
        assert parameters['use_sim_time'] is True
    resolved = yaml.safe_load((tmp_path / 'run' / 'config.yaml').read_text())
    assert resolved['namespace'] == 'car/front' and resolved['use_sim_time'] is True


def test_qos_overrides_of_a_params_file_reach_the_nodes(live, tmp_path):
    path = tmp_path / 'params.yaml'
    name = 'qos_overrides./camera/image_raw.subscription.reliability'
    path.write_text(
        yaml.safe_dump({'/**': {'ros__parameters': {name: 'reliable', 'max_failures': 3}}})
    )
    context = LaunchContext()
    nodes = started(
        load('live'),
        context,
        config=str(live),
        out=str(tmp_path),
        name='run',
        params_file=str(path),
    )
    for node in nodes:
        _, parameters = command_of(node, context)
        assert parameters[name] == 'reliable'
        if node.node_executable in ('corruption', 'segmentation', 'vlm'):
            assert parameters['max_failures'] == 3


def test_an_unknown_argument_of_ros2_launch_is_refused(live, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['ros2', 'launch', 'vlm_misalign_ros', 'live.launch.py'])
    context = LaunchContext(argv=['namspace:=front', 'launch-prefix:=nice'])
    with pytest.raises(MisalignError, match=r"'namspace' \(did you mean 'namespace'"):
        started(load('live'), context, config=str(live), out=str(tmp_path), namspace='front')
    assert not list(tmp_path.glob('2*'))


def test_arguments_of_a_file_that_includes_this_one_are_left_alone(live, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['ros2', 'launch', 'stack.launch.py', 'world:=town'])
    context = LaunchContext(argv=['world:=town'])
    entities = load('live')
    for entity in entities:
        if isinstance(entity, DeclareLaunchArgument):
            entity.visit(context)
    context.launch_configurations.update(
        config=str(live), out=str(tmp_path), name='run', world='town', namspace='front'
    )
    (action,) = [entity for entity in entities if isinstance(entity, OpaqueFunction)]
    said = [entry for entry in action.execute(context) if isinstance(entry, LogInfo)]
    texts = [context.perform_substitution(entry.msg[0]) for entry in said]
    assert len(texts) == 1 and "did you mean 'namespace'" in texts[0]


def test_cameras_that_start_at_once_have_each_a_run_folder(live, tmp_path):
    context = LaunchContext()
    for name in ('front', 'rear'):
        started(
            load('live'), context, config=str(live), out=str(tmp_path / 'runs'), namespace=name
        )
    folders = sorted(path.name for path in (tmp_path / 'runs').iterdir())
    assert [name.rpartition('_')[2] for name in folders] == ['front', 'rear']
    assert len(launched.runs_of(context).open) == 2


def test_a_configuration_of_the_other_mode_is_refused(config, tmp_path):
    with pytest.raises(MisalignError, match="needs 'live'"):
        started(load('live'), config=str(config), out=str(tmp_path))


def nodes_of(folder):
    """Return the nodes that still run and write into a run folder, or were started for it."""
    return [line for _, line in _found(folder)]


def pids_of(folder, text):
    """Return the process ids of those that have `text` in their command."""
    return [pid for pid, line in _found(folder) if text.encode() in line]


def _found(folder):
    found = []
    for path in Path('/proc').glob('[0-9]*'):
        try:
            given = (path / 'environ').read_bytes()
            line = (path / 'cmdline').read_bytes()
            ended = (path / 'stat').read_text().rpartition(') ')[2][0] == 'Z'
        except OSError:
            continue
        if b'lib/vlm_misalign_ros/' in line and folder.encode() in given and not ended:
            found.append((int(path.name), line))
    return found


@pytest.mark.heavy
@pytest.mark.timeout(180)
@pytest.mark.skipif(shutil.which('ros2') is None, reason='no ros2 command here')
@pytest.mark.parametrize(
    'number, loading', [(signal.SIGTERM, False), (signal.SIGKILL, False), (signal.SIGKILL, True)]
)
def test_no_node_outlives_a_launch_that_was_ended(config, scenes, tmp_path, number, loading):
    command = ['ros2', 'launch', 'vlm_misalign_ros', 'evaluate.launch.py', f'config:={config}']
    command += [f'dataset:={scenes}', f'out:={tmp_path}', 'name:=run', 'conditions:=all']
    mark = f'mark-{tmp_path}'
    started = subprocess.Popen(
        command,
        env={**os.environ, 'ROS_LOG_DIR': str(tmp_path / 'log'), 'MARK': mark},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    records = tmp_path / 'run' / 'records.jsonl'

    def begun():
        if loading:
            return len(nodes_of(mark)) == 5
        return records.is_file() and b'"kind":"frame"' in records.read_bytes()

    try:
        wait_until(begun, 120)
        assert nodes_of(mark)
        started.send_signal(number)
        started.wait(20)
        wait_until(lambda: not nodes_of(mark), 15)
    finally:
        if started.poll() is None:
            started.kill()
    if not loading:
        assert records.read_bytes().endswith(b'\n')


@pytest.mark.heavy
@pytest.mark.timeout(240)
@pytest.mark.skipif(shutil.which('ros2') is None, reason='no ros2 command here')
@pytest.mark.parametrize('name, ends', [('vlm_clip', False), ('recorder', True)])
def test_a_node_of_a_launch_that_is_ended_is_named(config, scenes, tmp_path, name, ends):
    command = ['ros2', 'launch', 'vlm_misalign_ros', 'evaluate.launch.py', f'config:={config}']
    command += [f'dataset:={scenes}', f'out:={tmp_path}', 'name:=run', 'conditions:=all']
    command += ['record:=true', 'set:=monitor.deadline=1.0']
    mark = f'mark-{tmp_path}'
    with open(tmp_path / 'out', 'wb') as out:
        started = subprocess.Popen(
            command,
            env={**os.environ, 'ROS_LOG_DIR': str(tmp_path / 'log'), 'MARK': mark},
            stdout=out,
            stderr=out,
        )
    records = tmp_path / 'run' / 'records.jsonl'
    try:
        wait_until(lambda: records.is_file() and b'"kind":"frame"' in records.read_bytes(), 120)
        (pid,) = pids_of(mark, f'__node:={name}\0')
        (monitor,) = pids_of(mark, '__node:=monitor\0')
        # The run does not come to its end before it is known that the node has ended.
        os.kill(monitor, signal.SIGSTOP)
        try:
            # Its handler ends it in order, as Ctrl-C would, and its exit code is 0.
            os.kill(pid, signal.SIGTERM)
            wait_until((tmp_path / 'run' / TOLD).exists, 30)
        finally:
            os.kill(monitor, signal.SIGCONT)
        assert started.wait(90) != 0
    finally:
        if started.poll() is None:
            started.kill()
    said = (tmp_path / 'out').read_text()
    words = f'{name} ended with exit code 0 while the run went on'
    assert words in said
    verdict = json.loads((tmp_path / 'run' / 'verdict.json').read_text())
    assert verdict['status'] == 'INVALID'
    assert any(words in reason for reason in verdict['reasons']), verdict['reasons']
    failed = [check for check in verdict['checks'] if check['name'] == 'end of the run']
    assert (failed[0]['status'] == 'INVALID') is ends


@pytest.mark.heavy
@pytest.mark.timeout(300)
@pytest.mark.skipif(shutil.which('ros2') is None, reason='no ros2 command here')
def test_two_asks_of_one_launched_model_are_one_process(scenes, tmp_path):
    path = tmp_path / 'live.yaml'
    asks = {'plain': {}, 'told': {'input': 'image+objects'}}
    path.write_text(
        yaml.safe_dump(
            {
                'mode': 'live',
                'segmentation': {'model': 'miniature:segformer', 'input_height': 128},
                'vlms': {'llava': {'model': 'miniature:llava', 'asks': asks}},
                # It begins when every node is there, however long the model takes to load.
                'monitor': {'deadline': 10.0, 'duration': 15.0},
            }
        )
    )
    environment = {**os.environ, 'ROS_LOG_DIR': str(tmp_path / 'log')}
    mark = f'mark-{tmp_path}'
    command = ['ros2', 'launch', 'vlm_misalign_ros', 'live.launch.py', f'config:={path}']
    command += [f'out:={tmp_path}', 'name:=run']
    camera = [sys.executable, '-m', 'vlm_misalign_ros.nodes.replay', '--ros-args']
    camera += [
        word
        for value in (
            f'dataset:={scenes}',
            'mode:=real_time',
            'rate:=4.0',
            'limit:=6',
            'loop:=true',
            'conditions:=[clean]',
        )
        for word in ('-p', value)
    ]
    records = tmp_path / 'run' / 'records.jsonl'
    with open(tmp_path / 'out', 'wb') as out:
        launched = subprocess.Popen(
            command, env={**environment, 'MARK': mark}, stdout=out, stderr=out
        )
        world = subprocess.Popen(camera, env=environment, stdout=out, stderr=out)
        try:
            wait_until(
                lambda: records.is_file() and b'"kind":"frame"' in records.read_bytes(), 120
            )
            running = [line for line in nodes_of(mark) if b'/vlm\0' in line]
            launched.wait(200)
        finally:
            world.send_signal(signal.SIGINT)
            for process in (launched, world):
                if process.poll() is None:
                    process.kill()
    assert len(running) == 1, running
    read = list(read_records(records))
    frames = [record for record in read if isinstance(record, FrameRecord)]
    models = [frame.models for frame in frames]
    assert all(set(found) == {'llava_plain', 'llava_told'} for found in models)
    for name, shown in (('llava_plain', 'image'), ('llava_told', 'image+objects')):
        answers = [found[name].answer for found in models if found[name].scored]
        assert answers and {answer.input.value for answer in answers} == {shown}


def wait_until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'it does not come true'
        time.sleep(0.05)


def test_a_launch_that_begins_says_who_its_nodes_must_not_outlive(config, scenes, tmp_path):
    entities = load('evaluate')
    context = LaunchContext()
    for entity in entities:
        if isinstance(entity, DeclareLaunchArgument):
            entity.visit(context)
    context.launch_configurations.update(
        config=str(config), out=str(tmp_path), name='run', dataset=str(scenes)
    )
    (action,) = [entity for entity in entities if isinstance(entity, OpaqueFunction)]
    for entry in action.execute(context):
        if isinstance(entry, SetEnvironmentVariable):
            entry.visit(context)
    assert context.environment['VLM_MISALIGN_PARENT'] == str(os.getpid())


@pytest.mark.parametrize(
    'code, verdict, words',
    [
        (1, None, 'exit code 1 and without a verdict'),
        (0, None, 'exit code 0 and without a verdict'),
        (-9, None, 'signal SIGKILL and without a verdict'),
        (1, 'FAIL', 'ended with FAIL; see'),
        (3, 'INVALID', 'ended with INVALID; see'),
        (0, 'INVALID', 'exit code 0 and without a verdict'),
    ],
)
def test_the_monitors_exit_code_is_a_verdict_only_where_one_stands(tmp_path, code, verdict, words):
    folder = tmp_path / 'run'
    folder.mkdir()
    (folder / 'manifest.json').write_text('{}')
    if verdict is not None:
        (folder / 'verdict.json').write_text(
            json.dumps({'status': verdict, 'checks': [], 'exit_code': ExitCode[verdict].value})
        )
    spec = NodeSpec('monitor', 'monitor', '', '', {}, True)
    run = launched.LaunchedRun(Graph((spec,), '', ()), folder, launched.Runs())
    with pytest.raises(RuntimeError, match=words):
        run.ended(spec, code, LaunchContext())
    assert folder.exists() is (verdict is not None)


MONITOR = NodeSpec('monitor', 'monitor', '', '', {'deadline': 20.0}, True)


class Ended:
    """A node of a launched run that has ended; `frames` are closed by then."""

    def __init__(self, folder, executable, frames, runs=None, respawn=False, name=''):
        self.folder, self.context = folder, LaunchContext()
        self.close(frames)
        self.spec = NodeSpec(name or f'{executable}_x', executable, '', '', {})
        graph = Graph((MONITOR, self.spec), '', ())
        self.run = launched.LaunchedRun(graph, folder, runs or launched.Runs(), respawn)
        self.run.start()

    def close(self, frames):
        (self.folder / 'records.jsonl').write_bytes(b'{"kind":"frame"}\n' * frames)

    def by(self, code):
        return self.run.ended(self.spec, code, self.context)

    def after(self, actions, seconds):
        """Return what follows once a timer has run off."""
        (timer,) = actions
        assert isinstance(timer, TimerAction) and timer.period == seconds
        (look,) = timer.actions
        return look.execute(self.context)


@pytest.fixture
def ended(tmp_path):
    return lambda executable, frames=5: Ended(tmp_path, executable, frames)


@pytest.mark.parametrize('code', [2, -9])
@pytest.mark.parametrize('executable', ['vlm', 'segmentation'])
def test_without_a_model_a_launched_run_goes_on_and_says_so(ended, tmp_path, executable, code):
    (action,) = ended(executable).by(code)
    assert isinstance(action, LogInfo)
    failure, notes = told_ending(tmp_path)
    assert failure is None and 'its answers count as missing' in notes[0]


@pytest.mark.parametrize('code', [2, -9])
@pytest.mark.parametrize(
    'executable, frames', [('corruption', 5), ('replay', 5), ('recorder', 5), ('vlm', 0)]
)
def test_without_what_it_cannot_do_without_a_launched_run_ends(
    ended, tmp_path, executable, frames, code
):
    said, action = ended(executable, frames).by(code)
    assert isinstance(said, LogInfo) and isinstance(action, Shutdown)
    assert f'{executable}_x ended with' in told_ending(tmp_path)[0]


def test_a_launched_node_that_ends_with_code_0_is_named_too(ended, tmp_path):
    node = ended('vlm')
    (action,) = node.after(node.by(0), launched.MOMENT)
    assert isinstance(action, LogInfo)
    assert 'vlm_x ended with exit code 0 while the run went on' in told_ending(tmp_path)[1][0]
    node = ended('corruption')
    _, action = node.after(node.by(0), launched.MOMENT)
    assert isinstance(action, Shutdown)


def test_of_a_launch_that_was_asked_to_end_nothing_follows(ended, tmp_path):
    node = ended('recorder')
    waiting = node.by(0)
    node.context._set_is_shutdown(True)
    assert node.after(waiting, launched.MOMENT) == []
    assert node.by(2) == [] and told_ending(tmp_path) == (None, [])


def test_a_launched_replay_that_ends_is_done_while_frames_close(ended, tmp_path):
    node = ended('replay', 5)
    waiting = node.by(0)
    node.close(9)
    waiting = node.after(waiting, 28.0)
    assert told_ending(tmp_path) == (None, [])
    _, action = node.after(waiting, 28.0)
    assert isinstance(action, Shutdown)
    assert 'after 9 frames, and no frame has closed since' in told_ending(tmp_path)[0]


def test_a_node_is_started_again_where_that_was_asked_for(tmp_path):
    node = Ended(tmp_path, 'vlm', 5, respawn=True)
    said, timer = node.by(-9)
    assert isinstance(said, LogInfo) and timer.period == launched.RESPAWN
    again = timer.actions[0].execute(node.context)
    assert [type(action).__name__ for action in again] == ['Node', 'RegisterEventHandler']
    assert 'it is started again' in told_ending(tmp_path)[1][0]


def test_the_corruption_that_is_started_again_ends_no_run(tmp_path):
    said, timer = Ended(tmp_path, 'corruption', 5, respawn=True).by(-9)
    assert isinstance(said, LogInfo) and isinstance(timer, TimerAction)
    assert told_ending(tmp_path)[0] is None


@pytest.mark.parametrize('executable, frames', [('vlm', 0), ('recorder', 5), ('replay', 5)])
def test_what_cannot_be_started_again_is_not(tmp_path, executable, frames):
    _, action = Ended(tmp_path, executable, frames, respawn=True).by(-9)
    assert isinstance(action, Shutdown)


def test_a_node_that_ends_again_and_again_is_given_up(tmp_path):
    node = Ended(tmp_path, 'vlm', 5, respawn=True)
    for _ in range(launched.MOST):
        assert len(node.by(1)) == 2
    (said,) = node.by(1)
    assert isinstance(said, LogInfo)
    assert f'started again {launched.MOST} times' in told_ending(tmp_path)[1][-1]


def test_a_monitor_that_was_killed_goes_on_with_its_records(tmp_path):
    node = Ended(tmp_path, 'vlm', 5, respawn=True)
    said, timer = node.run.ended(MONITOR, -9, node.context)
    assert isinstance(said, LogInfo) and timer.period == launched.RESPAWN
    assert 'monitor ended with signal SIGKILL; it is started again' in told_ending(tmp_path)[1][0]


@pytest.mark.parametrize(
    'executable, frames, respawn, ending',
    [
        ('vlm', 5, False, False),
        ('vlm', 0, True, False),
        ('replay', 5, True, False),
        ('vlm', 5, True, True),
    ],
    ids=['not asked for', 'nothing to go on with', 'lockstep', 'launch ends'],
)
def test_a_monitor_that_cannot_go_on_is_not_started_again(
    tmp_path, executable, frames, respawn, ending
):
    (tmp_path / 'run').mkdir()
    node = Ended(tmp_path / 'run', executable, frames, respawn=respawn)
    node.context._set_is_shutdown(ending)
    with pytest.raises(RuntimeError, match='SIGKILL and without a verdict'):
        node.run.ended(MONITOR, -9, node.context)


def test_nothing_is_started_again_once_launch_ends(tmp_path):
    node = Ended(tmp_path, 'vlm', 5, respawn=True)
    _, timer = node.by(-9)
    node.context._set_is_shutdown(True)
    assert timer.actions[0].execute(node.context) == []


@pytest.mark.parametrize('others', [0, 1])
def test_a_launch_that_ends_before_the_monitor_is_back_has_failed(tmp_path, others):
    service, runs = LaunchService(), launched.Runs()
    node = Ended(tmp_path, 'vlm', 5, runs, respawn=True)
    for number in range(others):
        (tmp_path / str(number)).mkdir()
        Ended(tmp_path / str(number), 'vlm', 5, runs)

    def killed(context):
        killing = node.run.ended(MONITOR, -9, context)
        return [*killing, Shutdown(reason='Ctrl-C')]

    service.include_launch_description(LaunchDescription([OpaqueFunction(function=killed)]))
    assert service.run() == (0 if others else 1)
    (line,) = runs.failed
    assert 'monitor ended with signal SIGKILL and without a verdict; see' in line
    # The last that ends tells of all.
    assert len(runs.open) == others


def test_without_the_annotator_a_run_begins_and_goes_on(tmp_path):
    for frames in (0, 5):
        (said,) = Ended(tmp_path, 'annotator', frames).by(2)
        assert isinstance(said, LogInfo)
        assert told_ending(tmp_path)[0] is None


@pytest.fixture
def two(tmp_path):
    """Return two runs of one launch, of a camera each."""
    runs, found = launched.Runs(), []
    for name in ('front', 'rear'):
        (tmp_path / name).mkdir()
        found.append(Ended(tmp_path / name, 'vlm', 5, runs))
    return found


def judged(node, status, code):
    (node.folder / 'manifest.json').write_text('{}')
    (node.folder / 'verdict.json').write_text(
        json.dumps({'status': status, 'checks': [], 'exit_code': code})
    )
    return node.run.ended(MONITOR, code, node.context)


def test_a_run_that_ends_takes_its_own_nodes_with_it_and_leaves_the_others(two):
    front, rear = two
    said, ending = judged(front, 'PASS', 0)
    assert isinstance(said, LogInfo) and isinstance(ending, EmitEvent)
    (mine,) = (
        front.run._nodes.values() if len(front.run._nodes) == 1 else [front.run._nodes['vlm_x']]
    )
    assert ending.event.process_matcher(mine)
    assert not ending.event.process_matcher(rear.run._nodes['vlm_x'])
    # Its node has ended as it was asked to: nothing follows.
    assert front.by(0) == []
    said, ending = judged(rear, 'COMPLETE', 0)
    assert isinstance(ending, Shutdown)


def test_a_launch_fails_when_the_last_run_has_ended_and_any_has_failed(two):
    front, rear = two
    assert judged(front, 'INVALID', 3)
    with pytest.raises(RuntimeError, match='monitor ended with INVALID; see .*front'):
        judged(rear, 'PASS', 0)


def test_a_run_that_cannot_go_on_ends_by_its_monitor_while_others_go_on(tmp_path):
    runs = launched.Runs()
    (tmp_path / 'a').mkdir()
    (tmp_path / 'b').mkdir()
    lost = Ended(tmp_path / 'a', 'corruption', 5, runs)
    other = Ended(tmp_path / 'b', 'corruption', 5, runs)
    said, ending = lost.by(-9)
    assert isinstance(said, LogInfo) and isinstance(ending, EmitEvent)
    assert ending.event.process_matcher(lost.run._nodes['monitor'])
    assert not ending.event.process_matcher(other.run._nodes['monitor'])
    assert 'corruption_x ended' in told_ending(lost.folder)[0]


TWO_CAMERAS = """
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.substitutions import FindPackageShare


def camera(name, **more):
    source = PythonLaunchDescriptionSource(
        [FindPackageShare('vlm_misalign_ros'), '/launch/live.launch.py']
    )
    topics = {
        'image_topic': f'/{name}_camera/camera/image_raw',
        'labels_topic': f'/{name}_camera/ground_truth/labels',
        'instances_topic': f'/{name}_camera/ground_truth/instances',
    }
    given = {'namespace': name, **topics, **more}
    return GroupAction(
        [IncludeLaunchDescription(source, launch_arguments=given.items())], scoped=True
    )


def generate_launch_description():
    return LaunchDescription(
        [
            DeclareLaunchArgument('config'),
            DeclareLaunchArgument('out'),
            camera('front', condition='low_light:3', set='monitor.frames=8'),
            camera('rear', set='monitor.frames=4'),
        ]
    )
"""


@pytest.mark.heavy
@pytest.mark.timeout(400)
@pytest.mark.skipif(shutil.which('ros2') is None, reason='no ros2 command here')
def test_two_cameras_are_two_runs_of_one_launch(live, scenes, tmp_path):
    (tmp_path / 'two.launch.py').write_text(TWO_CAMERAS)
    environment = {**os.environ, 'ROS_LOG_DIR': str(tmp_path / 'log')}
    mark = f'mark-{tmp_path}'
    cameras = []
    with open(tmp_path / 'out.txt', 'wb') as out:
        for name in ('front', 'rear'):
            command = [sys.executable, '-m', 'vlm_misalign_ros.nodes.replay', '--ros-args']
            command += ['-r', f'__ns:=/{name}_camera', '-p', f'dataset:={scenes}']
            for value in ('mode:=real_time', 'rate:=2.0', 'loop:=true', 'conditions:=[clean]'):
                command += ['-p', value]
            cameras.append(subprocess.Popen(command, env=environment, stdout=out, stderr=out))
        command = ['ros2', 'launch', str(tmp_path / 'two.launch.py'), f'config:={live}']
        launch = subprocess.Popen(
            [*command, f'out:={tmp_path / "runs"}'],
            env={**environment, 'MARK': mark},
            stdout=out,
            stderr=out,
        )
        try:
            code = launch.wait(360)
        finally:
            for process in (launch, *cameras):
                if process.poll() is None:
                    process.send_signal(signal.SIGINT)
                    process.wait(20)
    said = (tmp_path / 'out.txt').read_text()
    folders = {path.name.rpartition('_')[2]: path for path in (tmp_path / 'runs').iterdir()}
    assert set(folders) == {'front', 'rear'}, said
    for name, condition, least in (('front', 'low_light:3', 8), ('rear', 'clean', 4)):
        found = read_records(folders[name] / 'records.jsonl')
        frames = [record for record in found if isinstance(record, FrameRecord)]
        # Of a picture that came before the corruption was there nothing tells what was done to it.
        assert {frame.condition.name for frame in frames} - {'unknown'} == {condition}
        assert len(frames) >= least
        assert json.loads((folders[name] / 'verdict.json').read_text())['status']
    assert (code == 0) is ('Caught exception' not in said)
    wait_until(lambda: not nodes_of(mark), 15)

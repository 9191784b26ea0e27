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

"""The graph as launch actions: what launch/*.launch.py are made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from launch import LaunchContext
from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    Shutdown,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from vlm_misalign_ros.app.graph import PACKAGE, NodeSpec, build_graph
from vlm_misalign_ros.app.leftovers import sweep
from vlm_misalign_ros.app.progress import Records
from vlm_misalign_ros.app.runs import create_run, settle, verdict_or_error
from vlm_misalign_ros.core.corruptions import parse_conditions
from vlm_misalign_ros.core.errors import ExitCode, MisalignError
from vlm_misalign_ros.core.records.ending import tell_ending
from vlm_misalign_ros.core.records.store import RECORDS
from vlm_misalign_ros.core.settings.configuration import find_config, override, parse, read_yaml
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire.ended import how_it_ended
from vlm_misalign_ros.wire.environment import child_environment

MOMENT = 1.0
"""Seconds after which a node that ended with code 0 was not ended by a Ctrl-C to all."""


def _argument(name: str, default: str, description: str) -> DeclareLaunchArgument:
    return DeclareLaunchArgument(name, default_value=default, description=description)


def _common(config: str) -> list[DeclareLaunchArgument]:
    return [
        _argument('config', config, 'configuration: a path, or a name in config/'),
        _argument('name', '', 'name of the run; empty: the time of its start'),
        _argument('out', 'runs', 'folder that holds the run folders'),
        _argument('seed', '', "run seed; empty: the configuration's"),
        DeclareLaunchArgument(
            'overwrite',
            default_value='false',
            choices=['true', 'false'],
            description='replace a run of the same name',
        ),
        DeclareLaunchArgument(
            'record',
            default_value='',
            choices=['', 'true', 'false'],
            description='record a bag; empty: as the configuration says',
        ),
        _argument('set', '', 'further KEY=VALUE overrides, separated by ;'),
    ]


def evaluation_arguments() -> list[DeclareLaunchArgument]:
    """Return the arguments of evaluate.launch.py."""
    return [
        *_common('evaluate'),
        _argument('dataset', '', 'data set: FOLDER in Cityscapes layout, or LAYOUT:FOLDER'),
        _argument('conditions', '', "conditions, separated by ; or ,; empty: the configuration's"),
        _argument('limit', '', "frames of each pass; empty: the configuration's"),
    ]


def live_arguments() -> list[DeclareLaunchArgument]:
    """Return the arguments of live.launch.py."""
    return [
        *_common('live'),
        _argument('image', '', 'topic of the camera; empty: camera/image_raw'),
        _argument('camera_info', '', 'topic of its CameraInfo; empty: camera/camera_info'),
        _argument('labels', '', 'topic of the label map; empty: ground_truth/labels'),
        _argument('instances', '', 'topic of the instance map; empty: ground_truth/instances'),
        _argument('condition', '', 'degradation, such as motion_blur:3; can change live'),
        _argument('duration', '', 'seconds after which the run ends; empty: Ctrl-C'),
    ]


def _overrides(context: LaunchContext) -> list[str]:
    given = context.launch_configurations
    plain = {
        'seed': 'seed',
        'record': 'record',
        'limit': 'replay.limit',
        'duration': 'monitor.duration',
    }
    entries = [f'{key}={given[name]}' for name, key in plain.items() if given.get(name)]
    # Quoted, so that a run named 2026 or a folder named true stays text.
    texts = {
        'name': 'name',
        'out': 'out',
        'dataset': 'replay.dataset',
        'condition': 'corruption.condition',
        'image': f'remap.{topics.CAMERA_IMAGE}',
        'camera_info': f'remap.{topics.CAMERA_INFO}',
        'labels': f'remap.{topics.TRUTH_LABELS}',
        'instances': f'remap.{topics.TRUTH_INSTANCES}',
    }
    entries += [
        f'{key}={json.dumps(given[name])}' for name, key in texts.items() if given.get(name)
    ]
    if given.get('conditions'):
        conditions = [condition.name for condition in parse_conditions(given['conditions'])]
        entries.append(f'replay.conditions={json.dumps(conditions)}')
    return entries + [part.strip() for part in given.get('set', '').split(';') if part.strip()]


def _node(spec: NodeSpec, namespace: str, remappings: tuple[tuple[str, str], ...]) -> Node:
    return Node(
        package=PACKAGE,
        executable=spec.executable,
        name=spec.name,
        namespace=namespace,
        parameters=[{key: value for key, value in spec.parameters.items() if value != []}],
        remappings=list(remappings),
        output='screen',
        sigterm_timeout='30',
    )


def start_graph(mode: str) -> OpaqueFunction:
    """Return the action that builds the graph from the launch arguments and starts it."""

    def start(context: LaunchContext, *_: Any) -> list[Action]:
        configured = LaunchConfiguration('config').perform(context)
        data = override(read_yaml(find_config(configured)), _overrides(context))
        configuration = parse(data)
        if configuration.mode != mode:
            raise MisalignError(
                f'configuration {configured!r} is for mode {configuration.mode!r}',
                f'this launch file needs {mode!r}',
            )
        overwrite = LaunchConfiguration('overwrite').perform(context) == 'true'
        sweep()
        folder = create_run(configuration, overwrite)
        graph = build_graph(configuration, folder)
        # The nodes end with this process, which they take for their parent.
        actions: list[Action] = [
            SetEnvironmentVariable(key, value) for key, value in child_environment().items()
        ]
        notes: list[str] = []
        for spec in graph.nodes:
            node = _node(spec, graph.namespace, graph.remappings)
            actions += [
                node,
                RegisterEventHandler(
                    OnProcessExit(
                        target_action=node, on_exit=_on_exit(spec, folder, notes, graph.patience)
                    )
                ),
            ]
        return actions

    return OpaqueFunction(function=start)


def _meaning(folder: Path, code: int) -> str:
    """Return what the exit code of the monitor says; 1 is FAIL only where a verdict says so."""
    if verdict_or_error(folder, code):
        return ExitCode(code).name
    return f'{how_it_ended(code)} and without a verdict'


def _on_exit(spec: NodeSpec, folder: Path, notes: list[str], patience: float) -> Any:
    """
    Return what follows on the end of a node; `notes` has what befell the run so far.

    `patience` is for how many seconds no frame may close after replay has sent all.
    """

    def handle(event: ProcessExited, context: LaunchContext) -> list[Action]:
        code = event.returncode
        if spec.ends_run:
            return _on_end(spec, folder, code)
        if context.is_shutdown:
            return []
        if code == 0:
            # Replay has sent all, or launch was asked to end and has not come to say so.
            return later(Records(folder / RECORDS).read()[1])
        return lost(code)

    def later(before: int) -> list[Action]:
        wait = patience if spec.executable == 'replay' else MOMENT

        def look(context: LaunchContext, *_: Any) -> list[Action]:
            count = Records(folder / RECORDS).read()[1]
            if context.is_shutdown:
                return []
            return later(count) if spec.executable == 'replay' and count > before else lost(0)

        return [TimerAction(period=wait, actions=[OpaqueFunction(function=look)])]

    def lost(code: int) -> list[Action]:
        loss = spec.ended(code, Records(folder / RECORDS).read()[1])
        assert loss is not None
        if loss.ends_run:
            tell_ending(folder, loss.line, notes)
            # The reason of a shutdown is not logged by itself.
            return [LogInfo(msg=loss.line), Shutdown(reason=loss.line)]
        notes.append(loss.line)
        tell_ending(folder, None, notes)
        return [LogInfo(msg=loss.line)]

    return handle


def _on_end(spec: NodeSpec, folder: Path, code: int) -> list[Action]:
    """Return what follows on the end of the node that ends the run."""
    meaning = _meaning(folder, code)
    kept = settle(folder)
    if code == 0 and meaning == ExitCode.PASS.name:
        return [
            LogInfo(msg=f'the run is complete: {folder}'),
            Shutdown(reason='the run is complete'),
        ]
    where = f'see {folder}' if kept else 'the run did not begin; it leaves no folder'
    # launch ignores exit codes; only an exception makes `ros2 launch` return non-zero.
    raise RuntimeError(f'{spec.name} ended with {meaning}; {where}')

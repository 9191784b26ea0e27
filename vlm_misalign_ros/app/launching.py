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

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from launch import LaunchContext
from launch.action import Action
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction, SetEnvironmentVariable

from vlm_misalign_ros.app.arguments import (
    TABLES,
    Argument,
    configured,
    doubtful,
    is_true,
    refuse_unknown,
)
from vlm_misalign_ros.app.graph import build_graph
from vlm_misalign_ros.app.launched import LaunchedRun, runs_of
from vlm_misalign_ros.app.leftovers import sweep
from vlm_misalign_ros.app.runs import create_run
from vlm_misalign_ros.core.errors import MisalignError
from vlm_misalign_ros.core.settings.configuration import parse
from vlm_misalign_ros.wire.environment import child_environment

_FILES = {'evaluation': 'evaluate.launch.py', 'live': 'live.launch.py'}


def arguments(mode: str) -> list[DeclareLaunchArgument]:
    """Return the arguments of the launch file of a mode, `evaluation` or `live`."""
    return [_declared(argument) for argument in TABLES[mode]]


def _declared(argument: Argument) -> DeclareLaunchArgument:
    return DeclareLaunchArgument(
        argument.name,
        default_value=argument.default,
        description=argument.description,
        choices=list(argument.choices) or None,
    )


def start_graph(mode: str) -> OpaqueFunction:
    """Return the action that builds the graph from the launch arguments and starts it."""

    def start(context: LaunchContext, *_: Any) -> list[Action]:
        given = context.launch_configurations
        warnings = _check_names(mode, context)
        data = configured(mode, given, given.get('ros_namespace', ''), _sim_time(given))
        configuration = parse(data)
        if configuration.mode != mode:
            raise MisalignError(
                f'configuration {given["config"]!r} is for mode {configuration.mode!r}',
                f'this launch file needs {mode!r}',
            )
        sweep()
        folder = create_run(configuration, is_true(given['overwrite']))
        graph = build_graph(configuration, folder)
        run = LaunchedRun(graph, folder, runs_of(context), is_true(given['respawn']))
        # The nodes end with this process, which they take for their parent.
        return [
            *(LogInfo(msg=f'warning: {text}') for text in warnings),
            *(SetEnvironmentVariable(key, value) for key, value in child_environment().items()),
            *run.start(),
        ]

    return OpaqueFunction(function=start)


def _check_names(mode: str, context: LaunchContext) -> list[str]:
    """
    Raise ConfigurationError for an unknown argument; return warnings where that cannot be told.

    launch passes whatever it is given. Where this file is what `ros2 launch` was asked for, what
    stands on the command line is meant for it; where another includes it, that may be the
    other's, and only what is nearly an argument of this file is told.
    """
    known, file = [argument.name for argument in TABLES[mode]], _FILES[mode]
    own = any(Path(word).name == file for word in sys.argv)
    asked = [word.partition(':=')[0] for word in context.argv if ':=' in word]
    if own:
        refuse_unknown(asked, known, file)
        return []
    return doubtful(_texts(context.launch_configurations), known, file)


def _texts(given: dict[str, Any]) -> Iterable[str]:
    return [name for name, value in given.items() if isinstance(value, str)]


def _sim_time(given: dict[str, Any]) -> bool | None:
    """Return what SetParameter, around an included launch file, says of use_sim_time."""
    found = None
    for entry in given.get('global_params') or []:
        if isinstance(entry, tuple) and entry[0] == 'use_sim_time':
            found = is_true(str(entry[1]))
    return found

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

"""Runs within a launch: their nodes, what follows when one of them ends, and when all have."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from launch import LaunchContext
from launch.action import Action
from launch.actions import (
    EmitEvent,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events import matches_action
from launch.events.process import ProcessExited, ShutdownProcess
from launch_ros.actions import Node

from vlm_misalign_ros.app.graph import PACKAGE, Graph, NodeSpec
from vlm_misalign_ros.app.progress import Records
from vlm_misalign_ros.app.runs import settle, verdict_or_error
from vlm_misalign_ros.core.errors import ExitCode
from vlm_misalign_ros.core.records.ending import tell_ending
from vlm_misalign_ros.core.records.store import RECORDS
from vlm_misalign_ros.wire.ended import how_it_ended

MOMENT = 1.0
"""Seconds after which a node that ended with code 0 was not ended by a Ctrl-C to all."""
RESPAWN = 2.0
"""Seconds after which a node is started again."""
MOST = 10
"""Times that a node is started again in one run."""
RESPAWNED = ('corruption', 'segmentation', 'reference', 'vlm', 'annotator')
"""Executables that lose nothing but frames when they are started again."""
_RUNS = 'vlm_misalign_runs'


class Runs:
    """The runs of one launch: several where a launch file is included once a camera."""

    def __init__(self) -> None:
        """Begin with none."""
        self.open: list[LaunchedRun] = []
        self.failed: list[str] = []
        """How those ended that did not end well, a line each."""


def runs_of(context: LaunchContext) -> Runs:
    """Return the runs of a launch."""
    found = context.get_locals_as_dict().get(_RUNS)
    if isinstance(found, Runs):
        return found
    runs = Runs()
    context.extend_globals({_RUNS: runs})
    return runs


class LaunchedRun:
    """One run, whose nodes launch starts."""

    def __init__(self, graph: Graph, folder: Path, runs: Runs, respawn: bool = False) -> None:
        """Take the place among the runs of the launch."""
        self._graph = graph
        self._folder = folder
        self._runs = runs
        self._respawn = respawn
        self._nodes: dict[str, Node] = {}
        """By name, those that run."""
        self._again: Counter[str] = Counter()
        self._notes: list[str] = []
        """What befell the run so far."""
        runs.open.append(self)

    def start(self) -> list[Action]:
        """Return the actions that start every node."""
        return [action for spec in self._graph.nodes for action in self.begin(spec)]

    def begin(self, spec: NodeSpec) -> list[Action]:
        """Return the actions that start one node and wait for its end."""
        graph = self._graph
        node = self._nodes[spec.name] = Node(
            package=PACKAGE,
            executable=spec.executable,
            name=spec.name,
            # From /, or launch would put it into the namespace that it knows of once more.
            namespace='/' + graph.namespace.strip('/'),
            parameters=[{key: value for key, value in spec.parameters.items() if value != []}],
            remappings=list(graph.remappings),
            arguments=['--ros-args', *graph.arguments] if graph.arguments else [],
            output='screen',
            sigterm_timeout='30',
        )

        def ended(event: ProcessExited, context: LaunchContext) -> list[Action]:
            self._nodes.pop(spec.name, None)
            return self.ended(spec, event.returncode, context)

        return [node, RegisterEventHandler(OnProcessExit(target_action=node, on_exit=ended))]

    @property
    def _closed(self) -> int:
        return Records(self._folder / RECORDS).read()[1]

    def ended(self, spec: NodeSpec, code: int, context: LaunchContext) -> list[Action]:
        """Return what follows on the end of a node."""
        if spec.ends_run:
            if self._goes_on(spec, code, context):
                line = f'{spec.name} ended with {how_it_ended(code)}'
                return self._start_again(spec, code, line)
            return self._finish(spec, code)
        if self._over(context):
            return []
        if code == 0:
            # Replay has sent all, or launch was asked to end and has not come to say so.
            return self._later(spec, self._closed)
        return self._lost(spec, code)

    def _goes_on(self, spec: NodeSpec, code: int, context: LaunchContext) -> bool:
        """
        Return whether a monitor that was killed is to go on with its records.

        In lockstep the frames under way are lost with it, and nothing would ever be sent again.
        """
        lockstep = any(other.executable == 'replay' for other in self._graph.nodes)
        killed = code < 0 and not verdict_or_error(self._folder, code)
        wanted = self._respawn and killed and not lockstep and not self._over(context)
        return wanted and self._closed > 0 and self._again[spec.name] < MOST

    def _over(self, context: LaunchContext) -> bool:
        return context.is_shutdown or self not in self._runs.open

    def _later(self, spec: NodeSpec, before: int) -> list[Action]:
        replay = spec.executable == 'replay'

        def look(context: LaunchContext, *_: Any) -> list[Action]:
            if self._over(context):
                return []
            count = self._closed
            return self._later(spec, count) if replay and count > before else self._lost(spec, 0)

        # For so long no frame may close after replay has sent all.
        wait = self._graph.patience if replay else MOMENT
        return [TimerAction(period=wait, actions=[OpaqueFunction(function=look)])]

    def _lost(self, spec: NodeSpec, code: int) -> list[Action]:
        closed = self._closed
        loss = spec.ended(code, closed)
        assert loss is not None
        if self._respawn and spec.executable in RESPAWNED and closed:
            if self._again[spec.name] < MOST:
                return self._start_again(spec, code, loss.line)
            line = f'{loss.line}; it has been started again {MOST} times'
        else:
            line = loss.line
        if not loss.ends_run:
            self._note(line)
            return [LogInfo(msg=line)]
        tell_ending(self._folder, line, self._notes)
        if len(self._runs.open) > 1:
            # The others go on; this one ends by its monitor, which writes the verdict.
            return [LogInfo(msg=line), *self._end(last=True)]
        # The reason of a shutdown is not logged by itself.
        return [LogInfo(msg=line), Shutdown(reason=line)]

    def _note(self, line: str) -> None:
        self._notes.append(line)
        tell_ending(self._folder, None, self._notes)

    def _start_again(self, spec: NodeSpec, code: int, line: str) -> list[Action]:
        self._again[spec.name] += 1
        line += '; it is started again'
        self._note(line)

        def begin(context: LaunchContext, *_: Any) -> list[Action]:
            if not self._over(context):
                return self.begin(spec)
            # Nobody is left to write the verdict.
            return self._finish(spec, code) if spec.ends_run else []

        # A launch that ends meanwhile waits to hear that its run has no verdict.
        wait = TimerAction(
            period=RESPAWN,
            actions=[OpaqueFunction(function=begin)],
            cancel_on_shutdown=not spec.ends_run,
        )
        return [LogInfo(msg=line), wait]

    def _end(self, last: bool) -> list[Action]:
        """Return the actions that end the nodes: the one that ends the run, or all others."""
        chosen = {spec.name for spec in self._graph.nodes if spec.ends_run is last}
        return [
            EmitEvent(event=ShutdownProcess(process_matcher=matches_action(node)))
            for name, node in self._nodes.items()
            if name in chosen
        ]

    def _finish(self, spec: NodeSpec, code: int) -> list[Action]:
        """Return what follows on the end of the node that ends the run."""
        stands = verdict_or_error(self._folder, code)
        meaning = ExitCode(code).name if stands else f'{how_it_ended(code)} and without a verdict'
        kept = settle(self._folder)
        runs = self._runs
        if self in runs.open:
            runs.open.remove(self)
        if code == 0 and meaning == ExitCode.PASS.name:
            line = f'the run is complete: {self._folder}'
        else:
            where = f'see {self._folder}' if kept else 'the run did not begin; it leaves no folder'
            line = f'{self._name(spec)} ended with {meaning}; {where}'
            runs.failed.append(line)
        if runs.open:
            return [LogInfo(msg=line), *self._end(last=False)]
        if runs.failed:
            # launch ignores exit codes; only an exception makes `ros2 launch` return non-zero.
            raise RuntimeError('; '.join(runs.failed))
        return [LogInfo(msg=line), Shutdown(reason='the run is complete')]

    def _name(self, spec: NodeSpec) -> str:
        space = self._graph.namespace.strip('/')
        return f'/{space}/{spec.name}' if space else spec.name

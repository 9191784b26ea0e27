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
"""Starts the graph as processes, watches over them, and ends them in order."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import yaml

from vlm_misalign_ros.app.children import Child, out_of_memory_kills
from vlm_misalign_ros.app.graph import Graph, NodeSpec
from vlm_misalign_ros.app.leftovers import sweep
from vlm_misalign_ros.app.progress import Records, Terminal
from vlm_misalign_ros.app.runs import verdict_or_error
from vlm_misalign_ros.core.errors import ExitCode, MisalignError, RecordError
from vlm_misalign_ros.core.records.ending import tell_ending
from vlm_misalign_ros.core.records.store import RECORDS
from vlm_misalign_ros.core.report.rolling import HEAD, Rolling
from vlm_misalign_ros.wire.ended import how_it_ended
from vlm_misalign_ros.wire.environment import child_environment
from vlm_misalign_ros.wire.stopping import listen, restore

STARTING = 'vlm_misalign_ros.nodes.starting'
POLL = 0.1
GRACE = 60.0
"""Seconds the monitor may take to write its results, and one more for each FRAMES_A_SECOND."""
FRAMES_A_SECOND = 200
STOP = 8.0
"""Seconds a node may take to end before it is killed."""
TAIL = 15
"""Lines of a log that are shown where the log does not outlast the run."""


def command_of(spec: NodeSpec, graph: Graph, folder: Path) -> list[str]:
    """Return the command that starts a node; its parameters are written into `folder`/log."""
    parameters = folder / 'log' / f'{spec.name}.yaml'
    # A ROS parameter file cannot hold an empty list; the default of every list is empty or kept.
    values = {key: value for key, value in spec.parameters.items() if value != []}
    parameters.write_text(yaml.safe_dump({'/**': {'ros__parameters': values}}), encoding='utf-8')
    command = [
        sys.executable,
        '-m',
        STARTING,
        spec.module.rpartition('.')[2],
        '--ros-args',
        '-r',
        f'__node:={spec.name}',
        '--params-file',
        str(parameters),
    ]
    if graph.namespace:
        command += ['-r', f'__ns:=/{graph.namespace.strip("/")}']
    for source, target in graph.remappings:
        command += ['-r', f'{source}:={target}']
    return [*command, *graph.arguments]


class Runner:
    """One run of a graph."""

    def __init__(self, graph: Graph, folder: Path, total: int, single: bool = False) -> None:
        """Prepare; `total` frames are expected (0: without end)."""
        self._graph = graph
        self._folder = folder
        self._total = total
        self._children: list[Child] = []
        self._single = single
        self._interrupts: list[str] = []
        self._begun = False
        self._before = 0
        """Frames that were closed before, of a run that goes on."""
        self._terminal: Terminal | None = None
        self._rolling = Rolling()
        self._kills = 0
        self._grown = 0.0
        self.failures: list[str] = []
        """What went wrong, a line each."""
        self.last_words: list[str] = []
        """The end of the log of a process without which the run could not begin."""

    def run(self, out: TextIO | None = None) -> int:
        """
        Run to the end, with progress on `out` (stderr); return the exit code.

        It is the verdict's, ERROR with a line in `failures`, or INTERRUPTED.
        """
        previous = listen(self._interrupt)
        records = Records(self._folder / RECORDS, self._rolling.add)
        self._before = records.read()[1]
        self._terminal = Terminal(self._total, out, done=self._before)
        self._kills = out_of_memory_kills()
        sweep()
        try:
            self._start()
            return self._watch(self._terminal, records)
        except OSError as error:
            raise RecordError(
                f'{self._folder} cannot be written: {error.strerror}',
                'free space, or give another folder',
            ) from error
        finally:
            self._end_all()
            condition, count = records.read()
            self._terminal.close(count, condition)
            sweep()
            restore(previous)

    def _interrupt(self, number: int, frame: Any) -> None:
        self._interrupts.append(signal.Signals(number).name)

    def _start(self) -> None:
        environment = {**os.environ, **child_environment()}
        environment.setdefault('ROS_LOG_DIR', str(self._folder.absolute() / 'log' / 'ros'))
        if self._single:
            path = self._folder / 'log' / 'graph.json'
            path.write_text(json.dumps(dataclasses.asdict(self._graph)), encoding='utf-8')
            spec = NodeSpec('composed', '', 'vlm_misalign_ros.nodes.composed', '', {}, True)
            self._spawn(spec, [sys.executable, '-m', STARTING, 'composed', str(path)], environment)
            return
        for spec in self._graph.nodes:
            self._spawn(spec, command_of(spec, self._graph, self._folder), environment)

    def _spawn(self, spec: NodeSpec, command: list[str], environment: dict[str, str]) -> None:
        log = self._folder / 'log' / f'{spec.name}.log'
        try:
            child = Child(spec, command, environment, log, self._told)
        except OSError as error:
            raise MisalignError(
                f'process {spec.name} cannot be started: {error.strerror or error}',
                'free memory and processes (ulimit -u), and see that '
                f'{command[0]} is there and can be executed',
            ) from error
        self._children.append(child)

    def _told(self, text: str) -> None:
        assert self._terminal is not None
        self._terminal.say(text)

    def _watch(self, terminal: Terminal, records: Records) -> int:
        last = next(child for child in self._children if child.spec.ends_run)
        stuck = False
        self._grown, seen = time.monotonic(), 0
        while last.code is None and not stuck and not self._interrupts:
            time.sleep(POLL)
            condition, count = records.read()
            if count != seen:
                self._grown, seen = time.monotonic(), count
            terminal.update(count, condition)
            terminal.rate(HEAD, self._rolling.lines)
            stuck = self._look(count - self._before)
        self._begun = records.read()[1] > 0
        if self._begun and stuck:
            tell_ending(self._folder, self.failures[-1], self.failures[:-1])
        if self._interrupts:
            terminal.say(f'{self._interrupts[0]}: ending')
        if self._begun:
            self._finish(last, terminal, records)
        elif last.code is None:
            # There is nothing to keep, and models that load need not be waited for.
            last.signal(signal.SIGKILL)
            last.wait(STOP)
            if self._interrupts:
                return ExitCode.INTERRUPTED
        return self._code(last, stuck, records.read()[1])

    def _finish(self, last: Child, terminal: Terminal, records: Records) -> None:
        """Ask for the results; a second Ctrl-C does without."""
        last.signal(signal.SIGINT)
        asked = max(1, len(self._interrupts))
        end = time.monotonic() + GRACE + records.read()[1] / FRAMES_A_SECOND
        while not last.wait(POLL) and time.monotonic() < end:
            condition, count = records.read()
            terminal.update(count, condition)
            if len(self._interrupts) > asked:
                last.signal(signal.SIGKILL)
                last.wait(STOP)
                self.failures.append(
                    f'{self._interrupts[-1]} came again while the results were written; '
                    f'vlm-misalign report {self._folder} makes them from the records'
                )
                return

    def _code(self, last: Child, stuck: bool, count: int) -> int:
        """Return the exit code of a run whose last process has ended, or was given up."""
        code = last.code
        killed = code is None or code < 0
        if len(self._interrupts) > 1 and killed:
            return ExitCode.INTERRUPTED
        if stuck:
            return ExitCode.ERROR
        if killed:
            kept = f'; the {count} closed frames are kept in {self._folder / RECORDS}'
            self._fail(last, -signal.SIGKILL if code is None else code, kept if count else '')
            return ExitCode.ERROR
        assert code is not None
        return self._said(last, code)

    def _said(self, last: Child, code: int) -> int:
        """Return the exit code of a run whose last process ended by itself with `code`."""
        if code == ExitCode.ERROR:
            said = last.reason() or 'no reason was given'
            self.failures.append(f'{last.spec.name}: {said}' if last.spec.executable else said)
            return code
        if code == ExitCode.INTERRUPTED and not self._interrupts:
            self.failures.append(f'{last.spec.name} was ended by a signal from outside')
            return code
        if not verdict_or_error(self._folder, code):
            self._fail(last, code, ' before it had a verdict')
            return ExitCode.ERROR
        return ExitCode.INTERRUPTED if self._interrupts else code

    def _fail(self, child: Child, code: int, more: str = '') -> None:
        killed = out_of_memory_kills() > self._kills
        line = f'{child.spec.name} ended with {how_it_ended(code, killed)}{more}'
        reason = child.reason()
        self.failures.append(f'{line}: {reason}' if reason else line)
        self._keep_last_words(child)

    def _keep_last_words(self, child: Child) -> None:
        # An error that is one line needs no more; of anything else the log tells how it came.
        if child.code != ExitCode.ERROR and not self.last_words:
            self.last_words = child.output.tail(TAIL)

    def _look(self, count: int) -> bool:
        """
        Name the processes that have ended too early; return whether the run cannot go on.

        What each end means is what `wire/ended.py` says.
        """
        assert self._terminal is not None
        patient = time.monotonic() - self._grown <= self._graph.patience
        for child in self._children:
            code = child.code
            if child.spec.ends_run or child.announced or code is None:
                continue
            loss = child.spec.ended(
                code,
                count,
                patient,
                reason=child.reason(),
                out_of_memory=out_of_memory_kills() > self._kills,
            )
            if loss is None:
                continue
            child.announced = True
            self.failures.append(loss.line)
            self._keep_last_words(child)
            self._terminal.say(loss.line)
            tell_ending(self._folder, None, self.failures)
            if loss.ends_run:
                return True
        return False

    def _end_all(self) -> None:
        """End every process: in order where there is something to keep, and not for long."""
        if self._begun:
            for child in self._children:
                child.signal(signal.SIGINT)
            asked = len(self._interrupts)
            end = time.monotonic() + STOP
            for child in self._children:
                while not child.wait(POLL):
                    if time.monotonic() > end or len(self._interrupts) > asked:
                        break
        for child in self._children:
            child.signal(signal.SIGKILL)
        for child in self._children:
            child.wait(5.0)
            child.sweep()

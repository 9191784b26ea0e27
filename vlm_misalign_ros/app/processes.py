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
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import yaml
from tqdm import tqdm

from vlm_misalign_ros.app.graph import Graph, NodeSpec
from vlm_misalign_ros.core.errors import ExitCode, RecordError
from vlm_misalign_ros.core.records.schema import FrameRecord, decode
from vlm_misalign_ros.core.records.store import RECORDS
from vlm_misalign_ros.wire.environment import process_environment

POLL = 0.1
GRACE = 60.0
"""Seconds the monitor may take to write its results."""
_FRAME = b'{"kind":"frame"'
"""What the line of a frame begins with."""
STOP = 8.0
"""Seconds a node may take to end before it is killed."""


@dataclass
class _Process:
    spec: NodeSpec
    popen: subprocess.Popen[bytes]
    log: Path
    announced: bool = False

    def last_error(self) -> str:
        """Return the last error in the log, or its last line."""
        try:
            text = self.log.read_text(encoding='utf-8', errors='replace')
        except OSError:
            return ''
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        errors = [line for line in lines if 'error: ' in line]
        return (errors or lines or [''])[-1].split(': error: ', 1)[-1][:500]


def how_it_ended(code: int) -> str:
    """Return `exit code 2` or `signal SIGKILL` for a process's return code."""
    if code >= 0:
        return f'exit code {code}'
    try:
        return f'signal {signal.Signals(-code).name}'
    except ValueError:
        return f'signal {-code}'


def _command(spec: NodeSpec, graph: Graph, folder: Path) -> list[str]:
    parameters = folder / 'log' / f'{spec.name}.yaml'
    # A ROS parameter file cannot hold an empty list; the default of every list is empty or kept.
    values = {key: value for key, value in spec.parameters.items() if value != []}
    parameters.write_text(yaml.safe_dump({'/**': {'ros__parameters': values}}), encoding='utf-8')
    command = [
        sys.executable,
        '-m',
        spec.module,
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
    return command


class Runner:
    """One run of a graph."""

    def __init__(self, graph: Graph, folder: Path, total: int, single: bool = False) -> None:
        """Prepare; `total` frames are expected (0: without end)."""
        self._graph = graph
        self._folder = folder
        self._total = total
        self._processes: list[_Process] = []
        self._single = single
        self._interrupted = False
        self.failures: list[str] = []

    def _start(self) -> None:
        environment = {**os.environ, **process_environment()}
        environment.setdefault('ROS_LOG_DIR', str(self._folder.absolute() / 'log' / 'ros'))
        if self._single:
            path = self._folder / 'log' / 'graph.json'
            path.write_text(json.dumps(dataclasses.asdict(self._graph)), encoding='utf-8')
            spec = NodeSpec('composed', '', 'vlm_misalign_ros.nodes.composed', '', {}, True)
            self._spawn(spec, [sys.executable, '-m', spec.module, str(path)], environment)
            return
        for spec in self._graph.nodes:
            self._spawn(spec, _command(spec, self._graph, self._folder), environment)

    def _spawn(self, spec: NodeSpec, command: list[str], environment: dict[str, str]) -> None:
        log = self._folder / 'log' / f'{spec.name}.log'
        with open(log, 'wb') as stream:
            # A session of its own: Ctrl-C reaches this process alone, which ends the others
            # in order.
            popen = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.append(_Process(spec, popen, log))

    def run(self, out: TextIO | None = None) -> int:
        """
        Run to the end, with progress on `out` (stderr); return the exit code.

        It is the verdict's, or that of what went wrong.
        """
        previous = {
            number: signal.signal(number, self._interrupt)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            self._start()
            return self._watch(out or sys.stderr)
        except OSError as error:
            raise RecordError(
                f'{self._folder} cannot be written: {error.strerror}',
                'free space, or give another folder',
            ) from error
        finally:
            self._end_all()
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _interrupt(self, number: int, frame: Any) -> None:
        self._interrupted = True

    def _watch(self, out: TextIO) -> int:
        records = Records(self._folder / RECORDS)
        last = next(p for p in self._processes if p.spec.ends_run)
        with tqdm(
            total=self._total or None,
            unit='frame',
            file=out,
            desc='starting',
            mininterval=0.2 if out.isatty() else 10.0,
            dynamic_ncols=True,
        ) as bar:
            stuck = False
            while last.popen.poll() is None and not stuck and not self._interrupted:
                time.sleep(POLL)
                condition, count = records.read()
                if count != bar.n:
                    bar.set_description(condition, refresh=False)
                    bar.update(count - bar.n)
                stuck = self._look(started=count > 0)
            if self._interrupted:
                bar.set_description('ending')
            self._signal(last, signal.SIGINT)
            self._wait(last, GRACE)
            _, count = records.read()
            bar.update(count - bar.n)
        return self._code(last, stuck, count)

    def _code(self, last: _Process, stuck: bool, count: int) -> int:
        """Return the exit code of a run whose last process has ended, or was given up."""
        code = last.popen.poll()
        if code is None or code < 0:
            self.failures.append(
                f'{last.spec.name} ended with {how_it_ended(code or -9)}; the {count} closed '
                f'frames are kept in {self._folder / RECORDS}'
            )
            return ExitCode.ERROR
        if stuck:
            return ExitCode.ERROR
        if code == ExitCode.ERROR:
            self.failures.append(last.last_error())
        elif self._interrupted and code == 0:
            return ExitCode.INTERRUPTED
        return code

    def _look(self, started: bool) -> bool:
        """
        Name the processes that have died; return whether the run cannot go on.

        Without the frames' source or the corruption there is nothing to wait for; without a
        model the run goes on and its frames count as missing, once it has begun.
        """
        for process in self._processes:
            code = process.popen.poll()
            if process.spec.ends_run or code is None or process.announced:
                continue
            process.announced = True
            if code == 0:
                continue
            self.failures.append(
                f'{process.spec.name} ended with {how_it_ended(code)}: {process.last_error()}'
            )
            if not started or process.spec.executable in ('replay', 'corruption'):
                return True
        return False

    @staticmethod
    def _signal(process: _Process, number: signal.Signals) -> None:
        if process.popen.poll() is None:
            try:
                os.killpg(process.popen.pid, number)
            except ProcessLookupError:
                pass

    @staticmethod
    def _wait(process: _Process, seconds: float) -> bool:
        try:
            process.popen.wait(seconds)
            return True
        except subprocess.TimeoutExpired:
            return False

    def _end_all(self) -> None:
        for process in self._processes:
            self._signal(process, signal.SIGINT)
        end = time.monotonic() + STOP
        for process in self._processes:
            if not self._wait(process, max(0.1, end - time.monotonic())):
                self._signal(process, signal.SIGKILL)
                self._wait(process, 5.0)


class Records:
    """Counts frames in a growing records file without parsing more than the last."""

    def __init__(self, path: Path) -> None:
        """Start at the head of the file."""
        self._path = path
        self._offset = 0
        self._count = 0
        self._condition = 'starting'

    def read(self) -> tuple[str, int]:
        """Return the condition of the newest frame and the number of frames so far."""
        try:
            with open(self._path, 'rb') as stream:
                stream.seek(self._offset)
                data = stream.read()
        except FileNotFoundError:
            return self._condition, self._count
        end = data.rfind(b'\n') + 1
        self._offset += end
        lines = [line for line in data[:end].splitlines() if line.startswith(_FRAME)]
        self._count += len(lines)
        if lines:
            newest = decode(lines[-1], str(self._path))
            assert isinstance(newest, FrameRecord)
            self._condition = newest.condition.name
        return self._condition, self._count

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

"""One node of a run that goes on on another machine: `vlm-misalign run CONFIG --node NAME`."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from vlm_misalign_ros.app.graph import build_graph
from vlm_misalign_ros.app.processes import STOP, command_of
from vlm_misalign_ros.core.errors import ConfigurationError, ExitCode, MisalignError
from vlm_misalign_ros.core.settings.configuration import Configuration
from vlm_misalign_ros.wire.environment import child_environment
from vlm_misalign_ros.wire.stopping import listen, restore


def host(configuration: Configuration, name: str) -> int:
    """
    Start a node that a configuration has `elsewhere`; wait for its end and return the exit code.

    A signal ends it in order. Raises ConfigurationError for a node that the run starts itself.
    """
    with tempfile.TemporaryDirectory(prefix='vlm_misalign_') as text:
        folder = Path(text)
        graph = build_graph(configuration, folder)
        specs = {spec.name: spec for spec in graph.elsewhere}
        if name not in specs:
            raise ConfigurationError(
                f'node {name!r} is not among those of elsewhere',
                f'this configuration has elsewhere: [{", ".join(specs)}]',
            )
        (folder / 'log').mkdir()
        command = command_of(specs[name], graph, folder)
        try:
            process = subprocess.Popen(command, env={**os.environ, **child_environment()})
        except OSError as error:
            raise MisalignError(
                f'process {name} cannot be started: {error.strerror or error}'
            ) from error
        return _wait(process)


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Wait for a node that is told the signals which come here."""
    asked: list[int] = []

    def end(number: int, frame: Any) -> None:
        # A second one means it.
        process.send_signal(signal.SIGKILL if asked else signal.SIGINT)
        asked.append(number)

    before = listen(end)
    try:
        code = process.wait()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(STOP)
        restore(before)
    return int(ExitCode.INTERRUPTED if asked else max(code, 0) or ExitCode.ERROR * (code < 0))

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

"""`run`: an evaluation, or a live monitor."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlm_misalign_ros.app.cli.parser import PROGRAM, add_overrides
from vlm_misalign_ros.core.errors import ConfigurationError, ExitCode

if TYPE_CHECKING:
    from vlm_misalign_ros.core.settings.configuration import Configuration

HELP = 'run an evaluation or a live monitor'
EXAMPLES = """
vlm-misalign run evaluate.yaml replay.dataset=/data/cityscapes
vlm-misalign run evaluate replay.dataset=/data/cityscapes replay.limit=50 --name first
vlm-misalign run mine.yaml 'replay.conditions=[clean, "low_light:1-5"]' record=true
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'config', help='configuration: a path, or a name of `vlm-misalign list configs`'
    )
    add_overrides(parser, 'overrides of the configuration, such as replay.limit=3')
    parser.add_argument('--name', help='name of the run (default: the time of its start)')
    parser.add_argument('--out', help='folder that holds the run folders (default: runs)')
    parser.add_argument('--overwrite', action='store_true', help='replace a run of this name')
    parser.add_argument(
        '--single-process', action='store_true', help='compose the nodes in one process'
    )
    parser.add_argument(
        '--in-process', action='store_true', help='without ROS, in this process: the same records'
    )
    parser.add_argument(
        '--node',
        metavar='NAME',
        help='start that node alone, for a run of the same configuration on another machine, '
        'which has it elsewhere',
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the configuration."""
    from vlm_misalign_ros.core.settings.configuration import find_config, override, read_yaml

    data = override(read_yaml(find_config(arguments.config)), arguments.overrides)
    if arguments.name:
        data['name'] = arguments.name
    if arguments.out:
        data['out'] = arguments.out
    if arguments.node is not None:
        for name in ('overwrite', 'single_process', 'in_process'):
            if getattr(arguments, name):
                raise ConfigurationError(
                    f'--node and --{name.replace("_", "-")} are given',
                    'the second is for the run, which goes on elsewhere',
                )
        from vlm_misalign_ros.app.hosting import host
        from vlm_misalign_ros.core.settings.configuration import parse

        return host(parse(data), arguments.node)
    if arguments.in_process and arguments.single_process:
        raise ConfigurationError(
            '--in-process and --single-process are given', 'the second composes nodes of ROS'
        )
    return start(data, arguments.overwrite, arguments.single_process, arguments.in_process)


def start(
    data: dict[str, Any], overwrite: bool, single: bool = False, in_process: bool = False
) -> int:
    """Run a configuration; print the table and the verdict; return the exit code."""
    from vlm_misalign_ros.app.runs import create_run, settle
    from vlm_misalign_ros.core.settings.configuration import parse

    configuration = parse(data)
    folder = create_run(configuration, overwrite, ros=not in_process)
    try:
        if in_process:
            code = _run_in_process(configuration, folder)
        else:
            code = _run(configuration, folder, single)
    finally:
        kept = settle(folder)
    if code == ExitCode.INTERRUPTED:
        rest = f'what was recorded is in {folder}' if kept else 'nothing was recorded'
        print(f'{PROGRAM}: interrupted; {rest}', file=sys.stderr)
    elif not kept:
        print(f'{PROGRAM}: the run did not begin; it leaves no folder', file=sys.stderr)
    return code


def _run(configuration: Configuration, folder: Path, single: bool) -> int:
    from vlm_misalign_ros.app.cli.results import print_results
    from vlm_misalign_ros.app.graph import build_graph
    from vlm_misalign_ros.app.processes import Runner
    from vlm_misalign_ros.app.runs import expected_frames

    total = expected_frames(folder)
    length = f'{total} frames' if total else 'live, end with Ctrl-C'
    print(f'run {folder}: {length}, {len(configuration.monitor.models)} VLMs', file=sys.stderr)
    runner = Runner(build_graph(configuration, folder), folder, total, single)
    try:
        code = runner.run()
    finally:
        for line in runner.last_words:
            print(f'  {line}', file=sys.stderr)
        for failure in runner.failures:
            print(f'{PROGRAM}: error: {failure}', file=sys.stderr)
    if (folder / 'verdict.json').is_file():
        print_results(folder)
    return code


def _run_in_process(configuration: Configuration, folder: Path) -> int:
    from vlm_misalign_ros.app.cli.results import print_results
    from vlm_misalign_ros.app.in_process import InProcess
    from vlm_misalign_ros.app.runs import expected_frames

    total = expected_frames(folder)
    print(
        f'run {folder}: {total} frames, {len(configuration.monitor.models)} VLMs, in this process',
        file=sys.stderr,
    )
    running = InProcess(configuration, folder, total)
    code = running.run()
    if running.failure is not None:
        print(f'{PROGRAM}: error: {running.failure}', file=sys.stderr)
    if (folder / 'verdict.json').is_file():
        print_results(folder)
    return code

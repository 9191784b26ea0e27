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
vlm-misalign run --resume first
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'config', nargs='?', help='configuration: a path, or a name of `vlm-misalign list configs`'
    )
    add_overrides(parser, 'overrides of the configuration, such as replay.limit=3')
    parser.add_argument('--name', help='name of the run (default: the time of its start)')
    parser.add_argument('--out', help='folder that holds the run folders (default: runs)')
    parser.add_argument('--overwrite', action='store_true', help='replace a run of this name')
    parser.add_argument(
        '--resume',
        metavar='NAME',
        help='go on with the run of this name, or folder, that was interrupted, as it was begun',
    )
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

    if arguments.resume is not None:
        return _resume(arguments)
    if arguments.config is None and arguments.overrides:
        # argparse takes what stands behind an option for the last of its positionals.
        arguments.config, *arguments.overrides = arguments.overrides
    if arguments.config is None:
        raise ConfigurationError('no configuration is given', 'give CONFIG, or --resume NAME')
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


def _resume(arguments: argparse.Namespace) -> int:
    """Go on with a run that was interrupted; return the exit code."""
    from vlm_misalign_ros.app.resuming import cut, find_interrupted
    from vlm_misalign_ros.app.runs import expected_frames

    others = ('config', 'overrides', 'name', 'overwrite', 'single_process', 'in_process', 'node')
    for name in others:
        if getattr(arguments, name):
            given = name if name in others[:2] else f'--{name.replace("_", "-")}'
            raise ConfigurationError(
                f'--resume and {given} are given', 'a run goes on as it was begun; leave it out'
            )
    place = Path(arguments.resume).expanduser()
    within = Path(arguments.out or 'runs').expanduser()
    found = find_interrupted(place if len(place.parts) > 1 else within / place)
    stands = found.standing
    if stands is None:
        return _conclude(found.chosen, found.folder)
    print(
        f'run {found.folder}: goes on behind {len(stands.kept)} of '
        f'{expected_frames(found.folder)} frames'
        + (f'; {stands.again} more that were closed are made anew' if stands.again else ''),
        file=sys.stderr,
    )
    cut(found, stands)
    begin = stands.first.position if found.in_process else stands.first.index
    return _go(found.chosen, found.folder, found.single, found.in_process, begin)


def _conclude(configuration: Configuration, folder: Path) -> int:
    """Make the results of a run that was killed while it made them; return the exit code."""
    from vlm_misalign_ros.app.cli.results import print_results
    from vlm_misalign_ros.core.report.finalise import finalise
    from vlm_misalign_ros.core.report.rules import Rules

    print(f'run {folder}: all frames are closed; its results are made', file=sys.stderr)
    verdict = finalise(folder, Rules.of(configuration.monitor))
    print_results(folder)
    return verdict.exit_code


def start(
    data: dict[str, Any], overwrite: bool, single: bool = False, in_process: bool = False
) -> int:
    """Run a configuration; print the table and the verdict; return the exit code."""
    from vlm_misalign_ros.app.runs import create_run
    from vlm_misalign_ros.core.settings.configuration import parse

    configuration = parse(data)
    folder = create_run(configuration, overwrite, ros=not in_process)
    return _go(configuration, folder, single, in_process)


def _go(
    configuration: Configuration,
    folder: Path,
    single: bool,
    in_process: bool,
    begin: int | None = None,
) -> int:
    """Run what has a folder, from its beginning or from where it goes on; see `start`."""
    from vlm_misalign_ros.app.runs import settle
    from vlm_misalign_ros.core.evaluation.going_on import why_not

    try:
        if in_process:
            code = _run_in_process(configuration, folder, begin)
        else:
            code = _run(configuration, folder, single, begin)
    finally:
        kept = settle(folder, stays=begin is not None)
    if code == ExitCode.INTERRUPTED:
        rest = 'nothing was recorded'
        if kept:
            rest = f'what was recorded is in {folder}'
            if not why_not(configuration):
                rest += f'; to go on: {PROGRAM} run --resume {folder}'
        print(f'{PROGRAM}: interrupted; {rest}', file=sys.stderr)
    elif not kept:
        print(f'{PROGRAM}: the run did not begin; it leaves no folder', file=sys.stderr)
    return code


def _run(configuration: Configuration, folder: Path, single: bool, begin: int | None) -> int:
    from vlm_misalign_ros.app.cli.results import print_results
    from vlm_misalign_ros.app.graph import build_graph
    from vlm_misalign_ros.app.processes import Runner
    from vlm_misalign_ros.app.runs import expected_frames

    total = expected_frames(folder)
    length = f'{total} frames' if total else 'live, end with Ctrl-C'
    print(f'run {folder}: {length}, {len(configuration.monitor.models)} VLMs', file=sys.stderr)
    runner = Runner(build_graph(configuration, folder, begin), folder, total, single)
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


def _run_in_process(configuration: Configuration, folder: Path, begin: int | None) -> int:
    from vlm_misalign_ros.app.cli.results import print_results
    from vlm_misalign_ros.app.in_process import InProcess
    from vlm_misalign_ros.app.runs import expected_frames

    total = expected_frames(folder)
    print(
        f'run {folder}: {total} frames, {len(configuration.monitor.models)} VLMs, in this process',
        file=sys.stderr,
    )
    running = InProcess(configuration, folder, total, begin)
    code = running.run()
    if running.failure is not None:
        print(f'{PROGRAM}: error: {running.failure}', file=sys.stderr)
    if (folder / 'verdict.json').is_file():
        print_results(folder)
    return code

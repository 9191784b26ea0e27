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

"""`sweep`: models over data sets, conditions and seeds, without ROS, gone on with after a stop."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from vlm_misalign_ros.app.cli.parser import PROGRAM, add_overrides, positive

HELP = 'run a configuration over data sets, bags and seeds; a stopped one goes on'
EXAMPLES = """
vlm-misalign sweep evaluate.yaml replay.dataset=/data/cityscapes 'sweep.seeds=[0, 1, 2]' --jobs 4
vlm-misalign sweep mine.yaml 'sweep.datasets=[/data/foggy, "bag:drive.mcap"]' --name foggy
vlm-misalign sweep grid.yaml --engine ray
"""

ENGINES = ('local', 'ray')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'config', help='configuration: a path, or a name of `vlm-misalign list configs`'
    )
    add_overrides(parser, 'overrides of the configuration, such as sweep.seeds=[0,1]')
    parser.add_argument(
        '--name', help='name of the sweep (default: `name` of the configuration, or its file)'
    )
    parser.add_argument('--out', help='folder that holds the sweep (default: runs)')
    parser.add_argument(
        '--jobs',
        type=positive,
        help='processes, each with models of its own (default: 1; with ray as many as the '
        'cluster has processors)',
    )
    parser.add_argument(
        '--engine',
        choices=ENGINES,
        default=ENGINES[0],
        help='where the processes are: of this machine, or of a Ray cluster that is there '
        '(RAY_ADDRESS, or on this machine)',
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='replace a sweep of this name, not go on with it'
    )


def run(arguments: argparse.Namespace) -> int:
    """Make what is not made yet; print the results over all runs."""
    from vlm_misalign_ros.app.cli.results import print_results
    from vlm_misalign_ros.app.progress import Terminal
    from vlm_misalign_ros.app.ray_pool import check_ray
    from vlm_misalign_ros.app.sweeping import Sweep
    from vlm_misalign_ros.core.errors import ConfigurationError
    from vlm_misalign_ros.core.settings.configuration import find_config, override, read_yaml

    if arguments.engine == 'ray':
        check_ray()
    path = find_config(arguments.config)
    data = override(read_yaml(path), arguments.overrides)
    name = str(arguments.name or data.get('name') or path.stem)
    if Path(name).name != name or name in ('.', '..'):
        raise ConfigurationError(f'sweep name {name!r} is no folder name', 'leave out slashes')
    folder = Path(arguments.out or data.get('out') or 'runs').expanduser() / name
    terminal: Terminal | None = None
    said: set[str] = set()

    def say(text: str) -> None:
        if (kind := re.sub(r'\d+', '', text)) in said:
            return
        said.add(kind)
        if terminal is None:
            print(f'{PROGRAM}: {text}', file=sys.stderr)
        else:
            terminal.say(text)

    sweep = Sweep(data, folder, say, arguments.overwrite)
    print(f'sweep {folder}: {len(sweep.runs)} runs, {sweep.total} frames', file=sys.stderr)
    last = 0

    def progress(count: int, what: str) -> None:
        nonlocal terminal, last
        terminal, last = terminal or Terminal(sweep.total, done=count), count
        terminal.update(count, what)

    try:
        sweep.work(arguments.jobs or 0, progress, ray=arguments.engine == 'ray')
    except KeyboardInterrupt:
        print(f'{PROGRAM}: the same command goes on from here', file=sys.stderr)
        raise
    finally:
        if terminal is not None:
            terminal.close(last, 'sweep')
            terminal = None
    shown, code = sweep.conclude()
    print_results(shown)
    return code

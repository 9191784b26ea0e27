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

"""`analyse`: recorded bags, offline and without ROS."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vlm_misalign_ros.app.cli.parser import PROGRAM, add_limits, add_overrides, positive
from vlm_misalign_ros.core.errors import ConfigurationError

if TYPE_CHECKING:
    from vlm_misalign_ros.app.analysing import Job

HELP = 'score a recorded bag offline'
EXAMPLES = """
vlm-misalign analyse runs/NAME/bag
vlm-misalign analyse drive.mcap --config live.yaml monitor.stopping_distance=30 --out scored
vlm-misalign analyse drive --config live.yaml --topic ground_truth/labels:=/carla/semantic
vlm-misalign analyse drives/monday drives/tuesday --config live.yaml --out scored --jobs 2
vlm-misalign analyse drive.mcap --config live.yaml --out scored --resume
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('bag', help='rosbag2 folder, .mcap or .db3 file')
    add_overrides(
        parser, 'more bags, and overrides of the configuration, such as monitor.window=10'
    )
    parser.add_argument('--config', help="configuration (default: the recorded run's)")
    parser.add_argument(
        '--out',
        help='folder of the results (default: analysis beside the bag); of several bags, a folder '
        'each is made in it, and one named all',
    )
    add_limits(parser)
    parser.add_argument('--namespace', default='', help='namespace of the recorded topics')
    parser.add_argument(
        '--topic',
        action='append',
        default=[],
        metavar='A:=/B',
        help='a topic of the run that has another name in the bag; may be given several times',
    )
    parser.add_argument(
        '--jobs',
        type=positive,
        default=1,
        help='bags that are scored at once; those that were scored before are not again',
    )
    parser.add_argument(
        '--resume',
        action='store_true',
        help='go on with an analysis that was interrupted; with the arguments that it was begun '
        'with',
    )


def run(arguments: argparse.Namespace) -> int:
    """Score the bags by their run's configuration, or another one."""
    from tqdm import tqdm

    from vlm_misalign_ros.app.analysing import MERGED, score, score_all
    from vlm_misalign_ros.app.cli.results import print_results
    from vlm_misalign_ros.app.progress import Records
    from vlm_misalign_ros.core.records.store import RECORDS

    jobs, out = _jobs(arguments)
    alone = len(jobs) == 1
    before = Records(out / RECORDS).read()[1] if alone and arguments.resume else 0
    with tqdm(unit='frame' if alone else 'bag', desc='analyse') as bar:

        def progress(done: int, total: int) -> None:
            nonlocal before
            if before:
                bar.write(
                    f'analysis {out}: goes on behind {before} frames, read again and not scored',
                    file=sys.stderr,
                )
                before = 0
            bar.total = total or None
            bar.update(done - bar.n)

        try:
            if alone:
                verdict = score(jobs[0], progress)
            else:
                verdict = score_all(jobs, out, arguments.jobs, progress)
        except KeyboardInterrupt:
            _say_how_to_go_on(jobs)
            raise
    print_results(out if alone else out / MERGED)
    return verdict.exit_code


def _say_how_to_go_on(jobs: Sequence[Job]) -> None:
    """Say what is kept of analyses that were interrupted."""
    from vlm_misalign_ros.core.records.store import RECORDS

    kept = [job.out for job in jobs if (job.out / RECORDS).is_file()]
    if kept:
        again = 'give --resume, too' if len(jobs) == 1 else 'give the same command'
        print(
            f'{PROGRAM}: what was scored is in {kept[0] if len(jobs) == 1 else kept[0].parent}; '
            f'to go on: {again}',
            file=sys.stderr,
        )


def _jobs(arguments: argparse.Namespace) -> tuple[list[Job], Path]:
    """Return the bags with how each is scored, and the folder of the results."""
    from vlm_misalign_ros.app.analysing import Job, names
    from vlm_misalign_ros.bags.places import parse_topics, run_folder

    words = arguments.overrides
    more = [word for word in words if '=' not in word or Path(word).exists()]
    bags = [Path(word) for word in (arguments.bag, *more)]
    if len(bags) > 1 and not arguments.out:
        raise ConfigurationError(f'{len(bags)} bags have no folder for results', 'give --out')
    out = Path(arguments.out) if arguments.out else run_folder(bags[0]) / 'analysis'
    folders = [out] if len(bags) == 1 else [out / name for name in names(bags)]
    shared = {
        'config': arguments.config or '',
        'overrides': [word for word in words if word not in more],
        'namespace': arguments.namespace,
        'limits': arguments.limit,
        'topics': parse_topics(arguments.topic),
        'resume': arguments.resume,
    }
    return [Job(bag, folder, **shared) for bag, folder in zip(bags, folders, strict=True)], out

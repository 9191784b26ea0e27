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

"""`compare`: whose rates are better, of runs over the same pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = 'tell whose rates are better, of runs over the same pictures'
EXAMPLES = """
vlm-misalign compare runs/base runs/new --out compared
vlm-misalign compare runs/base runs/new --limit 'clip/smr_false_safe not worse by 0.02'
vlm-misalign compare runs/base runs/new --model clip=clip_large
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'runs', nargs='+', metavar='RUN', help='run folders; the others are held against the first'
    )
    parser.add_argument(
        '--model',
        action='append',
        default=[],
        metavar='NAME',
        help='compare this model alone, or NAME_IN_FIRST_RUN=NAME_IN_OTHERS; may be given again',
    )
    parser.add_argument(
        '--limit',
        action='append',
        default=[],
        metavar='LIMIT',
        help="judge by this limit, '[MODEL/][RATE][@CONDITIONS] not worse by NUMBER'; may be "
        'given again',
    )
    parser.add_argument(
        '--out',
        metavar='FOLDER',
        help='write compare.html, compare.csv, compare_turned.csv and compare.json there',
    )


def run(arguments: argparse.Namespace) -> int:
    """Compare, print and write."""
    from vlm_misalign_ros.app.cli.results import tell_verdict
    from vlm_misalign_ros.core.report.audit.showing import one_line
    from vlm_misalign_ros.core.report.comparing import compare
    from vlm_misalign_ros.core.report.comparison import PAGE, format_comparison, write_comparison

    found = compare([Path(text) for text in arguments.runs], arguments.model, arguments.limit)
    print(format_comparison(found))
    print('\n' + tell_verdict(found.verdict.to_plain()))
    if arguments.out:
        write_comparison(Path(arguments.out), found)
        print(one_line(f'results: {Path(arguments.out) / PAGE}'))
    return found.verdict.exit_code

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

"""`merge`: runs over different frames as one."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = 'join runs over different frames into one run'
EXAMPLES = """
vlm-misalign merge runs/all runs/a runs/b
"""
RUNS = (
    'run folders of one evaluation; runs over other data are compared by smr_false_safe and '
    'smr_false_alarm, or their mean smr_balanced, never by the pooled smr'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('out', help='folder of the new run')
    parser.add_argument('runs', nargs='+', help=RUNS)


def run(arguments: argparse.Namespace) -> int:
    """Merge, and make the results."""
    from vlm_misalign_ros.app.cli.results import print_results
    from vlm_misalign_ros.core.records.merge import merge
    from vlm_misalign_ros.core.report.finalise import finalise

    out = Path(arguments.out)
    merge(out, [Path(folder) for folder in arguments.runs])
    verdict = finalise(out)
    print_results(out)
    return verdict.exit_code

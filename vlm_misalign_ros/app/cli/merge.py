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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('out', help='folder of the new run')
    parser.add_argument('runs', nargs='+', help='run folders of one evaluation')


def run(arguments: argparse.Namespace) -> int:
    """Merge, and make the results."""
    from vlm_misalign_ros.app.cli.results import print_results
    from vlm_misalign_ros.app.runs import judged
    from vlm_misalign_ros.core.records.merge import merge
    from vlm_misalign_ros.core.report.finalise import finalise
    from vlm_misalign_ros.core.report.verdict import parse_limits

    out = Path(arguments.out)
    merge(out, [Path(folder) for folder in arguments.runs])
    chosen = judged(out)
    verdict = finalise(
        out,
        minimum_coverage=chosen.minimum_coverage,
        limits=parse_limits(chosen.limits),
        expected_frames=chosen.expected_frames,
        notes=[],
    )
    print_results(out)
    return verdict.exit_code

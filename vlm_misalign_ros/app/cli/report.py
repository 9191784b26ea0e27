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

"""`report`: everything that can be made from records, made again."""

from __future__ import annotations

import argparse
from pathlib import Path

from vlm_misalign_ros.app.cli.parser import add_limits

HELP = 'write tables, verdict and report of a run again'
EXAMPLES = """
vlm-misalign report runs/NAME
vlm-misalign report runs/NAME --limit 'smr_false_safe.high@low_light:1-3 < 0.05'
vlm-misalign report runs/NAME --limit 'critical_omission_rate not worse than runs/base by 0.02'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('folder', metavar='RUN', help='run folder')
    add_limits(parser)


def run(arguments: argparse.Namespace) -> int:
    """Make the results from the records."""
    from vlm_misalign_ros.app.cli.results import print_results
    from vlm_misalign_ros.core.files import read_json
    from vlm_misalign_ros.core.report.baseline import check_runs
    from vlm_misalign_ros.core.report.finalise import finalise
    from vlm_misalign_ros.core.report.rules import rules_of

    folder = Path(arguments.folder)
    manifest = read_json(folder / 'manifest.json', 'give the folder of a run')
    rules = rules_of(manifest).with_limits(arguments.limit)
    if arguments.limit:
        check_runs(rules.limits, folder)
    verdict = finalise(folder, rules)
    print_results(folder)
    return verdict.exit_code

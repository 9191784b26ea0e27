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

"""`gather`: the tables of several runs as one Parquet data set."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = 'put the tables of runs into one Parquet data set, partitioned by run'
EXAMPLES = """
vlm-misalign gather all runs/a runs/b
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('out', help='folder of the data set; runs that it has stay')
    parser.add_argument('runs', nargs='+', metavar='RUN', help='run folders')


def run(arguments: argparse.Namespace) -> int:
    """Gather, and say what is there."""
    from vlm_misalign_ros.core.report.audit.showing import safe
    from vlm_misalign_ros.core.report.loading import gather

    out = Path(arguments.out)
    for name in gather(out, [Path(folder) for folder in arguments.runs]):
        print(f'{safe(name)} is in {out}/records and {out}/rates')
    return 0

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

"""`diff`: whether two runs have the same records."""

from __future__ import annotations

import argparse
from pathlib import Path

from vlm_misalign_ros.core.errors import ExitCode

HELP = 'in what the records of two runs differ, times aside'
EXAMPLES = """
vlm-misalign diff runs/a runs/b
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('first', help='run folder or records file')
    parser.add_argument(
        'second',
        help='run folder or records file, of the same data; whose rates are better tells compare',
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what differs."""
    from vlm_misalign_ros.core.records.store import RECORDS, difference
    from vlm_misalign_ros.core.report.audit.showing import one_line

    paths = [
        path / RECORDS if path.is_dir() else path
        for path in (Path(arguments.first), Path(arguments.second))
    ]
    found = difference(*paths)
    for line in found:
        print(one_line(line))
    if not found:
        print('the records are identical but for times')
    return ExitCode.FAIL if found else ExitCode.PASS

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

"""`bag cut`: a stretch of time of a bag, as a bag."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = 'write what of a bag lies between two times into another bag, as it is'
EXAMPLES = """
vlm-misalign bag cut drive.mcap cut --start 12.5 --end 20
vlm-misalign bag cut runs/NAME/bag first --end @3.0
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('bag', help='rosbag2 folder, .mcap or .db3 file')
    parser.add_argument('out', help='folder of the bag to write')
    parser.add_argument(
        '--start', default='', help='seconds from the first message, or @STAMP of the headers'
    )
    parser.add_argument('--end', default='', help='the same; what is at it stays out')


def run(arguments: argparse.Namespace) -> int:
    """Write the bag."""
    from vlm_misalign_ros.app.cli.bag.telling import tell_copied
    from vlm_misalign_ros.app.progress import counting
    from vlm_misalign_ros.bags.copying import cut_bag

    out = Path(arguments.out)
    with counting('cut', 'message') as progress:
        found = cut_bag(Path(arguments.bag), out, arguments.start, arguments.end, progress)
    tell_copied(out, found)
    return 0

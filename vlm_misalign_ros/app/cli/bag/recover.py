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

"""`bag recover`: what is whole of a damaged bag, as a sound one."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = 'write what is whole of a damaged bag into a new one, and tell what is lost'
EXAMPLES = """
vlm-misalign bag recover killed recovered
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('bag', help='rosbag2 folder, .mcap or .db3 file')
    parser.add_argument('out', help='folder of the bag to write')


def run(arguments: argparse.Namespace) -> int:
    """Recover what can be, and tell what cannot."""
    from vlm_misalign_ros.app.progress import counting
    from vlm_misalign_ros.bags.recovering import recover
    from vlm_misalign_ros.core.report.audit.showing import safe

    out = Path(arguments.out)
    with counting('recover', 'message') as progress:
        found = recover(Path(arguments.bag), out, lambda done, total: progress(done, total or 0))
    for line in (*found.faults, *(f'left out: {text}' for text in found.left_out)):
        print(safe(f'note: {line}'))
    for topic, number in found.topics.items():
        print(safe(f'{number:>7}  {topic}'))
    print(safe(f'lost: {found.told or "nothing"}'))
    print(f'{out}: {found.messages} messages')
    return 0

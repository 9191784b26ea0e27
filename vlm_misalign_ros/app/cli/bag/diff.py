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

"""`bag diff`: in what two bags differ."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vlm_misalign_ros.core.errors import ExitCode

if TYPE_CHECKING:
    from vlm_misalign_ros.bags.comparing import Comparison, Difference

HELP = 'say in which messages two bags differ, by stamp, times aside'
EXAMPLES = """
vlm-misalign bag diff runs/a/bag runs/b/bag
vlm-misalign bag diff drive.mcap cut --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('first', help='bag')
    parser.add_argument('second', help='bag')
    parser.add_argument('--json', action='store_true', help='as JSON')


def run(arguments: argparse.Namespace) -> int:
    """Print what differs; FAIL where anything does."""
    from vlm_misalign_ros.app.progress import counting
    from vlm_misalign_ros.bags.comparing import compare_bags

    with counting('diff', 'message') as progress:
        found = compare_bags(Path(arguments.first), Path(arguments.second), progress)
    if arguments.json:
        print(json.dumps(found.to_plain(), indent=1))
    else:
        print('\n'.join(_lines(found, arguments)))
    return ExitCode.PASS if found.same else ExitCode.FAIL


def _lines(found: Comparison, arguments: argparse.Namespace) -> Iterator[str]:
    from vlm_misalign_ros.core.report.audit.showing import safe

    for entry in found.topics:
        if not entry.same:
            yield from map(safe, _told(entry))
    if found.left_out:
        yield safe(f'not compared: {", ".join(found.left_out)}')
    if found.unread:
        yield safe(f'no CDR, so that nobody knows: {", ".join(found.unread)}')
    for path, lost in zip((arguments.first, arguments.second), found.lost, strict=True):
        if lost:
            yield safe(f'{path} lost: {lost}')
    if found.same:
        yield 'the bags hold the same messages but for times'


def _told(entry: Difference) -> Iterator[str]:
    """Yield a topic's difference in lines."""
    if entry.types[0] != entry.types[1]:
        yield f'{entry.name}: {" against ".join(text or "not there" for text in entry.types)}'
    one, other = entry.counts
    yield (
        f'{entry.name}: {one} and {other} messages{" (matched in their order)" * entry.by_order}'
        f'; {entry.alone[0]} only in the first, {entry.alone[1]} only in the second, '
        f'{entry.differ} differ'
    )
    for name, number in entry.fields.most_common(10):
        yield f'  {name} differs in {number}'
    if entry.first:
        yield f'  first: {entry.first}'

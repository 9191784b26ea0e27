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

"""`bag inspect`: what a bag holds, and what can be done with it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vlm_misalign_ros.bags.inspecting import Looked, Report

HELP = 'say what a bag holds: topics, rates, gaps, stamps, encodings, and what can be done with it'
EXAMPLES = """
vlm-misalign bag inspect drive.mcap
vlm-misalign bag inspect runs/NAME/bag --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('bag', help='rosbag2 folder, .mcap or .db3 file')
    parser.add_argument('--json', action='store_true', help='as JSON')


def run(arguments: argparse.Namespace) -> int:
    """Look at every message, and print what there is."""
    from vlm_misalign_ros.app.progress import counting
    from vlm_misalign_ros.bags.inspecting import inspect_bag

    with counting('inspect', 'message') as progress:
        found = inspect_bag(Path(arguments.bag), progress)
    if arguments.json:
        print(json.dumps(found.to_plain(), indent=1))
    else:
        print('\n'.join(_lines(found)))
    return 0


def _lines(found: Report) -> Iterator[str]:
    from vlm_misalign_ros.core.report.audit.showing import safe
    from vlm_misalign_ros.core.stamps import format_stamp

    plain = found.to_plain()
    begun = '' if found.start is None else f' from {format_stamp(found.start)}'
    yield f'{found.path}: {plain["messages"]} messages in {found.seconds:.3f} s{begun}'
    yield ''
    width = max((len(entry.topic.name) for entry in found.topics), default=0)
    for entry in found.topics:
        yield safe(f'{entry.topic.name:<{width}}  {_told(entry)}')
    if found.lost:
        yield f'\nlost: {safe(found.lost)}'
    if found.notes:
        yield ''
        yield from (safe(f'note: {note}') for note in found.notes)
    if found.uses:
        yield '\nwhat can be done with it'
        yield from (safe(f'  {line}') for line in found.uses)


def _told(entry: Looked) -> str:
    """Return a topic in a line."""
    parts = [f'{entry.count:>7}', entry.topic.type]
    if entry.topic.count is not None and entry.topic.count != entry.count:
        parts[0] += f' of {entry.topic.count}'
    if entry.arrivals.rate is not None:
        parts.append(f'{entry.arrivals.rate:.3g} Hz')
    stamped = entry.stamps.intervals.rate if entry.stamps is not None else None
    if stamped is not None:
        parts.append(f'{stamped:.3g} Hz by stamps')
    parts += [f'{kind} ({n})' for kind, n in entry.pictures.most_common(3)]
    if entry.encodings:
        parts.append(f'labels: {" or ".join(entry.encodings)}')
    if entry.problem:
        parts.append(entry.problem)
    return '  '.join(parts)

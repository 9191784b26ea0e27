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

"""`labels`: which encoding a label map has, and what is in it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from vlm_misalign_ros.app.cli.parser import add_overrides, positive

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

HELP = 'say which encoding a label map, a folder, a bag or a live topic has, and what is in it'
EXAMPLES = """
vlm-misalign labels frame_labelIds.png
vlm-misalign labels /data/cityscapes/gtFine/test --samples 20
vlm-misalign labels drive.mcap --topic /carla/ego_vehicle/semantic/image
vlm-misalign labels /ground_truth/labels --timeout 20 --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('place', metavar='PATH|TOPIC', help='picture, folder, bag or live topic')
    add_overrides(parser, 'limits of what may be unlabelled, e.g. unlabelled_share=0.3')
    parser.add_argument('--topic', default='', help='of a bag (default: the one of labels)')
    parser.add_argument('--samples', type=positive, default=10, help='maps at most')
    parser.add_argument(
        '--encoding', default='', help='a plug-in or YAML file to try beside the known ones'
    )
    parser.add_argument('--timeout', type=float, default=10.0, help='seconds, of a live topic')
    parser.add_argument('--json', action='store_true', help='as JSON')


def run(arguments: argparse.Namespace) -> int:
    """Print what the maps hold; an error where there are none."""
    from vlm_misalign_ros.app.cli.settings import truth_of
    from vlm_misalign_ros.core.labels.encodings import open_encoding
    from vlm_misalign_ros.core.labels.fitting import candidates
    from vlm_misalign_ros.core.labels.inspecting import describe, inspect

    limits = truth_of(arguments.overrides).limits
    more = [open_encoding(arguments.encoding)] if arguments.encoding else []
    place, maps = _maps(arguments)
    found = inspect(maps, [entry for entry in more if entry not in candidates()], limits)
    if arguments.json:
        plain = {
            'place': place,
            'fitting': list(found.fitting),
            'values': found.raw[0].values,
            'encodings': [reading.to_plain() for reading in found.readings],
        }
        print(json.dumps(plain, indent=1))
    else:
        print('\n'.join([f'{place}, {found.readings[0].maps} maps', '', *describe(found)]))
    return 0


def _maps(arguments: argparse.Namespace) -> tuple[str, Iterator[np.ndarray]]:
    """Return (what they are of, the maps)."""
    from vlm_misalign_ros.app import labels

    path, most = Path(arguments.place).expanduser(), arguments.samples
    if path.exists():
        if not labels.is_bag(path):
            return str(path), labels.from_path(path, most)
        topic, maps = labels.from_bag(path, arguments.topic, most)
        return f'{path} {topic}', maps
    # A name with an ending was meant as a file, whatever a topic may be called.
    if path.suffix:
        return str(path), labels.from_path(path, most)
    return arguments.place, labels.from_topic(arguments.place, most, arguments.timeout)

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

"""`bag from-cityscapes`: a data set as a bag."""

from __future__ import annotations

import argparse
from pathlib import Path

from vlm_misalign_ros.app.cli.parser import count

HELP = 'write a data set as a bag: camera, camera_info and ground truth at a rate'
EXAMPLES = """
vlm-misalign bag from-cityscapes /data/cityscapes val_bag --split val --rate 5
ros2 bag play val_bag
vlm-misalign bag from-cityscapes scenes drive --namespace front --start-stamp 1700000000
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('dataset', help='labelled data, FOLDER or LAYOUT:FOLDER')
    parser.add_argument('out', help='folder of the bag to write')
    parser.add_argument('--split', default='', help='split (default: all)')
    parser.add_argument('--cities', nargs='*', default=[], help='cities (default: all)')
    parser.add_argument('--limit', type=count, default=0, help='frames at most (default: all)')
    parser.add_argument(
        '--sequences', action='store_true', help='take leftImg8bit_sequence, labelled or not'
    )
    parser.add_argument('--rate', type=float, default=10.0, help='frames a second')
    parser.add_argument(
        '--start-stamp', type=float, default=1.0, help='stamp of the first frame, seconds'
    )
    parser.add_argument('--namespace', default='', help='namespace of the topics')


def run(arguments: argparse.Namespace) -> int:
    """Write the bag."""
    from vlm_misalign_ros.app.progress import counting
    from vlm_misalign_ros.bags.from_dataset import Timing, write_dataset
    from vlm_misalign_ros.core.datasets import open_dataset

    dataset = open_dataset(
        arguments.dataset,
        split=arguments.split,
        cities=arguments.cities,
        limit=arguments.limit,
        sequences=arguments.sequences,
    )
    timing, out = Timing(arguments.rate, arguments.start_stamp), Path(arguments.out)
    with counting('from-cityscapes', 'frame') as progress:
        frames = write_dataset(dataset, out, timing, arguments.namespace, progress)
    print(f'{out}: {frames} frames of {dataset.name} at {timing.rate:g} Hz')
    return 0

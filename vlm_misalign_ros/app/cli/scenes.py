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

"""`scenes`: synthetic streets on disk."""

from __future__ import annotations

import argparse
from pathlib import Path

from vlm_misalign_ros.app.cli.parser import count, positive

HELP = 'write synthetic street scenes in Cityscapes layout'
EXAMPLES = """
vlm-misalign scenes streets --frames 100 --split test
vlm-misalign scenes drive --frames 300 --sequence-length 30 --cities altenmark
vlm-misalign scenes drives --frames 1200 --sequence-length 60 --eventful
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('out', help='folder to write into')
    parser.add_argument('--frames', type=positive, default=12, help='frames in all')
    parser.add_argument('--seed', type=count, default=0, help='another seed, other streets')
    parser.add_argument('--width', type=positive, default=1024, help='of the pictures, pixels')
    parser.add_argument('--height', type=positive, default=512, help='of the pictures, pixels')
    parser.add_argument(
        '--split', default='val', help='train, val and test have cities of their own'
    )
    parser.add_argument('--cities', nargs='*', default=[], help="cities (default: the split's)")
    parser.add_argument(
        '--sequence-length',
        type=positive,
        default=1,
        help='frames of a sequence, 0.1 s apart; Cityscapes has 30',
    )
    parser.add_argument(
        '--eventful',
        action='store_true',
        help='people run across, cars cut in and turn off: hazards come and go in a sequence',
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the scenes."""
    from tqdm import tqdm

    from vlm_misalign_ros.core.world import generate

    with tqdm(total=arguments.frames, unit='frame', desc='scenes') as bar:
        generate(
            Path(arguments.out),
            arguments.frames,
            arguments.seed,
            width=arguments.width,
            height=arguments.height,
            split=arguments.split,
            sequence_length=arguments.sequence_length,
            cities=arguments.cities,
            progress=lambda *_: bar.update(1),
            eventful=arguments.eventful,
        )
    print(f'{arguments.frames} frames in {arguments.out}')
    return 0

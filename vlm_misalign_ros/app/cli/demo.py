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

"""`demo`: the whole chain on synthetic streets and the miniature models."""

from __future__ import annotations

import argparse
from pathlib import Path

from vlm_misalign_ros.app.cli.parser import add_overrides, count, positive

HELP = 'draw street scenes and run the miniature models over them'
EXAMPLES = """
vlm-misalign demo
vlm-misalign demo --frames 100 --out runs
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_overrides(parser, 'overrides of config/demo.yaml')
    parser.add_argument('--out', default='runs', help='folder that holds the run folders')
    parser.add_argument('--frames', type=positive, default=8, help='scenes')
    parser.add_argument('--seed', type=count, default=0, help='seed of scenes and corruptions')
    parser.add_argument(
        '--single-process', action='store_true', help='compose the nodes in one process'
    )
    parser.add_argument('--in-process', action='store_true', help='without ROS, in this process')


def run(arguments: argparse.Namespace) -> int:
    """Make the scenes where they are not there yet, and run."""
    from tqdm import tqdm

    from vlm_misalign_ros.app.cli.run import start
    from vlm_misalign_ros.core.settings.configuration import find_config, override, read_yaml
    from vlm_misalign_ros.core.world import generate

    scenes = Path(arguments.out) / '.demo' / f'scenes-{arguments.frames}-{arguments.seed}'
    done = scenes / 'done'
    if not done.exists():
        with tqdm(total=arguments.frames, unit='frame', desc='scenes') as bar:
            generate(
                scenes,
                arguments.frames,
                arguments.seed,
                split='test',
                progress=lambda *_: bar.update(1),
            )
        done.touch()
    data = override(
        read_yaml(find_config('demo')),
        [
            f'out={arguments.out}',
            f'replay.dataset={scenes}',
            f'seed={arguments.seed}',
            *arguments.overrides,
        ],
    )
    code = start(
        data, overwrite=True, single=arguments.single_process, in_process=arguments.in_process
    )
    print(
        'Miniature models on synthetic streets: the effect is theirs, measured; '
        'the size of it says nothing of other models.'
    )
    return code

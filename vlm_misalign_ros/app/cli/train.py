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

"""`train`: the miniature models, from the synthetic world."""

from __future__ import annotations

import argparse
from pathlib import Path

from vlm_misalign_ros.app.cli.parser import count, positive

HELP = 'train the miniature models on the synthetic world (hours)'
EXAMPLES = """
vlm-misalign train samples
vlm-misalign train all --threads 2
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('name', help='samples (first), then the name of a miniature, or all')
    parser.add_argument('--data', default='runs/.training', help='folder of the samples')
    parser.add_argument('--out', default='runs/.training/models', help='folder of the models')
    parser.add_argument('--work', help='folder of checkpoints (default: work in the data)')
    parser.add_argument('--frames', type=positive, default=12000, help='frames to learn from')
    parser.add_argument('--seed', type=count, default=20, help='seed of frames and training')
    parser.add_argument('--threads', type=positive, default=1, help='CPU threads')
    parser.add_argument(
        '--share', type=float, default=1.0, help="part of the recipe's steps, to try things out"
    )


def run(arguments: argparse.Namespace) -> int:
    """Make the samples, or train one miniature or all."""
    from tqdm import tqdm

    from vlm_misalign_ros.training.miniatures import MINIATURES, train
    from vlm_misalign_ros.training.samples import make_samples

    data, work = Path(arguments.data), Path(arguments.work or Path(arguments.data) / 'work')
    if arguments.name == 'samples':
        for split, frames, seed in (
            ('val', arguments.frames // 15, arguments.seed + 1),
            ('train', arguments.frames, arguments.seed),
        ):
            with tqdm(total=frames, unit='frame', desc=f'samples {split}') as bar:
                make_samples(data, split, frames, seed, arguments.threads, bar.update)
        return 0
    for name in MINIATURES if arguments.name == 'all' else (arguments.name,):
        place = train(
            name,
            data,
            Path(arguments.out),
            work,
            arguments.seed,
            arguments.threads,
            arguments.share,
        )
        print(place)
    return 0

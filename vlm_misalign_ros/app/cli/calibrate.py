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

"""`calibrate`: the operating points of a contrastive model."""

from __future__ import annotations

import argparse
from pathlib import Path

from vlm_misalign_ros.app.cli.parser import add_overrides, count

HELP = 'set the operating points of a contrastive model on clean frames'
EXAMPLES = """
vlm-misalign calibrate open_clip:ViT-B-16/openai --dataset /data/cityscapes --split train
vlm-misalign calibrate open_clip:local-dir:mine stopping_distance=30 --dataset scenes --cities a b
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('model', help='open_clip:NAME/PRETRAINED or open_clip:local-dir:DIR')
    add_overrides(
        parser, 'settings of the truth, those of the evaluation, e.g. stopping_distance=30'
    )
    parser.add_argument('--dataset', required=True, help='labelled data, FOLDER or LAYOUT:FOLDER')
    parser.add_argument('--split', default='', help='split (default: all)')
    parser.add_argument(
        '--cities',
        nargs='*',
        default=[],
        help='cities (default: all; take others than those you evaluate on)',
    )
    parser.add_argument('--limit', type=count, default=0, help='frames at most (default: all)')
    parser.add_argument('--prompt', default='', help='id of a prompt set, or FILE#ID')
    parser.add_argument('--out', default='calibration.json', help='file to write')


def run(arguments: argparse.Namespace) -> int:
    """Calibrate, and print the points."""
    from tqdm import tqdm

    from vlm_misalign_ros.app.cli.settings import truth_of
    from vlm_misalign_ros.core.evaluation.calibrating import calibrate_model

    settings = truth_of(arguments.overrides)
    with tqdm(unit='frame', desc='calibrate') as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        found = calibrate_model(
            arguments.model,
            arguments.dataset,
            arguments.split,
            tuple(arguments.cities),
            arguments.limit,
            arguments.prompt,
            progress=progress,
            settings=settings,
        )
    found.save(Path(arguments.out))
    print(f'{"class":<14} {"AUROC":>6} {"AP":>6} {"from":>6} {"there":>6} {"absent":>6}')
    for name, point in found.points.items():
        print(
            f'{name:<14} {point.auroc:6.3f} {point.average_precision:6.3f} '
            f'{point.threshold:6.3f} {point.positives:6d} {point.negatives:6d}'
        )
    missing = found.content()['without_point']
    if missing:
        print('too few frames for a point of its own: ' + ', '.join(missing))
    print(f'operating points: {arguments.out}')
    return 0

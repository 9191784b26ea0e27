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

"""`calibrate`: the operating points of a contrastive model, or the areas of a mask reader."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vlm_misalign_ros.app.cli.parser import add_overrides, count
from vlm_misalign_ros.core.errors import ConfigurationError

if TYPE_CHECKING:
    from vlm_misalign_ros.core.models.calibration import Calibration
    from vlm_misalign_ros.core.models.least_areas import LeastAreas
    from vlm_misalign_ros.core.truth.read import TruthSettings

MASK_READER = 'mask_reader'
HELP = 'set operating points of a contrastive model, or areas of a mask reader, on clean frames'
EXAMPLES = """
vlm-misalign calibrate open_clip:ViT-B-16/openai --dataset /data/cityscapes --split train
vlm-misalign calibrate open_clip:local-dir:mine stopping_distance=30 --dataset scenes --cities a b
vlm-misalign calibrate mask_reader --segmentation miniature:segformer --input-height 384 \\
    --dataset scenes --split val
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'model', help='open_clip:NAME/PRETRAINED, open_clip:local-dir:DIR or mask_reader'
    )
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
    parser.add_argument(
        '--segmentation', default='', help='mask_reader: the model whose masks are read'
    )
    parser.add_argument(
        '--input-height',
        type=count,
        help='mask_reader: segmentation.input_height of the evaluation (default: that one)',
    )
    parser.add_argument('--out', default='calibration.json', help='file to write')


def run(arguments: argparse.Namespace) -> int:
    """Calibrate, and print what was found."""
    from tqdm import tqdm

    from vlm_misalign_ros.app.cli.settings import truth_of

    made = _areas if arguments.model == MASK_READER else _points
    _refuse_other_options(arguments)
    settings = truth_of(arguments.overrides)
    with tqdm(unit='frame', desc='calibrate') as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        found, lines = made(arguments, settings, progress)
    found.save(Path(arguments.out))
    print('\n'.join(lines))
    return 0


def _refuse_other_options(arguments: argparse.Namespace) -> None:
    """Raise ConfigurationError for an option that the kind of model does not have."""
    reads_masks = arguments.model == MASK_READER
    if reads_masks and not arguments.segmentation:
        raise ConfigurationError(
            f'{MASK_READER} has no segmentation to read', 'give --segmentation MODEL'
        )
    wrong = ('--prompt',) if reads_masks else ('--segmentation', '--input-height')
    for option in wrong:
        value = getattr(arguments, option.removeprefix('--').replace('-', '_'))
        if value not in ('', None):
            raise ConfigurationError(
                f'{option} {value} means nothing for the model {arguments.model}', 'leave it out'
            )


def _points(
    arguments: argparse.Namespace, settings: TruthSettings, progress: Callable[[int, int], None]
) -> tuple[Calibration, list[str]]:
    """Return operating points, and a table of them."""
    from vlm_misalign_ros.core.evaluation.calibrating import calibrate_model

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
    lines = [f'{"class":<14} {"AUROC":>6} {"AP":>6} {"from":>6} {"there":>6} {"absent":>6}']
    lines += [
        f'{name:<14} {point.auroc:6.3f} {point.average_precision:6.3f} '
        f'{point.threshold:6.3f} {point.positives:6d} {point.negatives:6d}'
        for name, point in found.points.items()
    ]
    missing = found.content()['without_point']
    if missing:
        lines.append('too few frames for a point of its own: ' + ', '.join(missing))
    return found, [*lines, f'operating points: {arguments.out}']


def _areas(
    arguments: argparse.Namespace, settings: TruthSettings, progress: Callable[[int, int], None]
) -> tuple[LeastAreas, list[str]]:
    """Return least areas, and a table of them."""
    from vlm_misalign_ros.core.evaluation.calibrating import calibrate_mask_reader
    from vlm_misalign_ros.core.models.mask_reading import NO_HOOD

    height = {} if arguments.input_height is None else {'input_height': arguments.input_height}
    found = calibrate_mask_reader(
        arguments.segmentation,
        arguments.dataset,
        arguments.split,
        tuple(arguments.cities),
        arguments.limit,
        **height,
        progress=progress,
        settings=settings,
    )
    lines = [f'{"class":<14} {"from px":>9} {"found":>6} {"spared":>6} {"there":>6} {"absent":>6}']
    lines += [
        f'{name:<14} {entry.area:9.0f} {entry.sensitivity:6.3f} {entry.specificity:6.3f} '
        f'{entry.positives:6d} {entry.negatives:6d}'
        for name, entry in found.areas.items()
    ]
    missing = found.content()['without_area']
    if missing:
        told = ', '.join(f'{name} (from {area:.0f} px)' for name, area in missing.items())
        lines.append(f'too few frames for an area of its own, as in the truth: {told}')
    if found.hood < NO_HOOD:
        lines.append(f'ego vehicle: what lies below {found.hood:.3f} of the height')
    return found, [*lines, f'least areas: {arguments.out}']

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

"""`export`: a run for other tools, or a segmentation model with what a run has to know of it."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from vlm_misalign_ros.core.errors import ConfigurationError

if TYPE_CHECKING:
    from vlm_misalign_ros.app.exporting_runs import Choice

HELP = 'write a run for other tools, or a segmentation model as ONNX or TorchScript'
EXAMPLES = """
vlm-misalign export runs/NAME --format coco --out coco --condition clean --condition low_light:3
vlm-misalign export runs/NAME --format fiftyone --out fiftyone --masks
vlm-misalign export runs/NAME --format mlflow --out mlruns
vlm-misalign export miniature:segformer --format onnx --out exported
vlm-misalign export transformers:nvidia/segformer-b1-finetuned-cityscapes-1024-1024 \\
    --format torchscript --size 1024x2048 --out exported
"""
MODELS = ('onnx', 'torchscript')
PICTURED = ('coco', 'fiftyone')
TABLES = ('mlflow', 'wandb')
_SIZE = (512, 1024)


def _size(text: str) -> tuple[int, int]:
    """Return rows and columns of ROWSxCOLUMNS."""
    found = re.fullmatch(r'(\d{1,5})x(\d{1,5})', text)
    if found is None:
        raise argparse.ArgumentTypeError(f'{text!r} is no size, such as 512x1024')
    return int(found[1]), int(found[2])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'what',
        metavar='RUN|MODEL',
        help='run folder; of a model transformers:NAME_OR_DIRECTORY or miniature:segformer',
    )
    parser.add_argument(
        '--format', required=True, choices=(*PICTURED, *TABLES, *MODELS), help='format'
    )
    parser.add_argument('--out', required=True, help='folder to write to')
    parser.add_argument(
        '--condition',
        action='append',
        default=[],
        help='coco, fiftyone: only pictures under this condition; may be given again',
    )
    parser.add_argument(
        '--limit', type=int, default=0, help='coco, fiftyone: so many pictures at most (0: all)'
    )
    parser.add_argument(
        '--dataset', default='', help='coco, fiftyone: where the data set of the run lies by now'
    )
    parser.add_argument(
        '--pictures',
        choices=('png', 'jpg'),
        default='png',
        help='coco, fiftyone: to the last bit, or smaller',
    )
    parser.add_argument(
        '--masks',
        action='store_true',
        help='coco, fiftyone: make the masks of the segmentation again, by its model',
    )
    parser.add_argument(
        '--size', type=_size, help='models: ROWSxCOLUMNS of the input (default: 512x1024)'
    )
    parser.add_argument('--label-map', default='', help='models: as segmentation.label_map')


def run(arguments: argparse.Namespace) -> int:
    """Export."""
    kind = arguments.format
    _refuse(arguments, MODELS, ('size', 'label_map'))
    _refuse(arguments, PICTURED, ('condition', 'limit', 'dataset', 'masks'))
    if kind in MODELS:
        return _model(arguments)
    from vlm_misalign_ros.app.exporting_runs import export_run
    from vlm_misalign_ros.core.report.audit.showing import safe

    found = export_run(Path(arguments.what), Path(arguments.out), kind, _choice(arguments))
    for note in found.notes:
        print(safe(f'note: {note}'))
    for name, number in sorted(found.counts.items()):
        print(safe(f'{number:>7}  {name}'))
    print(arguments.out)
    return 0


def _refuse(arguments: argparse.Namespace, kinds: tuple[str, ...], names: tuple[str, ...]) -> None:
    """Raise ConfigurationError for an option that the format knows nothing of."""
    for name in names:
        if getattr(arguments, name) and arguments.format not in kinds:
            raise ConfigurationError(
                f'--{name.replace("_", "-")} is given for the format {arguments.format}',
                f'it is of {", ".join(kinds)}',
            )


def _choice(arguments: argparse.Namespace) -> Choice:
    from vlm_misalign_ros.app.exporting_runs import Choice

    return Choice(
        tuple(arguments.condition),
        arguments.limit,
        arguments.dataset,
        arguments.pictures,
        arguments.masks,
    )


def _model(arguments: argparse.Namespace) -> int:
    """Export a model, and say how well the masks agree."""
    from vlm_misalign_ros.core.models.card import path_of
    from vlm_misalign_ros.core.models.exporting import export

    found = export(
        arguments.what,
        arguments.format,
        Path(arguments.out),
        arguments.size or _SIZE,
        arguments.label_map,
    )
    print(f'{found.file} and {path_of(found.file).name}')
    print(
        f'masks: {found.agreement:.5f} of the pixels equal at least, on {found.pictures} pictures '
        f'with {found.classes} classes'
    )
    print(f'use it as {arguments.format}:{found.file}')
    return 0

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

"""`export`: a segmentation model as ONNX or TorchScript, with what a run has to know beside it."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

HELP = 'write a segmentation model as ONNX or TorchScript, compared with itself'
EXAMPLES = """
vlm-misalign export miniature:segformer --format onnx --out exported
vlm-misalign export transformers:nvidia/segformer-b1-finetuned-cityscapes-1024-1024 \\
    --format torchscript --size 1024x2048 --out exported
"""


def _size(text: str) -> tuple[int, int]:
    """Return rows and columns of ROWSxCOLUMNS."""
    found = re.fullmatch(r'(\d{1,5})x(\d{1,5})', text)
    if found is None:
        raise argparse.ArgumentTypeError(f'{text!r} is no size, such as 512x1024')
    return int(found[1]), int(found[2])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('model', help='transformers:NAME_OR_DIRECTORY or miniature:segformer')
    parser.add_argument('--format', required=True, choices=('onnx', 'torchscript'), help='format')
    parser.add_argument('--out', required=True, help='folder to write to')
    parser.add_argument(
        '--size', type=_size, default=(512, 1024), help='ROWSxCOLUMNS of the input (512x1024)'
    )
    parser.add_argument('--label-map', default='', help='as segmentation.label_map of a run')


def run(arguments: argparse.Namespace) -> int:
    """Export, and say how well the masks agree."""
    from vlm_misalign_ros.core.models.card import path_of
    from vlm_misalign_ros.core.models.exporting import export

    found = export(
        arguments.model, arguments.format, Path(arguments.out), arguments.size, arguments.label_map
    )
    print(f'{found.file} and {path_of(found.file).name}')
    print(
        f'masks: {found.agreement:.5f} of the pixels equal at least, on {found.pictures} pictures '
        f'with {found.classes} classes'
    )
    print(f'use it as {arguments.format}:{found.file}')
    return 0

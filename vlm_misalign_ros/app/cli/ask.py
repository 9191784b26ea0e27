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

"""`ask`: opens a model as its node does, and prints what it answers to a picture."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

HELP = 'open a model as its node does, and print what it answers to a picture'
EXAMPLES = """
vlm-misalign ask miniature:llava
vlm-misalign ask transformers:/models/segformer --segmentation
vlm-misalign ask open_clip:ViT-B-16/openai street.png --device cuda
vlm-misalign ask openai:Qwen/Qwen3-VL-8B-Instruct --base-url http://127.0.0.1:8000/v1
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('model', help='as in a configuration')
    parser.add_argument('picture', nargs='?', help='a picture file; left out: grey, 512 x 256')
    parser.add_argument('--segmentation', action='store_true', help='it segments')
    parser.add_argument('--prompt', default='', help='id of a prompt (set)')
    parser.add_argument('--base-url', default='', help='openai:MODEL: address of its server')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda, cuda:N')
    parser.add_argument(
        '--dtype', default='float32', choices=('float32', 'bfloat16', 'float16'), help='arithmetic'
    )


def run(arguments: argparse.Namespace) -> int:
    """Print one JSON object; a model that cannot work is an error with its reason."""
    from vlm_misalign_ros.core.models.answering import trial_picture
    from vlm_misalign_ros.core.models.factory import load_segmentation, load_vlm

    path = arguments.picture
    picture = trial_picture() if path is None else _read(path)
    how = {'device': arguments.device, 'dtype': arguments.dtype}
    if arguments.segmentation:
        mask = load_segmentation(arguments.model, **how).segment(picture)
        print(json.dumps({'classes': _shares(mask.labels), 'entropy': mask.entropy}))
        return 0
    how |= {'prompt': arguments.prompt, 'base_url': arguments.base_url}
    answer = load_vlm(arguments.model, **how).describe(picture)
    print(json.dumps(dataclasses.asdict(answer)))
    return 0


def _read(path: str) -> np.ndarray:
    import cv2

    from vlm_misalign_ros.core.errors import DatasetError

    picture = cv2.imread(path, cv2.IMREAD_COLOR)
    if picture is None:
        raise DatasetError(f'{path} is no picture that can be read', 'give a PNG or JPEG file')
    return picture


def _shares(labels: np.ndarray) -> dict[str, float]:
    """Return the share of the pixels that each class has, the largest first."""
    import numpy as np

    from vlm_misalign_ros.core.labels.classes import CLASSES

    counts = np.bincount(labels.ravel(), minlength=256)
    shares = {name: round(int(counts[k]) / labels.size, 4) for k, name in enumerate(CLASSES)}
    found = sorted(shares.items(), key=lambda entry: -entry[1])
    return {name: share for name, share in found if share}

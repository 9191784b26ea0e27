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

"""`truth`: the ground truth as pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from vlm_misalign_ros.app.cli.parser import add_overrides, count
from vlm_misalign_ros.core.errors import RecordError

HELP = 'draw what has to be said of labelled frames, and the ego corridor'
EXAMPLES = """
vlm-misalign truth /data/cityscapes --limit 20
vlm-misalign truth /data/cityscapes stopping_distance=30 --out pictures
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('dataset', help='labelled data, FOLDER or LAYOUT:FOLDER')
    add_overrides(parser, 'settings of the truth, e.g. stopping_distance=30')
    parser.add_argument('--out', default='truth', help='folder of the pictures')
    parser.add_argument('--split', default='', help='split (default: all)')
    parser.add_argument('--cities', nargs='*', default=[], help='cities (default: all)')
    parser.add_argument('--limit', type=count, default=0, help='frames at most (default: all)')


def run(arguments: argparse.Namespace) -> int:
    """Draw every frame."""
    import cv2
    from tqdm import tqdm

    from vlm_misalign_ros.app.cli.settings import truth_of
    from vlm_misalign_ros.core.datasets import open_dataset
    from vlm_misalign_ros.core.report.drawing import draw_truth

    settings = truth_of(arguments.overrides)
    dataset = open_dataset(
        arguments.dataset,
        split=arguments.split,
        cities=tuple(arguments.cities),
        limit=arguments.limit,
    )
    out = Path(arguments.out)
    unscorable: list[str] = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for frame in tqdm(dataset, unit='frame', desc='truth'):
            drawn, trust = draw_truth(frame, settings)
            if not trust.scorable:
                unscorable.append(f'{frame.key}: {trust.reason}')
            encoded = cv2.imencode('.jpg', drawn, [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
            (out / f'{frame.key}.jpg').write_bytes(encoded.tobytes())
    except OSError as error:
        raise RecordError(
            f'{out} cannot be written: {error.strerror}', 'free space or choose another folder'
        ) from error
    print(f'{len(dataset)} pictures are in {out}')
    if unscorable:
        print(f'{len(unscorable)} of {len(dataset)} frames are unscorable, first {unscorable[0]}')
    return 0

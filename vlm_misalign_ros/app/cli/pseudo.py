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

"""`vlm-misalign pseudo`: labels of a segmentation model for the frames of a data set."""

from __future__ import annotations

import argparse
from pathlib import Path

from vlm_misalign_ros.app.cli.parser import count, positive

HELP = 'label every frame of sequences by a segmentation model, for what is measured over time'
EXAMPLES = """
vlm-misalign pseudo /data/cityscapes pseudo --split val --model transformers:my/segformer
vlm-misalign run evaluate replay.dataset=pseudo replay.sequences=true monitor.instances=false
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('dataset', help='folder in Cityscapes layout with leftImg8bit_sequence')
    parser.add_argument('out', help='new folder to write into')
    parser.add_argument('--model', required=True, help='segmentation model, as in a configuration')
    parser.add_argument('--split', default='', help='split (default: all)')
    parser.add_argument('--cities', nargs='*', default=[], help='cities (default: all)')
    parser.add_argument('--limit', type=count, default=0, help='frames at most (default: all)')
    parser.add_argument(
        '--input-height', type=count, default=512, help='as segmentation.input_height of a run'
    )
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda, cuda:N')
    parser.add_argument(
        '--dtype', default='float32', choices=('float32', 'bfloat16', 'float16'), help='arithmetic'
    )
    parser.add_argument('--threads', type=positive, default=1, help='CPU threads')


def run(arguments: argparse.Namespace) -> int:
    """Label the frames."""
    from tqdm import tqdm

    from vlm_misalign_ros.core.evaluation.pseudo import Asked, pseudo_label

    asked = Asked(
        dataset=arguments.dataset,
        out=Path(arguments.out),
        model=arguments.model,
        split=arguments.split,
        cities=tuple(arguments.cities),
        limit=arguments.limit,
        input_height=arguments.input_height,
        device=arguments.device,
        dtype=arguments.dtype,
        threads=arguments.threads,
    )
    with tqdm(unit='frame', desc='pseudo-labels') as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        found = pseudo_label(asked, progress)
    print(
        f'{found["frames"]} frames in {asked.out}; ego vehicle and borders from '
        f'{found["hood_from"]} labelled frames'
    )
    return 0

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

"""`severities`: what a segmentation model keeps of its mIoU, and which severities cost what."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlm_misalign_ros.app.cli.parser import count, positive
from vlm_misalign_ros.core.errors import RecordError

HELP = 'measure what a segmentation model keeps of its mIoU at each severity of each corruption'
EXAMPLES = """
vlm-misalign severities /data/cityscapes --split val --model transformers:my/segformer
vlm-misalign severities scenes --model miniature:segformer --input-height 384 --limit 20 --check
vlm-misalign run evaluate.yaml corruption.severity_by_miou=severities.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('dataset', help='labelled data, FOLDER or LAYOUT:FOLDER')
    parser.add_argument('--model', required=True, help='segmentation model, as in a configuration')
    parser.add_argument('--split', default='', help='split (default: all)')
    parser.add_argument('--cities', nargs='*', default=[], help='cities (default: all)')
    parser.add_argument('--limit', type=count, default=0, help='frames at most (default: all)')
    parser.add_argument(
        '--corruptions', nargs='*', default=[], help='corruptions (default: those of the package)'
    )
    parser.add_argument(
        '--losses',
        nargs=5,
        type=float,
        default=None,
        metavar='SHARE',
        help='shares of the clean mIoU that severity 1 to 5 shall cost '
        '(default: 0.05 0.1 0.2 0.35 0.5)',
    )
    parser.add_argument(
        '--check', action='store_true', help='run once more at the severities that were found'
    )
    parser.add_argument(
        '--input-height', type=count, default=512, help='as segmentation.input_height of the run'
    )
    parser.add_argument('--label-map', default='', help='as segmentation.label_map of the run')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda, cuda:N')
    parser.add_argument(
        '--dtype', default='float32', choices=('float32', 'bfloat16', 'float16'), help='arithmetic'
    )
    parser.add_argument('--threads', type=positive, default=1, help='CPU threads')
    parser.add_argument('--seed', type=count, default=0, help='seed of the corruptions')
    parser.add_argument(
        '--keep-lamps', action='store_true', help='as corruption.keep_lamps of the run'
    )
    parser.add_argument('--out', default='severities.json', help='file to write')


def run(arguments: argparse.Namespace) -> int:
    """Measure, write the file and print what was found."""
    from tqdm import tqdm

    from vlm_misalign_ros.core.corruptions.measured import LOSSES, save
    from vlm_misalign_ros.core.evaluation.severities import Asked, measure_severities

    out = Path(arguments.out)
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise RecordError(
            f'{out} cannot be written: {"it is a folder" if out.is_dir() else "no such folder"}',
            'give the path of a file',
        )
    asked = Asked(
        model=arguments.model,
        dataset=arguments.dataset,
        split=arguments.split,
        cities=tuple(arguments.cities),
        limit=arguments.limit,
        corruptions=tuple(dict.fromkeys(arguments.corruptions)),
        losses=tuple(arguments.losses or LOSSES),
        input_height=arguments.input_height,
        device=arguments.device,
        dtype=arguments.dtype,
        threads=arguments.threads,
        seed=arguments.seed,
        keep_lamps=arguments.keep_lamps,
        check=arguments.check,
        label_map=arguments.label_map,
    )
    with tqdm(unit='picture', desc='severities') as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        found = measure_severities(asked, progress)
    save(out, found)
    _show(found)
    print(f'severities: {out}; use it with corruption.severity_by_miou={out}')
    return 0


def _show(found: Mapping[str, Any]) -> None:
    """Print what is kept at each severity, and the severities of the losses."""
    data = found['data']
    print(
        f'{found["model"]}, {data["frames"]} frames in {data["scenes"]} scenes: clean mIoU '
        f'{found["clean_miou"]:.3f}'
        + (
            f' of the classes other than {", ".join(found["lacking"])}'
            if 'lacking' in found
            else ''
        )
        + ('; fewer than 20 scenes prove nothing' if data['scenes'] < 20 else '')
    )
    print(f'\n{"":<18}{"mIoU":>7}  share of the clean mIoU kept, 95 % interval by scene')
    for name, entry in found['corruptions'].items():
        for point in entry['curve']:
            print(f'{name + ":" + format(point["severity"], "g"):<18}{point["miou"]:7.3f}', end='')
            print(f'  {_kept(point)}')
    print('\nseverity by loss')
    for name, entry in found['corruptions'].items():
        for number, level in enumerate(entry['levels'], 1):
            where = f'{name}:{number}'
            if level['severity'] is None:
                print(f'{where:<18}{level["loss"]:6.0%}  none: {level["problem"]}')
                continue
            used = ', '.join(f'{key} {value:.4g}' for key, value in level['parameters'].items())
            print(
                f'{where:<18}{level["loss"]:6.0%}  severity {level["severity"]:.2f} ({used})',
                end='',
            )
            print(f'; keeps {_kept(level)}' if 'kept' in level else '')


def _kept(point: Mapping[str, Any]) -> str:
    """Return a share with its interval, where there is one."""
    if point['low'] is None:
        return f'{point["kept"]:.3f}'
    return f'{point["kept"]:.3f} [{point["low"]:.3f}, {point["high"]:.3f}]'

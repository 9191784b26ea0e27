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

"""`mine`: answers that failed while the segmentation held, as data for training."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = 'collect answers that failed while the segmentation held, with their pictures'
EXAMPLES = """
vlm-misalign mine runs/NAME mined
vlm-misalign mine runs/NAME mined --kinds omission false-safe --kept 0.9 --picture jpg
vlm-misalign mine runs/NAME mined --right 1
vlm-misalign mine runs/NAME mined --dataset /data/cityscapes --test 0
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('folder', metavar='RUN', help='run folder')
    parser.add_argument('out', metavar='OUT', help='folder that is made')
    parser.add_argument(
        '--kinds',
        nargs='+',
        default=[],
        metavar='KIND',
        help='false-safe, omission, false-alarm, hallucination (default: all)',
    )
    parser.add_argument(
        '--kept',
        type=float,
        default=0.8,
        help='the mask held: least share of the frame IoU of the clean picture',
    )
    parser.add_argument(
        '--frame-iou',
        type=float,
        default=0.5,
        help='least frame IoU where the run has no mask of the clean picture',
    )
    parser.add_argument(
        '--class-iou',
        type=float,
        default=0.5,
        help='the mask was right on a mistake: least IoU of its class; 0: do not ask for that',
    )
    parser.add_argument(
        '--covered', action='store_true', help='count what an occluder covers as mistakes, too'
    )
    parser.add_argument(
        '--right',
        type=float,
        default=0.0,
        metavar='SHARE',
        help='right answers of the same run beside the failures, as many times their number',
    )
    parser.add_argument('--picture', default='png', help='png, jpg or none')
    parser.add_argument('--dataset', default='', help='where the data set is, if it has moved')
    parser.add_argument('--test', type=float, default=0.2, help='share of the scenes for testing')
    parser.add_argument('--seed', type=int, default=0, help='seed of the split, and of --right')


def run(arguments: argparse.Namespace) -> int:
    """Mine, and say what was found."""
    from vlm_misalign_ros.core.evaluation.again import Again
    from vlm_misalign_ros.core.files import read_json
    from vlm_misalign_ros.core.records.store import RECORDS, RecordFile
    from vlm_misalign_ros.core.report.audit.showing import safe
    from vlm_misalign_ros.core.report.mined import Layout, write_mined
    from vlm_misalign_ros.core.report.mined_right import Right
    from vlm_misalign_ros.core.report.mining import KINDS, Miner, Rule, kinds_of, scene_name

    folder = Path(arguments.folder)
    manifest = read_json(folder / 'manifest.json', 'give the folder of a run')
    rule = Rule(
        kinds_of(arguments.kinds) or KINDS,
        arguments.kept,
        arguments.frame_iou,
        arguments.class_iou,
        covered=arguments.covered,
    )
    layout = Layout(arguments.picture, arguments.test, arguments.seed)
    right = Right(arguments.right, layout.seed, lambda record: layout.split_of(scene_name(record)))
    definition = rule.told() + right.told()
    # Who says where it is wants its pictures.
    given = Again.open(manifest, folder, arguments.dataset) if arguments.dataset else None
    miner = Miner(RecordFile(folder / RECORDS), rule, right)
    done = write_mined(
        Path(arguments.out),
        iter(miner),
        layout,
        manifest,
        lambda: (definition, miner.funnel),
        lambda: given or Again.open(manifest, folder),
    )
    print(f'{definition[:1].upper()}{definition[1:]}.')
    print(f'{done.funnel.told()[:1].upper()}{done.funnel.told()[1:]}.')
    print(f'{arguments.out}: answers: {done.told()}; scenes: {len(done.scenes)}; ', end='')
    print(f'pictures: {done.pictures}')
    if done.lacking:
        print(safe(f'{done.lacking} pictures could not be made again: {done.why}'))
    return 0

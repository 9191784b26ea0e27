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

"""`bag export`: what a bag holds, in formats of others."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vlm_misalign_ros.bags.exporting import Exported, Progress

HELP = 'write what a bag holds as PNG, Parquet, Cityscapes folders or for Foxglove'
EXAMPLES = """
vlm-misalign bag export drive.mcap pictures --format png --topic /front/image_raw
vlm-misalign bag export runs/NAME/bag tables --format parquet
vlm-misalign bag export drive.mcap scenes --format cityscapes \\
    --topic camera/image_raw:=/front/image_raw --topic ground_truth/labels:=/front/semantic
vlm-misalign bag export runs/NAME/bag drawn --format foxglove --records runs/NAME
"""
FORMATS = ('png', 'parquet', 'cityscapes', 'foxglove')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('bag', help='rosbag2 folder, .mcap or .db3 file')
    parser.add_argument('out', help='folder to write')
    parser.add_argument('--format', required=True, choices=FORMATS, help='format')
    parser.add_argument(
        '--topic',
        action='append',
        default=[],
        metavar='TOPIC',
        help='png, parquet: topics to write (all); cityscapes: rules such as '
        'camera/image_raw:=/front/image_raw; may be given again',
    )
    parser.add_argument('--namespace', default='', help='cityscapes: namespace of the topics')
    parser.add_argument(
        '--labels',
        default='',
        help='cityscapes, foxglove: encoding of the labels, of `vlm-misalign list encodings` '
        '(default: the one that fits; foxglove: cityscapes_label_ids)',
    )
    parser.add_argument('--split', default='val', help='cityscapes: split to write')
    parser.add_argument(
        '--records',
        default='',
        help='foxglove: run folder with the records (default: those in the bag)',
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the files."""
    from vlm_misalign_ros.app.progress import counting
    from vlm_misalign_ros.core.report.audit.showing import safe

    with counting('export', 'message') as progress:
        found = _export(arguments, Path(arguments.bag), Path(arguments.out), progress)
    for note in found.notes:
        print(safe(f'note: {note}'))
    for topic, number in sorted(found.counts.items()):
        print(safe(f'{number:>7}  {topic}'))
    print(arguments.out)
    return 0


def _export(arguments: argparse.Namespace, bag: Path, out: Path, progress: Progress) -> Exported:
    from vlm_misalign_ros.core.labels.encodings import AUTO, DEFAULT

    if arguments.format == 'cityscapes':
        from vlm_misalign_ros.bags.exporting_cityscapes import export_cityscapes
        from vlm_misalign_ros.bags.places import parse_topics
        from vlm_misalign_ros.core.settings.nodes import ReplayParameters

        parse_topics(arguments.topic)
        chosen = ReplayParameters(
            topics=tuple(arguments.topic), recorded_namespace=arguments.namespace
        )
        labels = arguments.labels or AUTO
        return export_cityscapes(bag, out, chosen, labels, arguments.split, progress)
    if arguments.format == 'foxglove':
        from vlm_misalign_ros.bags.exporting_foxglove import export_foxglove

        records = Path(arguments.records) if arguments.records else None
        return export_foxglove(bag, out, records, arguments.labels or DEFAULT, progress)
    from vlm_misalign_ros.bags.exporting import export_parquet, export_png

    export = export_png if arguments.format == 'png' else export_parquet
    return export(bag, out, arguments.topic, progress)

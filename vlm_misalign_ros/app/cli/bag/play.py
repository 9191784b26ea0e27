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

"""`bag play`: the frames of a bag into a graph, by the replay node."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from vlm_misalign_ros.app.cli.parser import PROGRAM, add_overrides, count
from vlm_misalign_ros.core.errors import ConfigurationError

if TYPE_CHECKING:
    from vlm_misalign_ros.core.datasets import Dataset

HELP = "publish the camera and ground truth of a bag, at the bag's rate or in lockstep"
EXAMPLES = """
vlm-misalign bag play drive.mcap
vlm-misalign bag play drive --topic camera/image_raw:=/front/image_raw --rate 5
vlm-misalign bag play drive --lockstep
vlm-misalign run evaluate.yaml replay.dataset=bag:drive
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('bag', help='rosbag2 folder, .mcap or .db3 file')
    add_overrides(parser, 'parameters of the replay node, such as publish_clock=true')
    parser.add_argument(
        '--topic',
        action='append',
        default=[],
        metavar='RULE',
        help='topic of the bag, such as camera/image_raw:=/front/image_raw; may be given again',
    )
    parser.add_argument('--labels', default='', help='encoding of the labels (default: that fits)')
    parser.add_argument(
        '--rate', type=float, default=0.0, help='frames a second (default: as the stamps)'
    )
    parser.add_argument(
        '--lockstep', action='store_true', help='the next frame when a monitor closed one'
    )
    parser.add_argument('--limit', type=count, default=0, help='frames at most (default: all)')
    parser.add_argument('--namespace', default='', help='namespace to publish in')


def run(arguments: argparse.Namespace) -> int:
    """Publish the frames."""
    import dataclasses

    from vlm_misalign_ros.app.cli.bag.telling import needs_ros
    from vlm_misalign_ros.app.graph import spec_of
    from vlm_misalign_ros.bags.places import parse_topics
    from vlm_misalign_ros.core.datasets import open_dataset
    from vlm_misalign_ros.core.settings.configuration import override
    from vlm_misalign_ros.core.settings.nodes import ReplayParameters
    from vlm_misalign_ros.core.settings.parameters import build

    wishes = [f'{name}={topic}' for name, topic in parse_topics(arguments.topic).items()]
    wishes += [f'labels={arguments.labels}'] if arguments.labels else []
    place = f'bag:{arguments.bag}' + ('?' + '&'.join(wishes) if wishes else '')
    given = override({}, arguments.overrides)
    for name in ('dataset', 'mode', 'rate', 'limit'):
        if name in given:
            raise ConfigurationError(f'parameter {name!r} is given', f'it has an option: --{name}')
    dataset = open_dataset(place, limit=arguments.limit)
    rate = arguments.rate or rate_of(dataset)
    values = {
        **given,
        'dataset': place,
        'mode': 'lockstep' if arguments.lockstep else 'real_time',
        'rate': rate,
        'limit': arguments.limit,
    }
    parameters = build(ReplayParameters, values, 'replay')
    with needs_ros():
        from vlm_misalign_ros.nodes.alone import run_alone
    mode = 'in lockstep' if arguments.lockstep else f'at {rate:.4g} Hz'
    print(f'{PROGRAM}: {len(dataset)} frames of {arguments.bag}, {mode}', file=sys.stderr)
    spec = dataclasses.asdict(spec_of('replay', parameters))
    return run_alone(spec, arguments.namespace, [])


def rate_of(dataset: Dataset) -> float:
    """Return the frames a second by the stamps of a bag's frames; 10 where there is no telling."""
    stamps = [getattr(entry, 'stamp', 0) for entry in dataset.entries]
    span = (max(stamps) - min(stamps)) / 1e9
    return min(max((len(stamps) - 1) / span, 0.01), 1000.0) if span > 0 else 10.0

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
from pathlib import Path

from vlm_misalign_ros.app.cli.parser import PROGRAM, add_overrides, count
from vlm_misalign_ros.core.errors import ConfigurationError

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
    parser.add_argument(
        '--rate', type=float, help='frames a second (default: as the stamps have it)'
    )
    parser.add_argument(
        '--lockstep', action='store_true', help='the next frame when a monitor closed one'
    )
    parser.add_argument('--limit', type=count, default=0, help='frames at most (default: all)')
    parser.add_argument('--namespace', default='', help='namespace to publish in')
    parser.add_argument(
        '--recorded-namespace', default='', help='namespace of the topics in the bag'
    )


def run(arguments: argparse.Namespace) -> int:
    """Publish the frames."""
    import dataclasses

    from vlm_misalign_ros.app.cli.bag.telling import needs_ros
    from vlm_misalign_ros.app.graph import spec_of
    from vlm_misalign_ros.bags.places import parse_topics
    from vlm_misalign_ros.bags.running import recorded_names
    from vlm_misalign_ros.core.evaluation.replaying import open_replayed
    from vlm_misalign_ros.core.settings.configuration import override
    from vlm_misalign_ros.core.settings.nodes import ReplayParameters
    from vlm_misalign_ros.core.settings.parameters import build

    given = override({}, arguments.overrides)
    for name in ('dataset', 'topics', 'mode', 'rate', 'limit'):
        if name in given:
            raise ConfigurationError(
                f'parameter {name!r} is given', 'it has an argument of its own'
            )
    parse_topics(arguments.topic)
    bag = Path(arguments.bag).expanduser().absolute()
    namespace, rules = recorded_names(bag)
    values = {
        'recorded_namespace': arguments.recorded_namespace or namespace,
        **given,
        'dataset': f'bag:{bag}',
        'topics': [*rules, *arguments.topic],
        'mode': 'lockstep' if arguments.lockstep else 'real_time',
        'limit': arguments.limit,
    }
    if arguments.rate is not None:
        values['rate'] = arguments.rate
    parameters = build(ReplayParameters, values, 'replay')
    dataset = open_replayed(parameters)
    if arguments.rate is None:
        told = getattr(dataset, 'rate', None) or parameters.rate
        parameters = dataclasses.replace(parameters, rate=min(max(told, 0.01), 1000.0))
    with needs_ros():
        from vlm_misalign_ros.nodes.alone import run_alone
    mode = 'in lockstep' if arguments.lockstep else f'at {parameters.rate:.4g} Hz'
    print(f'{PROGRAM}: {len(dataset)} frames of {arguments.bag}, {mode}', file=sys.stderr)
    spec = dataclasses.asdict(spec_of('replay', parameters))
    return run_alone(spec, arguments.namespace, [])

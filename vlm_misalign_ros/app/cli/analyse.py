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

"""`analyse`: a recorded bag, offline and without ROS."""

from __future__ import annotations

import argparse
from pathlib import Path

from vlm_misalign_ros.app.cli.parser import add_limits, add_overrides
from vlm_misalign_ros.core.errors import ConfigurationError

HELP = 'score a recorded bag offline'
EXAMPLES = """
vlm-misalign analyse runs/NAME/bag
vlm-misalign analyse drive.mcap --config live.yaml monitor.stopping_distance=30 --out scored
vlm-misalign analyse drive --config live.yaml --topic ground_truth/labels:=/carla/semantic
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('bag', help='rosbag2 folder, .mcap or .db3 file')
    add_overrides(parser, 'overrides of the configuration, such as monitor.window=10')
    parser.add_argument('--config', help="configuration (default: the recorded run's)")
    parser.add_argument('--out', help='folder of the results (default: analysis beside the bag)')
    add_limits(parser)
    parser.add_argument('--namespace', default='', help='namespace of the recorded topics')
    parser.add_argument(
        '--topic',
        action='append',
        default=[],
        metavar='A:=/B',
        help='a topic of the run that has another name in the bag; may be given several times',
    )


def run(arguments: argparse.Namespace) -> int:
    """Score the bag by its run's configuration, or another one."""
    from tqdm import tqdm

    from vlm_misalign_ros.app.cli.results import print_results
    from vlm_misalign_ros.bags.analyse import analyse
    from vlm_misalign_ros.bags.places import parse_topics, run_config, run_folder
    from vlm_misalign_ros.core.settings.configuration import (
        find_config,
        override,
        parse,
        read_yaml,
    )
    from vlm_misalign_ros.core.settings.nodes import EvaluationParameters
    from vlm_misalign_ros.core.settings.parameters import table
    from vlm_misalign_ros.nodes.bridge import by_cv_bridge
    from vlm_misalign_ros.wire.truths import remapped

    bag = Path(arguments.bag)
    named = parse_topics(arguments.topic)
    config = arguments.config or run_config(bag)
    parameters, namespace = EvaluationParameters(), arguments.namespace
    remap: dict[str, str] = {}
    if config:
        configuration = parse(override(read_yaml(find_config(config)), arguments.overrides))
        parameters = EvaluationParameters(
            **{
                entry.name: getattr(configuration.monitor, entry.name)
                for entry in table(EvaluationParameters)
            }
        )
        namespace = namespace or configuration.namespace
        remap = remapped(configuration)
    elif arguments.overrides:
        raise ConfigurationError(
            f'overrides {arguments.overrides} have no configuration to apply to', 'give --config'
        )
    remap = {**remap, **named}
    out = Path(arguments.out) if arguments.out else run_folder(bag) / 'analysis'
    with tqdm(unit='frame', desc='analyse') as bar:

        def progress(closed: int, total: int) -> None:
            bar.total = total or None
            bar.update(closed - bar.n)

        verdict = analyse(
            bag, out, parameters, namespace, progress, by_cv_bridge, arguments.limit, remap
        )
    print_results(out)
    return verdict.exit_code

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

"""`bag run`: models over a recording, with degradations on top."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vlm_misalign_ros.app.cli.parser import PROGRAM, add_overrides
from vlm_misalign_ros.core.errors import ConfigurationError

HELP = 'run models over the camera of a recorded bag, without ROS'
EXAMPLES = """
vlm-misalign bag run drive.mcap evaluate --topic camera/image_raw:=/front/image_raw
vlm-misalign bag run runs/NAME/bag mine.yaml 'replay.conditions=[clean, "low_light:3"]'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('bag', help='rosbag2 folder or .mcap file')
    parser.add_argument(
        'config', help='configuration: a path, or a name of `vlm-misalign list configs`'
    )
    add_overrides(parser, 'overrides of the configuration, such as replay.limit=3')
    parser.add_argument(
        '--topic',
        action='append',
        default=[],
        metavar='FROM:=TO',
        help='where a topic of a run stands in the bag, as in camera/image_raw:=/front/image; '
        'may be given again',
    )
    parser.add_argument('--namespace', default='', help='namespace of the recorded topics')
    parser.add_argument('--name', help='name of the run (default: the time of its start)')
    parser.add_argument('--out', help='folder that holds the run folders (default: runs)')
    parser.add_argument('--overwrite', action='store_true', help='replace a run of this name')
    parser.add_argument(
        '--graph', action='store_true', help='replay the bag through the nodes instead'
    )


def run(arguments: argparse.Namespace) -> int:
    """Fit the configuration to the bag, and run it."""
    from vlm_misalign_ros.app.cli.run import start
    from vlm_misalign_ros.bags.running import over_bag
    from vlm_misalign_ros.core.settings.configuration import find_config, override, read_yaml

    bag = Path(arguments.bag).expanduser()
    if not bag.exists():
        raise ConfigurationError(f'bag {bag} does not exist', 'give a rosbag2 folder or a file')
    data = override(read_yaml(find_config(arguments.config)), arguments.overrides)
    found, said = over_bag(data, bag.resolve(), arguments.namespace, arguments.topic)
    for line in said:
        print(f'{PROGRAM}: {line}', file=sys.stderr)
    if arguments.name:
        found['name'] = arguments.name
    if arguments.out:
        found['out'] = arguments.out
    return start(found, arguments.overwrite, in_process=not arguments.graph)

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

"""`bag merge`: several bags as one, by time."""

from __future__ import annotations

import argparse
from pathlib import Path

from vlm_misalign_ros.core.errors import ConfigurationError

HELP = 'write the messages of several bags into one, by when they were recorded'
EXAMPLES = """
vlm-misalign bag merge camera.mcap labels.mcap both
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'places', nargs='+', metavar='BAG', help='two or more bags, and the folder to write'
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the bag."""
    from vlm_misalign_ros.app.cli.bag.telling import tell_copied
    from vlm_misalign_ros.app.progress import counting
    from vlm_misalign_ros.bags.copying import merge_bags

    *bags, out = map(Path, arguments.places)
    if len(bags) < 2:
        raise ConfigurationError(
            f'{len(arguments.places)} places are given', 'give two bags or more, and a new folder'
        )
    with counting('merge', 'message') as progress:
        found = merge_bags(bags, out, progress)
    tell_copied(out, found)
    return 0

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

"""`bag`: the verbs on recordings, a module each beside this one."""

from __future__ import annotations

import argparse

from vlm_misalign_ros.core.errors import ConfigurationError

HELP = 'work with recorded bags, without ROS: its verbs are of two words'
EXAMPLES = """
vlm-misalign bag inspect drive.mcap
vlm-misalign bag analyse runs/NAME/bag
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare which verbs there are."""
    from vlm_misalign_ros.app.cli.parser import module_of, second_words

    words = second_words('bag')
    width = max(map(len, words))
    lines = (f'  {word:<{width}}  {module_of(f"bag {word}").HELP}' for word in words)
    parser.description = '\n'.join([f'{parser.description}', '', 'verbs:', *lines])
    parser.add_argument('what', metavar='VERB', choices=words, help='one of the verbs above')


def run(arguments: argparse.Namespace) -> int:
    """Refuse what is no verb of bags: one that is has its own parser."""
    raise ConfigurationError(
        f'bag {arguments.what} is no verb in this order', f'write `bag {arguments.what}` first'
    )

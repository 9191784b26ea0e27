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

"""`untrained`: small checkpoints that mean nothing, in the standard formats."""

from __future__ import annotations

import argparse
from pathlib import Path

from vlm_misalign_ros.app.cli.parser import count

HELP = 'write small untrained checkpoints in the standard formats'
EXAMPLES = """
vlm-misalign untrained checkpoints
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('out', help='folder to write into')
    parser.add_argument('--seed', type=count, default=0, help='seed of the weights')


def run(arguments: argparse.Namespace) -> int:
    """Write the checkpoints."""
    from vlm_misalign_ros.core.models.untrained import create_untrained

    for name, path in create_untrained(Path(arguments.out), arguments.seed).items():
        print(f'{name}: {path}')
    return 0

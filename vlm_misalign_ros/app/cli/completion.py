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

"""`completion`: the script that lets a shell complete this command."""

from __future__ import annotations

import argparse

HELP = 'print a script that lets a shell complete this command'
EXAMPLES = """
vlm-misalign completion bash > ~/.local/share/bash-completion/completions/vlm-misalign
eval "$(vlm-misalign completion zsh)"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('shell', choices=['bash', 'zsh', 'tcsh'], help='the shell')


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    import shtab

    from vlm_misalign_ros.app.cli.parser import build

    print(shtab.complete(build(nested=True), shell=arguments.shell))
    return 0

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

    print(shtab.complete(build(), shell=arguments.shell))
    return 0

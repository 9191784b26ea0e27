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

"""`doctor`: what this machine has and lacks."""

from __future__ import annotations

import argparse

HELP = 'say what this machine has and lacks, and the remedies'
EXAMPLES = """
vlm-misalign doctor
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no arguments."""


def run(arguments: argparse.Namespace) -> int:
    """Print the findings."""
    from vlm_misalign_ros.app.doctor import main

    return main()

"""`merge`: runs over different frames as one."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = 'join runs over different frames into one run'
EXAMPLES = """
vlm-misalign merge runs/all runs/a runs/b
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('out', help='folder of the new run')
    parser.add_argument('runs', nargs='+', help='run folders of one evaluation')


def run(arguments: argparse.Namespace) -> int:
    """Merge, and make the results."""
    from vlm_misalign_ros.app.cli.results import print_results
    from vlm_misalign_ros.core.records.merge import merge
    from vlm_misalign_ros.core.report.finalise import finalise
    from vlm_misalign_ros.core.report.verdict import parse_limits
    from vlm_misalign_ros.core.settings.configuration import parse, read_yaml

    out = Path(arguments.out)
    merge(out, [Path(folder) for folder in arguments.runs])
    monitor = parse(read_yaml(out / 'config.yaml')).monitor
    verdict = finalise(
        out,
        minimum_coverage=monitor.minimum_coverage,
        limits=parse_limits(monitor.limits),
        expected_frames=None,
        notes=[],
    )
    print_results(out)
    return verdict.exit_code

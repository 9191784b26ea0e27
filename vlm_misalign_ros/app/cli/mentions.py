"""`mentions`: what texts say, as the evaluation reads them."""

from __future__ import annotations

import argparse
import io
import json
import sys

HELP = 'read texts, one a line, and print what each says as JSON'
EXAMPLES = r"""
vlm-misalign mentions < answers.txt
echo 'Two cars ahead.\nIt is safe to go on.' | vlm-misalign mentions
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('--lexicon', default='', help='YAML file of additions to the lexicon')


def run(arguments: argparse.Namespace) -> int:
    r"""Read standard input; \n in a line is a line break of its text."""
    from vlm_misalign_ros.core.language.lexicon import open_lexicon
    from vlm_misalign_ros.core.language.reading import read, to_plain

    lexicon = open_lexicon(arguments.lexicon)
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding='utf-8', errors='replace')
    for line in sys.stdin:
        text = line.rstrip('\n').replace('\\n', '\n')
        print(json.dumps(to_plain(read(text, lexicon))), flush=True)
    return 0

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
    parser.add_argument('--lexicon', default='', help='YAML file of words, laid over the lexicon')


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

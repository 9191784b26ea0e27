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
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vlm_misalign_ros.core.errors import ConfigurationError, ExitCode, MisalignError
from vlm_misalign_ros.core.language.styles import STYLES

if TYPE_CHECKING:
    from vlm_misalign_ros.app.readings import Write
    from vlm_misalign_ros.app.texts import Text

HELP = 'read texts, one a line, and tell what each says: states of classes, judgement, where'
EXAMPLES = r"""
vlm-misalign mentions answers.txt
vlm-misalign mentions answers.jsonl --text-key answer --id-key frame --prompt-key question
vlm-misalign mentions answers.jsonl --format csv > mentions.csv
echo 'Two cars ahead.\nIt is safe to go on.' | vlm-misalign mentions --explain
vlm-misalign mentions - --prompt 'Is it safe to proceed?' --format table < answers.txt
"""
FORMATS = ('jsonl', 'csv', 'table')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'file',
        nargs='?',
        default='-',
        metavar='FILE',
        help=r'plain, a text a line with \n for its line breaks, or JSON lines (.jsonl, .ndjson); '
        '- or nothing for standard input; a file called audit is ./audit',
    )
    parser.add_argument('--jsonl', action='store_true', help='JSON lines, whatever the name says')
    for name, what in (('text', 'the text'), ('id', 'its id'), ('prompt', 'what was asked')):
        parser.add_argument(
            f'--{name}-key',
            metavar='KEY',
            help=f'of JSON lines, the key of {what} (default: {name}); means --jsonl',
        )
    parser.add_argument('--prompt', default='', metavar='TEXT', help='what was asked')
    parser.add_argument('--style', choices=STYLES, help='of the answers (default: found for each)')
    parser.add_argument(
        '--lexicon', default='', metavar='FILE', help='YAML of words, laid over ours'
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument('--format', choices=FORMATS, default='jsonl', help='of what is printed')
    form.add_argument(
        '--explain', action='store_true', help='print the texts with marks at what was read'
    )


def run(arguments: argparse.Namespace) -> int:
    """Read the texts one after the other; a line that has none is told, and the rest goes on."""
    from vlm_misalign_ros.app.texts import STDIN, open_texts
    from vlm_misalign_ros.core.language.lexicon import open_lexicon
    from vlm_misalign_ros.core.language.reading import read

    lexicon = open_lexicon(arguments.lexicon)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # No id or word of a text ends the others where the terminal lacks its letters.
        sys.stdout.reconfigure(errors='backslashreplace')
    place = 'standard input' if arguments.file == STDIN else arguments.file
    total = unread = 0
    with open_texts(arguments.file) as lines:
        if arguments.file == STDIN and sys.stdin.isatty():
            _say('texts are read from the terminal, one a line; Ctrl-D ends them')
        write = _writer(arguments)
        for entry in _texts(arguments, lines, place):
            total += 1
            if isinstance(entry, MisalignError):
                _say(str(entry))
                unread += 1
            else:
                found = read(entry.text, lexicon, entry.prompt, arguments.style or '')
                write(entry, found)
    if not total:
        _say(f'there is no text in {place}')
    if unread:
        _say(f'{unread} of {total} lines could not be read')
    return ExitCode.ERROR if unread else ExitCode.PASS


def _texts(
    arguments: argparse.Namespace, lines: Iterator[str], place: str
) -> Iterator[Text | ConfigurationError]:
    from vlm_misalign_ros.app.texts import SUFFIXES, Keys, json_texts, plain_texts

    named = arguments.text_key, arguments.id_key, arguments.prompt_key
    if arguments.jsonl or any(named) or arguments.file.lower().endswith(SUFFIXES):
        usual = Keys()
        keys = Keys(named[0] or usual.text, named[1] or usual.name, named[2] or usual.prompt)
        return json_texts(lines, place, keys, arguments.prompt)
    return plain_texts(_hinted(lines, place), arguments.prompt)


def _hinted(lines: Iterator[str], place: str) -> Iterator[str]:
    """Yield lines; say so where the first looks as if they were JSON lines."""
    for number, line in enumerate(lines):
        if not number and line.startswith('{') and len(line) < 100_000:
            try:
                looks = isinstance(json.loads(line).get('text'), str)
            except (ValueError, RecursionError):
                looks = False
            if looks:
                _say(f'{place} is read as plain texts; if it is JSON lines, give --jsonl')
        yield line


def _writer(arguments: argparse.Namespace) -> Write:
    from vlm_misalign_ros.app import readings
    from vlm_misalign_ros.core.language.lexicon import lexicon_hash, open_lexicon

    if arguments.explain:
        return readings.Explained(sys.stdout, _coloured()).write
    if arguments.format == 'table':
        return readings.table(sys.stdout)
    words = readings.Words(
        open_lexicon(arguments.lexicon).version, lexicon_hash(arguments.lexicon)
    )
    write = readings.json_lines if arguments.format == 'jsonl' else readings.comma_separated
    return write(sys.stdout, words)


def _coloured() -> bool:
    """Return whether colours are wanted: https://no-color.org."""
    return (
        sys.stdout.isatty()
        and not os.environ.get('NO_COLOR')
        and os.environ.get('TERM', '') != 'dumb'
    )


def _say(text: str) -> None:
    print(f'vlm-misalign: {text}', file=sys.stderr, flush=True)

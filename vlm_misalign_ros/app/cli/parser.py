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

"""Builds the argument parser from the modules of the verbs."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Any, Protocol, cast

from vlm_misalign_ros import __version__

PROGRAM = 'vlm-misalign'
VERBS = (
    'run',
    'demo',
    'sweep',
    'analyse',
    'bag',
    'bag analyse',
    'bag run',
    'bag inspect',
    'bag diff',
    'bag cut',
    'bag merge',
    'bag from-cityscapes',
    'bag export',
    'bag record',
    'bag play',
    'bag recover',
    'report',
    'rescore',
    'compare',
    'plan',
    'check',
    'diff',
    'merge',
    'gather',
    'mine',
    'ask',
    'calibrate',
    'severities',
    'export',
    'view',
    'truth',
    'labels',
    'mentions',
    'mentions audit',
    'scenes',
    'pseudo',
    'train',
    'untrained',
    'list',
    'doctor',
    'completion',
)
"""
The verbs, in the order of the help; each is a module beside this one, named as its last word.
Those of a group lie in its folder.
"""
GROUPS = ('bag',)
"""First words whose verbs have a folder."""

EXITS = """exit codes:
  0  PASS: every limit is kept; COMPLETE: no limit was set; or done, and nothing is wrong
  1  FAIL: a limit was exceeded, or what was compared differs
  2  an error; one line on stderr says what, and how to mend it
  3  INVALID: too little was scored, or the data cannot be trusted
  4  UNDECIDED: too little evidence to say whether a limit is kept
  130  ended by Ctrl-C; verdict.json has the verdict over what was there
  141  whoever read the output closed it before its end"""


class Verb(Protocol):
    """A module of a verb."""

    HELP: str
    """One line."""
    EXAMPLES: str
    """One command a line."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments of the verb."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it; return the exit code."""


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Shows the default of every option that has one."""

    def __init__(self, prog: str) -> None:
        """Leave room for the longest names."""
        super().__init__(prog, max_help_position=28)

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ''
        default = action.default
        told = 'default' in text or default is None or default is argparse.SUPPRESS
        if action.option_strings and not told and not isinstance(default, bool):
            text += ' (default: %(default)s)' if default not in ('', [], ()) else ''
        return text


def module_of(verb: str) -> Verb:
    """Return the module of a verb."""
    first, *second = verb.split()
    place = '.'.join([first, *second]) if first in GROUPS else verb.split()[-1]
    place = place.replace('-', '_')
    return cast(Verb, importlib.import_module(f'vlm_misalign_ros.app.cli.{place}'))


def second_words(first: str) -> list[str]:
    """Return the second words of the verbs that begin with a first one."""
    return [second for verb in VERBS if (second := verb.removeprefix(f'{first} ')) != verb]


def build(nested: bool = False) -> argparse.ArgumentParser:
    """
    Return the parser with every verb; what a verb needs is imported when it runs.

    A verb of two words is one as any other; with `nested`, as a shell completes it, it is one of
    those below its first word.
    """
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description='Measure how vision-language models misalign when the camera degrades.',
        epilog=f'{PROGRAM} VERB --help tells the arguments of a verb.\n\n{EXITS}',
        formatter_class=Formatter,
        allow_abbrev=False,
    )
    parser.add_argument('--version', action='version', version=f'{PROGRAM} {__version__}')
    verbs = parser.add_subparsers(dest='verb', required=True, metavar='VERB')
    groups: dict[str, Any] = {}
    for name in VERBS:
        module = module_of(name)
        examples = '\n'.join(f'  {line}' for line in module.EXAMPLES.strip().splitlines())
        first, _, second = name.partition(' ')
        among = verbs
        if nested and second:
            if first not in groups:
                groups[first] = _below(verbs.choices[first])
            among = groups[first]
        added = among.add_parser(
            second if among is not verbs else name,
            help=module.HELP,
            description=f'{module.HELP[0].upper()}{module.HELP[1:]}.',
            epilog=f'examples:\n{examples}\n\n{EXITS}',
            formatter_class=Formatter,
            allow_abbrev=False,
        )
        module.add_arguments(added)
        added.set_defaults(run=module.run, parser=added)
    return parser


def _below(parser: argparse.ArgumentParser) -> Any:
    """Return what takes the second words of a verb: shells offer these, and else their files."""
    parser._actions[:] = [action for action in parser._actions if action.option_strings]
    return parser.add_subparsers()


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the parsed arguments; a wrong one ends the process with the usage of its verb."""
    given = list(sys.argv[1:] if argv is None else argv)
    # Of a verb of two words; a file that is called as its second is `./audit`.
    if ' '.join(given[:2]) in VERBS:
        given[:2] = [' '.join(given[:2])]
    arguments, rest = build().parse_known_args(given)
    # argparse gives up positionals that follow an option: these are the overrides.
    if rest and (
        any(word.startswith('-') for word in rest) or not hasattr(arguments, 'overrides')
    ):
        arguments.parser.error(f'unrecognized arguments: {" ".join(rest)}')
    if rest:
        arguments.overrides += rest
    return arguments


def add_overrides(parser: argparse.ArgumentParser, text: str) -> None:
    """Declare `key=value` arguments, before or behind options."""
    parser.add_argument('overrides', nargs='*', metavar='key=value', help=text)


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Declare `--limit`."""
    parser.add_argument(
        '--limit',
        action='append',
        default=[],
        metavar='LIMIT',
        help='judge by this limit, in place of those of the configuration; may be given again',
    )


def count(text: str) -> int:
    """Return a whole number from 0, for argparse."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f'{value} is negative')
    return value


def positive(text: str) -> int:
    """Return a whole number from 1, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'{value} is less than 1')
    return value

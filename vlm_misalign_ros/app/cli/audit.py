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

"""`mentions audit`: how well the answers of one run are read, by labels of people."""

from __future__ import annotations

import argparse
import io
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vlm_misalign_ros.app.cli.parser import count, positive
from vlm_misalign_ros.core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vlm_misalign_ros.core.report.audit.counting import Difference, Labels
    from vlm_misalign_ros.core.report.audit.sample import Drawn, Sample

HELP = "draw answers of a run, have people label them, and measure the reader's error on this run"
EXAMPLES = """
vlm-misalign mentions audit runs/NAME --sample 100
vlm-misalign mentions audit runs/NAME --labeller ada
vlm-misalign mentions audit runs/NAME --sheet ben.csv
vlm-misalign mentions audit runs/NAME --labels runs/NAME/audit/labels-ada.csv --labels ben.csv
vlm-misalign mentions audit runs/NAME --labels ada.csv --labels ben.csv --settled settle.csv
"""
FOLDER = 'audit'
"""The folder of an audit, in that of its run."""
DETAILS, _SETTLE = 'audit.json', 'settle.csv'
_NAME = re.compile(r'[A-Za-z0-9_-]{1,40}')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('folder', metavar='RUN', help='run folder')
    parser.add_argument(
        '--sample', type=positive, help='answers to draw (default: those drawn before, else 100)'
    )
    parser.add_argument(
        '--seed', type=count, help='of the draw (default: that of the draw before, else 0)'
    )
    parser.add_argument(
        '--out',
        default='',
        metavar='FOLDER',
        help='folder of draw and labels (default: RUN/audit)',
    )
    parser.add_argument(
        '--labeller', default='', metavar='NAME', help='who labels: each has a file of labels'
    )
    parser.add_argument(
        '--sheet', default='', metavar='FILE.csv', help='write a sheet to label, no terminal'
    )
    parser.add_argument(
        '--labels',
        action='append',
        default=[],
        metavar='FILE.csv',
        help='count by these labels; given twice, those of two people',
    )
    parser.add_argument(
        '--settled', default='', metavar='FILE.csv', help='labels of texts on which two differ'
    )


def run(arguments: argparse.Namespace) -> int:
    """Draw, label or count."""
    from vlm_misalign_ros.core.report.audit import sample as samples
    from vlm_misalign_ros.core.report.audit.telling import draw_lines

    _check(arguments)
    folder = Path(arguments.folder)
    out = Path(arguments.out).expanduser() if arguments.out else folder / FOLDER
    found = samples.read_sample(out, folder)
    if arguments.labels:
        if found is None:
            raise ConfigurationError(
                f'there is no draw in {out} that labels could be of',
                f'draw and label first: {_again(arguments)}',
            )
        return _count(arguments, folder, out, found)
    if found is None:
        wanted = arguments.sample or samples.DEFAULT_SAMPLE
        seed = samples.DEFAULT_SEED if arguments.seed is None else arguments.seed
        found = samples.draw_sample(folder, wanted, seed)
        samples.write_sample(out, found)
    samples.check_draw(found, arguments.sample, arguments.seed)
    print('\n'.join(draw_lines(found, out)))
    if arguments.sheet:
        return _write_sheet(arguments, found)
    return _label(arguments, out, found)


def _check(arguments: argparse.Namespace) -> None:
    """ConfigurationError for arguments that do not go together."""
    labels = arguments.labels
    for name in ('sheet', 'labeller', 'sample', 'seed'):
        if labels and getattr(arguments, name) not in ('', None):
            raise ConfigurationError(
                f'--{name} goes with drawing and labelling, --labels with counting',
                'do one after the other',
            )
    if len(labels) > 2 or len({Path(path).resolve() for path in labels}) < len(labels):
        raise ConfigurationError(
            f'--labels is given {len(labels)} times: {", ".join(labels)}',
            'give the labels of one person, or those of two, a file each',
        )
    if arguments.settled and len(labels) != 2:
        raise ConfigurationError(
            f'--settled {arguments.settled} goes with the labels of two people',
            'give --labels twice',
        )
    if arguments.labeller and not _NAME.fullmatch(arguments.labeller):
        raise ConfigurationError(
            f'--labeller is {arguments.labeller!r}', 'give up to 40 letters, digits, - and _'
        )


def _again(arguments: argparse.Namespace, *words: object) -> str:
    """Return the command that goes on with an audit."""
    out = ('--out', arguments.out) if arguments.out else ()
    return shlex.join(
        ['vlm-misalign', 'mentions', 'audit', arguments.folder, *out, *map(str, words)]
    )


def _write_sheet(arguments: argparse.Namespace, found: Sample) -> int:
    from vlm_misalign_ros.app.cli.labelling import RULES
    from vlm_misalign_ros.core.report.audit.sheet import sheet_of, write_sheet

    path = Path(arguments.sheet).expanduser()
    write_sheet(path, sheet_of(found.texts, {}))
    print(
        f'{path}: fill in asserted (names of classes, by commas), judgement (SAFE, UNSAFE, '
        f'UNPARSED, REFUSED) and visibility (low, or nothing), by the rules in {RULES}\n'
        f'then: {_again(arguments, "--labels", path)}'
    )
    return 0


def _label(arguments: argparse.Namespace, out: Path, found: Sample) -> int:
    from vlm_misalign_ros.app.cli.labelling import Labelling

    name = f'labels-{arguments.labeller}.csv' if arguments.labeller else 'labels.csv'
    path, texts = out / name, found.texts
    encoding = getattr(sys.stdout, 'encoding', None) or 'ascii'
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors='replace')
    screen = shutil.get_terminal_size()
    labelling = Labelling(texts, path, input, print, (screen.columns, screen.lines), encoding)
    try:
        labelling.run()
    finally:
        left = len(texts) - labelling.labelled
        print(f'\n{labelling.labelled} of {len(texts)} texts are labelled: {path}')
        if labelling.labelled:
            print(f'to count: {_again(arguments, "--labels", path)}')
        if left:
            print(f'{left} are left; the same command goes on with them')
    return 0


def _read_labels(path: str, found: Sample) -> Labels:
    """Return the labels in a file; each wrong cell is told in a line of its own."""
    from vlm_misalign_ros.core.report.audit.sheet import WrongSheet, read_sheet

    texts = found.texts
    try:
        sheet = read_sheet(Path(path).expanduser(), [answer.id for answer in texts])
    except WrongSheet as error:
        if len(error.cells) > 1:
            print('\n'.join(map(str, error.cells)), file=sys.stderr)
        raise
    print(f'{path}: {len(sheet.labels)} of {len(texts)} texts are labelled')
    return sheet.labels


def _count(arguments: argparse.Namespace, folder: Path, out: Path, found: Sample) -> int:
    from vlm_misalign_ros.core.files import sha256_of, write_json
    from vlm_misalign_ros.core.report.audit import telling
    from vlm_misalign_ros.core.report.audit.counting import RESULT, Outcome
    from vlm_misalign_ros.core.report.audit.sample import readings_of

    one, *others = (_read_labels(path, found) for path in arguments.labels)
    settled = _read_labels(arguments.settled, found) if arguments.settled else {}
    readings = readings_of(folder, found)
    outcome = Outcome.of(found, readings, one, others[0] if others else None, settled)
    if not outcome.lines:
        raise ConfigurationError(
            'no text is labelled' + (' by both' if others else ''),
            'fill in the column judgement of each text that is labelled',
        )
    files = [*arguments.labels, *([arguments.settled] if arguments.settled else [])]
    details = outcome.details()
    details['labels'] = {path: sha256_of(Path(path).expanduser()) for path in files}
    write_json(out / DETAILS, details)
    place = (out if arguments.out else folder) / RESULT
    write_json(place, outcome.result())
    print(telling.agreement_line(outcome.agreed))
    if outcome.differing:
        print('\n'.join(telling.difference_lines(outcome.differing)))
        _settle(out / _SETTLE, found.texts, outcome.differing)
    encoding = getattr(sys.stdout, 'encoding', None) or 'ascii'
    print('\n'.join(telling.table(outcome.lines, details['weighted'])))
    print('\n'.join(telling.fault_lines(details['faults'], encoding)))
    print(f'details: {out / DETAILS}\nresult: {place}')
    if arguments.out:
        print(f'the report takes it from {folder / RESULT}: copy it there')
    else:
        print(f'to have it in the report: vlm-misalign report {folder}')
    return 0


def _settle(path: Path, texts: Sequence[Drawn], differences: Sequence[Difference]) -> None:
    """Write a sheet of the texts on which two people differ, unless one has labels already."""
    from vlm_misalign_ros.core.files import write_text
    from vlm_misalign_ros.core.report.audit.sheet import sheet_of

    by_name = {answer.id: answer for answer in texts}
    if _holds_labels(path, by_name):
        print(f'{path} has labels and stays as it is: give it as --settled, or move it away')
        return
    told = {'differ in': {entry.id: str(entry) for entry in differences}}
    write_text(path, sheet_of([by_name[entry.id] for entry in differences], {}, None, told))
    print(f'to settle them, label them in {path} and give it as --settled')


def _holds_labels(path: Path, known: Mapping[str, object]) -> bool:
    from vlm_misalign_ros.core.errors import MisalignError
    from vlm_misalign_ros.core.report.audit.sheet import read_sheet

    try:
        return path.exists() and bool(read_sheet(path, known).labels)
    except MisalignError:
        return True

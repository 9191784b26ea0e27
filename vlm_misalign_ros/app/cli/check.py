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

"""`check`: a run in continuous integration, by its own limits and against a stored baseline."""

from __future__ import annotations

import argparse
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from vlm_misalign_ros.core.errors import ConfigurationError, ExitCode, MisalignError, RecordError

if TYPE_CHECKING:
    from vlm_misalign_ros.core.report.checking import Checked

HELP = 'check a run in CI: by its own limits, and against a stored baseline'
EXAMPLES = """
vlm-misalign check runs/NAME --baseline baseline
vlm-misalign check runs/NAME --baseline baseline --limit 'clip/smr_false_safe not worse by 0.02'
vlm-misalign check runs/NAME --baseline baseline --update
"""
SUMMARY = 'GITHUB_STEP_SUMMARY'
ACTIONS = 'GITHUB_ACTIONS'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('run_folder', metavar='RUN', help='run folder')
    parser.add_argument(
        '--baseline', metavar='RUN', help='run folder, or what --update stored, to compare with'
    )
    parser.add_argument(
        '--limit',
        action='append',
        default=[],
        metavar='LIMIT',
        help="a difference to the baseline, '[MODEL/][RATE][@CONDITIONS] not worse by NUMBER'; "
        "may be given again (default: 'not worse by 0.02', of each headline rate)",
    )
    parser.add_argument(
        '--model',
        action='append',
        default=[],
        metavar='NAME',
        help='compare this model alone, or NAME_IN_BASELINE=NAME_IN_RUN; may be given again',
    )
    parser.add_argument(
        '--allow-undecided',
        action='store_true',
        help='end with 0 where nothing fails, though there is too little evidence',
    )
    parser.add_argument(
        '--update', action='store_true', help='store the run as the baseline, and check nothing'
    )
    parser.add_argument(
        '--summary',
        metavar='FILE',
        help=f'write the summary as Markdown there (in GitHub Actions also to ${SUMMARY})',
    )
    parser.add_argument(
        '--annotate',
        metavar='FILE',
        default='',
        help='the file of the repository at which annotations of GitHub Actions stand',
    )
    parser.add_argument('--junit', metavar='FILE', help='write the checks as JUnit XML there')
    parser.add_argument('--out', metavar='FOLDER', help='write the comparison there, as `compare`')


def run(arguments: argparse.Namespace) -> int:
    """Check, and tell whoever looks: terminal, step summary, annotations."""
    from vlm_misalign_ros.core.report.checking import check_run

    run_folder = Path(arguments.run_folder)
    baseline = Path(arguments.baseline) if arguments.baseline else None
    _refuse_idle(arguments)
    if arguments.update and baseline is not None:
        return _update(run_folder, baseline)
    try:
        found = check_run(run_folder, baseline, arguments.limit, arguments.model)
    except MisalignError as error:
        _tell_refusal(arguments, error)
        raise
    _write(arguments, found)
    _print(arguments, found)
    code = found.verdict.exit_code
    if code == ExitCode.UNDECIDED and arguments.allow_undecided:
        print('ends with 0: --allow-undecided')
        return ExitCode.PASS
    return code


def _refuse_idle(arguments: argparse.Namespace) -> None:
    """Raise ConfigurationError for what would do nothing without a baseline."""
    if arguments.baseline:
        return
    for name in ('update', 'limit', 'model', 'out'):
        if getattr(arguments, name):
            raise ConfigurationError(
                f'--{name} is given without a baseline', 'name it: --baseline RUN'
            )


def _update(run_folder: Path, baseline: Path) -> int:
    from vlm_misalign_ros.core.report.audit.showing import one_line
    from vlm_misalign_ros.core.report.checking import FILES, store_baseline

    store_baseline(run_folder, baseline)
    size = sum((baseline / name).stat().st_size for name in FILES)
    print(one_line(f'{baseline}: {", ".join(FILES)} of {run_folder}, {size / 1e6:.1f} MB'))
    return ExitCode.PASS


def _print(arguments: argparse.Namespace, found: Checked) -> None:
    from vlm_misalign_ros.app.cli.results import tell_verdict
    from vlm_misalign_ros.core.report.comparison import format_comparison
    from vlm_misalign_ros.core.report.github import annotations_of, uncommanded

    text = tell_verdict(found.verdict.to_plain())
    if found.comparison is not None:
        text = f'{format_comparison(found.comparison)}\n\n{text}'
    if not os.environ.get(ACTIONS):
        print(text)
        return
    print(uncommanded(text, secrets.token_hex(16)))
    for line in annotations_of(found.verdict, arguments.annotate):
        print(line)


def _write(arguments: argparse.Namespace, found: Checked) -> None:
    from vlm_misalign_ros.core.report.comparison import write_comparison
    from vlm_misalign_ros.core.report.github import summary
    from vlm_misalign_ros.core.report.junit import write_junit

    baseline = arguments.baseline or ''
    _summarise(arguments, summary(found.verdict, arguments.run_folder, baseline, found.comparison))
    if arguments.junit:
        name = Path(arguments.run_folder).resolve().name
        write_junit(Path(arguments.junit), name, found.verdict)
    if arguments.out and found.comparison is not None:
        write_comparison(Path(arguments.out), found.comparison)


def _tell_refusal(arguments: argparse.Namespace, error: MisalignError) -> None:
    """Have whoever looks at the job see why nothing was checked."""
    from vlm_misalign_ros.core.report.github import annotation, refused

    if os.environ.get(ACTIONS):
        print(annotation('error', 'not checked', str(error), arguments.annotate), flush=True)
    _summarise(arguments, refused(error.what, error.remedy))


def _summarise(arguments: argparse.Namespace, text: str) -> None:
    """Write a summary where it is asked for; RecordError when the disk refuses."""
    from vlm_misalign_ros.core.files import write_text

    if arguments.summary:
        write_text(Path(arguments.summary), text)
    step = os.environ.get(SUMMARY)
    if step:
        try:
            # Other commands of the step have theirs in it.
            with open(step, 'a', encoding='utf-8') as stream:
                stream.write(text)
        except OSError as error:
            raise RecordError(
                f'{step} cannot be written: {error.strerror}', f'unset {SUMMARY}'
            ) from error

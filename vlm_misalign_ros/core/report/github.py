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

"""
A verdict where GitHub shows it: as the summary of a step, and as annotations of a job.

Sources: docs.github.com, workflow commands for GitHub Actions (`::error file=..,title=..::text`,
the escapes as actions/toolkit has them, `::stop-commands::`; at most 10 annotations of a kind a
step, a summary of at most 1 MiB).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import isnan

from vlm_misalign_ros.core.metrics.rates import BY_NAME
from vlm_misalign_ros.core.report.changes import Comparison, Flips
from vlm_misalign_ros.core.report.comparison import probability, signed
from vlm_misalign_ros.core.report.markup import code, escaped, plain
from vlm_misalign_ros.core.report.verdict import MEANING, Check, Finding, Status, Verdict

ANNOTATIONS = 10
"""Of one kind that GitHub shows of a step."""
WRONG, KEPT, TURNED, NOTES = 100, 300, 50, 20
"""Lines of each part of a summary; the others are counted."""
ROOM = 200_000
"""Bytes of each of the four parts: the characters of a strange name take up to 14 each."""
_LONG = 1000
"""Characters of a message."""
_ORDER = (Status.FAIL, Status.INVALID, Status.UNDECIDED)
_KINDS = {Status.FAIL: 'error', Status.INVALID: 'error', Status.UNDECIDED: 'warning'}
_HEAD = (
    '| | what | value | 95 % interval | scenes | frames | limit |\n|---|---|---|---|---|---|---|'
)


def annotations_of(verdict: Verdict, file: str = '') -> list[str]:
    """
    Return a line for each check that did not pass, as a job prints it, those of FAIL first.

    `file` is where they are shown in the changes of a pull request. Of more than GitHub shows of a
    kind the last tells how many there are.
    """
    found: dict[str, list[str]] = {}
    for check in _wrong(verdict):
        title = f'{check.status.value}: {check.name}'
        kind = _KINDS[check.status]
        found.setdefault(kind, []).append(annotation(kind, title, check.message, file))
    for kind, lines in found.items():
        more = len(lines) - ANNOTATIONS + 1
        if more > 1:
            told = f'{more} more checks did not pass: the summary of the step has them'
            lines[ANNOTATIONS - 1 :] = [annotation(kind, verdict.text, told, file)]
    return [line for lines in found.values() for line in lines]


def annotation(kind: str, title: str, message: str, file: str = '') -> str:
    """Return a workflow command: `kind` is error, warning or notice."""
    told = {'file': plain(file, _LONG), 'title': plain(title, 200)}
    properties = ','.join(f'{name}={_property(text)}' for name, text in told.items() if text)
    return f'::{kind} {properties}::{_data(plain(message, _LONG))}'


def _data(text: str) -> str:
    return text.replace('%', '%25').replace('\r', '%0D').replace('\n', '%0A')


def _property(text: str) -> str:
    return _data(text).replace(':', '%3A').replace(',', '%2C')


def uncommanded(text: str, token: str) -> str:
    """
    Return what a job may print of texts from anywhere: no line of it is a command to GitHub.

    `token` is a word that nobody can guess.
    """
    return f'::stop-commands::{token}\n{text}\n::{token}::'


def summary(
    verdict: Verdict, run: str, baseline: str = '', found: Comparison | None = None
) -> str:
    """
    Return a verdict as Markdown for a step summary: what went wrong first, bounded, no markup.

    With `found` also which judgements turned wrong and right.
    """
    against = f' against {code(baseline)}' if baseline else ''
    kept = verdict.passed
    wrong = _wrong(verdict)
    text = [
        f'## vlm-misalign: {escaped(verdict.text)}',
        '',
        f'{code(run)}{against}: {_counted(verdict)}',
        '',
    ]
    if wrong:
        text += [_HEAD, *_fitting(map(_row, wrong[:WRONG]), len(wrong), 'that did not pass'), '']
    if found is not None:
        text += _turned(found)
    notes = (f'- {escaped(note, _LONG)}' for note in verdict.notes[:NOTES])
    text += _fitting(notes, len(verdict.notes), 'notes')
    if kept:
        text += ['', f'<details><summary>{len(kept)} checks passed</summary>', '', _HEAD]
        text += _fitting(map(_row, kept[:KEPT]), len(kept), 'that passed')
        text += ['', '</details>']
    return '\n'.join([*text, '', f'<sub>{escaped(MEANING, _LONG)}</sub>', ''])


def refused(what: str, remedy: str) -> str:
    """Return as Markdown for a step summary that something could not be checked, and why."""
    return f'## vlm-misalign: not checked\n\n{escaped(what, _LONG)}. {escaped(remedy, _LONG)}\n'


def _wrong(verdict: Verdict) -> list[Check]:
    return sorted(verdict.wrong, key=lambda check: _ORDER.index(check.status))


def _counted(verdict: Verdict) -> str:
    told = [
        f'{count} {status.value}'
        for status in (*_ORDER, Status.PASS)
        if (count := sum(check.status is status for check in verdict.checks))
    ]
    return ', '.join(told) + ' of ' + f'{len(verdict.checks)} checks' if told else 'no check'


def _fitting(lines: Iterable[str], count: int, what: str) -> Iterator[str]:
    """Yield lines while there is room for them, and how many of `count` are left out."""
    room, shown = ROOM, 0
    for line in lines:
        room -= len(line.encode()) + 1
        if room < 0:
            break
        shown += 1
        yield line
    if shown < count:
        yield from ('', f'and {count - shown} more {what}')


def _row(check: Check) -> str:
    """Return a check as a line of a table; one without numbers has its message across it."""
    status = f'**{check.status.value}**' if check.status is not Status.PASS else 'PASS'
    if check.found is None or isnan(check.found.value):
        return f'| {status} | {escaped(check.message, _LONG)} | | | | | |'
    return f'| {status} | ' + ' | '.join(_cells(check.found)) + ' |'


def _cells(found: Finding) -> Iterator[str]:
    """Yield what, value, interval, scenes, frames and limit of a check with numbers."""
    show = signed if found.against else '{:.4f}'.format
    where = ', '.join(found.conditions)
    title = BY_NAME[found.rate].title if found.rate in BY_NAME else found.rate
    subject = f'{escaped(found.model)}: ' if found.model else ''
    yield f'{subject}{escaped(title)} at {code(where)}'
    yield show(found.value)
    yield '' if isnan(found.low) else f'{show(found.low)} to {show(found.high)}'
    yield str(found.scenes)
    yield f'{found.scored} of {found.frames}'
    yield code(found.limit)


def _turned(found: Comparison) -> list[str]:
    told = [flip for flip in found.flips if flip.turned.harm or flip.turned.repair]
    if not told:
        return []
    told.sort(key=lambda flip: flip.turned.repaired - flip.turned.harmed)
    return [
        '### Judgements that turned',
        '',
        '| model | condition | of | wrong | right | scenes harmed : repaired | p, Holm |',
        '|---|---|---|---|---|---|---|',
        *_fitting(map(_flip, told[:TURNED]), len(told), 'places'),
        '',
    ]


def _flip(flip: Flips) -> str:
    of = 'hazards' if flip.direction == 'smr_false_safe' else 'clear scenes'
    one = flip.turned
    return (
        f'| {code(flip.model)} | {code(flip.condition)} | {of} | {one.harm} | {one.repair} '
        f'| {one.harmed} : {one.repaired} of {one.scenes} '
        f'| {escaped(probability(flip.adjusted))} |'
    )

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

"""The verdict over a run: what was checked, how each check came out, and what that comes to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from math import isclose, isnan
from typing import Any

from vlm_misalign_ros.core.errors import ExitCode
from vlm_misalign_ros.core.records.ending import Ending
from vlm_misalign_ros.core.report.summary import ALL, Row

MEANING = (
    'PASS: every limit is kept. FAIL: one is not. UNDECIDED: too little evidence to say. INVALID: '
    'too little was scored, or the data cannot be trusted. COMPLETE: no limit was set. Intervals '
    'are 95 %, over independent scenes.'
)
"""What the words of a verdict mean, for a page."""


class Status(str, Enum):
    """What a check, and a run, comes to."""

    PASS = 'PASS'
    """Every limit is kept."""
    FAIL = 'FAIL'
    """A limit is exceeded."""
    INVALID = 'INVALID'
    """Not enough was scored, or the data cannot be trusted: nothing is known of the limits."""
    UNDECIDED = 'UNDECIDED'
    """There is too little evidence to say whether a limit is kept."""
    COMPLETE = 'COMPLETE'
    """The run is whole, and no limit was set. No check has this status."""


@dataclass(frozen=True)
class Finding:
    """The numbers of a check of a limit."""

    limit: str
    """As it is written."""
    model: str
    """Empty for mIoU."""
    rate: str
    conditions: tuple[str, ...]
    value: float
    """The rate, or its difference to another run; NaN where there was nothing to count."""
    low: float
    high: float
    """95 % interval over scenes; NaN where there is none."""
    scenes: int
    """Independent scenes with a denominator."""
    frames: int
    """Frames of the model under these conditions (of a difference: in both runs)."""
    scored: int
    numerator: int | None = None
    denominator: int | None = None
    against: str = ''
    """The run that a difference is to."""


@dataclass(frozen=True)
class Check:
    """One condition of the verdict and how it came out."""

    name: str
    status: Status
    message: str
    data: bool = False
    """INVALID because the data themselves cannot be trusted, whatever the rates say."""
    short: str = ''
    """What is wrong in a few words, to stand beside another verdict."""
    found: Finding | None = None
    """Of a limit."""


@dataclass(frozen=True)
class Verdict:
    """What a run comes to, with every check behind it."""

    status: Status
    checks: tuple[Check, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """Return the code that a process ends with; COMPLETE has that of PASS."""
        return ExitCode.PASS if self.status is Status.COMPLETE else ExitCode[self.status.value]

    @property
    def wrong(self) -> list[Check]:
        """Return the checks that did not pass, in the order in which they were made."""
        return [check for check in self.checks if check.status is not Status.PASS]

    @property
    def passed(self) -> list[Check]:
        """Return the checks that did."""
        return [check for check in self.checks if check.status is Status.PASS]

    @property
    def reasons(self) -> list[str]:
        """Return what went wrong, and the notes of the run."""
        return [check.message for check in self.wrong] + list(self.notes)

    @property
    def also(self) -> list[str]:
        """Return in a few words each what else is true beside the status."""
        others = [check for check in self.wrong if check.status is not self.status]
        undecided = sum(check.status is Status.UNDECIDED for check in others)
        told = ['a limit exceeded'] if any(c.status is Status.FAIL for c in others) else []
        told += [c.short or c.name for c in others if c.status is Status.INVALID]
        if undecided:
            told.append(f'{undecided} limit{"s" if undecided > 1 else ""} undecided')
        return list(dict.fromkeys(told))

    @property
    def text(self) -> str:
        """Return the status, and what else is true: `FAIL (and coverage too low)`."""
        return self.status.value + (f' (and {", ".join(self.also)})' if self.also else '')

    def to_plain(self) -> dict[str, Any]:
        """Return the verdict as plain data, NaN as None; docs/data.md tells the fields."""
        return {
            'status': self.status.value,
            'text': self.text,
            'exit_code': int(self.exit_code),
            'reasons': self.reasons,
            'checks': [_plain(check) for check in self.checks],
            'notes': list(self.notes),
        }


def _plain(check: Check) -> dict[str, Any]:
    plain: dict[str, Any] = {
        'name': check.name,
        'status': check.status.value,
        'message': check.message,
        'data': check.data,
    }
    if check.found is not None:
        numbers = asdict(check.found)
        plain.update(
            (key, None if isinstance(value, float) and isnan(value) else value)
            for key, value in numbers.items()
        )
    return plain


def judge(checks: Sequence[Check], notes: Sequence[str], limited: bool) -> Verdict:
    """
    Return the verdict; `limited` says whether any limit was set.

    Data that cannot be trusted outrank everything; a limit exceeded outranks a coverage that is
    too low, which outranks a limit that is undecided.
    """
    found = {check.status for check in checks}
    if any(check.data and check.status is Status.INVALID for check in checks):
        status = Status.INVALID
    else:
        order = (Status.FAIL, Status.INVALID, Status.UNDECIDED)
        passed = Status.PASS if limited else Status.COMPLETE
        status = next((worst for worst in order if worst in found), passed)
    return Verdict(status, tuple(checks), tuple(notes))


def ending_checks(frames: int, ending: Ending | None, planned: int | None) -> Iterator[Check]:
    """
    Yield whether the run came to its end, and whether it closed the frames that it was to close.

    `ending` is None for a run that was killed; `planned` is what its manifest says, where the
    process that ran it did not get to know.
    """
    told = planned, None if ending is None else ending.expected_frames
    # Who says less has not seen the whole of it.
    expected = max((count for count in told if count), default=None)
    of = f'after {frames} of {expected} frames' if expected else f'after {frames} frames'
    if ending is None:
        message = f'the run did not end by itself: it was killed {of}, or its disk was full'
        yield Check('end of the run', Status.INVALID, message, short='the run was killed')
    elif ending.failure:
        message = f'the run ended with an error {of}: {ending.failure}'
        yield Check('end of the run', Status.INVALID, message, short='the run failed')
    elif ending.interrupted and not ending.endless:
        message = f'the run was interrupted {of}'
        yield Check('end of the run', Status.INVALID, message, short='interrupted')
    else:
        ended = f'the run was ended by a signal {of}' if ending.interrupted else ''
        yield Check('end of the run', Status.PASS, ended or 'the run came to its end')
    if expected is not None:
        message = f'{frames} of {expected} frames were closed'
        good = Status.PASS if frames >= expected else Status.INVALID
        yield Check('frames', good, message, short='frames lacking')
    elif not frames:
        yield Check('frames', Status.INVALID, 'no frame was closed', short='no frame closed')


def sealed_checks(names: Sequence[str]) -> Iterator[Check]:
    """Yield that files are not as the run left them; nothing where all are."""
    if names:
        message = (
            f'{" and ".join(names)} {"is" if len(names) == 1 else "are"} not as the run left '
            f'{"it" if len(names) == 1 else "them"}: changed or damaged since'
        )
        yield Check('files', Status.INVALID, message, data=True, short='files were changed')


def coverage_checks(
    rows: Sequence[Row], frames: int, segmented: int | None, minimum: float
) -> Iterator[Check]:
    """
    Yield for each model, and the segmentation, whether enough of the closed frames were scored.

    Nothing scored is never enough, whatever the minimum. `segmented` frames of `frames` have a
    scored mask (None: no segmentation was asked for).
    """
    # The blank control is left out of the totals, but its frames have to be scored too.
    scored: Counter[str] = Counter()
    for row in rows:
        scored[row.model] += row.scored if row.condition != ALL else 0
    if segmented is not None:
        scored['segmentation'] = segmented
    for name, count in scored.items():
        share = count / frames if frames else 0.0
        enough = count > 0 and (share >= minimum or isclose(share, minimum))
        yield Check(
            f'coverage of {name}',
            Status.PASS if enough else Status.INVALID,
            f'{name}: {count} of {frames} frames scored ({share:.1%}), '
            + (f'{minimum:.1%} needed' if count or minimum else 'at least one needed'),
            short='coverage too low' if count else f'nothing scored of {name}',
        )

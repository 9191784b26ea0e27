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

"""The verdict over a run, as exit code, JSON and JUnit XML."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from math import isclose, isnan
from pathlib import Path

from vlm_misalign_ros.core.errors import ConfigurationError, ExitCode
from vlm_misalign_ros.core.files import write_text
from vlm_misalign_ros.core.metrics.rates import BY_NAME
from vlm_misalign_ros.core.report.summary import ALL, Row


class Status(str, Enum):
    """What a run comes to."""

    PASS = 'PASS'
    FAIL = 'FAIL'
    INVALID = 'INVALID'


@dataclass(frozen=True)
class Check:
    """One condition of the verdict and how it came out."""

    name: str
    status: Status
    message: str
    data: bool = False
    """Whether it is the data themselves that cannot be trusted."""


@dataclass(frozen=True)
class Verdict:
    """INVALID when too little was scored, else FAIL when a limit was passed, else PASS."""

    status: Status
    checks: tuple[Check, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """Return PASS, FAIL or INVALID."""
        return ExitCode[self.status.value]

    @property
    def reasons(self) -> list[str]:
        """Return what went wrong, and the notes of the run."""
        return [check.message for check in self.checks if check.status is not Status.PASS] + list(
            self.notes
        )


def parse_limits(entries: tuple[str, ...]) -> dict[str, float]:
    """Return {rate: value} from `RATE=VALUE` strings; ConfigurationError names a wrong one."""
    limits = {}
    for entry in entries:
        name, _, text = entry.partition('=')
        try:
            value = float(text)
        except ValueError as error:
            raise ConfigurationError(
                f'limit {entry!r} is not of the form RATE=VALUE',
                'for example critical_omission_rate=0.2',
            ) from error
        if name not in BY_NAME:
            raise ConfigurationError(
                f'limit names the rate {name!r}', 'known: ' + ', '.join(BY_NAME)
            )
        limits[name] = value
    return limits


def judge_run(
    rows: Sequence[Row],
    frames: int,
    segmented: int | None,
    *,
    minimum_coverage: float,
    limits: Mapping[str, float],
    expected_frames: int | None,
    notes: Sequence[str],
    evidence: Sequence[Check] = (),
) -> Verdict:
    """
    Return the verdict.

    `frames` were closed, `segmented` of them with a mask (None: no segmentation asked for);
    `evidence` are checks of the data that were made elsewhere.
    """
    checks = [
        *evidence,
        *_closed(frames, expected_frames),
        *_covered(rows, frames, segmented, minimum_coverage),
        *_limited(rows, limits),
    ]
    found = {entry.status for entry in checks}
    status = next(
        (worst for worst in (Status.INVALID, Status.FAIL) if worst in found), Status.PASS
    )
    return Verdict(status, tuple(checks), tuple(notes))


def _check(name: str, good: bool, otherwise: Status, message: str) -> Check:
    return Check(name, Status.PASS if good else otherwise, message)


def _closed(frames: int, expected: int | None) -> Iterator[Check]:
    if expected is not None:
        message = f'{frames} of {expected} frames were closed'
        yield _check('frames', frames >= expected, Status.INVALID, message)
    elif not frames:
        yield _check('frames', False, Status.INVALID, 'no frame was closed')


def _covered(
    rows: Sequence[Row], frames: int, segmented: int | None, minimum: float
) -> Iterator[Check]:
    # The blank control is left out of the totals, but its frames have to be scored too.
    scored: Counter[str] = Counter()
    for row in rows:
        scored[row.model] += row.scored if row.condition != ALL else 0
    if segmented is not None:
        scored['segmentation'] = segmented
    for name, count in scored.items():
        share = count / frames if frames else 0.0
        yield _check(
            f'coverage of {name}',
            share >= minimum or isclose(share, minimum),
            Status.INVALID,
            f'{name}: {count} of {frames} frames scored ({share:.1%}), {minimum:.1%} needed',
        )


def _limited(rows: Sequence[Row], limits: Mapping[str, float]) -> Iterator[Check]:
    for row in (row for row in rows if row.condition == ALL):
        found = row.rates()
        for name, limit in limits.items():
            value = found[name].value
            told = f'{name} is {value:.4f}, at most {limit:g} allowed'
            if isnan(value):
                told = f'{name} has nothing to be counted from'
            yield _check(
                f'{name} of {row.model}',
                value <= limit or isclose(value, limit),
                Status.INVALID if isnan(value) else Status.FAIL,
                f'{row.model}: {told}',
            )


_NOT_XML = re.compile('[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]')


def _clean(text: str) -> str:
    return _NOT_XML.sub('\ufffd', text)


def write_junit(path: Path, name: str, verdict: Verdict) -> None:
    """Write the checks of a verdict as JUnit XML; RecordError when the disk refuses."""
    bad = [check for check in verdict.checks if check.status is Status.FAIL]
    invalid = [check for check in verdict.checks if check.status is Status.INVALID]
    suite = ElementTree.Element(
        'testsuite',
        name=_clean(name),
        tests=str(len(verdict.checks)),
        failures=str(len(bad)),
        errors=str(len(invalid)),
    )
    for check in verdict.checks:
        case = ElementTree.SubElement(
            suite, 'testcase', classname='vlm_misalign_ros', name=_clean(check.name)
        )
        if check.status is not Status.PASS:
            kind = 'failure' if check.status is Status.FAIL else 'error'
            ElementTree.SubElement(case, kind, message=_clean(check.message))
    if verdict.notes:
        ElementTree.SubElement(suite, 'system-out').text = _clean('\n'.join(verdict.notes))
    write_text(
        path,
        '<?xml version="1.0" encoding="utf-8"?>\n'
        + ElementTree.tostring(suite, encoding='unicode')
        + '\n',
    )

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

"""A run checked for continuous integration: by its own verdict, and against a stored baseline."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
from vlm_misalign_ros.core.files import read_json
from vlm_misalign_ros.core.records.ending import ENDING, changed, read_ending
from vlm_misalign_ros.core.records.store import RECORDS
from vlm_misalign_ros.core.report.baseline import untrusted
from vlm_misalign_ros.core.report.changes import Comparison
from vlm_misalign_ros.core.report.comparing import compare
from vlm_misalign_ros.core.report.rules import Rules, rules_of
from vlm_misalign_ros.core.report.verdict import Check, Finding, Status, Verdict, judge

MARGIN = 0.02
"""By how much no headline rate may be worse, where no limit says otherwise."""
FILES = (RECORDS, 'manifest.json', ENDING)
"""What of a run is needed to hold another against it."""
_AGAIN = 'make it again with: vlm-misalign report RUN'


@dataclass(frozen=True)
class Checked:
    """What a check came to."""

    verdict: Verdict
    comparison: Comparison | None = None
    """With the baseline, where there is one."""


def check_run(
    run: Path, baseline: Path | None = None, limits: Sequence[str] = (), models: Sequence[str] = ()
) -> Checked:
    """
    Return the verdict over a run: that of its own limits, and of those against a baseline.

    `limits` are differences as `compare` takes them; without any, no headline rate may be worse by
    MARGIN. Raises ConfigurationError for a wrong limit and, with the reason, for a baseline that
    the run cannot be compared with; RecordError for what is no run, or has no verdict of its own
    over the records that it left.
    """
    own = read_verdict(run)
    _refuse_other_verdict(run)
    if baseline is None:
        return Checked(own)
    found = compare([baseline, run], models, limits or [f'not worse by {MARGIN}'])
    return Checked(
        judge(
            (*own.checks, *found.verdict.checks), (*own.notes, *found.verdict.notes), limited=True
        ),
        found,
    )


def read_verdict(run: Path) -> Verdict:
    """Return the verdict of a run folder from its verdict.json; RecordError where it is none."""
    if not (run / RECORDS).is_file():
        raise RecordError(f'{run} has no {RECORDS}', 'give the folder of a run')
    path = run / 'verdict.json'
    found = read_json(path, _AGAIN)
    try:
        return Verdict(
            Status(found['status']),
            tuple(_check(check) for check in found['checks']),
            tuple(str(note) for note in found['notes']),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise RecordError(f'{path} is no verdict: {error}', _AGAIN) from error


def _refuse_other_verdict(run: Path) -> None:
    """Raise RecordError for a verdict over other records, or by limits that are not the run's."""
    for name in changed(run, read_ending(run)):
        raise RecordError(
            f'{run / name} is not as the run left it: it was changed or damaged',
            'check what the run left',
        )
    manifest = run / 'manifest.json'
    rules = rules_of(read_json(manifest, '')) if manifest.is_file() else Rules()
    told = read_json(run / 'verdict.json', _AGAIN).get('rules')
    if not isinstance(told, dict) or told.get('limits') != rules.to_plain()['limits']:
        raise RecordError(
            f'{run / "verdict.json"} is by other limits than those of the run, as after '
            '`report --limit`',
            _AGAIN,
        )


def _check(plain: Mapping[str, Any]) -> Check:
    return Check(
        str(plain['name']),
        Status(plain['status']),
        str(plain['message']),
        bool(plain['data']),
        found=_finding(plain) if 'limit' in plain else None,
    )


def _finding(plain: Mapping[str, Any]) -> Finding:
    value, low, high = (
        nan if plain[name] is None else float(plain[name]) for name in ('value', 'low', 'high')
    )
    return Finding(
        str(plain['limit']),
        str(plain['model']),
        str(plain['rate']),
        tuple(str(name) for name in plain['conditions']),
        value,
        low,
        high,
        int(plain['scenes']),
        int(plain['frames']),
        int(plain['scored']),
        plain.get('numerator'),
        plain.get('denominator'),
        str(plain.get('against', '')),
    )


def store_baseline(run: Path, baseline: Path) -> None:
    """
    Put what is needed of a run into a folder, as the baseline of runs to come.

    A baseline that is there is replaced, whole or not at all. Raises RecordError for what is no
    run or cannot be written, ConfigurationError for a run that nothing can be held against, and
    for a folder that holds anything else.
    """
    if not (run / RECORDS).is_file():
        raise RecordError(f'{run} has no {RECORDS}', 'give the folder of a run')
    problem = untrusted(run)
    if problem:
        raise ConfigurationError(
            f'{run} is no baseline: {problem}', 'store a run that came to its end'
        )
    _refuse_others(run, baseline)
    partial, old = (baseline.with_name(f'.{baseline.name}.{end}') for end in ('part', 'old'))
    try:
        if old.exists() and not baseline.exists():
            # Of a process that was killed between the two.
            old.rename(baseline)
        for left in (partial, old):
            shutil.rmtree(left, ignore_errors=True)
        partial.mkdir(parents=True)
        for name in FILES:
            shutil.copyfile(run / name, partial / name)
        if baseline.exists():
            baseline.rename(old)
        partial.rename(baseline)
    except OSError as error:
        if old.exists() and not baseline.exists():
            old.rename(baseline)
        raise RecordError(
            f'{baseline} cannot be written: {error.strerror}',
            'free space, or choose another place',
        ) from error
    finally:
        for left in (partial, old):
            shutil.rmtree(left, ignore_errors=True)


def _refuse_others(run: Path, baseline: Path) -> None:
    """Raise ConfigurationError where a baseline would take the place of something else."""
    if baseline.resolve() == run.resolve():
        raise ConfigurationError(f'{baseline} is the run itself', 'choose another folder')
    if not baseline.exists():
        return
    held = {path.name for path in baseline.iterdir()} if baseline.is_dir() else {'a file'}
    others = held - set(FILES)
    if others:
        raise ConfigurationError(
            f'{baseline} holds {min(others)!r}, which is no part of a baseline',
            'choose another folder; a run folder is never replaced',
        )

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

"""Run folders: what is written before the first frame, and what a folder tells of its run."""

from __future__ import annotations

import shutil
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from vlm_misalign_ros.app.preflight import Check, preflight
from vlm_misalign_ros.app.progress import Records
from vlm_misalign_ros.core.errors import ConfigurationError, ExitCode, RecordError
from vlm_misalign_ros.core.files import read_json, write_json
from vlm_misalign_ros.core.records.ending import planned_frames
from vlm_misalign_ros.core.records.manifest import build_manifest, refuse_other
from vlm_misalign_ros.core.records.store import RECORDS
from vlm_misalign_ros.core.settings.configuration import Configuration

_ASIDE = '.replaced'
"""End of the name under which a run that is replaced waits until the new one has begun."""


def create_run(
    configuration: Configuration,
    overwrite: bool = False,
    ros: bool = True,
    check: Check = preflight,
) -> Path:
    """
    Check the configuration, make the run folder and write its manifest; return the folder.

    `ros` says whether nodes of ROS will run it, or this process; `check` is `preflight`, or what
    does the same for several runs.

    Raises RecordError when the folder holds a run already (unless `overwrite`) or cannot be
    written, and whatever `preflight` raises, before anything is removed. A run that is replaced
    is only set aside: `settle` removes it, or brings it back.
    """
    manifest = _manifest(configuration, ros, check)
    started = datetime.now(timezone.utc)
    name = configuration.name or _timed(started, configuration.namespace)
    if Path(name).name != name or name in ('.', '..'):
        raise ConfigurationError(f'run name {name!r} is no folder name', 'leave out slashes')
    folder = configuration.out / name
    _make_room(folder, overwrite)
    try:
        (folder / 'log').mkdir(parents=True)
        (folder / 'config.yaml').write_text(
            yaml.safe_dump(configuration.raw, sort_keys=False), encoding='utf-8'
        )
        write_json(folder / 'manifest.json', manifest)
    except OSError as error:
        settle(folder)
        raise RecordError(
            f'run folder {folder} cannot be written: {error.strerror}',
            'free space, or give another folder',
        ) from error
    except BaseException:
        settle(folder)
        raise
    return folder


def _manifest(configuration: Configuration, ros: bool, check: Check) -> dict[str, Any]:
    """Check a configuration; return the manifest of a run of it."""
    facts = check(configuration, ros)
    models = facts.pop('models')
    return build_manifest(configuration.resolved(), models, facts, configuration.lexicon)


def check_same(
    configuration: Configuration, folder: Path, ros: bool = False, check: Check = preflight
) -> None:
    """
    Check that a run that was begun in a folder can be gone on with by a configuration.

    `ros` says whether nodes of ROS do so. Raises RecordError naming what is another by now: a
    setting, a model's files, the data or a package; and whatever `preflight` raises.
    """
    remedy = 'go on with what it was begun with, or give another name'
    refuse_other(folder, _manifest(configuration, ros, check), remedy)


def _timed(started: datetime, namespace: str) -> str:
    """Return the name of a run that was given none; cameras that start at once have each one."""
    parts = [started.strftime('%Y%m%d-%H%M%S'), *namespace.strip('/').split('/')]
    return '_'.join(part for part in parts if part)


def _make_room(folder: Path, overwrite: bool) -> None:
    """Set a run of the same name aside; RecordError where that is not wanted or no run."""
    if folder.exists() and not folder.is_dir():
        raise RecordError(f'{folder} is a file', 'give another name')
    aside = _aside(folder)
    if aside.exists() and (overwrite or not folder.exists() or not any(folder.iterdir())):
        # A run was killed before it had begun: what it was to replace is still a run.
        if not settle(folder) and aside.exists():
            raise RecordError(
                f'{aside} holds the run that {folder} was to replace, and cannot be brought back',
                f'move {aside} away, or give another name',
            )
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not overwrite:
        raise RecordError(
            f'run folder {folder} exists',
            'give another name (--name; launch: name:=), or replace it (--overwrite; launch: '
            'overwrite:=true)',
        )
    if not (folder / 'manifest.json').is_file():
        raise RecordError(f'{folder} is not a run folder and is left alone', 'give another name')
    try:
        if aside.exists():
            # What is left of a run that has begun anew since; nobody needs it.
            shutil.rmtree(aside)
        folder.rename(aside)
    except OSError as error:
        raise RecordError(
            f'run folder {folder} cannot be replaced: {error.strerror}', 'give another name'
        ) from error


def _aside(folder: Path) -> Path:
    return folder.with_name(f'.{folder.name}{_ASIDE}')


def settle(folder: Path, stays: bool = False) -> bool:
    """
    Tidy up behind a run that has ended; return whether its folder is kept.

    A run that never began, with no frame and no verdict, leaves no folder, and brings back the
    one that it was to replace; unless it `stays`, as one does that was gone on with.
    """
    closed = Records(folder / RECORDS).read()[1]
    begun = stays or closed > 0 or (folder / 'verdict.json').exists()
    aside = _aside(folder)
    with suppress(OSError):
        if begun:
            shutil.rmtree(aside, ignore_errors=True)
        elif (folder / 'manifest.json').is_file() or _only_logs(folder):
            shutil.rmtree(folder)
        if not begun and aside.exists() and not folder.exists():
            aside.rename(folder)
    return begun


def _only_logs(folder: Path) -> bool:
    """Return whether a folder is what an attempt to make a run folder has left."""
    return folder.is_dir() and {path.name for path in folder.iterdir()} <= {
        'log',
        'config.yaml',
        'manifest.json.part',
    }


def verdict_or_error(folder: Path, code: int) -> bool:
    """
    Return whether a monitor's exit code is that of a verdict that stands in the run folder.

    A process may end with any code for any reason: it is the verdict's where `verdict.json` has
    the same, and 1 is FAIL only where a check has failed. An interrupted run ends with that,
    whatever the verdict over what was there.
    """
    if code not in tuple(ExitCode) or code == ExitCode.ERROR:
        return False
    try:
        found = read_json(folder / 'verdict.json', '')
    except RecordError:
        return False
    if code == ExitCode.INTERRUPTED:
        return True
    status = found.get('status')
    if code == ExitCode.PASS and status not in ('PASS', 'COMPLETE'):
        return False
    states = {status, *(check.get('status') for check in found.get('checks', []))}
    return found.get('exit_code') == code and (code != ExitCode.FAIL or 'FAIL' in states)


def expected_frames(folder: Path) -> int:
    """
    Return the number of frames a run closes; 0 when it has no end.

    Raises RecordError where the folder has no manifest of a run.
    """
    if not folder.is_dir():
        raise RecordError(f'run folder {folder} does not exist', 'give the folder of a run')
    return planned_frames(read_json(folder / 'manifest.json', 'give the folder of a run')) or 0

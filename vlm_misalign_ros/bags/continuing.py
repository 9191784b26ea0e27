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

"""Going on with the analysis of a bag that was interrupted: whether it is still the same one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.files import read_json
from vlm_misalign_ros.core.records.ending import MANIFEST, read_ending
from vlm_misalign_ros.core.records.manifest import refuse_other

BAG = 'bag'
"""Where the manifest of an analysis names its bag."""
CONTENT = 'bag_content'
"""Where it has what tells the bag from another one."""
LAST = 'report.html'
"""What is written last of the results."""
RESULTS = ('verdict.json', 'junit.xml', LAST)
"""What tells of an analysis as if it were over."""
_END = 1 << 20
"""Bytes at either end of a file of which the hash is taken."""
_BESIDE = ('-wal', '-journal')
"""Ends of names of what SQLite leaves beside a file, and reads with it."""


def content_of(bag: Path) -> dict[str, list[Any]]:
    """
    Return size, time of change (nanoseconds) and a hash of each file of a bag, by name.

    The SHA-256 is that of the first and the last MiB: all of it would take as long as reading the
    bag. Nothing comes back where the files cannot be read: whoever opens the bag says why.
    """
    try:
        beside = [bag.with_name(bag.name + end) for end in _BESIDE] if bag.is_file() else []
        entries = sorted(bag.iterdir()) if bag.is_dir() else [bag, *beside]
        return {entry.name: _told(entry) for entry in entries if entry.is_file()}
    except OSError:
        return {}


def _told(file: Path) -> list[Any]:
    with open(file, 'rb') as stream:
        stat = os.fstat(stream.fileno())
        found = hashlib.sha256(stream.read(_END))
        if stat.st_size > _END:
            stream.seek(max(_END, stat.st_size - _END))
            found.update(stream.read(_END))
    return [stat.st_size, stat.st_mtime_ns, found.hexdigest()]


def refuse_ended(folder: Path) -> None:
    """Raise RecordError where a folder holds no analysis that was begun and not ended."""
    if not (folder / MANIFEST).is_file():
        raise RecordError(
            f'{folder} holds no analysis of a bag', 'leave out --resume, to begin one'
        )
    if BAG not in read_json(folder / MANIFEST, ''):
        raise RecordError(
            f'{folder} holds a run, and no analysis of a bag',
            'give the --out of the analysis; a run goes on with `run --resume`',
        )
    if read_ending(folder) is not None and (folder / LAST).is_file():
        raise RecordError(
            f'the analysis {folder} has come to its end', 'there is nothing to go on with'
        )


def refuse_another(folder: Path, manifest: Mapping[str, Any]) -> None:
    """
    Raise OtherRun where an analysis was begun with something else than `manifest` says.

    Where the bag lies is nothing that its files do not tell.
    """
    remedy = (
        'go on with what it was begun with, or begin it anew: give another --out, or remove the '
        'folder'
    )
    refuse_other(folder, manifest, remedy, free=(BAG,))


def forget_results(folder: Path) -> None:
    """Remove what tells of an analysis as if it were over; OSError where the disk refuses."""
    for name in RESULTS:
        with suppress(FileNotFoundError):
            (folder / name).unlink()

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

"""Files: written whole or not at all, hashed, and those that the package brings along."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.errors import RecordError

PACKAGE = Path(__file__).resolve().parents[1]
"""The folder of this package, with its data."""
_LOCKLESS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""What a file system says that has no locks."""
_SYNCLESS = (errno.EINVAL, errno.ENOTSUP)
"""What a file system says that has no such call for folders."""


def lock(file: int) -> None:
    """
    Lock a file that is open for writing, by its descriptor, until it is closed.

    Does nothing on a file system without locks. Raises BlockingIOError where another has it, and
    OSError where the disk refuses.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _LOCKLESS:
            raise


def name_folder(whole: Path, name: Path) -> None:
    """
    Give a folder that is whole its name, once all that is in it is on the disk.

    So no power cut leaves a folder of that name with less. Raises OSError where the disk refuses,
    or where the name is another folder's with files in it.
    """
    sync(whole)
    whole.rename(name)
    _sync(name.parent)


def sync(folder: Path) -> None:
    """Bring a folder, with all that is in it, to the disk; OSError where that refuses."""
    for path in (*folder.rglob('*'), folder):
        if (path.is_file() or path.is_dir()) and not path.is_symlink():
            _sync(path)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in _SYNCLESS or not path.is_dir():
            raise
    finally:
        os.close(file)


def write_text(path: Path, text: str) -> None:
    """
    Write a file whole or not at all; RecordError when the disk refuses.

    What is no character, such as half of a pair in a name that is not UTF-8, becomes `?`.
    """
    partial = path.with_name(path.name + '.part')
    try:
        partial.write_text(text, encoding='utf-8', errors='replace')
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise RecordError(
            f'{path} cannot be written: {error.strerror}', 'free space or choose another folder'
        ) from error


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write JSON whole or not at all; RecordError when the disk refuses."""
    write_text(path, json.dumps(data, indent=2, default=str) + '\n')


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """Return the JSON object in a file; RecordError, with `remedy`, when there is none."""
    try:
        data = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(f'{path} cannot be read: {error}', remedy) from error
    if not isinstance(data, dict):
        raise RecordError(f'{path} holds no JSON object', remedy)
    return data


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, which are never all held at once."""
    digest = hashlib.sha256()
    with open(path, 'rb') as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()

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

"""The directory of a local model: what has to be there, and its hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.errors import ModelError

NOTES = ('README.md', 'calibration.json')
"""Files beside a model that say something about it and change nothing of it."""


def read_config(directory: Path, name: str, family: str) -> dict[str, Any]:
    """Return the configuration of a local model; ModelError when there is none to read."""
    path = directory / name
    try:
        data = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError as error:
        raise ModelError(
            f'model directory {directory} has no {name}',
            f'a {family} model is expected there, as its library saves it',
        ) from error
    except (OSError, ValueError) as error:
        raise ModelError(f'{path} cannot be read: {error}', 'save the model again') from error
    if not isinstance(data, dict):
        raise ModelError(f'{path} holds no JSON object', 'save the model again')
    return data


def check_directory(
    directory: Path, config: str, weights: Sequence[str], family: str
) -> dict[str, Any]:
    """
    Return the configuration of a local model that has weights.

    `weights` are patterns of file names, the usual one first. Raises ModelError naming what is
    missing.
    """
    if not directory.is_dir():
        raise ModelError(
            f'model directory {directory} does not exist', f'give the folder that holds {config}'
        )
    found = read_config(directory, config, family)
    if not any(any(directory.glob(pattern)) for pattern in weights):
        raise ModelError(f'model directory {directory} has no weights', f'expected {weights[0]}')
    return found


def weights_hash(directory: Path) -> str:
    """Return the SHA-256 over names and bytes of a model directory's files, notes left out."""
    files = (path for path in directory.rglob('*') if path.is_file() and path.name not in NOTES)
    return files_hash(files, directory)


def files_hash(files: Iterable[Path], directory: Path) -> str:
    """Return the SHA-256 over names, relative to `directory`, and bytes of files."""
    total = hashlib.sha256()
    for path in sorted(files):
        total.update(path.relative_to(directory).as_posix().encode() + b'\0')
        try:
            with path.open('rb') as stream:
                while block := stream.read(1 << 20):
                    total.update(block)
        except OSError as error:
            raise ModelError(
                f'{path} cannot be read: {error.strerror}', 'check its permissions'
            ) from error
    return total.hexdigest()

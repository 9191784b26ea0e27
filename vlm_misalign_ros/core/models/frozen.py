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

"""Files of what is set on clean frames and then frozen: whole, unchanged, of the same truth."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from vlm_misalign_ros.core.errors import ConfigurationError, ModelError

T = TypeVar('T')

LEAST = 20
"""A class with fewer positives or negatives gets nothing of its own."""


def digest(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what a file holds."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def load(path: Path, schema: int | str, made: Callable[[dict[str, Any], str], T]) -> T:
    """
    Return what `made` makes of a file's content and its stated SHA-256.

    Raises ConfigurationError when the file cannot be read, has another schema or was changed.
    """
    try:
        data = json.loads(path.read_text(encoding='utf-8'))
        if data.get('schema') != schema:
            raise ConfigurationError(
                f'calibration {path} has the schema {data.get("schema")}, expected {schema}',
                'make it again with: vlm-misalign calibrate',
            )
        stated = data.pop('sha256')
        found = made(data, stated)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f'calibration {path} cannot be read: {type(error).__name__} {error}',
            'make it with: vlm-misalign calibrate',
        ) from error
    if digest(data) != stated:
        raise ConfigurationError(
            f'calibration {path} was changed after it was made', 'make it again'
        )
    return found


def refuse_other_truth(
    path: Path | str, made: Mapping[str, float], wanted: Mapping[str, float]
) -> None:
    """Raise ModelError where a file was made with other settings of the truth than `wanted`."""
    for name, value in wanted.items():
        if made.get(name) != value:
            told = f'with {name} {made[name]}' if name in made else f'before there was {name}'
            raise ModelError(
                f'calibration {path} was made {told}, and the evaluation has {value}',
                f'make it again with: vlm-misalign calibrate ... {name}={value}',
            )

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

"""Numbers, flags and JSON in the string values of messages: read, validated, bounded."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from vlm_misalign_ros.core.errors import RecordError

_LARGEST = 2**63 - 1
_LONGEST_JSON = 1 << 16


class _Twice(ValueError):
    """A key of a JSON object comes twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Twice
    return found


def loads(values: Mapping[str, str], key: str, default: Any) -> Any:
    """Return a value that is JSON; RecordError where it is none, or longer than 64 KiB."""
    text = values.get(key, '')
    if not text:
        return default
    if len(text) > _LONGEST_JSON:
        raise RecordError(
            f'message value {key!r} has {len(text)} characters', f'{_LONGEST_JSON} at most'
        )
    try:
        return json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        why = ' (a key comes twice)' if isinstance(error, _Twice) else ''
        raise RecordError(f'message value {key!r} is not JSON{why}: {text[:80]!r}') from error


def flag(values: Mapping[str, str], key: str, default: bool = False) -> bool:
    """Return a value that is 0 or 1; RecordError for anything else."""
    text = values.get(key, str(int(default)))
    if text not in ('0', '1'):
        raise RecordError(f'message value {key!r} is {text[:80]!r}', 'allowed: 0, 1')
    return text == '1'


def integer(values: Mapping[str, str], key: str, default: int | None = None) -> int:
    """Return an integer of 63 bits and a sign; RecordError for anything else."""
    text = values.get(key, '' if default is None else str(default))
    try:
        # More digits than 63 bits have are never an integer here, and slow to read.
        found = int(text[:32])
        found = found if len(text) <= 32 else _LARGEST + 1
    except ValueError as error:
        raise RecordError(f'message value {key!r} is {text[:80]!r}, not an integer') from error
    if not -_LARGEST <= found <= _LARGEST:
        raise RecordError(f'message value {key!r} is {text[:80]!r}, more than 63 bits')
    return found


def number(value: Any, key: str) -> float:
    """Return a finite number given as text or as a JSON number; RecordError for anything else."""
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise RecordError(f'message value {key!r} is {str(value)[:80]!r}, not a finite number')
    return found


def share(value: Any, key: str) -> float:
    """Return a number from 0 to 1, as probabilities are; RecordError for anything else."""
    found = number(value, key)
    if not 0 <= found <= 1:
        raise RecordError(f'message value {key!r} is {str(value)[:80]!r}, not 0 to 1')
    return found

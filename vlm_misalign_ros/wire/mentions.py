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

"""Mentions of classes as they come in a message, checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.types import Mention

_MOST = 100
_LONGEST = 64
"""Characters of the name of a class that is not ours."""


def mentions_of(found: Any, key: str, check: Callable[[str], None]) -> dict[str, Mention]:
    """
    Return mentions by class from what the message value `key` has as JSON.

    `check` raises for the name of a class that there is not. Raises RecordError naming a value
    that cannot be read.
    """
    if not isinstance(found, dict) or len(found) > _MOST:
        raise RecordError(
            f'message value {key!r} is not a JSON object with mentions, {_MOST} at most'
        )
    states = {}
    for name, state in found.items():
        check(name)
        try:
            states[name] = Mention(state)
        except ValueError as error:
            allowed = ', '.join(entry.value for entry in Mention)
            raise RecordError(
                f'message value {f"{key}.{name}"!r} is {str(state)[:80]!r}', f'allowed: {allowed}'
            ) from error
    return states


def check_scored(name: str) -> None:
    """Raise RecordError for a name that is no scored class."""
    if name not in SCORED:
        raise RecordError(
            f'description names the class {name[:80]!r}', 'allowed: ' + ', '.join(SCORED)
        )


def check_further(name: str) -> None:
    """Raise RecordError for what cannot be a class of the user's own."""
    if not name or name in SCORED or len(name) > _LONGEST or not name.isprintable():
        raise RecordError(
            f'description names the further class {name[:80]!r}',
            f'expected {_LONGEST} characters at most, of no class that is scored',
        )

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

"""Why frames of a run are not shown, counted: reasons that differ in names alone are one."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAMES = re.compile(r"'[^']*'|\"[^\"]*\"|\S*\d\S*")
"""What of a reason is of one frame alone: what is quoted, and whatever has digits."""
MOST = 20
"""Reasons that are told; the rest is counted together."""


@dataclass
class _Reason:
    first: str
    number: int = 1
    several: bool = False
    """Whether it was put in several ways."""


class Reasons:
    """Counts why something could not be had."""

    def __init__(self) -> None:
        """Begin without any."""
        self._found: dict[str, _Reason] = {}

    def add(self, why: str) -> None:
        """Count a reason."""
        found = self._found.setdefault(_NAMES.sub('_', why), _Reason(why, 0))
        found.number += 1
        found.several = found.several or why != found.first

    @property
    def number(self) -> int:
        """Return how many there are in all."""
        return sum(reason.number for reason in self._found.values())

    @property
    def first(self) -> str:
        """Return the first of them; empty for none."""
        return next((reason.first for reason in self._found.values()), '')

    def told(self, what: str) -> list[str]:
        """Return a line a reason, the most frequent first: so many frames are `what`, and why."""
        ordered = sorted(self._found.values(), key=lambda reason: -reason.number)
        rest = sum(reason.number for reason in ordered[MOST:])
        return [
            *(
                f'{_frames(reason.number)} {what}: {reason.first}'
                + (' (the first of them)' if reason.several else '')
                for reason in ordered[:MOST]
            ),
            *([f'{_frames(rest)} {what} for other reasons'] if rest else []),
        ]


def _frames(number: int) -> str:
    return f'{number} frame' if number == 1 else f'{number} frames'

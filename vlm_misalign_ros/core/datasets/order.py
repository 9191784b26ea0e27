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

"""Which frames of a data set follow on each other, by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

_NUMBERED = re.compile(r'(.*?)(\d{1,18})')
_TIMED = re.compile(r'.*@\d{1,12}(\.\d+)?')


class Named(Protocol):
    """What tells where a frame stands; a FrameEntry is one."""

    @property
    def key(self) -> str:
        """Return the frame's unique name."""

    @property
    def sequence(self) -> str:
        """Return the drive or snippet that it belongs to."""


def numbered(key: str) -> tuple[str, int] | None:
    """Return the name before a frame's number, and that number; None for a key without one."""
    match = _NUMBERED.fullmatch(key)
    return (match[1], int(match[2])) if match else None


def follows(one: str, other: str) -> bool:
    """
    Return whether the second key is of the frame after the first.

    By the number at their ends (`drive_000019`, `drive_000020`), or by seconds (`drive@12.5`),
    where all that is between is told by time.
    """
    if _TIMED.fullmatch(one) and _TIMED.fullmatch(other):
        return True
    first, second = numbered(one), numbered(other)
    return first is not None and second == (first[0], first[1] + 1)


def has_sequences(entries: Sequence[Named]) -> bool:
    """Return whether any two labelled frames, in order, follow on each other in one sequence."""
    return any(
        one.sequence == other.sequence
        and follows(one.key, other.key)
        and getattr(one, 'labels', True) is not None
        and getattr(other, 'labels', True) is not None
        for one, other in pairwise(entries)
    )

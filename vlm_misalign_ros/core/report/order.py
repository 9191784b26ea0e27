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

"""The order in which people expect conditions, and names with numbers in them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from vlm_misalign_ros.core.corruptions import BLANK, CLEAN
from vlm_misalign_ros.core.report.summary import ALL

_FIRST = {CLEAN: 0, BLANK: 2, ALL: 3}
_DIGITS = re.compile(r'(\d+)')
Key = tuple[int, tuple[tuple[int, int, str], ...]]


def natural(name: str) -> Key:
    """
    Return what sorts conditions: clean, then by name and number, then blank, then the sum.

    `low_light:2` stands before `low_light:10`, and before `low_light:2+motion_blur:1`.
    """
    parts = _DIGITS.split(name)
    # Numbers of any length, by their value; what has no more parts stands first.
    return _FIRST.get(name, 1), tuple(
        (1, int(part), '') if place % 2 and len(part) < 19 else (0, 0, part)
        for place, part in enumerate(parts)
        if part
    )


def in_order(names: Iterable[str]) -> list[str]:
    """Return each name once, in natural order."""
    return sorted(dict.fromkeys(names), key=natural)

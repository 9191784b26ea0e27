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

"""Names and reasons as they are sent and written down: one line each, bounded."""

from __future__ import annotations

from collections.abc import Iterable

from vlm_misalign_ros.core.errors import MAX_REASON
from vlm_misalign_ros.core.language.bounding import clean_text

NO_REASON = 'no reason was told'
MOST_RECORDED = 16
"""Conditions that a data set may name of a picture."""
_RECORDED = 64
"""Characters of the name of one, and of its value."""


def line(text: str, length: int = 256) -> str:
    """Return a name as one line of bounded length that can be written and shown."""
    return clean_text(text[:length]).replace('\n', ' ').replace('\t', ' ')


def reason(text: str) -> str:
    """Return why there is nothing: MAX_REASON characters at most, and never empty."""
    return line(clean_text(text)[:MAX_REASON], MAX_REASON).strip() or NO_REASON


def recorded(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return conditions that a data set names as they are written down: lines, each name once."""
    found = {line(name, _RECORDED): line(value, _RECORDED) for name, value in pairs}
    return tuple(list(found.items())[:MOST_RECORDED])

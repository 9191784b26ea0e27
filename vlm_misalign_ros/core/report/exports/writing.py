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

"""What every export of a run writes: lists of JSON, answers as plain data, and what it counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO

from vlm_misalign_ros.core.records.schema import ModelEntry
from vlm_misalign_ros.core.types import Mention

LONGEST = 20_000
"""Characters of an answer that are written."""


@dataclass
class Exported:
    """What was written."""

    pictures: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    """Entries by file, or kind."""
    notes: list[str] = field(default_factory=list)


def bounded(text: str) -> str:
    """Return an answer as it is written: what is too long loses its middle."""
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f'{text[:half]}\u2026{text[-half:]}'


def said(entry: ModelEntry) -> dict[str, Any]:
    """Return what a model's answer came to, as plain data."""
    answer, score = entry.answer, entry.score
    if answer is None:
        return {'status': entry.status.value}
    return {
        'status': entry.status.value,
        'judgement': answer.judgement.value,
        'asserted': sorted(n for n, told in answer.mentions.items() if told is Mention.ASSERTED),
        'hallucinated': None if score is None else list(score.hallucinated),
        'omitted': None if score is None else list(score.omitted),
    }


class JsonList:
    """A list in a file of JSON, written an entry at a time."""

    def __init__(self, stream: TextIO, head: str = '') -> None:
        """Begin behind `head`."""
        self._stream, self._first = stream, True
        stream.write(f'{head}[')

    def add(self, entry: Mapping[str, Any]) -> None:
        """Write an entry."""
        self._stream.write(('\n' if self._first else ',\n') + json.dumps(entry))
        self._first = False

    def close(self, tail: str) -> None:
        """End the list, before `tail`."""
        self._stream.write(f'\n]{tail}')

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

"""What is said of the clean picture of a frame, in the message about the degraded one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from vlm_misalign_ros.core.checksums import LONGEST
from vlm_misalign_ros.core.errors import MAX_REASON, RecordError
from vlm_misalign_ros.core.language.bounding import clean_text
from vlm_misalign_ros.core.metrics.confusion import from_cells
from vlm_misalign_ros.core.types import AgainstClean, Description, Failed, Passed
from vlm_misalign_ros.wire.scalars import loads
from vlm_misalign_ros.wire.told import Values

CLEAN = 'clean'
"""The key of both messages."""
_LARGEST = 2**40
"""Pixels of a cell that no mask has."""


def clean_to_values(
    clean: Description | Failed | None, written: Callable[[Description | Failed], Values]
) -> Values:
    """Return the pair for the answer to the clean picture; `written` gives its own pairs."""
    if clean is None:
        return {}
    # The longest text that is kept has room in a value that is read, where quotes, backslashes and
    # ends of lines alone take two characters.
    return {CLEAN: json.dumps(written(clean), ensure_ascii=False)}


def clean_from_values(values: Mapping[str, str], read: Callable[[Mapping[str, str]], Any]) -> Any:
    """
    Return the answer to the clean picture, read as any other; None where there is none.

    RecordError for what is no answer, and for an answer within it.
    """
    found = loads(values, CLEAN, None)
    if found is None:
        return None
    sound = isinstance(found, dict) and all(isinstance(entry, str) for entry in found.values())
    if not sound or CLEAN in found:
        raise RecordError(
            f'message value {CLEAN!r} is {str(found)[:80]}', 'expected the values of one answer'
        )
    answer = read(found)
    return Failed(answer.reason) if isinstance(answer, Passed) else answer


def against_clean_to_values(told: AgainstClean | None) -> Values:
    """Return the pair for a mask held against that of the clean picture."""
    if told is None:
        return {}
    plain = {'cells': told.cells, 'image': told.image, 'error': clean_text(told.error)}
    return {CLEAN: json.dumps({**plain, 'error': plain['error'][:MAX_REASON]})}


def against_clean_of(values: Mapping[str, str]) -> AgainstClean | None:
    """Return how a mask stands to that of the clean picture; RecordError for what is none."""
    found = loads(values, CLEAN, None)
    if found is None:
        return None
    try:
        image, error = (str(found.get(name, '')) for name in ('image', 'error'))
        cells = tuple((int(a), int(b), int(count)) for a, b, count in found.get('cells', []))
        whole = all(0 <= count < _LARGEST for _, _, count in cells)
        if not whole or len({cell[:2] for cell in cells}) != len(cells):
            raise ValueError('cells')
        from_cells(cells)
    except (AttributeError, TypeError, ValueError, OverflowError) as wrong:
        raise RecordError(
            f'message value {CLEAN!r} is {str(found)[:80]}',
            'expected cells of a confusion matrix, each once',
        ) from wrong
    if len(image) > LONGEST or not image.isprintable():
        raise RecordError(f'message value {CLEAN!r} has the checksum {image[:80]!r}')
    return AgainstClean(cells, image, clean_text(error)[:MAX_REASON])

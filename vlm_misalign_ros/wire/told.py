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

"""What several kinds of messages tell: names, checksums, times, why there is nothing."""

from __future__ import annotations

from collections.abc import Mapping

from vlm_misalign_ros.core.checksums import LONGEST
from vlm_misalign_ros.core.errors import MAX_REASON, RecordError
from vlm_misalign_ros.core.language.bounding import clean_text
from vlm_misalign_ros.core.language.lines import NO_REASON
from vlm_misalign_ros.core.language.lines import line as line
from vlm_misalign_ros.core.types import Confidence, Description, Failed, Passed
from vlm_misalign_ros.wire.scalars import number

Values = dict[str, str]


def positive(found: float, key: str) -> float:
    """Return a number; RecordError for one below 0."""
    if found < 0:
        raise RecordError(f'message value {key!r} is {found}, below 0')
    return found


def checksum_of(values: Mapping[str, str], key: str) -> str:
    """Return a checksum, as one line of bounded length; empty where none was told."""
    return line(values.get(key, ''), LONGEST)


def failed_to_values(failed: Failed) -> Values:
    """Return the pairs of a message that comes in place of an answer or of a confidence."""
    return {'error': clean_text(failed.reason)[:MAX_REASON] or NO_REASON}


def passed_to_values(passed: Passed) -> Values:
    """Return the pairs of a message about a frame that its node left out on purpose."""
    return {'passed': clean_text(passed.reason)[:MAX_REASON] or NO_REASON}


def reason_of(values: Mapping[str, str], key: str) -> str:
    """Return why there is nothing; empty where there is. Blanks are no reason, but say so."""
    text = values.get(key, '')
    return (line(text, MAX_REASON).strip() or NO_REASON) if text else ''


def absent_of(values: Mapping[str, str]) -> Failed | Passed | None:
    """Return what comes in place of an answer or a confidence; None where that is there."""
    if reason := reason_of(values, 'error'):
        return Failed(reason)
    reason = reason_of(values, 'passed')
    return Passed(reason) if reason else None


def optional(seconds: float | None) -> str:
    """Return seconds as a value; empty where they are not known."""
    return '' if seconds is None else repr(seconds)


def delays(told: Description | Confidence) -> Values:
    """Return the pairs that say how long a picture waited, and how old it was by the end."""
    return {'waited': optional(told.waited), 'age': optional(told.age)}


def seconds_of(values: Mapping[str, str], key: str) -> float | None:
    """Return seconds; None where none were told, RecordError for what are none."""
    text = values.get(key, '')
    return positive(number(text, key), key) if text else None

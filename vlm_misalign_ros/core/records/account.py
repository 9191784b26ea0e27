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

"""The lines of records.jsonl beside the frames: what came late, twice or never, and the sums."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import msgspec

from vlm_misalign_ros.core.stamps import PATTERN

Stamp = Annotated[str, msgspec.Meta(pattern=PATTERN)]
"""Header time as records have it, seconds.nanoseconds."""


class Closing(str, Enum):
    """Why a frame was closed."""

    COMPLETE = 'complete'
    DEADLINE = 'deadline'
    OVERFLOW = 'overflow'
    RESET = 'reset'
    END = 'end'


class RunRecord(msgspec.Struct, frozen=True, tag_field='kind', tag='run', omit_defaults=True):
    """The first line: whose records these are."""

    schema: int
    name: str
    models: list[str]
    settings: str = ''
    """Hash of the settings of the evaluation that decide what the records say."""


class LateRecord(msgspec.Struct, frozen=True, tag_field='kind', tag='late'):
    """A part that came after its frame was closed without it."""

    stamp: Stamp
    part: str
    epoch: int = 0
    passed: bool = False
    """What came says that the frame was passed over."""


class DoubledRecord(msgspec.Struct, frozen=True, tag_field='kind', tag='doubled'):
    """
    A part that cannot be trusted: it came twice with other content, or is of another picture.

    It holds whether it stands before or behind the frame's own line: what was scored before is
    taken back by it. Where two publishers take turns with a part, it is told once.
    """

    stamp: Stamp
    part: str
    publishers: list[str]
    """Who sent the one and the other, as far as that is known."""
    count: int = 1
    """
    How many contents other than the first this part had by then. 0 where it came once, but two
    publishers take turns with such parts: the run is mixed, and the frame itself may be sound.
    """
    mismatch: bool = False
    """It came once, and is of another picture than the frame's condition or its kin."""
    epoch: int = 0
    run: str | None = None
    """The run that it was merged from."""


class GapRecord(msgspec.Struct, frozen=True, tag_field='kind', tag='gap'):
    """The monitor was started again: nobody saw what came meanwhile."""

    after: Stamp | None
    """Header time of the newest frame that was closed before; null where none was."""
    epoch: int
    seconds: float
    """From the last line before to the new start, by the time of day."""
    run: str | None = None
    """The run that it was merged from."""


class OffsetEntry(msgspec.Struct, frozen=True):
    """Ground truth that lies beside its pictures."""

    pictures: int
    """Frames."""
    beside: int
    """Of them, those without this part, but with one within half a second that has no picture."""
    agreeing: int
    """Of these, those whose offset is within a millisecond (or a tenth) of the median."""
    seconds: float
    """The median offset; positive where the truth is later than the picture."""


class AccountingRecord(msgspec.Struct, frozen=True, tag_field='kind', tag='accounting'):
    """
    The last line: what became of everything.

    Where the monitor was started again, `join` and `frames` are those since.
    """

    parts: dict[str, dict[str, int]]
    """Frames by status, for each model and the segmentation."""
    join: dict[str, int]
    """Parts: received, `repeated` with the same content, `doubled` with other content, late."""
    frames: dict[str, int]
    """Stamps by why they were closed; `truth_without_picture`; `time_jumps`; `malformed`."""
    period: float | None = None
    """Seconds between pictures; null where their stamps have no period."""
    estimated_lost: int | None = None
    """Pictures that never came, by the gaps in their stamps; null where they have no period."""
    offsets: dict[str, OffsetEntry] = msgspec.field(default_factory=dict)
    """Ground truth that lies beside its pictures, by part."""

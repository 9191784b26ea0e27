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

"""
What became of each frame after all: a later line of a record file can take back an earlier one.

The file is only ever appended to, so a frame that was scored before it was seen to be doubled
stays as it was written; whoever reads the records gets it as it stands in the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from msgspec import structs

from vlm_misalign_ros.core.records.account import DoubledRecord
from vlm_misalign_ros.core.records.schema import FrameRecord, Record, Status

_ANSWER = 'vlm:'
_MASK = ('segmentation', 'confidence')
_PICTURE = ('condition', 'image', 'source', 'source_image')
_NOBODY = ('recorder',)
TWICE = 'this stamp has several frames'
"""The problem of frames with one stamp that the join had forgotten when the second one came."""


@dataclass
class _Fault:
    """What is known of the doubled parts of one stamp."""

    answers: set[str] = field(default_factory=set)
    mask: bool = False
    shared: bool = False
    pictures: int = 1


class Settlement:
    """The lines that take something back, gathered in one pass, applied to frames in another."""

    def __init__(self) -> None:
        """Start with nothing taken back."""
        self._faults: dict[tuple[str | None, int, str], _Fault] = {}
        self._seen: set[tuple[str | None, int, str]] = set()
        self._twice: set[tuple[str | None, int, str]] = set()

    def __bool__(self) -> bool:
        """Return whether anything is taken back."""
        return bool(self._faults or self._twice)

    def note(self, record: Record) -> None:
        """Take up one record of the first pass."""
        if isinstance(record, DoubledRecord) and record.count and not record.mismatch:
            self._note_doubled(record)
        elif isinstance(record, FrameRecord):
            self.note_frame(record.run, record.epoch, record.stamp)

    def note_frame(self, run: str | None, epoch: int, stamp: str) -> None:
        """Take up that there is a frame."""
        key = (run, epoch, stamp)
        if key in self._seen:
            self._twice.add(key)
        self._seen.add(key)

    def _note_doubled(self, record: DoubledRecord) -> None:
        part = record.part
        fault = self._faults.setdefault((record.run, record.epoch, record.stamp), _Fault())
        if part.startswith(_ANSWER):
            fault.answers.add(part.removeprefix(_ANSWER))
        elif part in _MASK:
            fault.mask = True
        elif part not in _NOBODY:
            fault.shared = True
        if part in _PICTURE:
            fault.pictures = max(fault.pictures, 1 + record.count)

    def apply(self, record: FrameRecord) -> FrameRecord:
        """Return a frame as it stands in the end."""
        key = (record.run, record.epoch, record.stamp)
        fault = self._faults.get(key)
        if key in self._twice:
            fault = _Fault(shared=True, pictures=fault.pictures if fault else 1)
            record = structs.replace(record, problem=record.problem or TWICE)
        if fault is None:
            return record
        models = {
            name: structs.replace(entry, status=Status.DOUBLED, score=None)
            if fault.shared or name in fault.answers
            else entry
            for name, entry in record.models.items()
        }
        segmentation = record.segmentation
        asked = segmentation.status is not Status.NOT_ASKED
        if asked and (fault.shared or fault.mask):
            segmentation = structs.replace(
                segmentation, status=Status.DOUBLED, frame_iou=None, cells=[]
            )
        return structs.replace(
            record,
            models=models,
            segmentation=segmentation,
            truth=None if fault.shared else record.truth,
            pictures=max(record.pictures, fault.pictures),
        )


def settle(records: Iterable[Record]) -> Iterator[Record]:
    """Yield records in their order, each frame as it stands in the end; all are held at once."""
    held = list(records)
    settlement = Settlement()
    for record in held:
        settlement.note(record)
    for record in held:
        yield settlement.apply(record) if isinstance(record, FrameRecord) else record

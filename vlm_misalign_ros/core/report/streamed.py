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

"""What the page says of records that stream by: how many, what was lost and why, the worst."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from vlm_misalign_ros.core.evaluation.parts import SEGMENTATION
from vlm_misalign_ros.core.records.account import DoubledRecord, LateRecord
from vlm_misalign_ros.core.records.schema import FrameRecord, Record, Status
from vlm_misalign_ros.core.report.worst_frames import WorstFrames

DISTINCT = 200
"""Reasons that are kept apart; what differs in more, as texts with stamps do, is summed."""
OTHER = 'another reason'
_LONGEST = 300

Reason = tuple[str, str, str]
"""Model (or `segmentation`), state and reason."""


class Streamed:
    """Counts that grow as records stream by; of frames, those that are shown are kept."""

    def __init__(self, folder: Path) -> None:
        """Look at the records of a run folder."""
        self.worst = WorstFrames(folder)
        self.frames = self.late = self.doubled = 0
        self.masks: Counter[Status] = Counter()
        self.reasons: Counter[Reason] = Counter()

    @classmethod
    def of(cls, folder: Path, records: Iterable[Record]) -> Streamed:
        """Look at all records."""
        seen = cls(folder)
        for record in records:
            seen.add(record)
        return seen

    def add(self, record: Record) -> None:
        """Count a record, and keep it where it may be shown."""
        self.worst.add(record)
        self.late += isinstance(record, LateRecord) and not record.passed
        self.doubled += isinstance(record, DoubledRecord)
        if not isinstance(record, FrameRecord):
            return
        self.frames += record.pictures
        mask = record.segmentation
        self.masks[mask.status] += record.pictures
        self._why(SEGMENTATION, mask.status, mask.error or mask.problem or record.problem)
        for name, entry in record.models.items():
            self._why(name, entry.status, entry.error or entry.problem or record.problem)

    def _why(self, name: str, status: Status, reason: str | None) -> None:
        if status in (Status.SCORED, Status.NOT_ASKED):
            return
        key = (name, status.value, (reason or 'nothing told why')[:_LONGEST])
        if key not in self.reasons and len(self.reasons) >= DISTINCT:
            key = (name, status.value, OTHER)
        self.reasons[key] += 1

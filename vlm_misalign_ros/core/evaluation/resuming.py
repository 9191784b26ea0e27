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

"""A monitor that is started again goes on with the records of its run."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.evaluator import Evaluated
from vlm_misalign_ros.core.evaluation.worst import errors_of
from vlm_misalign_ros.core.metrics.confusion import from_cells
from vlm_misalign_ros.core.records.account import AccountingRecord, GapRecord
from vlm_misalign_ros.core.records.ending import ENDING
from vlm_misalign_ros.core.records.schema import FrameRecord, Record, RunRecord, Status
from vlm_misalign_ros.core.records.store import RECORDS, read_records
from vlm_misalign_ros.core.settings.nodes import FREE, EvaluationParameters
from vlm_misalign_ros.core.settings.parameters import table
from vlm_misalign_ros.core.stamps import format_stamp


def fingerprint(parameters: EvaluationParameters) -> str:
    """Return a hash of the parameters that decide what the records of a run say."""
    values = {
        entry.name: getattr(parameters, entry.name)
        for entry in table(EvaluationParameters)
        if entry.name not in FREE
    }
    text = json.dumps(values, sort_keys=True, default=list)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Former:
    """The records of a run that was cut off, to be gone on with."""

    path: Path
    seconds: float
    """Since the last line was written, by the time of day."""

    def records(self) -> Iterator[Record]:
        """Yield them as they stand in the end; a last line that was cut off is left out."""
        return read_records(self.path)


def former(folder: Path | None, run: RunRecord) -> Former | None:
    """
    Return what a monitor that was cut off has left in the folder of `run`; None for nothing.

    None, too, for a run that has ended, whose records are nobody's to go on with. Raises
    RecordError where the records are of another run: other models, another name, other settings.
    """
    if folder is None or not (folder / RECORDS).is_file() or (folder / ENDING).exists():
        return None
    path = folder / RECORDS
    first: Record | None = None
    last: Record | None = None
    for record in read_records(path):
        first = record if first is None else first
        last = record
    if first is None:
        # Cut off before its first line was whole.
        return Former(path, 0.0)
    if isinstance(last, AccountingRecord):
        return None
    if first != run:
        raise RecordError(
            f'{path} is of a run with {_differing(first, run)}',
            'give the settings of that run, to go on with it, or choose another run folder',
        )
    return Former(path, max(time.time() - path.stat().st_mtime, 0.0))


def _differing(first: Record, run: RunRecord) -> str:
    if not isinstance(first, RunRecord):
        return 'another first line'
    if first.name != run.name:
        return f'the name {first.name[:80]!r}'
    if first.models != run.models:
        return 'the models ' + (', '.join(first.models)[:200] or 'none')
    return 'other settings of the evaluation'


def evaluated(record: FrameRecord) -> Evaluated:
    """Return a frame's record with what the sums need of it, as when it was evaluated."""
    mask = record.segmentation
    whole = visible = None
    if mask.status is Status.SCORED:
        whole = from_cells(mask.cells)
        visible = whole if mask.cells_visible is None else from_cells(mask.cells_visible)
    counts = {name: entry.score.counts for name, entry in record.models.items() if entry.score}
    return Evaluated(record, counts, whole, visible, errors_of(record))


def gap(newest: int | None, epoch: int, seconds: float) -> GapRecord:
    """Return the line that says that nobody saw what came behind the newest frame, for a while."""
    return GapRecord(None if newest is None else format_stamp(newest), epoch, round(seconds, 3))

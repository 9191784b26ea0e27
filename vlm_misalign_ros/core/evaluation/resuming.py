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
An evaluation that is started again goes on with the records of its run.

A monitor takes up what its records tell: nobody sends again what came before. The analysis of a
bag reads all of it again, and takes from the records what was scored (`is_of`).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlm_misalign_ros.core.evaluation.clean import only_of_its_own
from vlm_misalign_ros.core.evaluation.evaluator import Evaluated
from vlm_misalign_ros.core.evaluation.join import Joined
from vlm_misalign_ros.core.evaluation.parts import CONDITION, IMAGE, SOURCE, vlm_part
from vlm_misalign_ros.core.evaluation.worst import errors_of
from vlm_misalign_ros.core.metrics.confusion import from_cells
from vlm_misalign_ros.core.records.account import AccountingRecord, GapRecord
from vlm_misalign_ros.core.records.ending import ENDING
from vlm_misalign_ros.core.records.manifest import OtherRun
from vlm_misalign_ros.core.records.schema import (
    AnswerEntry,
    FrameRecord,
    Record,
    RunRecord,
    Status,
)
from vlm_misalign_ros.core.records.store import (
    RECORDS,
    FollowingWriter,
    RecordWriter,
    read_records,
)
from vlm_misalign_ros.core.settings.nodes import FREE, EvaluationParameters
from vlm_misalign_ros.core.settings.parameters import table
from vlm_misalign_ros.core.stamps import format_stamp
from vlm_misalign_ros.core.types import Applied, Description, Failed, Passed, Source


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
        raise _of_another(path, first, run)
    return Former(path, max(time.time() - path.stat().st_mtime, 0.0))


def open_records(
    folder: Path | None, run: RunRecord, resume: bool, follow: bool
) -> RecordWriter | None:
    """
    Return what writes the records of `run` into its folder; None without one.

    With `resume` behind those that are there, with `follow` over them, where there are any.
    RecordError where they cannot be written, or are of another run.
    """
    if folder is None:
        return None
    path = folder / RECORDS
    if not follow or not path.is_file():
        return RecordWriter(path, resume)
    writer = FollowingWriter(path)
    if writer.expected is not None and writer.expected != run:
        writer.close()
        raise _of_another(path, writer.expected, run)
    return writer


def is_of(record: Record | None, joined: Joined, epoch: int, models: Sequence[str]) -> bool:
    """
    Return whether a record that stands is that of a closed frame, by all that shows unscored.

    That is stamp, how it was closed and what it lacks, which frame it is, under which condition,
    and every answer, word by word.
    """
    if not isinstance(record, FrameRecord):
        return False
    closed = (record.stamp, record.epoch, record.closed, record.missing, record.pictures)
    heard, parts = joined.heard, only_of_its_own(joined, models).parts
    found = (
        format_stamp(joined.stamp), epoch, joined.reason, list(joined.missing), heard.pictures
    )  # fmt: skip
    source: Source | None = parts[SOURCE][0] if SOURCE in parts else None
    frame = (record.index, record.dataset, record.sequence, record.key, record.cycle)
    known = source and (source.index, source.dataset, source.sequence, source.key, source.cycle)
    applied: Applied | None = parts.get(CONDITION)
    made = (record.condition.name, record.condition.seed)
    degraded = applied and (applied.condition.name, applied.seed)
    image = applied.image if applied else ''
    return (
        closed == found
        and record.offsets == heard.seconds_beside()
        and known in (None, frame)
        and degraded in (None, made)
        and record.image in (None, image or heard.contents.get(IMAGE))
        and list(record.models) == list(models)
        and all(
            entry.answer == _said(parts.get(vlm_part(name)))
            for name, entry in record.models.items()
        )
    )


def _said(answer: Description | Failed | Passed | None) -> AnswerEntry | None:
    said = isinstance(answer, Description) and not answer.empty
    return AnswerEntry.of(answer) if said and isinstance(answer, Description) else None


def _of_another(path: Path, first: Record, run: RunRecord) -> OtherRun:
    return OtherRun(
        f'{path} is of a run with {_differing(first, run)}',
        'give the settings of that run, to go on with it, or choose another run folder',
    )


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

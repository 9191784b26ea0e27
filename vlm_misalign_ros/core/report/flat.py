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

"""records.parquet: one line a frame and model, written some thousand lines at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vlm_misalign_ros.core.evaluation.parts import vlm_part
from vlm_misalign_ros.core.labels.classes import CLASSES, SCORED
from vlm_misalign_ros.core.metrics.counts import FIELDS
from vlm_misalign_ros.core.records.schema import FrameRecord, ModelEntry, Record, Status
from vlm_misalign_ros.core.report.asked import Asked
from vlm_misalign_ros.core.report.columns import ANSWER, FRAME, MASK, SCHEMA
from vlm_misalign_ros.core.report.table import hits_and_unions, sound
from vlm_misalign_ros.core.types import Presence

FLAT = 'records.parquet'
"""The name of the table in a run folder."""
VERSION = 2
"""Of its columns. 2: lists in place of JSON, conditions, latencies, IoU by class, asks."""
MARK = b'vlm_misalign_ros'
"""Key of the metadata that tells the version."""
Late = Mapping[tuple[int, str, str], Status]
"""What became of a part that came after its frame, by epoch, stamp and part."""

_LINES = 250
"""Lines that are held as Python objects."""
_GROUP = 8000
"""Lines of a row group, which is held in columns."""
_NO_COUNTS = (None,) * len(FIELDS)


def write_flat(
    path: Path, records: Iterable[Record], asked: Asked | None = None, late: Late | None = None
) -> None:
    """
    Write one line a frame and model; one without a model for a frame that none was asked about.

    Parquet with the columns of `columns.SCHEMA`. Records are not kept. Raises RecordError for a
    frame that makes no sense, and OSError when the disk refuses.
    """
    lines = _Lines(asked or Asked(), late or {})
    schema = SCHEMA.with_metadata({MARK: json.dumps({'table': VERSION}).encode()})
    with pq.ParquetWriter(path, schema, compression='zstd') as writer:
        held: list[pa.RecordBatch] = []

        def write() -> None:
            writer.write_table(pa.Table.from_batches(held, schema))
            held.clear()

        for record in records:
            if not isinstance(record, FrameRecord):
                continue
            with sound(record):
                lines.add(record)
            if len(lines) >= _LINES:
                held.append(lines.batch(schema))
                if sum(batch.num_rows for batch in held) >= _GROUP:
                    write()
        held.append(lines.batch(schema))
        write()


class _Lines:
    """Some lines as Python objects."""

    def __init__(self, asked: Asked, late: Late) -> None:
        self._asked, self._late = asked, late
        self._lines: list[tuple[Any, ...]] = []

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, record: FrameRecord) -> None:
        """Add the lines of one frame."""
        shared = (*(_plain(column.of(record)) for column in FRAME), *_of_mask(record))
        told: list[tuple[str | None, ModelEntry | None]] = [*record.models.items()]
        for name, entry in told or [(None, None)]:
            named = _named(record, name, entry, self._asked, self._late)
            self._lines.append((*shared, *named, *_of_answer(entry)))

    def batch(self, schema: pa.Schema) -> pa.RecordBatch:
        """Return the lines, and forget them."""
        columns = list(zip(*self._lines, strict=True)) or [()] * len(schema)
        self._lines.clear()
        arrays = [
            pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _of_answer(entry: ModelEntry | None) -> tuple[Any, ...]:
    """Return the values of columns.ANSWER and the counts."""
    if entry is None:
        return (None,) * (len(ANSWER) + len(FIELDS))
    counts = entry.score.counts.values() if entry.score else _NO_COUNTS
    return (*(_plain(column.of(entry)) for column in ANSWER), *counts)


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def _of_mask(record: FrameRecord) -> list[Any]:
    """Return the values of columns.MASK: IoU by class, hits and unions."""
    if record.segmentation.status is not Status.SCORED:
        return [None] * len(MASK)
    found = hits_and_unions(record.segmentation)
    hits, unions = found[: len(CLASSES)], found[len(CLASSES) :]
    ious = [hit / union if union else None for hit, union in zip(hits, unions, strict=True)]
    return [*ious, hits, unions]


def _named(
    record: FrameRecord, name: str | None, entry: ModelEntry | None, asked: Asked, late: Late
) -> tuple[Any, ...]:
    """Return the values of columns.NAMED."""
    own = entry.score.presence if entry and entry.score else None
    states = own or (record.truth.presence if record.truth else None)
    truths = [
        None if states is None else [key for key in SCORED if states.get(key) is state]
        for state in (Presence.REQUIRED, Presence.TOLERATED, Presence.ABSENT)
    ]
    if name is None or entry is None:
        return (None, None, None, None, *truths, None, None, None, None)
    status, timing = entry.status, record.timing
    if status is Status.MISSING:
        status = late.get((record.epoch, record.stamp, vlm_part(name)), status)
    return (
        name,
        *asked.of(name),
        status.value,
        *truths,
        *(
            seconds.get(name)
            for seconds in (timing.model_seconds, timing.queue_seconds, timing.result_seconds)
        ),
        name in timing.cached,
    )

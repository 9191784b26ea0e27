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
The records of a run scored again: piece by piece of the file, in one process or several.

The pieces come out in their order, whoever scored them: the files are the same to the byte.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from vlm_misalign_ros.app.rescoring_settings import Chosen
from vlm_misalign_ros.app.workers import Work, Workers
from vlm_misalign_ros.core.corruptions.conditions import BLANK
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.evaluation.rescoring import Change
from vlm_misalign_ros.core.evaluation.resuming import fingerprint
from vlm_misalign_ros.core.metrics.counts import Counts
from vlm_misalign_ros.core.metrics.rates import HEADLINES, rates
from vlm_misalign_ros.core.records.account import LateRecord
from vlm_misalign_ros.core.records.schema import (
    FrameRecord,
    Record,
    RunRecord,
    Status,
    decode,
    encode,
)
from vlm_misalign_ros.core.records.store import RECORDS, RecordWriter, settled_lines
from vlm_misalign_ros.core.report.asked import Asked
from vlm_misalign_ros.core.report.audit.showing import cell

CHANGED = 'changed.jsonl'
CHANGED_CSV = 'changed.csv'
COLUMNS = (
    'run', 'dataset', 'sequence', 'frame', 'condition', 'pass', 'stamp', 'epoch', 'model', 'ask',
    'text', 'before', 'after', 'why',
)  # fmt: skip
"""Of the list of changed answers."""
_PIECE = 1 << 20
"""Bytes of records that are scored at once."""
_WORTH = 1 << 24
"""Bytes of records from which on another process saves more than it takes to begin."""

_Line = tuple[str, bytes]
"""Where a line of records stands, and the line."""


@dataclass
class Told:
    """What a rescore did, for the terminal."""

    folder: Path
    answers: int = 0
    changed: Counter[str] = field(default_factory=Counter)
    """Answers by the name of the ask."""
    why: Counter[str] = field(default_factory=Counter)
    before: dict[str, Counts] = field(default_factory=dict)
    """Sums by the name of the ask, the blank control left out."""
    after: dict[str, Counts] = field(default_factory=dict)
    settings: dict[str, list[Any]] = field(default_factory=dict)
    unknown_scores: int = 0

    def take(self, other: Told) -> None:
        """Take in what was done behind this."""
        self.answers += other.answers
        self.unknown_scores += other.unknown_scores
        self.changed.update(other.changed)
        self.why.update(other.why)
        for mine, theirs in ((self.before, other.before), (self.after, other.after)):
            for name, counts in theirs.items():
                mine[name] = mine.get(name, Counts()) + counts

    def lines(self) -> Iterator[str]:
        """Yield what is shown on the terminal."""
        for name, (old, new) in self.settings.items():
            yield f'{name}: {_short(old)} -> {_short(new)}'
        total = sum(self.changed.values())
        why = ', '.join(f'{name} {count}' for name, count in self.why.most_common())
        yield f'{total} of {self.answers} answers changed' + (f' ({why})' if why else '')
        for name, after in self.after.items():
            old, new = rates(self.before[name]), rates(after)
            moved = [
                f'{row.name} {_shown(old[row.name].value)} -> {_shown(new[row.name].value)}'
                for row in HEADLINES
                if _shown(old[row.name].value) != _shown(new[row.name].value)
            ]
            yield f'  {name}: {self.changed[name]} changed; ' + ('; '.join(moved) or 'same rates')
        if self.unknown_scores:
            yield (
                f'{self.unknown_scores} likelihoods of mentions are left out: of which words they '
                'were cannot be told'
            )


def _shown(value: float) -> str:
    return f'{value:.4f}'


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + '...'


class Scored(NamedTuple):
    """What became of some records."""

    records: bytes
    changed: bytes
    """Of the list of changed answers, lines of JSON."""
    sheet: str
    """The same as CSV."""
    told: Told
    frames: int


def score_records(
    records: Path,
    part: Path,
    chosen: Chosen,
    models: Sequence[str],
    told: Told,
    progress: Callable[[int], None] = lambda frames: None,
    jobs: int | None = None,
) -> None:
    """
    Write the records anew, and the list of the answers that changed.

    In `jobs` processes; None: in as many as there are processors and enough records for.
    """
    number, frames = jobs or _worth(records), 0
    work = _here if number == 1 else _spawned
    with (
        closing(work(_Again(chosen, models), _pieces(settled_lines(records)), number)) as made,
        closing(RecordWriter(part / RECORDS)) as writer,
        open(part / CHANGED, 'wb') as lines,
        open(part / CHANGED_CSV, 'w', encoding='utf-8', newline='') as sheet,
    ):
        csv.writer(sheet).writerow(COLUMNS)
        for found in made:
            writer.write_lines(found.records)
            lines.write(found.changed)
            sheet.write(found.sheet)
            told.take(found.told)
            frames += found.frames
            progress(frames)


def _worth(records: Path) -> int:
    """Return how many processes a file of records is worth, of the processors that there are."""
    # Who reads the file says what is wrong with it.
    size = records.stat().st_size if records.is_file() else 0
    return min(len(os.sched_getaffinity(0)), 1 + size // _WORTH)


def _pieces(lines: Iterator[_Line]) -> Iterator[list[_Line]]:
    """Yield lines by pieces of about a megabyte."""
    piece: list[_Line] = []
    size = 0
    for place, line in lines:
        piece.append((place, line))
        size += len(line)
        if size >= _PIECE:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


class _Again:
    """Scores pieces again, one after the other."""

    def __init__(self, chosen: Chosen, models: Sequence[str]) -> None:
        self._chosen = chosen
        self._models = models
        self._asked = Asked(chosen.manifest)

    def __call__(self, piece: Sequence[_Line]) -> Scored:
        """Return what becomes of a piece; errors as `Rescorer.rescored` and `decode`."""
        rescorer, told = self._chosen.rescorer, Told(Path())
        rescorer.answers = 0
        if rescorer.rereader is not None:
            rescorer.rereader.unknown_scores = 0
        records, lines, sheet = bytearray(), bytearray(), io.StringIO(newline='')
        table, frames = csv.writer(sheet), 0
        found = (decode(line, place) for place, line in piece)
        for record in _chosen(found, self._models, self._chosen):
            if isinstance(record, FrameRecord):
                made, changes = rescorer.rescored(record)
                _add(told, record, made, changes)
                for change in changes:
                    row = _row(record, change, self._asked)
                    lines += msgspec.json.encode(row) + b'\n'
                    table.writerow([_cell(row[name]) for name in COLUMNS])
                frames += 1
                record = made
            records += encode(record) + b'\n'
        told.answers = rescorer.answers
        if rescorer.rereader is not None:
            told.unknown_scores = rescorer.rereader.unknown_scores
        return Scored(bytes(records), bytes(lines), sheet.getvalue(), told, frames)


def _chosen(records: Iterator[Record], models: Sequence[str], chosen: Chosen) -> Iterator[Record]:
    """Yield the records with the models that are scored again alone."""
    for record in records:
        if isinstance(record, RunRecord):
            yield _run_record(record, models, chosen)
        elif not models:
            yield record
        elif isinstance(record, FrameRecord):
            kept = {name: entry for name, entry in record.models.items() if name in models}
            yield msgspec.structs.replace(record, models=kept)
        elif not isinstance(record, LateRecord) or record.part in models:
            yield record


def _run_record(record: RunRecord, models: Sequence[str], chosen: Chosen) -> RunRecord:
    """Return the first line of the new records; ConfigurationError for models not in the run."""
    for name in models:
        if name not in record.models:
            raise ConfigurationError(
                f'the run has no model {name!r}', 'it has ' + ', '.join(record.models)
            )
    if chosen.before == chosen.after and not models:
        return record
    names = [name for name in record.models if not models or name in models]
    after = dataclasses.replace(chosen.after, models=tuple(names))
    told = fingerprint(after) if record.settings else ''
    return msgspec.structs.replace(record, models=names, settings=told)


def _add(told: Told, record: FrameRecord, made: FrameRecord, changes: Sequence[Change]) -> None:
    for change in changes:
        told.changed[change.name] += 1
        told.why.update(change.why)
    if record.condition.corruption == BLANK:
        return
    for name, entry in made.models.items():
        before = record.models[name].score
        if entry.status is not Status.SCORED or entry.score is None or before is None:
            continue
        told.before[name] = told.before.get(name, Counts()) + before.counts
        told.after[name] = told.after.get(name, Counts()) + entry.score.counts


def _row(record: FrameRecord, change: Change, asked: Asked) -> dict[str, Any]:
    """Return a line of the list of changed answers."""
    model, ask = asked.of(change.name)
    return {
        'run': record.run,
        'dataset': record.dataset,
        'sequence': record.sequence,
        'frame': record.key,
        'condition': record.condition.name,
        'pass': record.cycle,
        'stamp': record.stamp,
        'epoch': record.epoch,
        'model': model,
        'ask': ask,
        'text': change.text,
        'before': change.before,
        'after': change.after,
        'why': list(change.why),
    }


def _cell(value: Any) -> Any:
    """Return a value for a cell of a sheet: text that is no formula, mappings in words."""
    if isinstance(value, Mapping):
        value = '; '.join(f'{name}: {_told(entry)}' for name, entry in value.items())
    elif isinstance(value, list):
        value = ', '.join(map(str, value))
    return cell(value) if isinstance(value, str) else value


def _told(entry: Any) -> str:
    if isinstance(entry, list):
        return ', '.join(map(str, entry)) or 'none'
    return '-' if entry is None else str(entry)


# One process or several ------------------------------------------------------------------------

_Made = Generator[Scored, None, None]


def _here(score: _Again, pieces: Iterator[list[_Line]], number: int) -> _Made:
    """Yield what becomes of pieces, in this process."""
    yield from map(score, pieces)


def _spawned(score: _Again, pieces: Iterator[list[_Line]], number: int) -> _Made:
    """
    Yield what becomes of pieces, in their order, from so many processes.

    Raises what `score` raises in them, and RecordError where one was ended from outside.
    """
    workers = Workers(partial(_work, score), 'the rescore', 'fewer --jobs need less memory')
    # Each has one piece in hand, and the one that began first is heard first.
    busy: deque[Connection] = deque()
    try:
        for piece in pieces:
            if len(busy) < number:
                worker, found = workers.start(), None
            else:
                worker = busy.popleft()
                found = workers.heard(worker)
            workers.give(worker, piece)
            busy.append(worker)
            # It works on while this is written.
            if found is not None:
                yield found
        while busy:
            yield workers.heard(busy.popleft())
    finally:
        workers.end()


def _work(score: _Again) -> Work:
    """Return what a process does with each piece."""
    return lambda piece: (score(piece),)

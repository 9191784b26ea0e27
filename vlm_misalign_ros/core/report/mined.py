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
Answers that failed while the segmentation held, as data for training: Parquet and pictures.

A folder that the library datasets of Hugging Face reads: the tables as Parquet, the pictures as an
image folder, and a data card that says what they are.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vlm_misalign_ros.core.errors import ConfigurationError, MisalignError, RecordError
from vlm_misalign_ros.core.evaluation.again import Again
from vlm_misalign_ros.core.records.pictures import picture_name
from vlm_misalign_ros.core.records.reference import reference_of
from vlm_misalign_ros.core.records.schema import FrameRecord
from vlm_misalign_ros.core.report.exports.pictures import write_picture
from vlm_misalign_ros.core.report.mined_card import card
from vlm_misalign_ros.core.report.mined_rows import FRAME_COLUMNS, SCHEMA, Names, columns, row_of
from vlm_misalign_ros.core.report.mining import Found, Funnel, scene_name
from vlm_misalign_ros.core.stamps import parse_stamp

SPLITS = ('train', 'test')
ANSWERS, PICTURES, CLEAN = 'answers', 'pictures', 'clean'
"""Folders of the tables, of the degraded pictures and of the clean ones."""
PICTURE_KINDS = ('png', 'jpg', 'none')


@dataclass(frozen=True)
class Layout:
    """How the folder is made."""

    picture: str = 'png'
    """Kind of the pictures, one of PICTURE_KINDS; png loses nothing, jpg is smaller."""
    test: float = 0.2
    """Share of the scenes whose answers are kept for testing."""
    seed: int = 0
    """Of the split."""

    def __post_init__(self) -> None:
        """Raise ConfigurationError for what will not do."""
        if not 0 <= self.test < 1:
            raise ConfigurationError(f'the share for testing is {self.test!r}', 'allowed: 0 to <1')
        if self.picture not in PICTURE_KINDS:
            raise ConfigurationError(
                f'there are no pictures {self.picture!r:.60}', 'known: ' + ', '.join(PICTURE_KINDS)
            )

    def split_of(self, scene: str) -> str:
        """Return the split of a scene: the same for all of its frames, models and runs."""
        digest = blake2b(f'{self.seed}|{scene}'.encode()).digest()
        return SPLITS[int.from_bytes(digest[:8], 'big') < self.test * 2**64]


@dataclass
class Written:
    """What was written."""

    funnel: Funnel = field(default_factory=Funnel)
    answers: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
    right: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
    """Those of them that were right, and stand beside the failures."""
    pictures: int = 0
    scenes: set[str] = field(default_factory=set)
    lacking: int = 0
    """Pictures that could not be made again."""
    why: str = ''
    """Why the first of them could not be."""

    def told(self) -> str:
        """Return the answers of each split in words."""
        right = {name: f' ({n} right)' if n else '' for name, n in self.right.items()}
        return ', '.join(f'{name} {count}{right[name]}' for name, count in self.answers.items())


def write_mined(
    out: Path,
    found: Iterator[Found],
    layout: Layout,
    manifest: Mapping[str, Any],
    told: Callable[[], tuple[str, Funnel]],
    open_again: Callable[[], Again],
) -> Written:
    """
    Write what was found into a folder, whole or not at all; return what is in it.

    `told` gives the definition and the counts once all was found; `open_again` opens the data set
    for the pictures. Raises RecordError where the folder is there or cannot be written, and where
    nothing was found.
    """
    if not out.name or out.name == '..':
        raise RecordError(f'{str(out)!r} is no name of a folder', 'give the folder to write')
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RecordError(f'{out} exists', 'give a folder that does not, or is empty')
    # Of this process alone: what is removed in the end is nobody else's.
    partial = out.with_name(f'.{out.name}.part-{os.getpid()}')
    shutil.rmtree(partial, ignore_errors=True)
    writing = _Writing(partial, layout, open_again)
    try:
        partial.mkdir(parents=True)
        for one in found:
            writing.add(one)
        writing.close()
        definition, funnel = told()
        writing.done.funnel = funnel
        if not sum(writing.done.answers.values()):
            raise RecordError(
                f'nothing was found: {funnel.told()}',
                'ask for less: --kept, --frame-iou, --class-iou, --kinds, --covered',
            )
        text = card(manifest, definition, writing.done, layout, columns(), reference_of(manifest))
        (partial / 'README.md').write_text(text, encoding='utf-8')
        if out.is_dir():
            out.rmdir()
        partial.rename(out)
    except OSError as error:
        raise RecordError(
            f'{out} cannot be written: {error.strerror}', 'free space or choose another folder'
        ) from error
    finally:
        writing.abandon()
        shutil.rmtree(partial, ignore_errors=True)
    return writing.done


class _Writing:
    """The tables and pictures while they are written."""

    def __init__(self, folder: Path, layout: Layout, open_again: Callable[[], Again]) -> None:
        self._folder = folder
        self._layout = layout
        self._open = open_again
        self._again: Again | MisalignError | None = None
        self._tables: dict[str, pq.ParquetWriter] = {}
        self._frame: FrameRecord | None = None
        self._of_frame: list[Found] = []
        self.done = Written()

    def add(self, found: Found) -> None:
        """Take one answer up; those of a frame come one after the other."""
        if self._frame is not None and found.record is not self._frame:
            self._flush()
        self._frame = found.record
        self._of_frame.append(found)

    def close(self) -> None:
        self._flush()
        self.abandon()

    def abandon(self) -> None:
        """Close the tables."""
        for table in self._tables.values():
            table.close()
        self._tables.clear()

    def _table(self, split: str) -> pq.ParquetWriter:
        if split not in self._tables:
            path = self._folder / ANSWERS / f'{split}.parquet'
            path.parent.mkdir(exist_ok=True)
            self._tables[split] = pq.ParquetWriter(path, SCHEMA, compression='zstd')
        return self._tables[split]

    def _flush(self) -> None:
        """Write the answers of one frame, and its pictures."""
        record, answers = self._frame, self._of_frame
        if record is None:
            return
        scene = scene_name(record)
        split = self._layout.split_of(scene)
        names = self._pictures(record, split)
        rows = [row_of(found, split, scene, names) for found in answers]
        self._table(split).write_batch(pa.RecordBatch.from_pylist(rows, SCHEMA))
        if names.degraded:
            self._metadata(split, names.degraded, rows)
        self.done.answers[split] += len(rows)
        self.done.right[split] += sum(not found.failed for found in answers)
        self.done.scenes.add(scene)
        self._frame, self._of_frame = None, []

    def _metadata(self, split: str, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        shared = {column.name: rows[0][column.name] for column in FRAME_COLUMNS}
        own = ('scene', 'clean_file_name', 'truth_required', 'truth_absent', 'target',
               'target_judgement', 'frame_iou', 'clean_frame_iou')  # fmt: skip
        line = {
            'file_name': Path(name).name,
            # A name that ends so would be taken for one of a picture beside this file.
            'clean_picture': rows[0]['clean_file_name'],
            **{key: rows[0][key] for key in own if key != 'clean_file_name'},
            **shared,
            'answers': [
                {
                    key: row[key]
                    for key in (
                        'model',
                        'text',
                        'judgement',
                        'failed',
                        'hallucinated',
                        'omitted',
                        'mistakes',
                    )
                }
                for row in rows
            ],
        }
        path = self._folder / PICTURES / split / 'metadata.jsonl'
        with open(path, 'a', encoding='utf-8') as stream:
            stream.write(json.dumps(line) + '\n')

    def _pictures(self, record: FrameRecord, split: str) -> Names:
        """Make the pictures of a frame again, where that can be done."""
        kind = self._layout.picture
        if kind == 'none':
            return Names()
        try:
            made = self._opened().make(record)
        except MisalignError as error:
            self.done.lacking += 1
            self.done.why = self.done.why or error.what
            return Names()
        name = picture_name(parse_stamp(record.stamp)) + (
            f'_{record.epoch}' if record.epoch else ''
        )
        degraded = f'{PICTURES}/{split}/{name}.{kind}'
        clean = f'{CLEAN}/{split}/{name}.{kind}'
        for place, bgr in ((degraded, made.degraded), (clean, made.frame.image)):
            write_picture(self._folder / place, bgr)
        self.done.pictures += 1
        return Names(degraded, clean, made.verified)

    def _opened(self) -> Again:
        """Return the data set; a MisalignError, the same each time, where there is none."""
        if self._again is None:
            try:
                self._again = self._open()
            except MisalignError as error:
                self._again = error
        if isinstance(self._again, MisalignError):
            raise self._again
        return self._again

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
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vlm_misalign_ros.core.errors import ConfigurationError, MisalignError, RecordError
from vlm_misalign_ros.core.evaluation.again import Again
from vlm_misalign_ros.core.labels.classes import VEHICLE
from vlm_misalign_ros.core.records.pictures import picture_name
from vlm_misalign_ros.core.records.reference import reference_of
from vlm_misalign_ros.core.records.schema import FrameRecord
from vlm_misalign_ros.core.report.columns import ANSWER, FRAME, Column
from vlm_misalign_ros.core.report.exports.pictures import write_picture
from vlm_misalign_ros.core.report.mined_card import card
from vlm_misalign_ros.core.report.mining import Found, Funnel, scene_name
from vlm_misalign_ros.core.stamps import parse_stamp
from vlm_misalign_ros.core.types import Hazard, Judgement, Presence

SPLITS = ('train', 'test')
ANSWERS, PICTURES, CLEAN = 'answers', 'pictures', 'clean'
"""Folders of the tables, of the degraded pictures and of the clean ones."""
PICTURE_KINDS = ('png', 'jpg', 'none')
_TRUTH = ('stamp', 'epoch', 'dataset', 'sequence', 'key', 'condition', 'corruption', 'severity',
          'seed', 'parameters', 'image', 'hazard', 'hazard_visible', 'nearest', 'nearest_class',
          'required', 'visible_required', 'mask_entropy', 'mask_confidence')  # fmt: skip
_SAID = ('verified', 'kind', 'prompt_id', 'input', 'style', 'text', 'judgement',
         'judgement_score', 'asserted', 'denied', 'hedged', 'scores', 'hallucinated', 'omitted',
         'clean_text', 'clean_judgement')  # fmt: skip
_MISTAKES = pa.list_(
    pa.struct([('kind', pa.string()), ('name', pa.string()), ('mask_right', pa.bool_())])
)


_VERDICTS = {
    Judgement.SAFE: 'It is safe to drive on.',
    Judgement.UNSAFE: 'It is not safe to drive on.',
}


def _columns(table: Sequence[Column], names: Sequence[str]) -> tuple[Column, ...]:
    known = {column.name: column for column in table}
    # An image folder has its pictures in a column of this name.
    renamed = {'image': 'image_checksum'}
    return tuple(replace(known[name], name=renamed.get(name, name)) for name in names)


_FRAME, _ANSWER = _columns(FRAME, _TRUTH), _columns(ANSWER, _SAID)
OWN: tuple[tuple[str, pa.DataType, str], ...] = (
    ('split', pa.string(), '`train` or `test`; all of a scene is in one'),
    ('scene', pa.string(), 'what is split by: data set and drive, else the source frame'),
    ('file_name', pa.string(), 'the picture as the model was shown it; null where it could not '
     'be made again'),
    ('clean_file_name', pa.string(), 'the clean picture of the same source frame'),
    ('picture_verified', pa.bool_(), 'by its checksum it is the picture of the run'),
    ('model', pa.string(), 'name of model and ask'),
    ('mistakes', _MISTAKES, 'what was wrong: kind, class, and whether the mask was right on it'),
    ('truth_required', pa.list_(pa.string()), 'classes that have to be named, in what the model '
     'saw'),
    ('truth_tolerated', pa.list_(pa.string()), 'classes that may be named'),
    ('truth_absent', pa.list_(pa.string()), 'classes that are not there'),
    ('target', pa.string(), 'a true answer in words: what has to be named and can be seen, and '
     'the judgement where it is known; empty where there is neither'),
    ('target_judgement', pa.string(), '`SAFE`, `UNSAFE`, or null where that cannot be told, by '
     'what can be seen'),
    ('frame_iou', pa.float64(), 'mean IoU of the classes of this frame, by what could be seen'),
    ('clean_frame_iou', pa.float64(), 'of the clean picture of the same source frame'),
    ('mask_entropies', pa.string(), 'mean entropy of the mask by predicted class, as JSON'),
)  # fmt: skip
"""Columns beside those that records.parquet has, too."""
SCHEMA = pa.schema(
    [
        *((name, kind) for name, kind, _ in OWN),
        *((column.name, column.kind) for column in _FRAME + _ANSWER),
    ]
)


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
    pictures: int = 0
    scenes: set[str] = field(default_factory=set)
    lacking: int = 0
    """Pictures that could not be made again."""
    why: str = ''
    """Why the first of them could not be."""


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


def columns() -> list[tuple[str, str]]:
    """Return every column with what it means."""
    return [
        *((name, meaning) for name, _, meaning in OWN),
        *((column.name, column.meaning) for column in _FRAME + _ANSWER),
    ]


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
        rows = [_row(found, split, scene, names) for found in answers]
        self._table(split).write_batch(pa.RecordBatch.from_pylist(rows, SCHEMA))
        if names.degraded:
            self._metadata(split, names.degraded, rows)
        self.done.answers[split] += len(rows)
        self.done.scenes.add(scene)
        self._frame, self._of_frame = None, []

    def _metadata(self, split: str, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        shared = {column.name: rows[0][column.name] for column in _FRAME}
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

    def _pictures(self, record: FrameRecord, split: str) -> _Names:
        """Make the pictures of a frame again, where that can be done."""
        kind = self._layout.picture
        if kind == 'none':
            return _Names()
        try:
            made = self._opened().make(record)
        except MisalignError as error:
            self.done.lacking += 1
            self.done.why = self.done.why or error.what
            return _Names()
        name = picture_name(parse_stamp(record.stamp)) + (
            f'_{record.epoch}' if record.epoch else ''
        )
        degraded = f'{PICTURES}/{split}/{name}.{kind}'
        clean = f'{CLEAN}/{split}/{name}.{kind}'
        for place, bgr in ((degraded, made.degraded), (clean, made.frame.image)):
            write_picture(self._folder / place, bgr)
        self.done.pictures += 1
        return _Names(degraded, clean, made.verified)

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


@dataclass(frozen=True)
class _Names:
    """Where the pictures of a frame lie in the folder; empty where they are not."""

    degraded: str = ''
    clean: str = ''
    verified: bool | None = None


def _row(found: Found, split: str, scene: str, names: _Names) -> dict[str, Any]:
    record, entry = found.record, found.entry
    assert entry.score is not None and record.truth is not None
    states = entry.score.presence or record.truth.presence
    confidence = record.segmentation.confidence
    # What an occluder hides nobody can be asked to say.
    visible = record.truth.visible or {}
    hazard = record.truth.hazard_visible or record.truth.hazard

    def of(state: Presence) -> list[str]:
        return [name for name, told in states.items() if told is state]

    judgement = {Hazard.HAZARD: Judgement.UNSAFE, Hazard.CLEAR: Judgement.SAFE}.get(hazard)
    row = {
        'split': split,
        'scene': scene,
        'file_name': names.degraded or None,
        'clean_file_name': names.clean or None,
        'picture_verified': names.verified,
        'model': found.model,
        'mistakes': [
            {'kind': one.kind.value, 'name': one.name, 'mask_right': one.mask_right}
            for one in found.mistakes
        ],
        'truth_required': of(Presence.REQUIRED),
        'truth_tolerated': of(Presence.TOLERATED),
        'truth_absent': of(Presence.ABSENT),
        'target': target(
            [
                name
                for name in of(Presence.REQUIRED)
                if visible.get(name, Presence.REQUIRED) is Presence.REQUIRED
            ],
            judgement,
        ),
        'target_judgement': None if judgement is None else judgement.value,
        'frame_iou': found.frame_iou,
        'clean_frame_iou': found.clean_frame_iou,
        'mask_entropies': json.dumps(dict(confidence.entropies)) if confidence else None,
    }
    shared = {column.name: _plain(column.of(record)) for column in _FRAME}
    return {**row, **shared, **{column.name: _plain(column.of(entry)) for column in _ANSWER}}


def target(required: Sequence[str], judgement: Judgement | None) -> str:
    """Return a true answer: what has to be named, and the judgement where it is known."""
    listed = [f'a {name}' for name in required if name != VEHICLE]
    sentences = []
    if listed:
        first, last = ', '.join(listed[:-1]), listed[-1]
        sentences.append(f'There is {f"{first} and " if first else ""}{last}.')
    if judgement in _VERDICTS:
        sentences.append(_VERDICTS[judgement])
    return ' '.join(sentences)


def _plain(value: Any) -> Any:
    return getattr(value, 'value', value)

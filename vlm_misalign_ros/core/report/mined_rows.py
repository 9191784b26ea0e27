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

"""A line of the tables of mined answers: its columns, and how it is made of a record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from vlm_misalign_ros.core.labels.classes import VEHICLE
from vlm_misalign_ros.core.report.columns import ANSWER, FRAME, Column
from vlm_misalign_ros.core.report.mining import Found
from vlm_misalign_ros.core.types import Hazard, Judgement, Presence

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


FRAME_COLUMNS, ANSWER_COLUMNS = _columns(FRAME, _TRUTH), _columns(ANSWER, _SAID)
OWN: tuple[tuple[str, pa.DataType, str], ...] = (
    ('split', pa.string(), '`train` or `test`; all of a scene is in one'),
    ('scene', pa.string(), 'what is split by: data set and drive, else the source frame'),
    ('file_name', pa.string(), 'the picture as the model was shown it; null where it could not '
     'be made again'),
    ('clean_file_name', pa.string(), 'the clean picture of the same source frame'),
    ('picture_verified', pa.bool_(), 'by its checksum it is the picture of the run'),
    ('model', pa.string(), 'name of model and ask'),
    ('failed', pa.bool_(), 'false for a right answer, which was drawn to stand beside those that '
     'failed'),
    ('mistakes', _MISTAKES, 'what was wrong: kind, class, and whether the mask was right on it; '
     'empty where the answer was right'),
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
        *((column.name, column.kind) for column in FRAME_COLUMNS + ANSWER_COLUMNS),
    ]
)


@dataclass(frozen=True)
class Names:
    """Where the pictures of a frame lie in the folder; empty where they are not."""

    degraded: str = ''
    clean: str = ''
    verified: bool | None = None


def columns() -> list[tuple[str, str]]:
    """Return every column with what it means."""
    return [
        *((name, meaning) for name, _, meaning in OWN),
        *((column.name, column.meaning) for column in FRAME_COLUMNS + ANSWER_COLUMNS),
    ]


def row_of(found: Found, split: str, scene: str, names: Names) -> dict[str, Any]:
    """Return the line of an answer, whose pictures have these names."""
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
        'failed': found.failed,
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
    shared = {column.name: _plain(column.of(record)) for column in FRAME_COLUMNS}
    said = {column.name: _plain(column.of(entry)) for column in ANSWER_COLUMNS}
    return {**row, **shared, **said}


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

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
The columns of rates.csv and records.parquet: what each means, and where it comes from.

`python -m vlm_misalign_ros.core.report.columns` prints the tables of docs/data.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa

from vlm_misalign_ros.core.evaluation.parts import SEGMENTATION
from vlm_misalign_ros.core.labels.classes import CLASSES, SCORED
from vlm_misalign_ros.core.metrics.counts import FIELDS
from vlm_misalign_ros.core.records.document import descriptions
from vlm_misalign_ros.core.records.schema import AnswerEntry, FrameRecord, ModelEntry
from vlm_misalign_ros.core.types import Mention, Presence

TEXT, NUMBER, WHOLE, YES = pa.string(), pa.float64(), pa.int64(), pa.bool_()
TEXTS, WHOLES, NUMBERS = pa.list_(TEXT), pa.list_(WHOLE), pa.list_(NUMBER)
_TYPES = {
    TEXT: 'text',
    NUMBER: 'number',
    WHOLE: 'whole number',
    YES: 'boolean',
    TEXTS: 'list of text',
    WHOLES: 'list of whole numbers',
    NUMBERS: 'list of numbers',
}


@dataclass(frozen=True)
class Column:
    """A column whose value comes from a frame, or from what one model made of it."""

    name: str
    kind: pa.DataType
    meaning: str
    of: Callable[[Any], Any]


def _text(value: Any) -> str | None:
    """Return an open-ended part of a record as JSON; None where it is empty."""
    return json.dumps(msgspec.to_builtins(value)) if value else None


def _optional(name: str) -> Callable[[FrameRecord], Any]:
    return lambda record: getattr(record.truth, name) if record.truth else None


def _names(states: Mapping[str, Any] | None, state: Any) -> list[str] | None:
    return None if states is None else [name for name in SCORED if states.get(name) is state]


def _seen(state: Presence) -> Callable[[FrameRecord], list[str] | None]:
    return lambda record: _names(record.truth.visible, state) if record.truth else None


def _confidence(name: str) -> Callable[[FrameRecord], Any]:
    return lambda record: getattr(record.segmentation.confidence, name, None)


RATE_COLUMNS: dict[str, str] = {
    'condition': 'corruption and severity in one, such as `low_light:3`; `clean`; `blank`, the '
    'control with a grey picture',
    'corruption': 'without the severity',
    'severity': '1 to 5; 0 for clean and blank',
    'model': "name in the configuration; `segmentation` for the masks' mIoU",
    'ask': 'name of the ask; `default` of a model that has no named one',
    'rate': 'name as in [metrics.md](metrics.md), or `miou` (`miou_of_16` of masks that can tell '
    '16 classes)',
    'value': 'empty where there is no denominator',
    'low': 'lower end of the 95 % interval over scenes; empty where there is none',
    'high': 'upper end',
    'numerator': 'count; empty for a mean of two rates and for mIoU',
    'denominator': 'likewise',
    'scenes': 'scenes that have a denominator',
}
"""The columns of rates.csv and what they mean."""
FRAME: tuple[Column, ...] = (
    Column('stamp', TEXT, 'header time, seconds.nanoseconds', lambda r: r.stamp),
    Column('epoch', WHOLE, 'how often time had jumped back before', lambda r: r.epoch),
    Column('index', WHOLE, 'position in the run', lambda r: r.index),
    Column('dataset', TEXT, 'name of the data set', lambda r: r.dataset),
    Column('sequence', TEXT, 'drive or snippet', lambda r: r.sequence),
    Column('key', TEXT, 'name of the source frame', lambda r: r.key),
    Column('pass', WHOLE, 'pass over the data set', lambda r: r.cycle),
    Column('merged_from', TEXT, 'the run that it was merged from', lambda r: r.run),
    Column('protocol', TEXT, 'how frames hang together in time',
           lambda r: None if r.protocol is msgspec.UNSET else r.protocol.value),
    Column('recorded', TEXT, 'conditions that the data set names, as JSON',
           lambda r: None if r.recorded is msgspec.UNSET else _text(r.recorded)),
    Column('condition', TEXT, 'corruption and severity in one', lambda r: r.condition.name),
    Column('corruption', TEXT, 'without the severity', lambda r: r.condition.corruption),
    Column('severity', WHOLE, '1 to 5; 0 for clean and blank', lambda r: r.condition.severity),
    Column('seed', WHOLE, 'of what was drawn for the frame', lambda r: r.condition.seed),
    Column('parameters', TEXT, 'what was drawn, as JSON', lambda r: _text(r.condition.parameters)),
    Column('image', TEXT, 'checksum of the degraded picture', lambda r: r.image),
    Column('pictures', WHOLE, 'pictures with this stamp', lambda r: r.pictures),
    Column('closed', TEXT, 'why the frame was closed', lambda r: r.closed.value),
    Column('missing', TEXTS, 'parts that never came', lambda r: r.missing),
    Column('problem', TEXT, 'why its ground truth could not be used', lambda r: r.problem),
    Column('hazard', TEXT, 'whether going on is safe', _optional('hazard')),
    Column('doubt', TEXT, 'why that is INDETERMINATE', _optional('doubt')),
    Column('hazard_visible', TEXT, 'the same under an occluder', _optional('hazard_visible')),
    Column('doubt_visible', TEXT, 'likewise', _optional('doubt_visible')),
    Column('nearest', NUMBER, 'metres to the nearest thing in the corridor',
           _optional('nearest')),
    Column('nearest_class', TEXT, 'what that is', _optional('nearest_class')),
    Column('distance_source', TEXT, '`depth` or `flat ground`', _optional('distance_source')),
    Column('objects', WHOLE, 'countable things', _optional('objects')),
    Column('required', TEXT, 'area and distance of what had to be mentioned by class, as JSON',
           lambda r: _text(r.truth.required) if r.truth else None),
    Column('sweep', TEXT, 'hazard for other corridors, as JSON',
           lambda r: _text(r.truth.sweep) if r.truth else None),
    Column('visible_required', TEXTS, 'classes REQUIRED by what an occluder leaves to see',
           _seen(Presence.REQUIRED)),
    Column('visible_tolerated', TEXTS, 'TOLERATED likewise', _seen(Presence.TOLERATED)),
    Column('visible_absent', TEXTS, 'ABSENT likewise', _seen(Presence.ABSENT)),
    Column('labels_fault', TEXT, 'why nothing was scored against the labels',
           lambda r: r.labels.fault if r.labels else None),
    Column('mask_status', TEXT, 'what became of the mask', lambda r: r.segmentation.status.value),
    Column('mask_verified', YES, 'known to be of this picture', lambda r: r.segmentation.verified),
    Column('mask_problem', TEXT, 'why it was not scored', lambda r: r.segmentation.problem),
    Column('mask_error', TEXT, 'why the model failed', lambda r: r.segmentation.error),
    Column('mask_lacks', TEXTS, 'classes that it cannot tell',
           lambda r: list(r.segmentation.lacking)),
    Column('mask_entropy', NUMBER, 'mean entropy, 0 to 1', _confidence('entropy')),
    Column('mask_confidence', NUMBER, 'mean highest probability', _confidence('confidence')),
    Column('mask_seconds', NUMBER, 'seconds in the segmentation',
           lambda r: r.timing.model_seconds.get(SEGMENTATION)),
    Column('open_seconds', NUMBER, "seconds from the frame's first part to its closing",
           lambda r: r.timing.open_seconds),
    Column('frame_iou', NUMBER, 'mean IoU of the classes of this frame, which is no mIoU',
           lambda r: r.segmentation.frame_iou),
)  # fmt: skip
"""What is the same for every model of a frame."""
MASK: tuple[tuple[str, pa.DataType, str], ...] = (
    *((f'iou_{name.replace(" ", "_")}', NUMBER, f'IoU of {name} in this frame')
      for name in CLASSES),
    ('hits', WHOLES, 'pixels of each of the 19 classes that were found, by train id'),
    ('unions', WHOLES, 'pixels of each that are true or predicted; the mIoU of several frames is '
     'the mean over classes of summed hits / summed unions'),
)  # fmt: skip
"""Made of the confusion matrix of a frame; null without a scored mask, or without the class."""


def _answer(name: str) -> Callable[[ModelEntry], Any]:
    return lambda entry: getattr(entry.answer, name) if entry.answer else None


def _said(state: Mention) -> Callable[[ModelEntry], list[str] | None]:
    return lambda entry: _names(entry.answer.mentions if entry.answer else None, state)


def _scores(entry: ModelEntry) -> list[float | None] | None:
    if entry.answer is None or not entry.answer.scores:
        return None
    return [entry.answer.scores.get(name) for name in SCORED]


def _clean(name: str) -> Callable[[ModelEntry], Any]:
    def of(entry: ModelEntry) -> Any:
        return getattr(entry.answer.clean, name) if entry.answer and entry.answer.clean else None

    return of


def _placing(name: str) -> Callable[[ModelEntry], Any]:
    def of(entry: ModelEntry) -> Any:
        placing = entry.answer.placing if entry.answer else None
        return getattr(placing, name) if placing else None

    return of


def _further(answer: AnswerEntry | None) -> str | None:
    return _text(answer.further) if answer else None


ANSWER: tuple[Column, ...] = (
    Column('verified', YES, 'known to be about this picture', lambda e: e.verified),
    Column('model_problem', TEXT, 'why it was not scored', lambda e: e.problem),
    Column('model_error', TEXT, 'why the model failed', lambda e: e.error),
    Column('kind', TEXT, '`generative`, `contrastive` or `mask`', _answer('kind')),
    Column('prompt_id', TEXT, 'id of the prompt', _answer('prompt_id')),
    Column('input', TEXT, 'what was shown of the frame', _answer('input')),
    Column('shown', WHOLE, 'frames that were shown', _answer('shown')),
    Column('view', NUMBERS, 'part of the frame that was seen: left, top, right, bottom',
           lambda e: list(e.answer.view) if e.answer else None),
    Column('style', TEXT, 'kind of answer', _answer('style')),
    Column('text', TEXT, 'as the model said it, unchanged: never evaluate or show it as markup',
           _answer('text')),
    Column('truncated', YES, 'cut off at the length that was allowed', _answer('truncated')),
    Column('cut', WHOLE, 'characters that were not read', _answer('cut')),
    Column('judgement', TEXT, '`SAFE`, `UNSAFE`, `UNPARSED` or `REFUSED`', _answer('judgement')),
    Column('judgement_score', NUMBER, 'probability of SAFE', _answer('judgement_score')),
    Column('paraphrases', TEXTS, 'judgements of paraphrases',
           lambda e: [found.value for found in e.answer.paraphrases] if e.answer else None),
    Column('asserted', TEXTS, 'classes ASSERTED', _said(Mention.ASSERTED)),
    Column('denied', TEXTS, 'classes DENIED', _said(Mention.DENIED)),
    Column('hedged', TEXTS, 'classes HEDGED', _said(Mention.HEDGED)),
    Column('hypothetical', TEXTS, 'classes HYPOTHETICAL', _said(Mention.HYPOTHETICAL)),
    Column('prompted', TEXTS, 'classes that the prompt had named', _answer('prompted')),
    Column('further', TEXT, "mentions of the user's own classes, as JSON",
           lambda e: _further(e.answer)),
    Column('scores', NUMBERS, 'probability or likelihood by class: the 19 by train id, then '
           '`vehicle`', _scores),
    Column('hallucinated', TEXTS, 'classes ASSERTED and ABSENT',
           lambda e: e.score.hallucinated if e.score else None),
    Column('omitted', TEXTS, 'critical classes REQUIRED and not ASSERTED',
           lambda e: e.score.omitted if e.score else None),
    Column('clean_text', TEXT, 'what was said of the clean picture', _clean('text')),
    Column('clean_judgement', TEXT, 'likewise', _clean('judgement')),
    Column('clean_judgement_score', NUMBER, 'likewise', _clean('judgement_score')),
    Column('clean_mentions', TEXT, 'likewise by class, as JSON',
           lambda e: _text(_clean('mentions')(e))),
    Column('clean_error', TEXT, 'why there is nothing to be compared', _clean('error')),
    Column('placed_by', TEXT, 'rule by which an answer from outside was joined',
           _placing('rule')),
    Column('placed_seconds', NUMBER, "from the picture's time to the answer's",
           _placing('seconds')),
)  # fmt: skip
"""What one model made of a frame."""
NAMED: tuple[tuple[str, pa.DataType, str], ...] = (
    ('name', TEXT, 'of model and ask, as limits and the other tables have it: the model, or '
     'MODEL_ASK where it has several asks; null where no model was asked'),
    ('model', TEXT, 'name of the model in the configuration'),
    ('ask', TEXT, 'name of the ask; `default` where it has none'),
    ('status', TEXT, 'what became of the frame for this model; `late`, `dropped` as told later'),
    ('truth_required', TEXTS, 'classes REQUIRED in what the model saw'),
    ('truth_tolerated', TEXTS, 'classes TOLERATED'),
    ('truth_absent', TEXTS, 'classes ABSENT'),
    ('model_seconds', NUMBER, 'seconds spent in the model'),
    ('queue_seconds', NUMBER, 'seconds that the frame waited at its node'),
    ('result_seconds', NUMBER, 'seconds from the stamp to the publication of the result'),
    ('cached', YES, 'the answer was kept from before'),
)  # fmt: skip
"""What takes the frame, the model's name and the configuration together."""
COUNTS = tuple(f'count_{name}' for name in FIELDS)
SCHEMA = pa.schema(
    [
        *((column.name, column.kind) for column in FRAME),
        *(column[:2] for column in MASK),
        *(column[:2] for column in NAMED),
        *((column.name, column.kind) for column in ANSWER),
        *((name, WHOLE) for name in COUNTS),
    ]
)
"""Of records.parquet; without its metadata."""


def tables() -> str:
    """Return the columns of rates.csv and records.parquet as Markdown."""
    told = descriptions()['Counts']
    rows = [
        *((column.name, column.kind, column.meaning) for column in FRAME),
        *MASK,
        *NAMED,
        *((column.name, column.kind, column.meaning) for column in ANSWER),
        *((f'count_{name}', WHOLE, _meaning(told[name])) for name in FIELDS),
    ]
    return '\n'.join(
        [
            '### rates.csv',
            '',
            '| column | |',
            '|---|---|',
            *(f'| `{name}` | {meaning} |' for name, meaning in RATE_COLUMNS.items()),
            '',
            '### records.parquet',
            '',
            '| column | type | |',
            '|---|---|---|',
            *(f'| `{name}` | {_TYPES[kind]} | {meaning} |' for name, kind, meaning in rows),
            '',
        ]
    )


def _meaning(text: str) -> str:
    return text.rstrip('.') or 'see [Counts](#counts)'


if __name__ == '__main__':
    print(tables(), end='')

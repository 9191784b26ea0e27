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
What a run says of how far its models agree with themselves: degraded against clean picture.

Made from the records alone, like everything beside it. `self_consistency.json` has all of it,
classes included, `self_consistency.csv` a line a figure; neither is written where no model was
asked about both pictures. All of it is disagreement: no ground truth is in it, and no limit on a
rate can be met by it.
"""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from math import isclose, nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vlm_misalign_ros.core.corruptions import BLANK, CLEAN
from vlm_misalign_ros.core.evaluation.disagreement import SELF_MIOU, TRUSTED, asserted
from vlm_misalign_ros.core.files import write_json
from vlm_misalign_ros.core.labels.classes import CLASSES, SCORED
from vlm_misalign_ros.core.metrics import clustered, confusion
from vlm_misalign_ros.core.metrics.intervals import Interval, korn_graubard
from vlm_misalign_ros.core.metrics.scenes import Scenes, scene_sums
from vlm_misalign_ros.core.metrics.self_consistency import (
    Judged,
    Terms,
    compare_assertions,
    shares_of,
)
from vlm_misalign_ros.core.metrics.self_counts import SELF_RATES
from vlm_misalign_ros.core.records.schema import FrameRecord, ModelEntry, Record
from vlm_misalign_ros.core.report.figures import Figure
from vlm_misalign_ros.core.report.sheets import write_csv
from vlm_misalign_ros.core.report.summary import ALL
from vlm_misalign_ros.core.report.table import sound
from vlm_misalign_ros.core.report.verdict import Check
from vlm_misalign_ros.core.report.verdict import Status as Verdict
from vlm_misalign_ros.core.types import Judgement

SCHEMA = 1
"""Version of self_consistency.json."""
FIGURES = tuple(Figure(row.name, row.title) for row in SELF_RATES)
"""Of models that describe."""
SEGMENTATION = 'segmentation'
_JUDGEMENTS = tuple(Judgement)
_CLASSES = len(SCORED)


class _Model:
    """What one model said of both pictures, in columns, a line a frame that can be compared."""

    def __init__(self) -> None:
        self.frames = array('q')
        self.states, self.clean, self.degraded = array('B'), array('b'), array('b')
        self.asked, self.failed, self.untrusted = Counter[int](), Counter[int](), Counter[int]()
        """By condition."""
        self.pictures = 0

    def add(self, frame: int, condition: int, entry: ModelEntry) -> None:
        answer = entry.answer
        if answer is None or answer.clean is None:
            return
        self.asked[condition] += 1
        if answer.clean.error is not None:
            self.failed[condition] += 1
            return
        if entry.status not in TRUSTED:
            self.untrusted[condition] += 1
            return
        self.frames.append(frame)
        self.states.extend(
            compare_assertions(asserted(answer.clean.mentions), asserted(answer.mentions))
        )
        self.clean.append(_JUDGEMENTS.index(answer.clean.judgement))
        self.degraded.append(_JUDGEMENTS.index(answer.judgement))


class SelfConsistency:
    """Columns that grow as records stream by, a record at a time."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._scenes = Scenes()
        self._names: dict[str, tuple[int, str, int]] = {}
        self._condition, self._source = array('q'), array('q')
        self._models: dict[str, _Model] = {}
        self._masks: dict[tuple[int, int], np.ndarray] = {}
        """Confusion matrices, int64 (19, 20), by condition and source frame."""
        self._asked, self._compared = Counter[int](), Counter[int]()

    def add(self, record: Record) -> None:
        """Add one frame; RecordError for one that makes no sense."""
        if isinstance(record, FrameRecord):
            with sound(record):
                self._add(record)

    def _add(self, record: FrameRecord) -> None:
        entry = record.condition
        number, *_ = self._names.setdefault(
            entry.name, (len(self._names), entry.corruption, entry.severity)
        )
        frame = len(self._source)
        source = self._scenes.add(record)
        self._condition.append(number)
        self._source.append(source)
        for name, of in record.models.items():
            model = self._models.setdefault(name, _Model())
            model.pictures += record.pictures
            model.add(frame, number, of)
        mask = record.segmentation
        told = None if mask.confidence is None else mask.confidence.clean
        if told is not None:
            self._asked[number] += 1
            if told.error is None and mask.status in TRUSTED:
                self._compared[number] += 1
                kept = self._masks.setdefault(
                    (number, source), np.zeros(confusion.SHAPE, np.int64)
                )
                kept += confusion.from_cells(told.cells)

    def compared(self, frames: int, masks: bool) -> dict[str, tuple[int, int]]:
        """
        Return of each model (frames compared, frames), of the segmentation where `masks`.

        That is where masks were asked for: one that never came, whatever became of it, is among
        the `frames`, which are those of the run.
        """
        found = {name: (len(of.frames), of.pictures) for name, of in self._models.items()}
        if masks or self._asked:
            found[SEGMENTATION] = sum(self._compared.values()), frames
        return found

    def analysis(self) -> dict[str, Any]:
        """Return what was gathered as plain data; `asked` is false where nobody was."""
        asked = {name: of for name, of in self._models.items() if of.asked}
        return {
            'schema': SCHEMA,
            'asked': bool(asked or self._asked),
            'models': {name: self._model(of) for name, of in sorted(asked.items())},
            SEGMENTATION: self._segmentation(),
        }

    def _groups(self) -> Iterator[tuple[str, list[int]]]:
        """Yield `all` (without clean and blank frames), then each condition, clean first."""
        named = sorted(
            self._names.items(), key=lambda at: (at[1][1] != CLEAN, at[1][1], at[1][2], at[0])
        )
        yield ALL, [number for _, (number, of, _) in named if of not in (CLEAN, BLANK)]
        for name, (number, *_) in named:
            yield name, [number]

    def _model(self, model: _Model) -> dict[str, Any]:
        frames = np.array(model.frames, np.int64)
        conditions = np.array(self._condition, np.int64)[frames]
        scenes = self._scenes.numbers()[np.array(self._source, np.int64)[frames]]
        states = np.array(model.states, np.uint8).reshape(-1, _CLASSES)
        clean, degraded = (np.array(of, np.int64) for of in (model.clean, model.degraded))
        judged = Judged.of(clean, degraded)
        shares = shares_of(states, judged)
        found: dict[str, Any] = {'conditions': {}, 'classes': {}}
        for name, numbers in self._groups():
            asked = sum(model.asked[number] for number in numbers)
            if not asked:
                continue
            lines = np.isin(conditions, numbers)
            found['conditions'][name] = {
                'asked': asked,
                'failed': sum(model.failed[number] for number in numbers),
                'untrusted': sum(model.untrusted[number] for number in numbers),
                'compared': int(lines.sum()),
                'unjudged': int((lines & ~judged.both).sum()),
                **{of: _share(scenes, terms, lines) for of, terms in shares.items()},
            }
            if name == ALL:
                found['classes'] = {
                    of: _of_class(states[:, place : place + 1], scenes, lines)
                    for place, of in enumerate(SCORED)
                }
        return found

    def _segmentation(self) -> dict[str, Any] | None:
        """Return the agreement of the masks; None where nobody asked."""
        if not self._asked:
            return None
        numbers = self._scenes.numbers()
        found = {}
        for name, chosen in self._groups():
            asked = sum(self._asked[number] for number in chosen)
            if asked:
                found[name] = {
                    'asked': asked,
                    'compared': sum(self._compared[number] for number in chosen),
                    **_agreement(
                        [
                            (int(numbers[source]), matrix)
                            for (number, source), matrix in sorted(self._masks.items())
                            if number in chosen
                        ]
                    ),
                }
        return {'conditions': found}


def _share(scenes: np.ndarray, terms: Terms, lines: np.ndarray) -> dict[str, Any]:
    """Return a share over some lines with its interval over scenes, and its counts."""
    over, under = (column[lines] for column in terms)
    here = scenes[lines]
    interval = korn_graubard(scene_sums(here, over), scene_sums(here, under))
    return {
        **asdict(interval if under.sum() else Interval(nan, nan, nan)),
        'numerator': int(over.sum()),
        'denominator': int(under.sum()),
        'scenes': len(np.unique(here[under > 0])),
    }


def _of_class(states: np.ndarray, scenes: np.ndarray, lines: np.ndarray) -> dict[str, Any]:
    """Return what classes are said alike, or of one picture only; `states` uint8 (N, 1)."""
    nobody = np.zeros(len(states), np.int64) - 1
    found = shares_of(states, Judged.of(nobody, nobody))
    return {
        name: _share(scenes, found[name], lines)
        for name in ('self_consistency', 'self_added', 'self_dropped')
    }


def _agreement(masks: list[tuple[int, np.ndarray]]) -> dict[str, Any]:
    """Return the mean IoU of two masks over (scene, confusion matrix), and of each class."""
    if not masks:
        return {SELF_MIOU: {**asdict(Interval(nan, nan, nan)), 'scenes': 0}, 'classes': {}}
    places = np.unique([scene for scene, _ in masks], return_inverse=True)[1]
    matrices = np.stack([matrix for _, matrix in masks])
    flat = scene_sums(places, matrices.reshape(len(masks), -1).astype(np.float64))
    square = flat.reshape(-1, *confusion.SHAPE)
    hits = np.diagonal(square, axis1=1, axis2=2)
    unions = square.sum(axis=2) + square[:, :, : confusion.VOID].sum(axis=1) - hits
    each = confusion.ious(matrices.sum(axis=0))
    return {
        SELF_MIOU: {**asdict(clustered.miou(hits, unions)), 'scenes': len(square)},
        'classes': {
            name: float(value)
            for name, value in zip(CLASSES, each, strict=True)
            if not np.isnan(value)
        },
    }


def self_consistency_analysis(records: Iterable[Record]) -> dict[str, Any]:
    """Return how far models agree with themselves as plain data; records are not kept."""
    gathering = SelfConsistency()
    for record in records:
        gathering.add(record)
    return gathering.analysis()


def self_checks(
    gathered: SelfConsistency, minimum: float, frames: int, masks: bool
) -> Iterator[Check]:
    """
    Yield for each model, and the segmentation, whether enough frames were compared.

    These stand in place of the coverage of runs with ground truth. The run closed `frames`, and
    `masks` says whether it asked for any.
    """
    for name, (compared, of) in gathered.compared(frames, masks).items():
        share = compared / of if of else 0.0
        enough = compared > 0 and (share >= minimum or isclose(share, minimum))
        yield Check(
            f'self-consistency of {name}',
            Verdict.PASS if enough else Verdict.INVALID,
            f'{name}: {compared} of {of} frames compared with their clean picture '
            f'({share:.1%}), ' + (f'{minimum:.1%} needed' if minimum else 'at least one needed'),
            short='too little compared' if compared else f'nothing compared of {name}',
        )


_COUNTS = ('asked', 'failed', 'untrusted', 'compared', 'unjudged')
_SHARE = ('value', 'low', 'high', 'numerator', 'denominator', 'scenes')
_HEADS = ('model', 'condition', 'figure', *_SHARE, *_COUNTS)
_WHOLE = ('numerator', 'denominator', 'scenes', *_COUNTS)


def lines(analysis: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the lines of self_consistency.csv: one a model, condition and figure."""
    of_masks = [(SEGMENTATION, analysis[SEGMENTATION])] if analysis[SEGMENTATION] else []
    for model, entry in [*analysis['models'].items(), *of_masks]:
        names = (SELF_MIOU,) if model == SEGMENTATION else [figure.name for figure in FIGURES]
        for condition, found in entry['conditions'].items():
            for name in names:
                yield {
                    'model': model,
                    'condition': condition,
                    'figure': name,
                    **{key: found[name].get(key) for key in _SHARE},
                    **{key: found.get(key) for key in _COUNTS},
                }


def write_self_consistency(folder: Path, analysis: dict[str, Any]) -> None:
    """Write the two tables where anybody was asked; RecordError or OSError of the disk."""
    if not analysis['asked']:
        return
    plain = json.loads(json.dumps(analysis), parse_constant=lambda _: None)
    write_json(folder / 'self_consistency.json', plain)
    frame = pd.DataFrame(list(lines(analysis)), columns=_HEADS)
    write_csv(folder / 'self_consistency.csv', frame.astype(dict.fromkeys(_WHOLE, 'Int64')))

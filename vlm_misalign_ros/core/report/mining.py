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
Answers that failed while the segmentation held: which they are, and on what the mask was right.

The definition is a `Rule`; what it let through and what it did not is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isnan

import numpy as np

from vlm_misalign_ros.core.corruptions.conditions import BLANK, CLEAN
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.evaluation.worst import Error
from vlm_misalign_ros.core.labels.classes import CLASSES, VEHICLE, VEHICLE_MEMBERS
from vlm_misalign_ros.core.metrics.confusion import from_cells, ious, miou
from vlm_misalign_ros.core.metrics.counts import Counts
from vlm_misalign_ros.core.records.schema import (
    FrameRecord,
    ModelEntry,
    Record,
    ScoreEntry,
    Status,
)
from vlm_misalign_ros.core.records.truths import TruthEntry
from vlm_misalign_ros.core.report.mined_right import Right
from vlm_misalign_ros.core.types import Hazard, Presence

KINDS = (Error.FALSE_SAFE, Error.OMISSION, Error.FALSE_ALARM, Error.HALLUCINATION)
"""Kinds of mistakes that are looked for."""
ROAD = 'road'


@dataclass(frozen=True)
class Rule:
    """When language failed while segmentation held."""

    kinds: tuple[Error, ...] = KINDS
    """Mistakes that count."""
    kept: float = 0.8
    """The mask held where its frame IoU is at least this share of that of the clean picture."""
    frame_iou: float = 0.5
    """Least frame IoU where the run has no mask of the clean picture to hold it against."""
    class_iou: float = 0.5
    """The mask was right on a class from this IoU on in this frame; 0: the frame alone decides."""
    made_up_share: float = 0.001
    """Share of the pixels from which the mask made a class up, too."""
    covered: bool = False
    """Whether mistakes count that are about what an occluder covers."""

    def __post_init__(self) -> None:
        """Raise ConfigurationError for a number that is no share, and for no kind at all."""
        for name in ('kept', 'frame_iou', 'class_iou', 'made_up_share'):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ConfigurationError(f'{name} is {value!r}', 'allowed: 0 to 1')
        if not self.kinds:
            raise ConfigurationError('no kind of mistake is given', 'name one at least')

    def told(self) -> str:
        """Return the definition in words."""
        kinds = ', '.join(kind.value for kind in self.kinds)
        held = (
            f'its frame IoU is at least {self.kept:g} of that of the clean picture of the same '
            f'source frame, or, where the run has no mask of that, {self.frame_iou:g}'
        )
        words = f'an answer failed where it made a mistake ({kinds}); the segmentation held where '
        words += held
        if self.class_iou:
            words += (
                f'; and the mask was right on one mistake at least: IoU of the class that was '
                f'left out, or is in the way, {self.class_iou:g} or more (of the road, for a '
                'false alarm), and less than '
                f'{self.made_up_share:g} of the pixels predicted as a class that was made up'
            )
        if not self.covered:
            words += '; what an occluder covers is nobody’s mistake'
        return words


@dataclass(frozen=True)
class Mistake:
    """One thing that an answer got wrong."""

    kind: Error
    name: str
    """The class that was left out, made up or is in the way; empty for a false alarm."""
    mask_right: bool | None
    """Whether the mask of the same picture was right on it; None where that cannot be told."""


@dataclass(frozen=True)
class Found:
    """An answer that failed while the segmentation held, or a right one beside those."""

    record: FrameRecord
    model: str
    mistakes: tuple[Mistake, ...]
    """Empty for one that was right."""
    frame_iou: float
    """By what an occluder leaves to see."""
    clean_frame_iou: float | None
    """Of the clean picture; None where the run has no mask of it."""

    @property
    def entry(self) -> ModelEntry:
        """Return the answer."""
        return self.record.models[self.model]

    @property
    def failed(self) -> bool:
        """Return whether it made a mistake that was looked for."""
        return bool(self.mistakes)


@dataclass
class Funnel:
    """How many answers were looked at, and what became of them."""

    scored: int = 0
    """Scored answers to other than blank pictures."""
    failed: int = 0
    """Those with a mistake."""
    unsegmented: int = 0
    """Those of them without a scored mask."""
    held: int = 0
    """Those of them whose mask held."""
    found: int = 0
    """Those of them on whose mistakes the mask was right."""
    kinds: Counter[str] = field(default_factory=Counter)
    """Mistakes of what was found, by kind."""
    right: int = 0
    """Answers without any mistake whose mask held."""
    drawn: int = 0
    """Those of them that were drawn."""
    wanted: bool = False
    """Whether right answers were asked for."""

    def told(self) -> str:
        """Return it in words."""
        words = (
            f'of {self.scored} scored answers {self.failed} failed, {self.unsegmented} of them '
            f'without a scored mask; the mask held in {self.held}, and was right on a mistake in '
            f'{self.found}'
        )
        if self.wanted:
            words += (
                f'; {self.right} answers were right in pictures whose mask held, {self.drawn} of '
                'them were drawn'
            )
        return words


class Miner:
    """
    Finds such answers among the records of a run.

    Records are gone through twice, and once more where right answers are drawn.
    """

    def __init__(self, records: Iterable[Record], rule: Rule, right: Right | None = None) -> None:
        """Look into `records`, which can be gone through more than once."""
        self._records = records
        self._rule = rule
        self._right = right if right is not None and right.share else None
        self.funnel = Funnel()

    def __iter__(self) -> Iterator[Found]:
        """Yield what is found, and the right answers that are drawn, in the order of records."""
        clean = dict(self._clean())
        self.funnel = Funnel()
        bounds = self._right.bounds(self._held(clean)) if self._right else {}
        self.funnel = Funnel(wanted=self._right is not None)
        for found in self._held(clean):
            if found.failed:
                yield found
            elif self._right and self._right.rank(found) <= bounds[self._right.place(found)]:
                self.funnel.drawn += 1
                yield found

    def _held(self, clean: Mapping[tuple[str, str, str], float]) -> Iterator[Found]:
        """Yield the failures that are looked for, and every right answer, whose mask held."""
        for record in self._frames():
            if record.condition.corruption == BLANK:
                continue
            matrix = seen_by(record)
            iou = None if matrix is None else _known(miou(matrix))
            reference = clean.get(_source(record))
            for name, entry in record.models.items():
                if found := self._find(record, name, entry, matrix, iou, reference):
                    yield found

    def _frames(self) -> Iterator[FrameRecord]:
        return (record for record in self._records if isinstance(record, FrameRecord))

    def _clean(self) -> Iterator[tuple[tuple[str, str, str], float]]:
        """Yield the frame IoU of the clean picture of each source frame."""
        for record in self._frames():
            iou = record.segmentation.frame_iou
            if record.condition.corruption == CLEAN and iou is not None:
                yield _source(record), iou

    def _find(
        self,
        record: FrameRecord,
        name: str,
        entry: ModelEntry,
        matrix: np.ndarray | None,
        iou: float | None,
        clean: float | None,
    ) -> Found | None:
        """Return an answer that failed, or was right, while the mask held; else None."""
        funnel = self.funnel
        if entry.scored is None or entry.status is not Status.SCORED:
            return None
        funnel.scored += 1
        every = tuple(self._mistakes(record, entry, matrix))
        mistakes = tuple(mistake for mistake in every if mistake.kind in self._rule.kinds)
        if mistakes:
            funnel.failed += 1
        if matrix is None or iou is None:
            funnel.unsegmented += bool(mistakes)
            return None
        if iou < (self._rule.frame_iou if clean is None else self._rule.kept * clean):
            return None
        if mistakes:
            return self._failure(Found(record, name, mistakes, iou, clean))
        # Who made a mistake of another kind neither failed nor was right.
        if every:
            return None
        funnel.right += 1
        return Found(record, name, (), iou, clean)

    def _failure(self, found: Found) -> Found | None:
        """Count a failure whose mask held, and return it where that was right on a mistake."""
        funnel = self.funnel
        funnel.held += 1
        if self._rule.class_iou and not any(mistake.mask_right for mistake in found.mistakes):
            return None
        funnel.found += 1
        funnel.kinds.update(mistake.kind.value for mistake in found.mistakes)
        return found

    def _mistakes(
        self, record: FrameRecord, entry: ModelEntry, matrix: np.ndarray | None
    ) -> Iterator[Mistake]:
        """Yield all that an answer got wrong, by what could be seen unless the rule differs."""
        assert entry.score is not None and record.truth is not None
        yield from self._judgements(record.truth, entry.score.counts, matrix)
        yield from self._mentions(record.truth, entry.score, matrix)

    def _judgements(
        self, truth: TruthEntry, counts: Counts, matrix: np.ndarray | None
    ) -> Iterator[Mistake]:
        hazard = truth.hazard
        if not self._rule.covered and truth.hazard_visible is not None:
            hazard = truth.hazard_visible
        if counts.false_safe and hazard is Hazard.HAZARD:
            name = truth.nearest_class or ''
            yield Mistake(Error.FALSE_SAFE, name, self._sees(name, matrix))
        if counts.false_alarms and hazard is Hazard.CLEAR:
            yield Mistake(Error.FALSE_ALARM, '', self._sees(ROAD, matrix))

    def _mentions(
        self, truth: TruthEntry, score: ScoreEntry, matrix: np.ndarray | None
    ) -> Iterator[Mistake]:
        visible = None if self._rule.covered else truth.visible
        for name in score.omitted:
            if visible is None or visible.get(name) is Presence.REQUIRED:
                yield Mistake(Error.OMISSION, name, self._sees(name, matrix))
        for name in score.hallucinated:
            yield Mistake(Error.HALLUCINATION, name, self._spares(name, matrix))

    def _sees(self, name: str, matrix: np.ndarray | None) -> bool | None:
        """Return whether the mask has what is there of a class."""
        if matrix is None or name not in CLASSES:
            return None
        value = _known(float(ious(matrix)[CLASSES.index(name)]))
        return None if value is None else value >= self._rule.class_iou

    def _spares(self, name: str, matrix: np.ndarray | None) -> bool | None:
        """Return whether the mask does not make a class up, either."""
        if matrix is None:
            return None
        members = VEHICLE_MEMBERS if name == VEHICLE else (name,)
        numbers = [CLASSES.index(member) for member in members if member in CLASSES]
        total = int(matrix.sum())
        if not total or not numbers:
            return None
        return bool(matrix[:, numbers].sum() < self._rule.made_up_share * total)


def seen_by(record: FrameRecord) -> np.ndarray | None:
    """Return the confusion matrix of a frame over what could be seen; None without a mask."""
    mask = record.segmentation
    if mask.status is not Status.SCORED:
        return None
    return from_cells(mask.cells if mask.cells_visible is None else mask.cells_visible)


def scene_name(record: FrameRecord) -> str:
    """Return what keeps scenes apart: the drive or snippet, else the source frame."""
    return '|'.join((record.dataset, record.sequence or record.key))


def kinds_of(names: Iterable[str]) -> tuple[Error, ...]:
    """Return kinds by their names; ConfigurationError for one that is none."""
    known: Mapping[str, Error] = {kind.value.replace(' ', '-'): kind for kind in KINDS}
    found = []
    for name in names:
        if name not in known:
            raise ConfigurationError(
                f'there is no kind of mistake {name!r:.60}', 'known: ' + ', '.join(known)
            )
        found.append(known[name])
    return tuple(dict.fromkeys(found))


def _source(record: FrameRecord) -> tuple[str, str, str]:
    return record.run or '', record.dataset, record.key


def _known(value: float) -> float | None:
    return None if isnan(value) else value

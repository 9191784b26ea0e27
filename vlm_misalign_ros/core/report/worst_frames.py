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

"""The frames of a run that its page shows: chosen, with clean pictures, told in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.corruptions.conditions import BLANK, CLEAN
from vlm_misalign_ros.core.evaluation.again import Again
from vlm_misalign_ros.core.evaluation.worst import Chosen, Error, spread
from vlm_misalign_ros.core.records import pictures as ends
from vlm_misalign_ros.core.records.account import AccountingRecord
from vlm_misalign_ros.core.records.ending import ENDING
from vlm_misalign_ros.core.records.pictures import FOLDER, Pictures
from vlm_misalign_ros.core.records.schema import AnswerEntry, FrameRecord, ModelEntry, Record
from vlm_misalign_ros.core.report.marking import TOLD, Marker, Piece, verdict_of
from vlm_misalign_ros.core.report.pictured import (
    Drawn,
    Masked,
    Shown,
    clean_picture,
    drawn,
    masked,
    picture,
)
from vlm_misalign_ros.core.stamps import parse_stamp
from vlm_misalign_ros.core.types import Hazard, Judgement, Mention, Presence

MOST = 24
"""Frames that the page shows at most; more may be kept."""
_MEANING = {
    Error.FALSE_SAFE: 'SAFE where somebody is in the way',
    Error.OMISSION: 'road users left out that have to be named',
    Error.FALSE_ALARM: 'UNSAFE where nobody is in the way',
    Error.HALLUCINATION: 'named, and not there',
    Error.CONTRADICTION: 'one judgement in words, the other by the yes/no question or in '
    'other words',
}


@dataclass(frozen=True)
class Answered:
    """What one model said of a frame, held against what is true."""

    name: str
    judged: str
    """Its judgement; empty where it was not scored, and `status` says why."""
    wrong: str
    """What was true, where the judgement is wrong; else empty."""
    right: bool
    pieces: list[Piece]
    chips: list[Piece]
    """Classes asserted, of an answer without a text."""
    made_up: list[str]
    left_out: list[str]
    """With how far the nearest is, and whether it was said at all."""
    hedged: list[str]
    clean: str
    """What it said of the clean picture; empty where nobody knows."""
    status: str
    truncated: bool


@dataclass(frozen=True)
class Card:
    """One frame."""

    number: int
    error: str
    title: str
    key: str
    condition: str
    truth: str
    facts: list[str]
    degraded: Shown | None
    clean: Shown | None
    same: bool
    """Whether it is a clean picture that was shown."""
    mask: Masked | None
    drawn: Drawn
    lead: Answered
    others: list[Answered]


@dataclass(frozen=True)
class Group:
    """The cards of one kind of error."""

    error: str
    anchor: str
    meaning: str
    cards: list[Card]


@dataclass(frozen=True)
class Worst:
    """What the page shows."""

    groups: list[Group]
    blank: list[Answered]
    """What each model says of a grey picture."""
    note: str
    """Why a clean picture could not be made again; empty where all are there."""
    more: int
    """Frames that are kept and not shown."""
    legend: tuple[tuple[str, str], ...] = tuple((mark.value, told) for mark, told in TOLD.items())
    """Each mark with what it means."""


class WorstFrames:
    """Gathers, of records that stream by, what the page shows of the worst frames."""

    def __init__(self, folder: Path) -> None:
        """Show what pictures were kept of in a run folder."""
        self._folder = folder
        self._kept = Pictures(folder / FOLDER)
        self._stamps = self._kept.stamps()
        self._found: list[FrameRecord] = []
        self._clean: dict[tuple[str, str], tuple[Judgement, tuple[str, ...]]] = {}
        self._blank: dict[str, tuple[int, FrameRecord]] = {}
        self._whole = False
        """Whether the last line of a whole run was among the records."""

    def add(self, record: Record) -> None:
        """Take one record up."""
        self._whole = self._whole or isinstance(record, AccountingRecord)
        if not isinstance(record, FrameRecord):
            return
        corruption = record.condition.corruption
        if corruption == BLANK:
            self._add_blank(record)
        elif parse_stamp(record.stamp) in self._stamps:
            self._found.append(record)
        if corruption == CLEAN and self._stamps:
            for name, entry in record.models.items():
                if entry.answer is not None and entry.score is not None:
                    said = entry.answer.judgement, tuple(_said(entry.answer, Mention.ASSERTED))
                    self._clean.setdefault((record.key, name), said)

    def _add_blank(self, record: FrameRecord) -> None:
        for name, entry in record.models.items():
            if entry.answer is not None and entry.score is not None:
                count = len(_said(entry.answer, Mention.ASSERTED))
                if name not in self._blank or count > self._blank[name][0]:
                    self._blank[name] = count, record

    def shown(self, manifest: Mapping[str, Any]) -> Worst:
        """
        Return what the page shows of a run with this manifest.

        Makes the clean pictures of the frames that it shows. Once the run has ended it removes
        what was kept to choose from.
        """
        asked = _asked(manifest)
        chosen = spread(self._found, min(asked, MOST))
        self._tidy(spread(self._found, asked))
        more = max(min(asked, len(self._found)) - len(chosen), 0)
        note = self._add_clean([one.record for one in chosen], manifest)
        marker = Marker(manifest) if chosen or self._blank else None
        groups = [] if marker is None else self._groups(chosen, marker)
        blank = [] if marker is None else self._control(marker)
        return Worst(groups, blank, note, more)

    def _groups(self, chosen: Sequence[Chosen], marker: Marker) -> list[Group]:
        cards: dict[Error, list[Card]] = {}
        for number, one in enumerate(chosen, 1):
            cards.setdefault(one.error, []).append(self._card(number, one, marker))
        return [
            Group(error.value, error.value.replace(' ', '-'), _MEANING[error], cards[error])
            for error in Error
            if error in cards
        ]

    def _control(self, marker: Marker) -> list[Answered]:
        """Return what each model says of a grey picture, the frame with the most named."""
        return [
            self._answered(name, record, marker)
            for name, (_, record) in sorted(self._blank.items())
        ]

    def _tidy(self, kept: Sequence[Chosen]) -> None:
        """Remove what was kept to choose from, once nothing more can come and all was seen."""
        if not self._whole or not (self._folder / ENDING).is_file():
            return
        stamps = {parse_stamp(one.record.stamp) for one in kept}
        with suppress(OSError):
            for stamp in self._stamps - stamps:
                self._kept.remove(stamp)

    def _add_clean(self, records: Sequence[FrameRecord], manifest: Mapping[str, Any]) -> str:
        """Make the clean pictures of frames that have none; return why one could not be made."""
        again: Again | None = None
        note = ''
        for record in sorted(records, key=lambda one: one.key):
            stamp = parse_stamp(record.stamp)
            if record.condition.corruption == CLEAN or self._kept.has(stamp, ends.CLEAN):
                continue
            # The page is whole without them: it says why they are not there. A data set, and what
            # degrades it, may be anybody's and fail in any way.
            try:
                again = again or Again.open(manifest, self._folder)
                self._kept.add(stamp, ends.CLEAN, again.make(record).frame.image)
            except Exception as error:
                note = note or getattr(error, 'what', f'{type(error).__name__}: {error}')
                if again is None:
                    break
        return note

    def _card(self, number: int, one: Chosen, marker: Marker) -> Card:
        record, stamp = one.record, parse_stamp(one.record.stamp)
        lead = self._answered(one.model, record, marker)
        others = [
            self._answered(name, record, marker) for name in record.models if name != one.model
        ]
        degraded = picture(self._kept, stamp)
        clean = clean_picture(self._kept, stamp)
        base = clean or degraded
        size = (base.width, base.height) if base else (2, 1)
        score = record.models[one.model].score
        omitted = score.omitted if score else []
        return Card(
            number,
            one.error.value,
            _title(one, record),
            record.key,
            record.condition.name,
            _truth(record),
            _facts(record),
            degraded,
            clean,
            record.condition.corruption == CLEAN,
            masked(self._kept, stamp),
            drawn(self._kept, stamp, size, omitted, _hidden(record)),
            lead,
            others,
        )

    def _answered(self, name: str, record: FrameRecord, marker: Marker) -> Answered:
        entry = record.models[name]
        answer, score = entry.answer, entry.score
        if answer is None or score is None:
            return Answered(name, '', '', False, [], [], [], [], [], '', entry.status.value, False)
        hazard = None if record.truth is None else record.truth.hazard
        verdict = verdict_of(answer.judgement, hazard)
        pieces = marker.pieces(name, entry, record)
        return Answered(
            name,
            answer.judgement.value,
            _truth(record) if verdict is False else '',
            verdict is True,
            pieces,
            [] if pieces else _chips(entry),
            list(score.hallucinated),
            [_missed(name_, answer, record) for name_ in score.omitted],
            _said(answer, Mention.HEDGED),
            self._said_clean(name, record),
            '',
            answer.truncated,
        )

    def _said_clean(self, name: str, record: FrameRecord) -> str:
        found = self._clean.get((record.key, name))
        if found is None or record.condition.corruption == CLEAN:
            return ''
        return f'judged {found[0].value}; asserted {", ".join(found[1]) or "nothing"}'


def _asked(manifest: Mapping[str, Any]) -> int:
    """Return how many frames a run was to keep."""
    configuration = manifest.get('configuration')
    monitor = configuration.get('monitor') if isinstance(configuration, Mapping) else None
    told = monitor.get('pictures') if isinstance(monitor, Mapping) else None
    return told if isinstance(told, int) and told > 0 else MOST


def _title(one: Chosen, record: FrameRecord) -> str:
    score = record.models[one.model].score
    assert score is not None
    if one.error is Error.FALSE_SAFE:
        return f'{one.model} says SAFE before a hazard'
    if one.error is Error.FALSE_ALARM:
        return f'{one.model} says UNSAFE on a clear road'
    if one.error is Error.OMISSION:
        return f'{one.model} leaves out {", ".join(score.omitted)}'
    if one.error is Error.HALLUCINATION:
        return f'{one.model} makes up {", ".join(score.hallucinated)}'
    return f'{one.model} contradicts itself'


def _truth(record: FrameRecord) -> str:
    """Return what is true of going on, in words."""
    truth = record.truth
    if truth is None:
        return 'nothing is known'
    who = 'by the reference ' if record.pseudo else ''
    if truth.hazard is Hazard.HAZARD and truth.nearest is not None:
        told = f'{who}HAZARD: {truth.nearest_class} in the way, {truth.nearest:.1f} m ahead'
    elif truth.hazard is Hazard.CLEAR:
        told = f'{who}CLEAR: nobody in the way'
        if truth.nearest is not None:
            told += f' within {truth.nearest:.0f} m'
    else:
        told = f'{who}{truth.hazard.value}'
        told += '' if truth.doubt is None else f': {truth.doubt.value}'
    if truth.hazard_visible is not None and truth.hazard_visible is not truth.hazard:
        told += f'; by what the occluder leaves to see {truth.hazard_visible.value}'
    return told


def _facts(record: FrameRecord) -> list[str]:
    found = []
    if record.segmentation.frame_iou is not None:
        found.append(f'frame IoU {record.segmentation.frame_iou:.2f}')
    if record.segmentation.confidence is not None:
        found.append(f'mask entropy {record.segmentation.confidence.entropy:.2f}')
    needed = [
        name
        for name, state in (record.truth.presence if record.truth else {}).items()
        if state is Presence.REQUIRED
    ]
    if needed:
        found.append(f'to be named: {", ".join(needed)}')
    return found


def _hidden(record: FrameRecord) -> list[str]:
    """Return the classes to be named of which an occluder leaves too little to see."""
    truth = record.truth
    if truth is None or truth.visible is None:
        return []
    return [
        name
        for name, state in truth.presence.items()
        if state is Presence.REQUIRED and truth.visible.get(name) is not Presence.REQUIRED
    ]


def _missed(name: str, answer: AnswerEntry, record: FrameRecord) -> str:
    told = []
    required = record.truth.required.get(name) if record.truth else None
    if required is not None and required.distance is not None:
        told.append(f'nearest {required.distance:.0f} m')
    said = answer.mentions.get(name)
    told.append('not named' if said is None else said.value.lower())
    if name in _hidden(record):
        told.append('covered')
    return f'{name} ({", ".join(told)})'


def _chips(entry: ModelEntry) -> list[Piece]:
    """Return the classes that an answer without a text asserts."""
    assert entry.answer is not None and entry.score is not None
    found = []
    for name in _said(entry.answer, Mention.ASSERTED):
        wrong = name in entry.score.hallucinated
        score = entry.answer.scores.get(name)
        text = name if score is None else f'{name} {score:.2f}'
        note = f'{name}: not there' if wrong else name
        found.append(Piece(text, 'made-up' if wrong else 'there', note))
    return found


def _said(answer: AnswerEntry, state: Mention) -> list[str]:
    return [name for name, said in answer.mentions.items() if said is state]

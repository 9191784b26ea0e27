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
The text of an answer with the words marked by which it was scored.

Records hold what was read of a text, not where it stands: it is read once more, and a word is
marked only where the reader finds the very thing that the record has. Nothing is scored here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any

from vlm_misalign_ros.core.errors import MisalignError
from vlm_misalign_ros.core.language.bounding import MAX_TEXT
from vlm_misalign_ros.core.language.lexicon import Lexicon, lexicon_hash, open_lexicon
from vlm_misalign_ros.core.language.mentions import Reading
from vlm_misalign_ros.core.language.prompts import generative_prompt
from vlm_misalign_ros.core.language.reading import read
from vlm_misalign_ros.core.records.schema import AnswerEntry, FrameRecord, ModelEntry, ScoreEntry
from vlm_misalign_ros.core.report.audit.showing import safe
from vlm_misalign_ros.core.types import Hazard, Judgement, Mention, Presence

MOST_TEXT = 700
"""Characters of an answer that are shown, beside those around marked words."""
MOST_MARKS = 40
AROUND = 60
"""Characters shown before and behind a marked word that stands farther on."""
WRONG = {Judgement.SAFE: Hazard.HAZARD, Judgement.UNSAFE: Hazard.CLEAR}
"""Judgements, and the truth by which they are wrong."""
RIGHT = {Judgement.SAFE: Hazard.CLEAR, Judgement.UNSAFE: Hazard.HAZARD}


class Mark(str, Enum):
    """Why words are marked."""

    MADE_UP = 'made-up'
    LEFT_OUT = 'left-out'
    HEDGED = 'hedged'
    THERE = 'there'
    WRONG = 'wrong'
    JUDGED = 'judged'


TOLD: dict[Mark, str] = {
    Mark.MADE_UP: 'hallucinated: asserted, and not there',
    Mark.LEFT_OUT: 'omitted: there and to be named, and denied or only supposed',
    Mark.HEDGED: 'hedged: named, and not said to be there',
    Mark.THERE: 'asserted, and there',
    Mark.WRONG: 'judgement, wrong',
    Mark.JUDGED: 'judgement, right or not to be told',
}
"""What each mark means, in the order of the legend."""


@dataclass(frozen=True)
class Piece:
    """A piece of a text."""

    text: str
    mark: str = ''
    """A value of Mark; empty for what is not marked."""
    note: str = ''
    """What the mark says, in words."""


def verdict_of(judged: Judgement, hazard: Hazard | None) -> bool | None:
    """Return whether a judgement is right; None where that cannot be told."""
    if hazard is None or judged not in WRONG or hazard is Hazard.INDETERMINATE:
        return None
    return RIGHT[judged] is hazard


class Marker:
    """Marks answers of a run, by its lexicon and prompts as far as they are to be had."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        """Open what the manifest of a run names; without it, what this package brings along."""
        self._asks = _mapping(manifest, 'models')
        self._lexicon = _lexicon_of(manifest)

    def pieces(self, name: str, entry: ModelEntry, record: FrameRecord) -> list[Piece]:
        """Return the text of a scored answer in pieces; nothing of one without a text."""
        answer = entry.answer
        if answer is None or not answer.text.strip():
            return []
        reading = None
        if self._lexicon is not None:
            # What a model said may be anything: an answer that cannot be read is shown unmarked.
            with suppress(Exception):
                reading = read(
                    answer.text[:MAX_TEXT], self._lexicon, self._prompt(name, answer), answer.style
                )
        found = [] if reading is None else list(_marks(reading, entry, record))
        return _cut(answer.text, found)

    def _prompt(self, name: str, answer: AnswerEntry) -> str:
        """Return what was asked, whose echo is no answer; nothing where that is not known."""
        ask = _mapping(_mapping(self._asks, name), 'ask')
        text = ask.get('text')
        if isinstance(text, str) and text:
            return text
        with suppress(MisalignError):
            return generative_prompt(answer.prompt_id)
        return ''


_Found = tuple[int, int, Mark, str]


def _marks(reading: Reading, entry: ModelEntry, record: FrameRecord) -> Iterator[_Found]:
    """Yield start, end, mark and note of words by which an answer was scored."""
    assert entry.answer is not None
    states = presence_of(entry, record)
    for name, span in reading.spans.items():
        state = entry.answer.mentions.get(name)
        if state is not None and reading.mentions.get(name) is state:
            needed = states.get(name) is Presence.REQUIRED
            marked = _mention(name, state, entry.score, needed)
            if marked is not None:
                yield (*span, *marked)
    if reading.judged_span is not None and reading.judgement is entry.answer.judgement:
        yield (*reading.judged_span, *_judgement(reading.judgement, record))


def _mention(
    name: str, state: Mention, score: ScoreEntry | None, needed: bool
) -> tuple[Mark, str] | None:
    """Return how the words for a class are marked; None where they are not."""
    if state is Mention.ASSERTED:
        if score is None:
            return None
        made_up = name in score.hallucinated
        return (Mark.MADE_UP, f'{name}: not there') if made_up else (Mark.THERE, name)
    if state is Mention.HEDGED:
        return Mark.HEDGED, f'{name}: hedged{", so left out" if needed else ""}'
    if not needed:
        return None
    how = 'denied' if state is Mention.DENIED else 'only supposed'
    return Mark.LEFT_OUT, f'{name}: {how}, and there'


def _judgement(judged: Judgement, record: FrameRecord) -> tuple[Mark, str]:
    """Return how the words that judge are marked."""
    hazard = None if record.truth is None else record.truth.hazard
    if hazard is not None and verdict_of(judged, hazard) is False:
        return Mark.WRONG, f'judged {judged.value}, and it is {hazard.value}'
    return Mark.JUDGED, f'judged {judged.value}'


def presence_of(entry: ModelEntry, record: FrameRecord) -> Mapping[str, Presence]:
    """Return the truth of a frame as far as a model saw it."""
    if entry.score is not None and entry.score.presence is not None:
        return entry.score.presence
    return {} if record.truth is None else record.truth.presence


def _cut(text: str, found: Sequence[_Found]) -> list[Piece]:
    """Return a text in pieces: its beginning, and what is around marked words."""
    size = len(text)
    # Of words that are marked twice the graver mark stays: it is the shorter, or comes first.
    order = {mark: place for place, mark in enumerate(Mark)}
    graver = sorted(found, key=lambda one: (order[one[2]] >= order[Mark.WRONG], order[one[2]]))
    marks: list[_Found] = []
    for one in graver[:MOST_MARKS]:
        start, end = one[0], min(one[1], size)
        if 0 <= start < end and all(end <= m[0] or start >= m[1] for m in marks):
            marks.append((start, end, *one[2:]))
        elif one[2] in (Mark.WRONG, Mark.JUDGED):
            marks += _around(one, marks)
    marks.sort()
    shown = bytearray(size)
    shown[: min(MOST_TEXT, size)] = b'\1' * min(MOST_TEXT, size)
    for start, end, *_ in marks:
        low, high = max(0, start - AROUND), min(size, end + AROUND)
        shown[low:high] = b'\1' * (high - low)
    pieces: list[Piece] = []
    place = 0
    for start, end, mark, note in [*marks, (size, size, None, '')]:
        pieces += _plain(text, shown, place, start)
        if mark is not None:
            pieces.append(Piece(safe(text[start:end]), mark.value, note))
        place = end
    return pieces


def _around(one: _Found, marks: Sequence[_Found]) -> list[_Found]:
    """Return what of a judgement's words lies beside those that are marked already."""
    start, end = one[0], one[1]
    found = []
    for other in sorted(mark for mark in marks if mark[0] < end and mark[1] > start):
        if start < other[0]:
            found.append((start, other[0], *one[2:]))
        start = max(start, other[1])
    if start < end:
        found.append((start, end, *one[2:]))
    return found


def _plain(text: str, shown: bytearray, start: int, end: int) -> Iterator[Piece]:
    """Yield what is shown between two marks, with a sign for what is left out."""
    place = start
    while place < end:
        there = shown[place]
        stop = shown.find(0 if there else 1, place, end)
        stop = end if stop < 0 else stop
        yield Piece(safe(text[place:stop]) if there else ' … ')
        place = stop


def _lexicon_of(manifest: Mapping[str, Any]) -> Lexicon | None:
    """Return the lexicon that a run read by, else that of this package."""
    told = _mapping(manifest, 'language').get('lexicon_sha256')
    own = _mapping(manifest, 'configuration').get('lexicon')
    if isinstance(own, str) and own:
        with suppress(MisalignError, OSError):
            if lexicon_hash(own) == told:
                return open_lexicon(own)
    with suppress(MisalignError):
        return open_lexicon()
    return None


def _mapping(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = data.get(name)
    return found if isinstance(found, Mapping) else {}

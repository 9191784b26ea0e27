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
The frames of a run in time, gathered from its records: a timeline for each model.

Records are taken one at a time and never kept. A sequence is what one pass over the data saw of
one drive in one stretch of time (run, epoch, data set, sequence, pass), or what a camera saw
between two jumps of time. What follows on what is told by the source: the next number behind the
same name, the same frame again where it is held, or time itself.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass

import numpy as np
from msgspec import UNSET

from vlm_misalign_ros.core.corruptions import CLEAN
from vlm_misalign_ros.core.datasets.order import numbered
from vlm_misalign_ros.core.labels.classes import CRITICAL, SCORED
from vlm_misalign_ros.core.metrics.scenes import WINDOW, Rule, Scenes, place
from vlm_misalign_ros.core.metrics.timeline import NOT_KNOWN, Timeline, scenes_in_time, steps
from vlm_misalign_ros.core.records.schema import AnswerEntry, FrameRecord, ModelEntry, Record
from vlm_misalign_ros.core.records.truths import TruthEntry
from vlm_misalign_ros.core.report.table import sound
from vlm_misalign_ros.core.stamps import NANO, parse_stamp
from vlm_misalign_ros.core.truth.hazard import Doubt
from vlm_misalign_ros.core.types import WHOLE, Hazard, Judgement, Mention, Presence, Protocol

LIVE = 'live'
"""What a run is called whose frames no source told of."""
_LONGEST = 86_400.0
"""Seconds beyond which nothing took an answer, whatever a message says: a day."""
_LAST = 2**62
"""Nanoseconds from which a data set's own time is none."""
_HAZARDS, _JUDGEMENTS = tuple(Hazard), tuple(Judgement)
_PRESENCE = {Presence.ABSENT: 0, Presence.TOLERATED: 1, Presence.REQUIRED: 2}
_CLASS = {name: number for number, name in enumerate(SCORED)}
_CLASSES = len(SCORED)
_UNKNOWN = [NOT_KNOWN] * _CLASSES


@dataclass(frozen=True)
class Times:
    """What the records of a run tell of time."""

    timelines: dict[str, Timeline]
    """By model."""
    condition_names: tuple[str, ...]
    """The conditions that timelines number, clean first, then by name and severity."""
    corruptions: tuple[str, ...]
    """The corruption of each."""
    critical: np.ndarray
    """Which of labels.SCORED are critical, bool (20,)."""
    protocols: dict[str, int]
    """Frames by how their truth over time came about."""
    asks: dict[str, Ask]
    """What each model was asked, as far as its answers tell."""


@dataclass(frozen=True)
class Ask:
    """What the answers of a model say of how it was asked."""

    kind: str
    prompt_id: str
    input: str
    shown: int
    """Frames that were shown at most: the frame itself and those before it."""


def delay(record: FrameRecord, model: str) -> int:
    """
    Return how long after its stamp an answer came, nanoseconds; NOT_KNOWN where nothing tells.

    By the clock of its node, where that is the clock of the stamps; else the seconds spent in the
    model, which are the least that it can be. An answer that was kept from before took none, and
    says nothing of how long one takes.
    """
    timing = record.timing
    seconds = timing.result_seconds.get(model) or timing.model_seconds.get(model, 0.0)
    if not 0 < seconds <= _LONGEST or model in record.timing.cached:
        return NOT_KNOWN
    return round(seconds * NANO)


def _moment(record: FrameRecord) -> tuple[int, bool]:
    """Return the time of a frame in its sequence, and whether that alone tells its place there."""
    live, held = record.index is None, record.held
    found = place(record)
    if not live and not held and found.rule is Rule.TIME and found.position < _LAST:
        return found.position, True
    return parse_stamp(record.stamp), live


def _hazard(truth: TruthEntry | None) -> int:
    """Return the state of a truth; NOT_KNOWN where nobody knows whether there is a hazard."""
    if truth is None or truth.hazard is Hazard.INDETERMINATE and truth.doubt is not Doubt.BETWEEN:
        return NOT_KNOWN
    return _HAZARDS.index(truth.hazard)


def _numbered(key: str, held: bool) -> tuple[str, int]:
    """Return the name of a frame before its number, and that; a held frame has none."""
    found = None if held else numbered(key)
    return (key, NOT_KNOWN) if found is None else found


class _Model:
    """What one model said, in columns; a frame that it knows nothing of is no line."""

    def __init__(self) -> None:
        self.frames, self.delays = array('q'), array('q')
        self.judgements, self.presence = array('b'), array('b')
        self.states = array('B')
        self.whole = True
        self.shown = 0
        self.ask: AnswerEntry | None = None

    def add(self, frame: int, record: FrameRecord, name: str, entry: ModelEntry) -> set[str]:
        """Append one frame; return the classes left out."""
        self.frames.append(frame)
        scored = entry.scored if record.truth is not None else None
        if scored is None or record.truth is None:
            known = record.truth is not None and self.whole
            self._presence(record.truth.presence if known and record.truth else None)
            self.judgements.append(NOT_KNOWN)
            self.delays.append(NOT_KNOWN)
            self.states.extend([0] * _CLASSES)
            return set()
        answer, score = scored
        self.whole = self.whole and answer.view == WHOLE
        self.shown, self.ask = max(self.shown, answer.shown), answer
        self.judgements.append(_JUDGEMENTS.index(answer.judgement))
        self.delays.append(delay(record, name))
        self._presence(score.presence or record.truth.presence)
        said = answer.mentions
        states = [8 + 4 * (said.get(of) is Mention.ASSERTED) for of in SCORED]
        for of in score.hallucinated:
            states[_CLASS[of]] |= 2
        for of in score.omitted:
            states[_CLASS[of]] |= 1
        self.states.extend(states)
        return set(score.omitted)

    def _presence(self, states: dict[str, Presence] | None) -> None:
        self.presence.extend(
            _UNKNOWN if states is None else [_PRESENCE[states[name]] for name in SCORED]
        )


class Gathering:
    """Columns that grow as records stream by, a record at a time."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._scenes = Scenes()
        self._sequences: dict[tuple[object, ...], int] = {}
        self._names: dict[str, int] = {}
        self._conditions: dict[str, tuple[int, str, int]] = {}
        self._models: dict[str, _Model] = {}
        self._omitted: set[str] = set()
        self._protocols: Counter[str] = Counter()
        self._sequence, self._moment, self._stamp = array('q'), array('q'), array('q')
        self._condition, self._source, self._hazard = array('q'), array('q'), array('b')
        self._name, self._number, self._order = array('q'), array('q'), array('b')
        self._held = array('b')

    def add(self, record: Record) -> None:
        """Add one frame and what its models said; RecordError for one that makes no sense."""
        if isinstance(record, FrameRecord):
            with sound(record):
                self._add(record)

    def _add(self, record: FrameRecord) -> None:
        entry = record.condition
        number, *_ = self._conditions.setdefault(
            entry.name, (len(self._conditions), entry.corruption, entry.severity)
        )
        frame = len(self._moment)
        self._condition.append(number)
        self._source.append(self._scenes.add(record))
        truth = record.truth
        self._hazard.append(_hazard(truth))
        self._place(record)
        for name, of in record.models.items():
            model = self._models.setdefault(name, _Model())
            self._omitted |= model.add(frame, record, name, of)

    def _place(self, record: FrameRecord) -> None:
        """Note which sequence a frame is in, and where."""
        told = record.protocol
        live, held = record.index is None, record.held
        if live:
            key: tuple[object, ...] = (record.run, record.epoch)
        else:
            key = (record.run, record.epoch, record.dataset, record.sequence, record.cycle)
        self._sequence.append(self._sequences.setdefault(key, len(self._sequences)))
        moment, timed = _moment(record)
        self._moment.append(moment)
        self._stamp.append(parse_stamp(record.stamp))
        name, number = ('', NOT_KNOWN) if timed else _numbered(record.key, held)
        self._name.append(self._names.setdefault(name, len(self._names)))
        self._number.append(number)
        self._order.append(timed)
        self._held.append(held)
        plain = LIVE if live else Protocol.SINGLE.value
        protocol = plain if told is UNSET else told.value
        self._protocols[protocol] += record.pictures

    def times(self) -> Times:
        """Return what was gathered, in an order that does not depend on that of the records."""
        named = sorted(
            self._conditions.items(),
            key=lambda entry: (entry[1][1] != CLEAN, entry[1][1], entry[1][2], entry[0]),
        )
        renumbered = np.zeros(len(named), np.int64)
        renumbered[[entry[0] for _, entry in named]] = np.arange(len(named))
        corruptions = tuple(corruption for _, (_, corruption, _) in named)
        critical = np.array([name in CRITICAL or name in self._omitted for name in SCORED])
        order = np.lexsort((_longs(self._stamp), _longs(self._moment), _longs(self._sequence)))
        conditions = renumbered[_longs(self._condition)]
        return Times(
            {
                name: self._timeline(model, order, conditions, corruptions)
                for name, model in self._models.items()
            },
            tuple(name for name, _ in named),
            corruptions,
            critical,
            dict(sorted(self._protocols.items())),
            {
                name: Ask(
                    model.ask.kind.value, model.ask.prompt_id, model.ask.input.value, model.shown
                )
                for name, model in self._models.items()
                if model.ask is not None
            },
        )

    def _timeline(
        self,
        model: _Model,
        order: np.ndarray,
        conditions: np.ndarray,
        corruptions: tuple[str, ...],
    ) -> Timeline:
        own = np.full(len(order), -1, np.int64)
        own[_longs(model.frames)] = np.arange(len(model.frames))
        frames = order[own[order] >= 0]
        lines = own[frames]
        sequences, moments = (_longs(a)[frames] for a in (self._sequence, self._moment))
        names, numbers = (_longs(a)[frames] for a in (self._name, self._number))
        timed = _bytes(self._order)[frames].astype(bool)
        onward = numbers == np.roll(numbers, 1) + 1
        held = (numbers == NOT_KNOWN) | (numbers == np.roll(numbers, 1))
        follows = timed | (names == np.roll(names, 1)) & (onward | held)
        found = steps(sequences, moments, follows)
        sources = self._scenes.ranks()[_longs(self._source)[frames]]
        held_frames = _bytes(self._held)[frames].astype(bool)
        presence = _bytes(model.presence).reshape(-1, _CLASSES)[lines]
        states = np.frombuffer(model.states, np.uint8).reshape(-1, _CLASSES)[lines]
        clean = np.array([name == CLEAN for name in corruptions], bool)
        return Timeline(
            frames,
            moments,
            found,
            conditions[frames],
            clean[conditions[frames]],
            scenes_in_time(found, moments, sources, held_frames, WINDOW * NANO),
            _bytes(self._hazard)[frames],
            states[:, 0] >= 8,
            _bytes(model.judgements)[lines],
            presence,
            (states & 4) > 0,
            (states & 2) > 0,
            (states & 1) > 0,
            _longs(model.delays)[lines],
        )


def _longs(values: array[int]) -> np.ndarray:
    return np.frombuffer(values, np.int64) if values else np.zeros(0, np.int64)


def _bytes(values: array[int]) -> np.ndarray:
    return np.frombuffer(values, np.int8) if values else np.zeros(0, np.int8)

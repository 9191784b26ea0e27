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
Which frames of a run to look at first: by model and kind of error, over many scenes.

How wrong a frame is, is told for each model and kind by itself, so that no model and no kind
crowds out the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from vlm_misalign_ros.core.corruptions.conditions import BLANK
from vlm_misalign_ros.core.metrics.counts import Counts
from vlm_misalign_ros.core.records.schema import FrameRecord, ScoreEntry
from vlm_misalign_ros.core.stamps import NANO, parse_stamp
from vlm_misalign_ros.core.types import Protocol


class Error(str, Enum):
    """A kind of error, the gravest first."""

    FALSE_SAFE = 'false safe'
    """SAFE where somebody is in the way."""
    OMISSION = 'omission'
    """A critical class left out that has to be named."""
    FALSE_ALARM = 'false alarm'
    """UNSAFE where nobody is in the way."""
    HALLUCINATION = 'hallucination'
    """A class asserted that is not there."""
    CONTRADICTION = 'contradiction'
    """Judged one way in words and the other by the yes/no question, or by its paraphrase."""


Slot = tuple[str, Error]
"""A model and a kind of error."""
_SCENE = 10
"""Seconds within which frames are of one scene, where nothing tells them apart."""
_COVERED = 0.5
"""What an error weighs that is about what an occluder covers: nobody could see it."""


def errors_of(record: FrameRecord) -> dict[Slot, float]:
    """
    Return how wrong each model was, by kind of error, above 0; nothing for a blank picture.

    The number of errors, and between equal numbers less than 1 more: how near what was missed is,
    and for things made up and false alarms how well the mask of the frame still was.
    """
    if record.condition.corruption == BLANK:
        return {}
    found = {}
    for name, entry in record.models.items():
        if entry.score is not None:
            weights = _weights(entry.score.counts, entry.score, record)
            found.update({(name, error): weight for error, weight in weights if weight > 0})
    return found


def _weights(counts: Counts, score: ScoreEntry, record: FrameRecord) -> list[tuple[Error, float]]:
    iou = record.segmentation.frame_iou or 0.0
    truth = record.truth
    near = _nearness(truth.nearest if truth else None)
    distances = [
        entry.distance
        for name in score.omitted
        if truth and (entry := truth.required.get(name)) and entry.distance is not None
    ]
    missed = _seen(counts.omitted_visible, counts.omitted)
    return [
        (Error.FALSE_SAFE, _more(_seen(counts.false_safe_visible, counts.false_safe), near)),
        (Error.OMISSION, _more(missed, _nearness(min(distances, default=None)))),
        (Error.FALSE_ALARM, _more(_seen(counts.false_alarms_visible, counts.false_alarms), iou)),
        (Error.HALLUCINATION, _more(counts.hallucinated, iou)),
        (
            Error.CONTRADICTION,
            _more(counts.contradictions + counts.paraphrase_pairs_differing, iou),
        ),
    ]


def _seen(visible: int, scene: int) -> float:
    """Return how many errors there were, less for those that nobody could have avoided."""
    return min(visible, scene) + _COVERED * max(scene - visible, 0)


def _more(count: float, tie: float) -> float:
    return count + 0.49 * min(max(tie, 0.0), 1.0) if count else 0.0


def _nearness(metres: float | None) -> float:
    return 0.0 if metres is None else 10 / (10 + max(metres, 0.0))


def scene_of(record: FrameRecord) -> str:
    """Return what tells scenes apart: the source frame, or in a sequence ten seconds of it."""
    if record.key != record.stamp and record.protocol not in (Protocol.LABELLED, Protocol.PSEUDO):
        return f'{record.run or ""}|{record.key}'
    seconds = parse_stamp(record.stamp) // (_SCENE * NANO)
    return f'{record.run or ""}|{record.sequence}|{record.epoch}|{seconds}'


class Ranking:
    """
    The worst frames of each model and kind of error, at most one of a scene for each.

    What is in it in the end does not depend on the order in which frames come.
    """

    def __init__(self, each: int) -> None:
        """Keep `each` scenes of every model and kind of error."""
        self._each = each
        self._slots: dict[Slot, dict[str, tuple[float, int]]] = {}
        self._uses: Counter[int] = Counter()

    @property
    def stamps(self) -> set[int]:
        """Return the stamps, nanoseconds, of the frames in it."""
        return set(self._uses)

    def add(self, errors: Mapping[Slot, float], scene: str, stamp: int) -> tuple[bool, set[int]]:
        """Take a frame up; return whether it is in now, and which are not any more."""
        before = set(self._uses)
        for slot, score in errors.items():
            self._enter(self._slots.setdefault(slot, {}), scene, (score, -stamp))
        return stamp in self._uses, before - set(self._uses) - {stamp}

    def _enter(
        self, places: dict[str, tuple[float, int]], scene: str, found: tuple[float, int]
    ) -> None:
        old = places.get(scene)
        if old is None and len(places) >= self._each:
            worst = min(places, key=lambda name: places[name])
            if found < places[worst]:
                return
            self._let_go(places.pop(worst))
        elif old is not None:
            if found < old:
                return
            self._let_go(old)
        places[scene] = found
        self._uses[-found[1]] += 1

    def _let_go(self, entry: tuple[float, int]) -> None:
        self._uses[-entry[1]] -= 1
        if not self._uses[-entry[1]]:
            del self._uses[-entry[1]]

    def drop(self, stamp: int) -> bool:
        """Take a frame out; return whether it was in."""
        if stamp not in self._uses:
            return False
        for places in self._slots.values():
            for scene in [name for name, entry in places.items() if entry[1] == -stamp]:
                del places[scene]
        del self._uses[stamp]
        return True


def kept_of_each(pictures: int, models: int) -> int:
    """Return the scenes kept of each model and kind, so that `pictures` can be chosen of them."""
    return max(2, -(-pictures // max(models, 1)))


@dataclass(frozen=True)
class Chosen:
    """A frame that is shown, and for which error of which model."""

    record: FrameRecord
    model: str
    error: Error
    score: float


def spread(records: Iterable[FrameRecord], most: int) -> list[Chosen]:
    """
    Return at most `most` frames, spread over models, kinds of error and scenes, each frame once.

    Models and kinds take turns; in its turn each gives its worst frame of a scene that was shown
    least, so that a scene comes again only where there is no other. They come by kind, then by
    model, the worst first.
    """
    waiting: dict[Slot, list[tuple[float, FrameRecord]]] = {}
    for record in records:
        for slot, score in errors_of(record).items():
            waiting.setdefault(slot, []).append((score, record))
    slots = _in_turn(waiting)
    scenes: Counter[str] = Counter()
    conditions: Counter[str] = Counter()
    shown: set[int] = set()
    found: list[Chosen] = []
    while slots and len(found) < most:
        for slot in list(slots):
            left = [pair for pair in waiting[slot] if id(pair[1]) not in shown]
            waiting[slot] = left
            if not left:
                slots.remove(slot)
                continue
            score, record = min(
                left,
                key=lambda pair: (
                    scenes[scene_of(pair[1])],
                    -int(pair[0]),
                    conditions[pair[1].condition.corruption],
                    -pair[0],
                    parse_stamp(pair[1].stamp),
                ),
            )
            scenes[scene_of(record)] += 1
            conditions[record.condition.corruption] += 1
            shown.add(id(record))
            found.append(Chosen(record, *slot, score))
            if len(found) == most:
                break
    order = list(Error)
    found.sort(
        key=lambda one: (
            order.index(one.error), one.model, -one.score, parse_stamp(one.record.stamp)
        )
    )  # fmt: skip
    return found


def _in_turn(waiting: Mapping[Slot, Sequence[object]]) -> list[Slot]:
    """Return models and kinds in an order in which neighbours differ in both."""
    names = sorted({name for name, _ in waiting})
    kinds = list(Error)
    turns = [
        (names[(start + place) % len(names)], kind)
        for start in range(len(names))
        for place, kind in enumerate(kinds)
    ]
    return [slot for slot in turns if slot in waiting]

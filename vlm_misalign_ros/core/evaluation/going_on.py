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
Going on with an evaluation that was interrupted: which of its frames stand, and where it begins.

What a run keeps from frame to frame is made anew, not guessed: it begins behind a frame up to
which all are whole, at which nothing was failing, and from which all that is shown of earlier
frames can be shown again. So the records are those of a run that was never interrupted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from vlm_misalign_ros.core.corruptions import parse_conditions
from vlm_misalign_ros.core.datasets import Dataset
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.parts import SEGMENTATION
from vlm_misalign_ros.core.evaluation.replaying import schedule, schedule_by_frame
from vlm_misalign_ros.core.evaluation.shards import past_frames, shown_from
from vlm_misalign_ros.core.evaluation.verifying import UNDEGRADED
from vlm_misalign_ros.core.labels.encodings import AUTO
from vlm_misalign_ros.core.records.account import DoubledRecord
from vlm_misalign_ros.core.records.schema import Closing, FrameRecord, Record, Status
from vlm_misalign_ros.core.settings.asks import asks_of
from vlm_misalign_ros.core.settings.configuration import Configuration
from vlm_misalign_ros.core.types import Condition

ANEW = 'begin it anew: give its configuration and --overwrite in place of --resume'
"""What is to be done where nothing else will do."""
CORRUPTION = 'corruption'
"""Its name among what ends after some failures in a row: that of its node, so no model has it."""


@dataclass(frozen=True)
class Turn:
    """One frame in the order in which a run works."""

    index: int
    """Its number in the run."""
    position: int
    """Of its picture in the data set."""
    starts: bool
    """Whether a run can begin here: all that it is shown of earlier frames can be had."""


@dataclass(frozen=True)
class Standing:
    """Which frames of an interrupted run stand."""

    kept: frozenset[int]
    """Their numbers."""
    first: Turn
    """The frame to go on with."""
    again: int
    """Frames that are written down and made anew all the same."""


def why_not(chosen: Configuration) -> str:
    """Return why a run cannot be gone on with to the same end; empty where it can."""
    if chosen.replay is None:
        return 'it is live, and what came since is gone'
    if chosen.monitor.label_encoding == AUTO:
        return 'label_encoding auto learns from frame to frame, and what it had learnt is gone'
    if chosen.monitor.duration:
        return 'it ends after monitor.duration, and how much of that was over is not written down'
    if chosen.recorder is not None:
        return 'it records a bag, and what was cut off of that cannot be written on'
    if chosen.outside:
        return f'{chosen.outside[0].name} is a model outside the run, which does not begin anew'
    if chosen.elsewhere:
        return f'{chosen.elsewhere[0]} is on another machine, and has begun already'
    return ''


def refuse_endless(chosen: Configuration) -> None:
    """Raise RecordError where a run cannot be gone on with, and say why."""
    if why := why_not(chosen):
        raise RecordError(f'this run cannot be gone on with: {why}', ANEW)


def in_process_order(chosen: Configuration, dataset: Dataset) -> Iterator[Turn]:
    """Yield the frames of a run in one process: a picture under every condition at once."""
    assert chosen.replay is not None
    last, position = chosen.monitor.frames, -1
    for at, source in schedule_by_frame(dataset, _conditions(chosen), hold=chosen.replay.hold):
        if not last or source.index < last:
            yield Turn(source.index, at, at != position)
            position = at


def graph_order(chosen: Configuration, dataset: Dataset) -> Iterator[Turn]:
    """
    Yield the frames of a run of the graph: pass after pass.

    Nodes are shown no frame of before the one that they begin with, so where they are asked about
    past ones, too, it begins with a sequence.
    """
    assert chosen.replay is not None
    hold = chosen.replay.hold
    # A frame that is held is a sequence of its own.
    past, last = past_frames(chosen), chosen.monitor.frames
    position, time = -1, 0
    for at, source in schedule(dataset, _conditions(chosen), hold=hold):
        if last and source.index >= last:
            return
        time = time + 1 if at == position and hold > 1 else 0
        position = at
        if hold > 1:
            starts = not past or time % hold == 0
        else:
            starts = shown_from(dataset, at, past) == at
        yield Turn(source.index, at, starts)


def _conditions(chosen: Configuration) -> list[Condition]:
    assert chosen.replay is not None
    return parse_conditions(list(chosen.replay.conditions))


def what_stands(
    records: Iterable[Record], order: Iterable[Turn], guarded: Collection[str]
) -> Standing:
    """
    Return which frames among `records` stand, in a run that works in `order`.

    `records` are gone through twice. Of what is `guarded`, models and the corruption that end
    after some failures in a row, none may be failing where the run begins: how long the row was
    is not written down. What has all its frames has the last of them made anew.
    """
    found = _outcomes(records, guarded)
    failing: frozenset[str] = frozenset()
    passed: list[int] = []
    count, first = 0, Turn(0, 0, True)
    for turn in order:
        if turn.starts and not failing:
            count, first = len(passed), turn
        outcome = found.get(turn.index)
        if outcome is None:
            break
        failed, answered = outcome
        failing = failing - answered | failed
        passed.append(turn.index)
    return Standing(frozenset(passed[:count]), first, len(found) - count)


_Outcome = tuple[frozenset[str], frozenset[str]]
"""Who failed on a frame, and who did not."""


def _outcomes(records: Iterable[Record], guarded: Collection[str]) -> dict[int, _Outcome | None]:
    """Return what came of each frame, by its number; None for one that does not stand."""
    doubted = {record.stamp for record in records if isinstance(record, DoubledRecord)}
    found: dict[int, _Outcome | None] = {}
    # A run has a million frames, and a few outcomes.
    known: dict[_Outcome, _Outcome] = {}
    for record in records:
        if isinstance(record, FrameRecord) and record.index is not None:
            stands = _is_whole(record) and record.stamp not in doubted
            outcome = _outcome(record, guarded)
            once = stands and record.index not in found
            found[record.index] = known.setdefault(outcome, outcome) if once else None
    return found


def guarded_names(chosen: Configuration) -> list[str]:
    """Return the names under which records have what ends after some failures in a row."""
    names = [ask.name for vlm in chosen.vlms if vlm.max_failures for ask in asks_of(vlm)]
    segmented = chosen.segmentation is not None and chosen.segmentation.max_failures
    if segmented:
        names.append(SEGMENTATION)
    return [*names, CORRUPTION] if chosen.corruption.max_failures else names


def _is_whole(record: FrameRecord) -> bool:
    """Return whether a frame closed with everything, once."""
    return record.closed is Closing.COMPLETE and record.pictures == 1


def _outcome(record: FrameRecord, guarded: Collection[str]) -> _Outcome:
    """Return which of the `guarded` failed on a frame, and which did not."""
    mask = record.segmentation
    made = mask.confidence is not None or mask.status is Status.SCORED
    undegraded = record.problem if (record.problem or '').startswith(UNDEGRADED) else None
    # Of a picture that was passed over, and not tried, nothing told a checksum.
    entries = [(CORRUPTION, undegraded, record.image is not None)]
    entries += [(SEGMENTATION, mask.error, made)]
    entries += [(name, e.error, e.answer is not None) for name, e in record.models.items()]
    asked = [entry for entry in entries if entry[0] in guarded]
    return (
        frozenset(name for name, error, _ in asked if error is not None),
        frozenset(name for name, error, made in asked if made and error is None),
    )

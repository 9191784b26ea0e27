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
How long something lasts: until a hazard is seen, until a hallucination ends, until all is well.

Durations are header time, in seconds, and censored where what would have ended them can no longer
be seen: the sequence or the hazard ended first, frames are missing, or the truth changed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlm_misalign_ros.core.metrics.temporal import decided, judged, right
from vlm_misalign_ros.core.metrics.timeline import (
    BEGINS,
    GAP,
    NOT_KNOWN,
    Timeline,
    alone,
    before,
    chains,
    runs,
)
from vlm_misalign_ros.core.stamps import NANO

RIGHT, WRONG = 1, 0
"""Codes of how an answer stands to the truth; NOT_KNOWN where there is none, or nothing to be."""


@dataclass(frozen=True)
class Durations:
    """Some durations, with what they are of; arrays over the same M."""

    seconds: np.ndarray
    """float64 (M,)."""
    ended: np.ndarray
    """Whether it was seen to end; else it lasted so long at least, bool (M,)."""
    lines: np.ndarray
    """Line of the timeline that it counts for: scene and condition, int64 (M,)."""
    frames: np.ndarray
    """Frames that it lasted, int64 (M,)."""
    unseen: int = 0
    """Such whose beginning was not seen; not among the M."""

    def __len__(self) -> int:
        """Return the number of durations."""
        return len(self.seconds)

    def of(self, chosen: np.ndarray) -> Durations:
        """Return those of the chosen lines, bool (N,)."""
        kept = chosen[self.lines]
        return Durations(
            self.seconds[kept], self.ended[kept], self.lines[kept], self.frames[kept], self.unseen
        )


def joined(parts: list[Durations]) -> Durations:
    """Return several together."""
    return Durations(
        np.concatenate([part.seconds for part in parts]),
        np.concatenate([part.ended for part in parts]),
        np.concatenate([part.lines for part in parts]),
        np.concatenate([part.frames for part in parts]),
        sum(part.unseen for part in parts),
    )


def _made(entries: list[tuple[float, bool, int, int]], unseen: int = 0) -> Durations:
    seconds, ended, lines, frames = zip(*entries, strict=True) if entries else ((), (), (), ())
    return Durations(
        np.array(seconds, np.float64),
        np.array(ended, bool),
        np.array(lines, np.int64),
        np.array(frames, np.int64),
        unseen,
    )


def time_to_detect(timeline: Timeline, due: np.ndarray, seen: np.ndarray) -> Durations:
    """
    Return how long what is `due` takes until it is `seen`, int8 (N,) and bool (N,).

    `due` is 1 where there is something to detect, 0 where not, NOT_KNOWN without truth. It counts
    from the first frame of an unbroken stretch in which it is due to the first answer that saw it,
    frames without an answer included; 0 where the first did. Censored at the last frame in which
    it was due. One that was there behind a gap, or after a truth that is not known, began unseen
    and is left out; one in the first frame of a sequence is seen from there. Single frames have
    no time to tell.
    """
    found = runs((due == 1) & ~alone(timeline.linked), timeline.linked)
    entries, unseen = [], 0
    for first, last in zip(found.first.tolist(), found.last.tolist(), strict=True):
        step = timeline.steps[first]
        if step == GAP or step != BEGINS and due[first - 1] == NOT_KNOWN:
            unseen += 1
            continue
        when = np.flatnonzero(seen[first : last + 1])
        line = first + int(when[0]) if len(when) else last
        entries.append((_between(timeline, first, line), len(when) > 0, first, line - first + 1))
    return _made(entries, unseen)


def time_to_tell(timeline: Timeline, due: np.ndarray, seen: np.ndarray) -> Durations:
    """
    Return the same until the answer that saw it came, `delays` after its stamp.

    One whose answer does not tell when it came is left out, and counted as `unseen`. What was
    never seen is censored as there.
    """
    found = time_to_detect(timeline, due, seen)
    answers = found.lines + found.frames - 1
    delays = timeline.delays[answers]
    known = ~found.ended | (delays != NOT_KNOWN)
    late = np.where(found.ended, delays, 0) / NANO
    return Durations(
        (found.seconds + late)[known],
        found.ended[known],
        found.lines[known],
        found.frames[known],
        found.unseen + int((~known).sum()),
    )


def run_lengths(timeline: Timeline, wrong: np.ndarray, over: np.ndarray) -> Durations:
    """
    Return how long something `wrong` lasts, from its first frame to the first where it is `over`.

    Bool (N,) each; `over` says that it could have gone on, and was seen not to. Within one
    condition. Censored at the last frame where it was wrong, where no answer, no such truth or no
    frame of the condition follows. One that is there as a sequence begins counts from there.
    """
    linked = timeline.within
    found = runs(wrong & ~alone(linked), linked)
    entries = []
    for first, last in zip(found.first.tolist(), found.last.tolist(), strict=True):
        after = last + 1
        ended = after < len(timeline) and bool(linked[after] and over[after])
        length = _between(timeline, first, after if ended else last)
        entries.append((length, ended, first, last - first + 1))
    return _made(entries)


def judgement_standing(timeline: Timeline) -> np.ndarray:
    """Return how each judgement stands to the truth, int8 (N,)."""
    known = decided(timeline.hazards) & judged(timeline.judgements)
    of = right(timeline.hazards, timeline.judgements).astype(np.int8)
    return np.where(known, of, np.int8(NOT_KNOWN))


def mention_standing(timeline: Timeline) -> np.ndarray:
    """Return whether each answer is free of hallucinations, int8 (N,)."""
    free = ~timeline.hallucinated.any(axis=1)
    return np.where(timeline.answered, free.astype(np.int8), np.int8(NOT_KNOWN))


def omission_standing(timeline: Timeline, critical: np.ndarray) -> np.ndarray:
    """Return whether each answer leaves out none of the `critical`, bool (20,), due; int8 (N,)."""
    due = ((timeline.presence == 2) & critical).any(axis=1)
    free = ~timeline.omitted.any(axis=1)
    known = timeline.answered & (due | ~free)
    return np.where(known, free.astype(np.int8), np.int8(NOT_KNOWN))


def recovery(timeline: Timeline, standing: np.ndarray) -> Durations:
    """
    Return how long it takes until all is well again after a degradation has ended.

    `standing`, int8 (N,), is RIGHT, WRONG or NOT_KNOWN. Of each stretch of degraded frames between
    clean ones, unbroken, on whose way it went wrong: right in the last clean frame before that
    tells, wrong in the last degraded one that tells. From the first clean frame to the first that
    is right; censored at the last clean one of the stretch. It counts for the condition of the
    last degraded frame. Where nothing clean came before, it began `unseen`.
    """
    clean = timeline.clean
    stretch = chains(timeline)
    blocks = np.flatnonzero(
        np.diff(stretch, prepend=-1).astype(bool) | (clean != before(clean, False))
    )
    bounds = [*blocks.tolist(), len(timeline)]
    entries, unseen = [], 0
    for place in range(1, len(blocks)):
        degraded, begins, end = bounds[place - 1], bounds[place], bounds[place + 1]
        if not clean[begins] or stretch[degraded] != stretch[begins]:
            continue
        told = _last_told(standing[degraded:begins])
        if told != WRONG:
            continue
        former = bounds[place - 2] if place > 1 else degraded
        if former == degraded or stretch[former] != stretch[degraded]:
            unseen += 1
            continue
        if _last_told(standing[former:degraded]) != RIGHT:
            continue
        well = np.flatnonzero(standing[begins:end] == RIGHT)
        line = begins + int(well[0]) if len(well) else end - 1
        entries.append(
            (_between(timeline, begins, line), len(well) > 0, begins - 1, line - begins + 1)
        )
    return _made(entries, unseen)


def _last_told(standing: np.ndarray) -> int:
    told = standing[standing != NOT_KNOWN]
    return int(told[-1]) if len(told) else NOT_KNOWN


def _between(timeline: Timeline, first: int, last: int) -> float:
    """Return the seconds of header time from one line to another."""
    return float(timeline.moments[last] - timeline.moments[first]) / NANO

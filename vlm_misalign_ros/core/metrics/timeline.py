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
The frames of a run in time, as one model saw them: what follows what, and what is one stretch.

Nothing is bridged: where a frame is missing between two, or where their order is not known, the
second is not linked to the first, and no measure of time looks across.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LONGEST = 1.5
"""Of a sequence's median step, from which a step is a gap: a frame lies between."""
LINKED, BEGINS, GAP = 0, 1, 2
"""How a frame stands to the one before: follows it, begins a sequence, comes after a gap."""
NOT_KNOWN = -1
"""What is not known: of a truth, an answer, a delay."""


@dataclass(frozen=True)
class Timeline:
    """All frames of one model in order of sequence and time; arrays over the same N lines."""

    frames: np.ndarray
    """Number of the frame, the same for every model of a run, int64 (N,)."""
    moments: np.ndarray
    """Header time, nanoseconds, int64 (N,)."""
    steps: np.ndarray
    """LINKED, BEGINS or GAP, int8 (N,)."""
    conditions: np.ndarray
    """Number of the condition, int64 (N,)."""
    clean: np.ndarray
    """Whether that is clean, bool (N,)."""
    scenes: np.ndarray
    """Number of the scene (scenes_in_time), int64 (N,)."""
    hazards: np.ndarray
    """Index into types.Hazard, int8 (N,); NOT_KNOWN where nobody knows of one: no truth, or it is
    INDETERMINATE for another reason than that a thing is neither near nor far."""
    answered: np.ndarray
    """Whether an answer was scored, bool (N,)."""
    judgements: np.ndarray
    """Index into types.Judgement, int8 (N,); NOT_KNOWN without an answer."""
    presence: np.ndarray
    """Truth by labels.SCORED: 0 ABSENT, 1 TOLERATED, 2 REQUIRED, int8 (N, 20)."""
    asserted: np.ndarray
    """bool (N, 20)."""
    hallucinated: np.ndarray
    """Asserted and ABSENT, bool (N, 20)."""
    omitted: np.ndarray
    """Critical, REQUIRED and not asserted, bool (N, 20)."""
    delays: np.ndarray
    """From the stamp to the answer, nanoseconds, int64 (N,); NOT_KNOWN where nothing tells."""

    def __len__(self) -> int:
        """Return the number of lines."""
        return len(self.moments)

    @property
    def linked(self) -> np.ndarray:
        """Return which frames follow on the line before them, bool (N,)."""
        found: np.ndarray = self.steps == LINKED
        return found

    @property
    def within(self) -> np.ndarray:
        """Return which frames follow on one of the same condition, bool (N,)."""
        found: np.ndarray = self.linked & (self.conditions == before(self.conditions, -1))
        return found

    @property
    def pairs(self) -> np.ndarray:
        """Return which frames make a pair with the one before: both answered, bool (N,)."""
        found: np.ndarray = self.within & self.answered & before(self.answered, False)
        return found


def alone(linked: np.ndarray) -> np.ndarray:
    """Return which lines are linked to no other, in which no time passes, bool (N,)."""
    followed = np.append(linked[1:], False)
    found: np.ndarray = ~linked & ~followed
    return found


def before(values: np.ndarray, first: object) -> np.ndarray:
    """Return, for each line, the value of the line before; `first` for the first one."""
    found = np.roll(values, 1, axis=0)
    found[:1] = first
    return found


def steps(sequences: np.ndarray, moments: np.ndarray, follows: np.ndarray) -> np.ndarray:
    """
    Return how each frame stands to the line before it, int8 (N,).

    Lines are sorted by `sequences`, int64 (N,), then by `moments`, int64 nanoseconds (N,).
    `follows`, bool (N,), tells where the order of the source says nothing against it: frame 21 of
    a drive follows 20, not 19. A step longer than LONGEST medians of the sequence's is a GAP; so
    is one of no length, since two frames of one moment have no order. The only step of a sequence
    is no measure of itself: it is held against the median of all sequences, and where it is the
    only one of all nobody knows, and it is a GAP.
    """
    found = np.full(len(moments), BEGINS, np.int8)
    same = sequences == before(sequences, -1)
    same[:1] = False
    lengths = np.diff(moments, prepend=moments[:1])
    near = same & follows & (lengths > 0)
    if not near.any():
        return found
    _, places = np.unique(sequences, return_inverse=True)
    usual = np.full(int(places.max()) + 1, np.median(lengths[near]) if near.sum() > 1 else 0.0)
    order = np.lexsort((lengths[near], places[near]))
    of, sorted_lengths = places[near][order], lengths[near][order]
    firsts = np.flatnonzero(np.diff(of, prepend=-1))
    for first, last in zip(firsts, [*firsts[1:], len(of)], strict=True):
        if last - first > 1:
            usual[of[first]] = np.median(sorted_lengths[first:last])
    linked = near & (lengths <= LONGEST * usual[places])
    found[linked] = LINKED
    # What the source itself does not put next to each other are two sequences, and no loss.
    found[same & follows & ~linked] = GAP
    return found


def scenes_in_time(
    found: np.ndarray, moments: np.ndarray, sources: np.ndarray, held: np.ndarray, window: int
) -> np.ndarray:
    """
    Return the scene of each line, int64 (N,), numbered from 0: frames less than `window` apart.

    `found` is as `steps` gives it; a sequence that BEGINS is another scene than any before, and is
    cut into windows, nanoseconds of header time from there. The same frame of the `sources`,
    int64 (N,), at the beginning makes the same scenes in every pass. A frame that is `held`, bool
    (N,), is one scene however long.
    """
    begins = found == BEGINS
    first = np.maximum.accumulate(np.where(begins, np.arange(len(found)), 0))
    windows = np.where(held, 0, (moments - moments[first]) // window)
    scenes = np.unique(np.stack([sources[first], windows]), axis=1, return_inverse=True)[1]
    return scenes.reshape(-1)


def chains(timeline: Timeline, linked: np.ndarray | None = None) -> np.ndarray:
    """Return the number of the unbroken stretch that each line is in, from 0, int64 (N,)."""
    joined = timeline.linked if linked is None else linked
    found: np.ndarray = np.cumsum(~joined) - 1
    return found


@dataclass(frozen=True)
class Runs:
    """Stretches of linked lines in which something holds."""

    first: np.ndarray
    """First line, int64 (R,)."""
    last: np.ndarray
    """Last line, int64 (R,)."""


def runs(holds: np.ndarray, linked: np.ndarray) -> Runs:
    """Return the longest stretches of lines linked to each other where `holds`, bool (N,)."""
    starts = holds & ~(before(holds, False) & linked)
    ends = np.ones(len(holds), bool)
    ends[:-1] = ~(holds[1:] & linked[1:])
    return Runs(np.flatnonzero(starts), np.flatnonzero(holds & ends))

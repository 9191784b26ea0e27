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
Draws answers of generative models from the records of a run, for people to label.

Answers fall into strata; of each as many are drawn as of any other (what a small one cannot give
goes to the others), without replacement. Within a stratum the draw is systematic over an order by
condition, style and model (Cochran 1977, chapter 8): each answer is drawn with the same
probability, and what the strata do not tell apart is spread over as evenly as can be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vlm_misalign_ros.core.corruptions.conditions import BLANK
from vlm_misalign_ros.core.records.schema import AnswerEntry, FrameRecord, Record, Status
from vlm_misalign_ros.core.types import Kind

LOW_FROM = 3
"""Severity from which an answer is about a picture of low visibility."""


class Place(NamedTuple):
    """What an answer is told apart by, as it stands in the order of a stratum."""

    severity: int
    condition: str
    style: str
    model: str

    @property
    def low(self) -> bool:
        """Return whether the condition is one of low visibility."""
        return self.severity >= LOW_FROM


BY: dict[str, Callable[[Place], str]] = {
    'model': lambda place: place.model,
    'condition': lambda place: place.condition,
    'visibility': lambda place: 'low' if place.low else 'clear',
    'style': lambda place: place.style,
}
"""What strata may be told apart by."""

LEVELS = (
    ('model', 'condition', 'style'),
    ('model', 'visibility', 'style'),
    ('visibility', 'style'),
    ('style',),
    (),
)
"""How strata are made; the first by which each can give EACH answers is taken."""
EACH = 4
"""Answers of a stratum at least, unless it has fewer."""


@dataclass(frozen=True)
class Chosen:
    """One drawn answer."""

    number: int
    """Its position among the answers that could be drawn, in the order of the records."""
    place: Place
    stratum: str
    """What it was told apart by, such as `llava, low, caption`."""
    size: int
    """Answers of the run in that stratum."""
    drawn: int
    """Answers drawn of it."""


def answers_of(records: Iterable[Record]) -> Iterator[tuple[FrameRecord, str, AnswerEntry]]:
    """
    Yield (frame, model, answer) of each answer that the reader's error concerns, in order.

    These are the scored answers in words; those to blank pictures enter no rate that is corrected.
    """
    for record in records:
        if not isinstance(record, FrameRecord) or record.condition.corruption == BLANK:
            continue
        for name, entry in sorted(record.models.items()):
            answer = entry.answer
            if entry.status is not Status.SCORED or answer is None:
                continue
            if answer.kind is Kind.GENERATIVE and answer.text.strip():
                yield record, name, answer


def choose(places: Sequence[Place], wanted: int, seed: int) -> tuple[list[Chosen], list[str]]:
    """
    Return the drawn answers in a random order, and what their strata are told apart by.

    All answers where there are not more than `wanted`. As the order is random, so is each
    beginning of it: who labels a part of the draw has drawn less.
    """
    rng = np.random.default_rng(seed)
    by, strata = _stratify(places, min(wanted, len(places)))
    shares = allocate([len(strata[name]) for name in strata], wanted, rng)
    found = []
    for (name, members), share in zip(strata.items(), shares, strict=True):
        for number in _systematic(_ordered(members, places, rng), share, rng):
            found.append(Chosen(number, places[number], name, len(members), share))
    return [found[place] for place in rng.permutation(len(found))], list(by)


def allocate(sizes: Sequence[int], wanted: int, rng: np.random.Generator) -> list[int]:
    """
    Return how many to draw of strata of the given sizes: as many of each as of any other.

    What a small one cannot give goes to the others; who gets one more of a remainder is drawn.
    """
    shares = [0] * len(sizes)
    left = min(wanted, sum(sizes))
    while left:
        able = [place for place, size in enumerate(sizes) if shares[place] < size]
        each, rest = divmod(left, len(able))
        if not each:
            able = sorted(rng.choice(able, size=rest, replace=False))
            each = 1
        for place in able:
            more = min(each, sizes[place] - shares[place])
            shares[place] += more
            left -= more
    return shares


def _stratify(
    places: Sequence[Place], wanted: int
) -> tuple[tuple[str, ...], dict[str, list[int]]]:
    """Return the finest strata of which each can give EACH answers, by name in order."""
    for by in LEVELS:
        strata: dict[str, list[int]] = {}
        for number, place in enumerate(places):
            name = ', '.join(BY[key](place) for key in by) or 'all'
            strata.setdefault(name, []).append(number)
        if EACH * len(strata) <= wanted:
            break
    return by, dict(sorted(strata.items()))


def _ordered(
    members: Sequence[int], places: Sequence[Place], rng: np.random.Generator
) -> list[int]:
    """Return the answers of a stratum by place, in a random order where they share one."""
    mixed = [members[place] for place in rng.permutation(len(members))]
    return sorted(mixed, key=lambda number: places[number])


def _systematic(ordered: Sequence[int], share: int, rng: np.random.Generator) -> list[int]:
    """Return `share` of the members at equal steps from a random start."""
    start, size = float(rng.random()), len(ordered)
    return [ordered[min(int((start + step) * size / share), size - 1)] for step in range(share)]

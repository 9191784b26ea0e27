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
Contrastive answers by other operating points: from kept scores, which are probabilities.

A kept score is rounded to ten digits, and by a calibration it is a probability, not yet what the
network gave. Other points are put to the scores that it may have been, from the least to the
largest; where these are not all decided alike, nothing is decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp, log, log1p

from msgspec import structs

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.models.calibration import SAFETY, OperatingPoint
from vlm_misalign_ros.core.records.schema import AnswerEntry
from vlm_misalign_ros.core.types import Judgement, Mention

DIGITS = 10
"""Of the scores that a record keeps."""
_HALF = 0.5 * 10**-DIGITS
_TOLD = 1e-6
"""Up to which a probability has to be known to be written down."""
_EVEN = 0.5


@dataclass(frozen=True)
class Points:
    """From where on a model's classes are asserted."""

    threshold: float = _EVEN
    """Of classes without an operating point."""
    points: Mapping[str, OperatingPoint] = field(default_factory=dict)
    """By class, and SAFETY."""

    def at(self, name: str) -> tuple[OperatingPoint | None, float]:
        """Return the operating point of a class, or SAFETY, and from where it is asserted."""
        point = self.points.get(name)
        if point is not None:
            return point, point.threshold
        return None, _EVEN if name == SAFETY else self.threshold


@dataclass(frozen=True)
class Decider:
    """Decides what one model's scores assert by other points than those of its run."""

    model: str
    before: Points
    after: Points

    @property
    def changed(self) -> bool:
        """Return whether anything may be decided in another way."""
        return self.before != self.after

    def redecided(self, answer: AnswerEntry, place: str) -> AnswerEntry:
        """
        Return an answer by the other points; `place` names its frame in errors.

        ConfigurationError where a score is too near to a threshold to be decided by what is kept.
        """
        mentions: dict[str, Mention] = {}
        scores: dict[str, float] = {}
        for name, score in answer.scores.items():
            was = answer.mentions.get(name) is Mention.ASSERTED
            said, scores[name] = self._decide(name, score, was, place)
            if said:
                mentions[name] = Mention.ASSERTED
        judgement, safety = answer.judgement, answer.judgement_score
        if safety is not None:
            was = judgement is Judgement.SAFE
            safe, safety = self._decide(SAFETY, safety, was, place)
            judgement = Judgement.SAFE if safe else Judgement.UNSAFE
        return structs.replace(
            answer, mentions=mentions, scores=scores, judgement=judgement, judgement_score=safety
        )

    def _decide(self, name: str, score: float, was: bool, place: str) -> tuple[bool, float]:
        """Return whether a score reaches what it has to from now on, and its probability."""
        before, old = self.before.at(name)
        after, least = self.after.at(name)
        if before == after and least == old:
            return was, score
        place = f'{self.model}: {name} {place}'
        if _same_map(before, after):
            if abs(score - least) <= _HALF:
                raise _undecided(place)
            return score >= least, score
        return _over(score, before, after, least, place)


def _same_map(one: OperatingPoint | None, other: OperatingPoint | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.slope, one.intercept) == (other.slope, other.intercept)


def _over(
    score: float,
    before: OperatingPoint | None,
    after: OperatingPoint | None,
    least: float,
    place: str,
) -> tuple[bool, float]:
    """Return whether a score reaches a threshold by another map, and its probability by that."""
    ends = [_mapped(end, before, after, place) for end in (score - _HALF, score, score + _HALF)]
    low, high = min(ends), max(ends)
    if low < least <= high or high - low > _TOLD:
        raise _undecided(place)
    return ends[1] >= least, round(ends[1], DIGITS)


def _mapped(
    score: float, before: OperatingPoint | None, after: OperatingPoint | None, place: str
) -> float:
    """Return the probability by one point of what another one gave, or the network itself."""
    raw = score
    if before is not None:
        if not 0 < score < 1 or before.slope == 0:
            # What a map has pressed to its end does not come back.
            raise _undecided(place)
        odds = (log(score) - log1p(-score) - before.intercept) / before.slope
        raw = 1 / (1 + exp(-odds)) if odds >= 0 else exp(odds) / (1 + exp(odds))
    return raw if after is None else after.probability(raw)


def _undecided(place: str) -> ConfigurationError:
    return ConfigurationError(
        f'{place} cannot be decided by the ten digits of its score that the record keeps',
        'take a calibration with the same slopes, another threshold, or run the model again',
    )

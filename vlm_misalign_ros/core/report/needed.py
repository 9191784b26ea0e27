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
How many scenes a limit, or a difference that is to be seen, takes: planned from a run as a pilot.

Told of an UNDECIDED limit and by `vlm-misalign plan`; metrics/planning has the formulae. It is an
estimate: it supposes that further scenes are like those of the run, at the rate that it had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, isnan

import numpy as np

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.metrics.intervals import korn_graubard
from vlm_misalign_ros.core.metrics.paired import Terms
from vlm_misalign_ros.core.metrics.planning import (
    MOST,
    POWER,
    Clustering,
    Discordance,
    scenes_for_bound,
    scenes_for_difference,
    scenes_for_margin,
)
from vlm_misalign_ros.core.metrics.rates import BY_NAME
from vlm_misalign_ros.core.metrics.rates import Interval as Kind
from vlm_misalign_ros.core.report.limit import MIOU, Bound
from vlm_misalign_ros.core.report.tally import Tally, by_scene, terms_of


@dataclass(frozen=True)
class Needed:
    """How many scenes something takes."""

    scenes: int | None
    """With something to be counted from; None where no number up to MOST will do."""
    careful: int | None
    """The same with the variance between scenes at its upper 80 % limit."""
    pilot: int
    """Scenes of the run with something to be counted from."""
    share: float
    """Share of the run's scenes that have it."""

    def of_all(self, scenes: int) -> int:
        """Return how many scenes of the data hold so many with something to be counted from."""
        return ceil(scenes / self.share - 1e-9)

    def more(self) -> str:
        """Return in words how many more scenes would decide; empty where the run has enough."""
        if self.scenes is None:
            return f'no number of scenes up to {MOST:,} is expected to decide it at this rate'
        more = max(self.scenes - self.pilot, 1)
        all_of = self.of_all(self.scenes) - self.of_all(self.pilot)
        told = f'about {more:,} more scene{"" if more == 1 else "s"}'
        if self.share < 1:
            told += f' of the kind, {max(all_of, more):,} in all,'
        return f'{told} would decide it, by estimate, if they are like these'


def bound_needed(
    tally: Tally,
    model: str,
    rate: str,
    conditions: Sequence[str],
    bound: Bound,
    power: float = POWER,
    at: float | None = None,
) -> Needed:
    """
    Return how many scenes show on which side of a bound the interval of a rate lies.

    At the rate of the run, or at `at`. ConfigurationError for what is no rate of its own counts,
    and for one that the run has nothing to count from.
    """
    terms, share = terms_by_scene(tally, model, rate, conditions)
    pilot = Clustering.of(terms)
    true = pilot.rate if at is None else at
    upper = true < bound.value
    found = [
        scenes_for_bound(each, bound.value, upper, true, power)
        for each in (pilot, pilot.careful())
    ]
    return Needed(found[0], found[1], pilot.scenes, share)


def difference_needed(
    terms: tuple[Terms, Terms], difference: float, power: float = POWER
) -> tuple[Needed, Discordance]:
    """Return how many scenes it takes to see a difference between two ratios, and the pilot's."""
    pilot = _discordance(terms)
    found = [scenes_for_difference(each, difference, power) for each in (pilot, pilot.careful())]
    return Needed(found[0], found[1], pilot.scenes, 1.0), pilot


def margin_needed(terms: tuple[Terms, Terms], margin: float, power: float = POWER) -> Needed:
    """Return how many scenes show on which side of a margin a difference lies."""
    pilot = _discordance(terms)
    found = [scenes_for_margin(each, margin, power) for each in (pilot, pilot.careful())]
    return Needed(found[0], found[1], pilot.scenes, 1.0)


def _discordance(terms: tuple[Terms, Terms]) -> Discordance:
    try:
        return Discordance.of(*terms)
    except ValueError as error:
        raise ConfigurationError(
            f'the run is no pilot: {error}', 'take one in which both have something to count'
        ) from error


def terms_by_scene(
    tally: Tally, model: str, rate: str, conditions: Sequence[str]
) -> tuple[Terms, float]:
    """Return counts of a rate by scene, and the share of the scenes that have any."""
    check_planned(rate)
    cells = tally.cells(model, conditions)
    counts = [line for cell in cells for line in cell.counts]
    places = tally.scenes([number for cell in cells for number in cell.numbers])
    (row,) = terms_of(rate)
    over, under = by_scene(counts, tally.fields, places, row)
    if not under.sum():
        raise ConfigurationError(
            f'the run is no pilot for {rate} of {model}: it has nothing to count it from',
            'take a run with scenes of the kind',
        )
    return (over, under), float((under > 0).mean())


def pairs_by_scene(
    tally: Tally, other: Tally, models: tuple[str, str], rate: str, conditions: Sequence[str]
) -> tuple[Terms, Terms]:
    """Return counts by scene of two models, the second of `other`, over what both have scored."""
    check_planned(rate)
    ours, theirs = (
        t.by_key(m, rate, conditions) for t, m in zip((tally, other), models, strict=True)
    )
    keys = [key for key in ours if key in theirs]
    places = tally.scenes([ours[key][0] for key in keys])
    (row,) = terms_of(rate)
    one, two = (
        by_scene([found[key][1] for key in keys], t.fields, places, row)
        for found, t in ((ours, tally), (theirs, other))
    )
    return one, two


def check_planned(rate: str) -> None:
    """Raise ConfigurationError for what is no proportion with counts of its own."""
    if rate == MIOU or BY_NAME[rate].interval is Kind.NONE:
        raise ConfigurationError(
            f'{rate} is no proportion of answers, and nothing is planned for it',
            'plan a rate such as smr_false_safe or critical_omission_rate',
        )
    if len(terms_of(rate)) > 1:
        raise ConfigurationError(
            f'{rate} is the mean of several rates',
            'plan each: ' + ', '.join(row.name for row in terms_of(rate)),
        )


def told_of(terms: Terms) -> str:
    """Return in words what a pilot shows of a rate."""
    over, under = (np.asarray(values) for values in terms)
    found, pilot = korn_graubard(over, under), Clustering.of(terms)
    told = '' if isnan(found.low) else f' [{found.low:.4f}, {found.high:.4f}]'
    deff = f'design effect {pilot.deff:.2f}' if pilot.varies else 'a scene taken for one answer'
    return (
        f'{found.value:.4f}{told}, {over.sum():.0f} of {under.sum():.0f} in {pilot.scenes} '
        f'scenes, {pilot.answers:.1f} answers a scene, {deff}'
    )

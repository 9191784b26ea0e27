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
How many scenes a claim needs, from how the answers of a pilot hang together.

A bound on a rate is shown by Korn and Graubard's interval (metrics/intervals): Clopper and
Pearson's on the effective sample size. Of N scenes that is N m / deff, of m answers a scene and
the design effect of the pilot (Kish 1965), adjusted as the interval itself is. At a supposed rate
the chance that the interval will lie on the right side is a sum of the binomial distribution; the
number that is told is the least from which on that chance stays (Chernick and Liu 2002, The
American Statistician 56, 149-155, for why it goes up and down before).

A difference between two answers to the same pictures is planned by Connor (1987, Biometrics 43,
207-211) for McNemar's test: N = (z_a sqrt(psi) + z_b sqrt(psi - d^2))^2 / d^2, where psi is the
share of pairs that differ. With several answers a scene the unit is the scene, and psi is the
variance between scenes of what each adds to the difference (linearised, Woodruff 1971; over n - 1
scenes of the pilot), and d^2: with one answer a scene that is the share, with its variance
n / (n - 1) times as large.

Both hold for a pilot like the run that is planned, and are no more certain than it. `careful`
takes the variance between scenes at its upper 80 % limit (Browne 1995, Statistics in Medicine 14,
1933-1940).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, inf, log, log1p, sqrt

import numpy as np
from scipy import special

from vlm_misalign_ros.core.metrics.intervals import ALPHA, clopper_pearson
from vlm_misalign_ros.core.metrics.paired import Terms

POWER = 0.8
"""How often a plan comes out as planned, if what it supposes is so."""
MOST = 1_000_000
"""Scenes; what needs more is told to be out of reach."""
_UPPER = 0.2
"""Browne: the variance is larger than the limit taken in this share of pilots."""
_STEP = 1.15
_FEW = 64
"""Numbers of scenes that are tried one by one."""


@dataclass(frozen=True)
class Clustering:
    """How the answers of a pilot hang together within scenes."""

    scenes: int
    """With anything to be counted from."""
    answers: float
    """A scene."""
    deff: float
    """Variance of the rate over scenes, by that of as many independent answers; where nothing
    varies a scene is taken for one answer."""
    rate: float
    varies: bool
    """Whether the rate varied between scenes, so that the design effect is an estimate."""

    @classmethod
    def of(cls, terms: Terms) -> Clustering:
        """Return that of numerators and denominators by scene; ValueError without any."""
        over, under = (np.asarray(values, np.float64) for values in terms)
        over, under = over[under > 0], under[under > 0]
        scenes, total = len(under), float(under.sum())
        if not scenes:
            raise ValueError('no scene has a denominator')
        rate, each = float(over.sum()) / total, total / scenes
        if scenes < 2 or not 0 < rate < 1 or total <= 1:
            return cls(scenes, each, each, rate, False)
        residual = over - rate * under
        variance = scenes / (scenes - 1) * float((residual**2).sum()) / total**2
        deff = variance / (rate * (1 - rate) / (total - 1))
        if deff <= 1e-12:
            return cls(scenes, each, each, rate, False)
        return cls(scenes, each, deff, rate, True)

    def careful(self) -> Clustering:
        """Return it with the design effect at its upper 80 % limit, at most a scene an answer."""
        if not self.varies:
            return self
        limit = max(self.answers, self.deff)
        deff = min(self.deff * upper_variance(self.scenes), limit)
        return Clustering(self.scenes, self.answers, deff, self.rate, True)

    def worth(self, scenes: np.ndarray) -> np.ndarray:
        """Return how many independent answers so many scenes are worth, as the interval has it."""
        answers = scenes * self.answers
        adjusted = (_t(answers - 1) / _t(scenes - 1)) ** 2
        found: np.ndarray = np.clip(answers / self.deff * adjusted, 1, np.maximum(answers, 1))
        return found


def upper_variance(scenes: int) -> float:
    """Return by what a variance of so many scenes is multiplied to be at its upper 80 % limit."""
    freedom = scenes - 1
    return float(freedom / special.chdtri(freedom, 1 - _UPPER)) if freedom > 0 else inf


def _t(freedom: np.ndarray) -> np.ndarray:
    found: np.ndarray = special.stdtrit(np.maximum(freedom, 1), 1 - ALPHA / 2)
    return found


def chance(
    scenes: np.ndarray, pilot: Clustering, limit: float, upper: bool, rate: float
) -> np.ndarray:
    """
    Return how often the interval of so many scenes, int64 (N,), lies on one side of a limit.

    `upper`: below it; else above. `rate` is the true one that is supposed.
    """
    if not upper:
        limit, rate = 1 - limit, 1 - rate
    whole = _whole(pilot, scenes)
    most = _most(whole, limit)
    none = special.bdtr(0, whole, rate)
    # Without an event a scene is one answer, however many it has.
    alone = _alone(scenes, limit)
    counted = most >= 0
    found: np.ndarray = _at_most(most, whole, rate)
    found = found - none * counted * ~alone + none * ~counted * alone
    return found


def _whole(pilot: Clustering, scenes: np.ndarray) -> np.ndarray:
    """Return how many whole answers so many scenes are worth."""
    found: np.ndarray = np.maximum(np.floor(pilot.worth(scenes) + 1e-9), 1)
    return found


def _most(whole: np.ndarray, limit: float) -> np.ndarray:
    """
    Return with how many events an interval still ends below a limit; -1 for none.

    Clopper and Pearson's upper end is below it where P(X <= x | limit) < alpha / 2.
    """
    most = np.floor(special.bdtrik(ALPHA / 2, whole, limit))
    most = np.where(np.isnan(most), -1.0, most)
    below = special.bdtr(np.maximum(most, 0), whole, limit) < ALPHA / 2
    found: np.ndarray = np.where(below, most, most - 1)
    return found


def _at_most(most: np.ndarray, whole: np.ndarray, rate: float) -> np.ndarray:
    """Return the chance of so many events or fewer in so many answers."""
    found: np.ndarray = np.where(most >= 0, special.bdtr(np.maximum(most, 0), whole, rate), 0.0)
    return found


def _alone(scenes: np.ndarray, limit: float) -> np.ndarray:
    """Return whether the interval of so many scenes without an event ends below a limit."""
    found: np.ndarray = clopper_pearson(np.zeros(len(scenes)), scenes)[1] < limit
    return found


def scenes_for_bound(
    pilot: Clustering,
    limit: float,
    upper: bool = True,
    rate: float | None = None,
    power: float = POWER,
) -> int | None:
    """
    Return with how many scenes a rate is shown to be below (`upper`) or above a limit.

    At the true `rate` (default: the pilot's) the interval is on that side in a share `power` of
    runs, from that number of scenes on. None where no number will do, or more than MOST.
    """
    true = pilot.rate if rate is None else rate
    if (true >= limit) if upper else (true <= limit):
        return None
    grid = np.unique(np.ceil(_STEP ** np.arange(0, 100)).astype(np.int64))
    grid = grid[grid <= MOST]
    enough = chance(grid, pilot, limit, upper, true) >= power
    if not enough[-1]:
        return None
    # The least of the grid from which on all are enough, then the numbers around it one by one.
    last = int(np.flatnonzero(~enough)[-1]) if not enough.all() else -1
    begin, end = int(grid[max(last - 2, 0)]), int(grid[min(last + 3, len(grid) - 1)])
    short = _last_short(begin, end, power, pilot, limit, upper, true)
    return begin if short is None else short + 1


def _last_short(
    begin: int, end: int, power: float, pilot: Clustering, limit: float, upper: bool, rate: float
) -> int | None:
    """
    Return the last number of scenes from `begin` to `end` with less than a chance; None for none.

    Spans that cannot hold one are passed over whole: the answers that scenes are worth, and the
    events with which an interval still ends below the limit, only become more with the scenes. So
    no number of a span has less than the events of its first among the answers of its last.
    """
    own, true = (limit, rate) if upper else (1 - limit, 1 - rate)
    spans = [(begin, end)]
    while spans:
        first, last = spans.pop()
        if last - first < _FEW:
            numbers = np.arange(first, last + 1)
            short = np.flatnonzero(chance(numbers, pilot, limit, upper, rate) < power)
            if short.size:
                return int(numbers[short[-1]])
            continue
        ends = np.array((first, last))
        whole = _whole(pilot, ends)
        least = _at_most(_most(whole[:1], own), whole[1:], true)
        least = least - special.bdtr(0, whole[:1], true) * ~_alone(ends[:1], own)
        if not least[0] >= power:
            middle = (first + last) // 2
            spans += [(first, middle), (middle + 1, last)]
    return None


@dataclass(frozen=True)
class Discordance:
    """How two ratios of a pilot differ by scene."""

    scenes: int
    difference: float
    """The second less the first."""
    square: float
    """psi: variance, over n - 1, of what a scene adds to the difference, and that squared."""
    answers: float = 1.0
    """A scene."""

    @classmethod
    def of(cls, first: Terms, second: Terms) -> Discordance:
        """Return that of counts over the same scenes; ValueError where one has none."""
        (a, b), (c, d) = (tuple(np.asarray(x, np.float64) for x in t) for t in (first, second))
        known = (b > 0) | (d > 0)
        a, b, c, d = a[known], b[known], c[known], d[known]
        scenes = len(a)
        if not b.sum() or not d.sum():
            raise ValueError('no scene has a denominator')
        one, other = a.sum() / b.sum(), c.sum() / d.sum()
        added = (c - other * d) / d.mean() - (a - one * b) / b.mean()
        variance = float((added**2).sum()) / max(scenes - 1, 1)
        square = variance + float(other - one) ** 2
        return cls(scenes, float(other - one), square, float(b.mean()))

    def careful(self) -> Discordance:
        """Return it with the variance at its upper 80 % limit."""
        variance = self.square - self.difference**2
        larger = variance * upper_variance(self.scenes) if self.scenes > 1 else variance
        return replace(self, square=larger + self.difference**2)


def scenes_for_difference(
    pilot: Discordance, difference: float, power: float = POWER, alpha: float = ALPHA
) -> int | None:
    """
    Return with how many scenes a paired difference is seen in a share `power` of runs.

    Connor's formula, two-sided at `alpha`. No fewer answers can differ than the difference itself,
    one a scene at the least. None for a difference of nothing, or more than MOST.
    """
    wanted = abs(difference)
    if wanted == 0:
        return None
    square = max(pilot.square, wanted / max(pilot.answers, 1.0), wanted**2)
    return _number(connor(square, wanted, power, alpha))


def scenes_for_margin(
    pilot: Discordance, margin: float, power: float = POWER, alpha: float = ALPHA
) -> int | None:
    """
    Return with how many scenes a difference is shown to be below a margin, or above it.

    At the difference of the pilot; the normal approximation, and no fewer scenes than leave a
    difference as large as the distance to the margin unseen (metrics/paired). None where they are
    equal, or for more than MOST.
    """
    apart = abs(margin - pilot.difference)
    if apart == 0:
        return None
    variance = max(pilot.square - pilot.difference**2, 0.0)
    quantiles = float(special.ndtri(1 - alpha / 2)) + float(special.ndtri(power))
    unseen = log(alpha / 2) / log1p(-apart) if apart < 1 else 1.0
    return _number(max(quantiles**2 * variance / apart**2, unseen if not variance else 0.0))


def connor(discordant: float, difference: float, power: float, alpha: float = ALPHA) -> float:
    """Return Connor's (1987) number of pairs; `discordant` is the share of pairs that differ."""
    z_a, z_b = float(special.ndtri(1 - alpha / 2)), float(special.ndtri(power))
    spread = sqrt(max(discordant - difference**2, 0.0))
    return float(((z_a * sqrt(discordant) + z_b * spread) / difference) ** 2)


def _number(found: float) -> int | None:
    return max(ceil(found - 1e-9), 2) if found <= MOST else None

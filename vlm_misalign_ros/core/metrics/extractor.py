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
The extractor's own error, carried into the rates of generative models.

What a text says is read by rules that err now and then. Their precision and recall were measured
on labelled texts (core/language/quality), by style of answer and visibility of the picture; here a
rate is corrected for those of the answers that it was counted over (Rogan and Gladen 1978, within
each kind of answer), and its interval takes in that they are estimates themselves: the limits of
the rate (Korn and Graubard's, over scenes) and those of the errors (Beta with Jeffreys' prior) are
combined as distances from the estimate (MOVER, Zou and Donner 2008).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, isnan, nan

import numpy as np

from vlm_misalign_ros.core.language.labelled import Score
from vlm_misalign_ros.core.metrics.intervals import Interval, korn_graubard
from vlm_misalign_ros.core.metrics.rates import RateRow, ReaderError
from vlm_misalign_ros.core.metrics.statistics import SEED

_DRAWS = 2000


@dataclass(frozen=True)
class _Errors:
    """Error rates by kind of answer, (kinds, draws) each; for the estimate one draw, the means."""

    precision: np.ndarray
    recall: np.ndarray
    false_alarm: np.ndarray
    judgement: np.ndarray


def _draws(kinds: Sequence[Score], count: int) -> _Errors:
    rng = np.random.default_rng((SEED, count))

    def beta(right: int, wrong: int) -> np.ndarray:
        return rng.beta(right + 0.5, wrong + 0.5, count)

    drawn = [
        (
            beta(kind.true_positives, kind.false_positives),
            beta(kind.true_positives, kind.false_negatives),
            beta(kind.false_positives, kind.true_negatives),
            beta(kind.judgements_right, kind.judgements - kind.judgements_right),
        )
        for kind in kinds
    ]
    return _Errors(*(np.stack(values) for values in zip(*drawn, strict=True)))


def _means(kinds: Sequence[Score]) -> _Errors:
    found = np.array(
        [
            (kind.precision, kind.recall, kind.false_alarm, kind.judgement_accuracy)
            for kind in kinds
        ]
    )
    return _Errors(*found.T[:, :, None])


@dataclass(frozen=True)
class _Seen:
    """What was read for a rate, by kind of answer."""

    share: np.ndarray
    """Numerator over denominator, (kinds, 1)."""
    weight: np.ndarray
    """Share of the denominator, (kinds, 1); sums to 1."""


def correct(
    error: ReaderError, seen: _Seen, errors: _Errors, absent: float, open_to: float = nan
) -> np.ndarray:
    """
    Return what a rate would be without each draw of the extractor's error, not clipped, (draws,).

    Each kind of answer is corrected by itself and counts by its share of the answers. `absent` is
    the share of all class-opportunities that are ABSENT: where a spurious assertion lands there it
    looks like a hallucination. Where a reader errs so much that its answers tell nothing, the rate
    of that kind is `open_to`.
    """
    if error is ReaderError.PRECISION:
        # What was read by mistake is in the denominator, too.
        right = np.sum(seen.weight * errors.precision, axis=0)
        over = np.sum(seen.weight * (seen.share - (1 - errors.precision) * absent), axis=0)
        return _divided(over, right, open_to)
    scale = _scale(error, errors)
    if error is ReaderError.OPPORTUNITY:
        over = seen.share - errors.false_alarm
    elif error is ReaderError.RECALL:
        over = seen.share - (1 - errors.recall)
    else:
        over = seen.share - (1 - errors.judgement)
    found: np.ndarray = np.sum(seen.weight * _divided(over, scale, open_to), axis=0)
    return found


def _scale(error: ReaderError, errors: _Errors) -> np.ndarray:
    """Return by how much less the read rate moves than the true one, (kinds, draws)."""
    found: np.ndarray = errors.recall - errors.false_alarm
    if error is ReaderError.JUDGEMENT:
        found = 2 * errors.judgement - 1
    elif error is ReaderError.PRECISION:
        found = errors.precision
    return found


def _divided(over: np.ndarray, under: np.ndarray, unknown: float) -> np.ndarray:
    found: np.ndarray = np.divide(
        over, under, out=np.full(over.shape, unknown), where=under > 1e-9
    )
    return found


@dataclass(frozen=True)
class Corrected(Interval):
    """A rate with the extractor's error taken out, and its interval, within [0, 1]."""

    clipped: bool
    """Whether the correction went beyond 0 or 1: the reader errs as much as the rate is high."""
    unclipped: float
    """The estimate before it was brought back to 0 or 1."""


def carried(
    rate: RateRow,
    numerators: np.ndarray,
    denominators: np.ndarray,
    absent: float,
    quality: Score | Sequence[Score],
) -> Corrected | None:
    """
    Return a rate and its interval with the extractor's error in them; None where it has none.

    `numerators` and `denominators` are counts by scene, (scenes,), of answers that are all read
    as `quality` says; or, of several kinds of answers, (kinds, scenes), with as many of it.
    ValueError where these differ.
    """
    kinds = [quality] if isinstance(quality, Score) else list(quality)
    over, under = np.atleast_2d(numerators), np.atleast_2d(denominators)
    if not len(kinds) == len(over) == len(under):
        raise ValueError(f'{len(over)} and {len(under)} kinds of counts, {len(kinds)} errors')
    total = under.sum(axis=1)
    if not float(total.sum()) or rate.reader_error is None:
        return None
    kept = total > 0
    kinds = [kind for kind, there in zip(kinds, kept, strict=True) if there]
    share = over.sum(axis=1)[kept] / total[kept]
    seen = _Seen(share[:, None], (total[kept] / total.sum())[:, None])
    return _carried(
        rate.reader_error, korn_graubard(over.sum(0), under.sum(0)), seen, kinds, absent
    )


def _carried(
    error: ReaderError, observed: Interval, seen: _Seen, kinds: Sequence[Score], absent: float
) -> Corrected:
    means = _means(kinds)
    value = float(correct(error, seen, means, absent)[0])
    drawn = _draws(kinds, _DRAWS)
    if isnan(value) or np.isnan(correct(error, seen, drawn, absent)).all():
        return Corrected(nan, nan, nan, False, nan)
    # Where the read rate moves, each kind of answer is taken to move alike.
    scale = _scale(error, means)
    if error is ReaderError.PRECISION:
        stretch = 1 / float(np.sum(seen.weight * scale))
    else:
        stretch = float(np.sum(seen.weight / scale))
    below, above = (stretch * abs(end - observed.value) for end in (observed.low, observed.high))
    # A draw in which the reader tells nothing leaves every rate of its kind open.
    least = np.percentile(correct(error, seen, drawn, absent, 0.0), 2.5)
    most = np.percentile(correct(error, seen, drawn, absent, 1.0), 97.5)
    low = value - hypot(below, max(value - float(least), 0.0))
    high = value + hypot(above, max(float(most) - value, 0.0))
    # A correction beyond 0 or 1 says that the reader errs less here than on its own texts: up to
    # what was observed nothing is ruled out, and no interval is without a width.
    high = max(high, observed.high) if value < 0 else high
    low = min(low, observed.low) if value > 1 else low
    kept, low, high = (min(max(limit, 0.0), 1.0) for limit in (value, low, high))
    return Corrected(kept, low, high, not 0 <= value <= 1, value)

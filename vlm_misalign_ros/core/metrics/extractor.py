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
on texts that were held out (test/data/descriptions); here a rate is corrected for them (Rogan and
Gladen 1978) and its interval takes in that they are estimates themselves: the limits of the rate
(Korn and Graubard's, over scenes) and those of the errors (Beta with Jeffreys' prior) are combined
as distances from the estimate (MOVER, Zou and Donner 2008). It is one error for all conditions:
the texts were not sorted by the pictures that they were about, and texts about degraded pictures
may be harder to read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import hypot, isnan, nan
from pathlib import Path

import numpy as np

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.files import PACKAGE
from vlm_misalign_ros.core.language.labelled import Score
from vlm_misalign_ros.core.metrics.intervals import Interval, korn_graubard
from vlm_misalign_ros.core.metrics.rates import RateRow, ReaderError
from vlm_misalign_ros.core.metrics.statistics import SEED

_DRAWS = 2000

QUALITY = PACKAGE / 'core' / 'language' / 'data' / 'extractor_quality.json'
"""What was measured of the lexicon of this package."""


@dataclass(frozen=True)
class ExtractorQuality(Score):
    """Counts on held-out texts, and the lexicon they were measured with."""

    lexicon_sha256: str = ''

    @classmethod
    def load(cls, path: Path) -> ExtractorQuality:
        """Read a JSON file; ConfigurationError when it is none."""
        try:
            return cls(**json.loads(path.read_text(encoding='utf-8')))
        except (OSError, ValueError, TypeError) as error:
            raise ConfigurationError(
                f'extractor quality {path} cannot be read: {error}',
                'measure it again: python benchmarks/extractor.py --write',
            ) from error


@dataclass(frozen=True)
class _Errors:
    """Draws of the extractor's error rates, each (resamples,); the means for the estimate."""

    precision: np.ndarray
    recall: np.ndarray
    false_alarm: np.ndarray
    judgement: np.ndarray


def _draws(quality: ExtractorQuality, count: int) -> _Errors:
    rng = np.random.default_rng((SEED, count))

    def beta(right: int, wrong: int) -> np.ndarray:
        return rng.beta(right + 0.5, wrong + 0.5, count)

    return _Errors(
        beta(quality.true_positives, quality.false_positives),
        beta(quality.true_positives, quality.false_negatives),
        beta(quality.false_positives, quality.true_negatives),
        beta(quality.judgements_right, quality.judgements - quality.judgements_right),
    )


def _means(quality: ExtractorQuality) -> _Errors:
    negatives = quality.false_positives + quality.true_negatives
    return _Errors(
        *(
            np.array([value])
            for value in (
                quality.precision,
                quality.recall,
                quality.false_positives / negatives,
                quality.judgement_accuracy,
            )
        )
    )


def correct(error: ReaderError, observed: float, errors: _Errors, absent: float) -> np.ndarray:
    """
    Return what a rate would be without each draw of the extractor's error, not clipped.

    `absent` is the share of all class-opportunities that are ABSENT: where a spurious assertion
    lands there it looks like a hallucination. NaN where a reader errs so much that its answers
    tell nothing.
    """
    if error is ReaderError.PRECISION:
        over, under = observed - (1 - errors.precision) * absent, errors.precision
    elif error is ReaderError.OPPORTUNITY:
        over, under = observed - errors.false_alarm, errors.recall - errors.false_alarm
    elif error is ReaderError.RECALL:
        over, under = observed - (1 - errors.recall), errors.recall - errors.false_alarm
    else:
        over, under = observed - (1 - errors.judgement), 2 * errors.judgement - 1
    found: np.ndarray = np.divide(over, under, out=np.full(len(under), nan), where=under > 1e-9)
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
    quality: ExtractorQuality,
) -> Corrected | None:
    """
    Return a rate and its interval with the extractor's error in them; None where it has none.

    `numerators` and `denominators` are counts by scene, (scenes,).
    """
    if not float(np.sum(denominators)) or rate.reader_error is None:
        return None
    observed = korn_graubard(numerators, denominators)
    means = _means(quality)
    value, below, above = (
        float(correct(rate.reader_error, share, means, absent)[0])
        for share in (observed.value, observed.low, observed.high)
    )
    draws = correct(rate.reader_error, observed.value, _draws(quality, _DRAWS), absent)
    if isnan(value) or np.isnan(draws).all():
        return Corrected(nan, nan, nan, False, nan)
    # A draw in which the reader tells nothing leaves every rate open.
    least = np.percentile(np.where(np.isnan(draws), 0.0, draws), 2.5)
    most = np.percentile(np.where(np.isnan(draws), 1.0, draws), 97.5)
    low = value - hypot(value - below, max(value - float(least), 0.0))
    high = value + hypot(above - value, max(float(most) - value, 0.0))
    # A correction beyond 0 or 1 says that the reader errs less here than on its own texts: up to
    # what was observed nothing is ruled out, and no interval is without a width.
    high = max(high, observed.high) if value < 0 else high
    low = min(low, observed.low) if value > 1 else low
    kept, low, high = (min(max(limit, 0.0), 1.0) for limit in (value, low, high))
    return Corrected(kept, low, high, not 0 <= value <= 1, value)

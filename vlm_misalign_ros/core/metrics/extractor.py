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
Gladen 1978) and its interval takes in that they are estimates themselves: each resample of the
source frames meets a draw of each error from its posterior (Beta with Jeffreys' prior).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.files import PACKAGE
from vlm_misalign_ros.core.language.labelled import Score
from vlm_misalign_ros.core.metrics.bootstrap import RESAMPLES, SEED, weights
from vlm_misalign_ros.core.metrics.intervals import Interval
from vlm_misalign_ros.core.metrics.rates import RateRow, ReaderError

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


def correct(
    error: ReaderError, observed: np.ndarray, errors: _Errors, absent: float
) -> np.ndarray:
    """
    Return what a rate would be without the extractor's error, clipped to [0, 1].

    `absent` is the share of all class-opportunities that are ABSENT: where a spurious assertion
    lands there it looks like a hallucination.
    """
    if error is ReaderError.PRECISION:
        found = (observed - (1 - errors.precision) * absent) / errors.precision
    elif error is ReaderError.OPPORTUNITY:
        found = (observed - errors.false_alarm) / (errors.recall - errors.false_alarm)
    elif error is ReaderError.RECALL:
        found = (observed - (1 - errors.recall)) / (errors.recall - errors.false_alarm)
    else:
        found = (observed - (1 - errors.judgement)) / (2 * errors.judgement - 1)
    clipped: np.ndarray = np.clip(found, 0, 1)
    return clipped


def carried(
    rate: RateRow,
    numerators: np.ndarray,
    denominators: np.ndarray,
    absent: float,
    quality: ExtractorQuality,
) -> Interval | None:
    """
    Return a rate and its interval with the extractor's error in them; None where it has none.

    `numerators` and `denominators` are counts by source frame, (clusters,).
    """
    total = float(denominators.sum())
    if not total or rate.reader_error is None:
        return None
    drawn = weights(len(numerators))
    with np.errstate(invalid='ignore', divide='ignore'):
        observed = (drawn @ numerators) / (drawn @ denominators)
    value = correct(
        rate.reader_error, np.array([numerators.sum() / total]), _means(quality), absent
    )
    spread = correct(rate.reader_error, observed, _draws(quality, RESAMPLES), absent)
    low, high = np.percentile(spread[~np.isnan(spread)], [2.5, 97.5])
    return Interval(float(value[0]), float(low), float(high))

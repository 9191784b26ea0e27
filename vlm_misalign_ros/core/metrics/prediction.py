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

"""How well a score tells right from wrong: AUROC, average precision, Brier, calibration, risk."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np

from vlm_misalign_ros.core.metrics.statistics import midranks

BINS = 10
"""Bins of equal width for the expected calibration error."""


def _arrays(scores: object, positives: object) -> tuple[np.ndarray, np.ndarray]:
    values, truth = np.asarray(scores, np.float64), np.asarray(positives, bool)
    if values.shape != truth.shape or values.ndim != 1:
        raise ValueError(f'scores {values.shape} and truth {truth.shape} do not match')
    known = ~np.isnan(values)
    return values[known], truth[known]


def auroc(scores: object, positives: object) -> float:
    """
    Return the area under the ROC curve: the chance that a positive scores above a negative.

    Ties count half (Mann and Whitney 1947). `scores` float (N,), `positives` bool (N,); NaN scores
    are left out; NaN without both kinds.
    """
    values, truth = _arrays(scores, positives)
    yes = int(truth.sum())
    no = len(truth) - yes
    if not yes or not no:
        return nan
    ranks = midranks(values)
    return float((ranks[truth].sum() - yes * (yes + 1) / 2) / (yes * no))


def average_precision(scores: object, positives: object) -> float:
    """
    Return the sum over thresholds of precision times the gain in recall; NaN without positives.

    Equal scores are one threshold, as in scikit-learn.
    """
    values, truth = _arrays(scores, positives)
    if not truth.any():
        return nan
    order = np.argsort(-values, kind='stable')
    values, truth = values[order], truth[order]
    ends = np.append(np.flatnonzero(np.diff(values)), len(values) - 1)
    hits = np.cumsum(truth)[ends]
    precision = hits / (ends + 1)
    recall = hits / truth.sum()
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def brier(chances: object, positives: object) -> float:
    """Return the mean squared error of probabilities (Brier 1950); NaN for none."""
    values, truth = _arrays(chances, positives)
    return float(np.mean((values - truth) ** 2)) if len(values) else nan


def calibration_error(chances: object, positives: object, bins: int = BINS) -> float:
    """
    Return the expected calibration error over bins of equal width (Guo et al. 2017, eq. 3).

    The mean over frames of |share of positives - mean probability| in the frame's bin.
    """
    values, truth = _arrays(chances, positives)
    if not len(values):
        return nan
    place = np.minimum((values * bins).astype(np.int64), bins - 1)
    gap = np.bincount(place, truth, bins) - np.bincount(place, values, bins)
    return float(np.abs(gap).sum() / len(values))


@dataclass(frozen=True)
class RiskCoverage:
    """What is wrong among the surest answers, by the share of answers that is kept."""

    coverage: np.ndarray
    """Ascending, up to 1, (N,)."""
    risk: np.ndarray
    """Share of wrong answers among those kept, (N,)."""

    @property
    def area(self) -> float:
        """Return the mean risk over coverages (AURC, Geifman and El-Yaniv 2017); NaN for none."""
        return float(self.risk.mean()) if len(self.risk) else nan


def risk_coverage(confidence: object, wrong: object) -> RiskCoverage:
    """
    Return the risk-coverage curve: the surest answers first; of equally sure ones the mean.

    `confidence` float (N,), `wrong` bool (N,).
    """
    values, errors = _arrays(confidence, wrong)
    order = np.argsort(-values, kind='stable')
    values, errors = values[order], errors[order].astype(np.float64)
    if len(values):
        # Among equally sure answers the order is nobody's: each counts as their mean.
        groups = np.cumsum(np.diff(values, prepend=values[0]) != 0)
        errors = (np.bincount(groups, errors) / np.bincount(groups))[groups]
    count = np.arange(1, len(values) + 1)
    return RiskCoverage(count / max(len(values), 1), np.cumsum(errors) / count)

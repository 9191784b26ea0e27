"""Intervals and correlations; NaN where there is nothing to compute them from."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan, nan, sqrt

import numpy as np
from scipy import stats

Z95 = 1.959963984540054
"""0.975 quantile of the standard normal distribution."""


def wilson(numerator: int, denominator: int) -> tuple[float, float]:
    """
    Return the 95 % score interval of a proportion (Wilson 1927); NaN when `denominator` is 0.

    Equal to scipy.stats.binomtest(k, n).proportion_ci(method='wilson').
    """
    if denominator == 0:
        return nan, nan
    n, p = denominator, numerator / denominator
    center = (p + Z95 ** 2 / (2 * n)) / (1 + Z95 ** 2 / n)
    half = Z95 / (1 + Z95 ** 2 / n) * sqrt(p * (1 - p) / n + Z95 ** 2 / (4 * n * n))
    low = 0.0 if numerator == 0 else center - half
    high = 1.0 if numerator == denominator else center + half
    return low, high


def mean_of_two(
    first: tuple[float, float, float], second: tuple[float, float, float],
) -> tuple[float, float, float]:
    """
    Return (value, low, high) of the mean of two independent proportions given likewise.

    MOVER (Zou and Donner 2008): the limits are combined as distances from the estimates.
    """
    (p, p_low, p_high), (q, q_low, q_high) = first, second
    value = (p + q) / 2
    if isnan(value):
        return nan, nan, nan
    low = value - sqrt((p - p_low) ** 2 + (q - q_low) ** 2) / 2
    high = value + sqrt((p_high - p) ** 2 + (q_high - q) ** 2) / 2
    return value, low, high


def _correlation(x: Sequence[float], y: Sequence[float], function: object) -> tuple[float, int]:
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    known = ~(np.isnan(a) | np.isnan(b))
    a, b = a[known], b[known]
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return nan, len(a)
    return float(function(a, b).statistic), len(a)  # type: ignore[operator]


def pearson(x: Sequence[float], y: Sequence[float]) -> tuple[float, int]:
    """Return Pearson's correlation and the number of pairs; NaN below 3 or without spread."""
    return _correlation(x, y, stats.pearsonr)


def spearman(x: Sequence[float], y: Sequence[float]) -> tuple[float, int]:
    """Return Spearman's correlation and the number of pairs; NaN below 3 or without spread."""
    return _correlation(x, y, stats.spearmanr)

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

"""Intervals and correlations against scipy."""

import math
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vlm_misalign_ros.core.metrics.intervals import NOTHING, Interval, mean_of_two
from vlm_misalign_ros.core.metrics.statistics import pearson, spearman, wilson


@given(st.integers(0, 400), st.integers(1, 400))
def test_wilson_equals_scipy(k, n):
    k = min(k, n)
    expected = stats.binomtest(k, n).proportion_ci(method='wilson')
    np.testing.assert_allclose(wilson(k, n), (expected.low, expected.high), atol=1e-12)


def test_intervals_without_anything_to_count_are_nan():
    assert all(
        math.isnan(x)
        for x in (*wilson(0, 0), *astuple(mean_of_two(NOTHING, Interval(0.5, 0.4, 0.6))))
    )


def test_the_interval_of_a_mean_of_two_proportions_covers_it_about_95_times_in_100():
    rng = np.random.default_rng(0)
    p, q, n, m, hits, trials = 0.3, 0.15, 40, 60, 0, 4000
    for a, b in zip(rng.binomial(n, p, trials), rng.binomial(m, q, trials), strict=True):
        found = mean_of_two(Interval(a / n, *wilson(a, n)), Interval(b / m, *wilson(b, m)))
        hits += found.low <= (p + q) / 2 <= found.high
    assert 0.93 < hits / trials < 0.975


def test_correlations_equal_scipy_and_leave_out_what_is_unknown():
    rng = np.random.default_rng(1)
    x = rng.normal(size=12)
    y = x + rng.normal(size=12)
    x[3] = y[7] = np.nan
    known = ~np.isnan(x) & ~np.isnan(y)
    assert pearson(x, y) == (pytest.approx(stats.pearsonr(x[known], y[known])[0]), 10)
    assert spearman(x, y) == (pytest.approx(stats.spearmanr(x[known], y[known])[0]), 10)
    assert math.isnan(pearson([1, 2], [3, 4])[0])
    assert math.isnan(spearman([1, 1, 1], [1, 2, 3])[0])

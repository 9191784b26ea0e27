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

"""Resampled intervals, prediction scores and families of tests, against scipy and by hand."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vlm_misalign_ros.core.metrics import bootstrap, prediction
from vlm_misalign_ros.core.metrics.statistics import holm, midranks, spearman, spearman_p

# Bootstrap -----------------------------------------------------------------------------------


def drawn(clusters, resamples):
    """Return how often each cluster is drawn, (resamples, clusters)."""
    return bootstrap.resampled(np.eye(clusters), resamples)


@given(st.integers(1, 40), st.integers(1, 50))
def test_as_many_clusters_are_drawn_as_there_are(clusters, resamples):
    weights = drawn(clusters, resamples)
    assert weights.shape == (resamples, clusters) and (weights.sum(1) == clusters).all()
    assert (weights == drawn(clusters, resamples)).all()


def test_resampled_totals_are_the_weighted_sums():
    sums = np.random.default_rng(0).integers(0, 9, (30, 4))
    assert (bootstrap.resampled(sums) == drawn(30, bootstrap.RESAMPLES) @ sums).all()


def test_many_scenes_are_drawn_in_groups_of_the_same_spread():
    sums = np.random.default_rng(0).normal(5, 1, (4000, 1))
    drawn = bootstrap.resampled(sums, 2000)
    # Of a sum over independent scenes: 4000 times 5, spread sqrt(4000) times 1.
    assert drawn.mean() == pytest.approx(sums.sum(), abs=10)
    assert drawn.std() == pytest.approx(np.sqrt(4000) * sums.std(), rel=0.1)


# Prediction ----------------------------------------------------------------------------------

samples = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40)


@given(samples)
def test_auroc_equals_scipys_mann_whitney(pairs):
    scores, truth = np.array([p[0] for p in pairs], float), np.array([p[1] for p in pairs])
    found = prediction.auroc(scores, truth)
    if truth.all() or not truth.any():
        assert math.isnan(found)
        return
    u = stats.mannwhitneyu(scores[truth], scores[~truth]).statistic
    assert found == pytest.approx(u / (truth.sum() * (~truth).sum()))
    assert prediction.auroc(-scores, truth) == pytest.approx(1 - found)


@given(samples)
def test_average_precision_by_its_definition(pairs):
    scores, truth = np.array([p[0] for p in pairs], float), np.array([p[1] for p in pairs])
    found = prediction.average_precision(scores, truth)
    if not truth.any():
        assert math.isnan(found)
        return
    expected, before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        chosen = scores >= threshold
        recall = truth[chosen].sum() / truth.sum()
        expected += (recall - before) * truth[chosen].mean()
        before = recall
    assert found == pytest.approx(expected)


def test_average_precision_of_a_known_case():
    # scikit-learn's documentation: y = 0 0 1 1, scores .1 .4 .35 .8 give 0.83.
    assert prediction.average_precision([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]) == pytest.approx(
        0.8333333
    )


def test_brier_and_calibration_by_hand():
    chances, truth = [0.9, 0.9, 0.1, 0.6], [True, False, False, True]
    assert prediction.brier(chances, truth) == pytest.approx((0.01 + 0.81 + 0.01 + 0.16) / 4)
    # Bins: 0.9 twice, half true: |1 - 1.8|; 0.1: |0 - 0.1|; 0.6: |1 - 0.6|; over 4.
    assert prediction.calibration_error(chances, truth) == pytest.approx((0.8 + 0.1 + 0.4) / 4)
    rng = np.random.default_rng(0)
    honest = rng.random(200_000)
    assert prediction.calibration_error(honest, rng.random(200_000) < honest) < 0.01
    assert prediction.calibration_error([1.0, 0.0], [True, False]) == 0
    assert math.isnan(prediction.brier([], []))


def test_risk_falls_with_coverage_when_confidence_knows():
    curve = prediction.risk_coverage([0.9, 0.8, 0.7, 0.2], [False, False, True, True])
    assert curve.coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert curve.risk.tolist() == pytest.approx([0, 0, 1 / 3, 0.5])
    assert curve.area == pytest.approx((0 + 0 + 1 / 3 + 0.5) / 4)
    # A confidence that is always the same tells nothing: the risk is the mean everywhere.
    assert (
        prediction.risk_coverage([0.5] * 4, [True, False, False, True]).risk.tolist() == [0.5] * 4
    )
    assert math.isnan(prediction.risk_coverage([], []).area)


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match='do not match'):
        prediction.auroc([0.1, 0.2], [True])


# Tests ---------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from([-2.5, -0.0, 0.0, 1.0, 1.5, math.inf, math.nan]), max_size=12))
def test_ranks_are_scipys(values):
    found = midranks(np.array(values, np.float64))
    assert np.array_equal(found, stats.rankdata(values), equal_nan=True)


def test_holm_by_hand():
    # Holm's procedure on four tests: 4 p1, 3 p2, 2 p3, p4, never falling.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    found = holm([0.02, math.nan, 0.5])
    assert found[0] == pytest.approx(0.04) and math.isnan(found[1])
    assert found[2] == pytest.approx(0.5)
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_lies_between_the_value_and_bonferroni(values):
    for value, adjusted in zip(values, holm(values), strict=True):
        assert value - 1e-12 <= adjusted <= min(1.0, len(values) * value) + 1e-12


@pytest.mark.parametrize('seed', range(4))
def test_p_values_up_to_nine_pairs_are_those_of_every_permutation(seed):
    rng = np.random.default_rng(seed)
    for count in (5, 6):
        # Ties, too.
        x, y = rng.integers(0, 5, (2, count)) + np.array([[0] * (count - 1) + [9]] * 2)
        a, b = stats.rankdata(x), stats.rankdata(y)
        seen = [abs(np.corrcoef(a, p)[0, 1]) for p in itertools.permutations(b)]
        least = abs(np.corrcoef(a, b)[0, 1])
        expected = np.mean([value >= least - 1e-9 for value in seen])
        assert spearman_p(x, y) == pytest.approx(expected)


def test_the_p_value_of_a_perfect_order_by_hand():
    # Of 5! orders two are as extreme; scipy's t distribution says 0.
    assert spearman_p([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]) == pytest.approx(2 / 120)
    # Tables of Spearman's rho (Zar 1972): n = 8, rho = .833 is the two-sided 2 % point.
    x, y = np.arange(8.0), np.array([2.0, 0, 1, 5, 3, 4, 7, 6])
    assert spearman(x, y)[0] == pytest.approx(1 - 6 * 14 / 504)
    assert 0.01 < spearman_p(x, y) <= 0.02


@pytest.mark.parametrize('pairs', [0, 1, 2, 3, 4])
def test_below_five_pairs_there_is_no_p_value(pairs):
    assert math.isnan(spearman_p(np.arange(pairs), np.arange(pairs)))
    assert math.isnan(spearman_p([1, 2, 3, 4, math.nan], [1, 2, 3, 4, 5]))
    assert math.isnan(spearman_p([1, 1, 1, 1, 1], [1, 2, 3, 4, 5]))


def test_of_more_pairs_seeded_permutations_agree_with_the_distribution():
    rng = np.random.default_rng(3)
    x = rng.normal(size=16)
    y = -0.5 * x + rng.normal(size=16)
    # The t distribution is good to a few per cent at 16 pairs away from the tail.
    assert spearman_p(x, y) == pytest.approx(stats.spearmanr(x, y).pvalue, rel=0.1)
    assert spearman_p(x, y) == spearman_p(x, y)
    assert spearman_p(np.arange(30), np.arange(30)) == 1 / 100_001


def test_p_values_are_uniform_where_nothing_is_there():
    rng = np.random.default_rng(8)
    found = np.array([spearman_p(*rng.normal(size=(2, 7))) for _ in range(400)])
    # Exact: never below its level more often than that (3 standard errors of 400 draws).
    for level in (0.05, 0.2, 0.5):
        assert (found <= level).mean() <= level + 3 * math.sqrt(level * (1 - level) / 400)

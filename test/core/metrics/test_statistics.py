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

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vlm_misalign_ros.core.metrics import bootstrap, prediction
from vlm_misalign_ros.core.metrics.statistics import holm, partial_spearman, spearman, spearman_p

# Bootstrap -----------------------------------------------------------------------------------


def test_the_interval_of_a_mean_is_scipys_percentile_bootstrap():
    values = np.random.default_rng(4).normal(3, 1, 60)
    ours = bootstrap.ratio(values, np.ones(60))
    theirs = stats.bootstrap(
        (values,),
        np.mean,
        method='percentile',
        n_resamples=20_000,
        random_state=np.random.default_rng(1),
    ).confidence_interval
    assert ours.value == pytest.approx(values.mean())
    # Two bootstraps of one sample differ by the noise of their resamples.
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)


@pytest.mark.heavy
@pytest.mark.parametrize('spread', [0.0, 1.5])
def test_clustered_intervals_cover_the_truth_about_95_times_in_100(spread):
    """With scenes of unlike difficulty, intervals that ignore them would be far too narrow."""
    rng = np.random.default_rng(7)
    covered = alone = 0
    runs, scenes, answers = 300, 60, 16
    draws = stats.norm.rvs(0, 1, 400_000, random_state=np.random.default_rng(0))
    truth = float(np.mean(1 / (1 + np.exp(-(-1 + spread * draws)))))
    for _ in range(runs):
        chance = 1 / (1 + np.exp(-(-1 + spread * rng.normal(size=scenes))))
        wrong = rng.binomial(answers, chance)
        found = bootstrap.ratio(wrong, np.full(scenes, answers))
        covered += found.low <= truth <= found.high
        interval = stats.binomtest(int(wrong.sum()), scenes * answers).proportion_ci(
            method='wilson'
        )
        alone += interval.low <= truth <= interval.high
    assert 0.90 <= covered / runs <= 0.98
    if spread:
        assert alone / runs < 0.8


def test_paired_differences_lose_what_makes_a_scene_hard():
    rng = np.random.default_rng(3)
    hard = rng.integers(0, 9, 80)
    clean = hard, np.full(80, 10)
    worse = hard + 1, np.full(80, 10)
    found = bootstrap.difference(clean, worse)
    assert found.value == pytest.approx(0.1) and found.excludes_zero
    assert found.high - found.low < 1e-9
    apart = bootstrap.ratio(*worse), bootstrap.ratio(*clean)
    assert apart[0].low < apart[1].high
    assert not bootstrap.difference(clean, clean).excludes_zero


def test_nothing_to_count_is_nan():
    assert math.isnan(bootstrap.ratio(np.zeros(5), np.zeros(5)).value)
    assert math.isnan(bootstrap.ratio(np.zeros(0), np.zeros(0)).value)
    assert math.isnan(bootstrap.statistic(np.zeros(0), lambda rows: 1.0).value)
    assert math.isnan(
        bootstrap.difference((np.ones(3), np.zeros(3)), (np.ones(3), np.ones(3))).value
    )


@given(st.integers(1, 40), st.integers(1, 50))
def test_weights_draw_as_many_clusters_as_there_are(clusters, resamples):
    drawn = bootstrap.weights(clusters, resamples)
    assert drawn.shape == (resamples, clusters) and (drawn.sum(1) == clusters).all()
    assert (drawn == bootstrap.weights(clusters, resamples)).all()


def test_any_statistic_is_resampled_by_cluster():
    clusters = np.repeat(np.arange(30), 4)
    values = np.repeat(np.random.default_rng(0).normal(size=30), 4)
    found = bootstrap.statistic(clusters, lambda rows: float(values[rows].mean()), 2000)
    ratio = bootstrap.ratio(values[::4] * 4, np.full(30, 4))
    assert found.value == pytest.approx(ratio.value)
    assert (found.low, found.high) == pytest.approx((ratio.low, ratio.high), abs=0.06)


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


@given(st.integers(0, 10_000))
def test_partial_correlation_is_that_of_the_residuals(seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=40)
    x, y = z + rng.normal(size=40), z + rng.normal(size=40)
    a, b, c = (stats.rankdata(v) for v in (x, y, z))
    left, right = (v - np.polyval(np.polyfit(c, v, 1), c) for v in (a, b))
    found, count = partial_spearman(x, y, z)
    assert found == pytest.approx(np.corrcoef(left, right)[0, 1]) and count == 40


def test_partial_correlation_without_spread():
    assert math.isnan(partial_spearman([1, 2, 3], [1, 2, 3], [1, 2, 3])[0])
    assert (
        partial_spearman([1, 2, 3, 4], [4, 3, 2, 1], [5, 5, 5, 5])[0]
        == spearman([1, 2, 3, 4], [4, 3, 2, 1])[0]
    )


def test_p_values_are_scipys():
    x, y = np.arange(9.0), np.array([2.0, 1, 4, 3, 6, 5, 8, 9, 7])
    assert spearman_p(x, y) == pytest.approx(stats.spearmanr(x, y).pvalue)
    assert math.isnan(spearman_p([1, 2], [2, 1]))

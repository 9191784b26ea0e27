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

"""Intervals of what is no rate: published examples, jackknives, and what any interval must do."""

import math

import numpy as np
import pytest
from scipy import stats

from vlm_misalign_ros.core.metrics import clustered, confusion, correlation
from vlm_misalign_ros.core.metrics.intervals import Interval, korn_graubard, mean_of_two, mover
from vlm_misalign_ros.core.metrics.statistics import spearman, wilson


def jackknife(value, scenes):
    """Return the variance of a statistic of rows by leaving out a scene at a time."""
    names = np.unique(scenes)
    left = np.array([value(scenes != name) for name in names])
    return (len(names) - 1) / len(names) * ((left - left.mean()) ** 2).sum()


def test_mover_gives_newcombes_example():
    """56/70 - 48/80: .0524 to .3339 (Newcombe 1998, Statistics in Medicine 17, 873-890)."""
    one, other = (Interval(a / n, *wilson(a, n)) for a, n in ((48, 80), (56, 70)))
    found = mover(one, other)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_the_mean_of_two_holds_both():
    found = mean_of_two(
        *(korn_graubard(over, np.ones(40)) for over in (np.zeros(40), np.ones(40)))
    )
    none = 1 - 0.025 ** (1 / 40)
    # Distances below: 0 and that; above: that and 0.
    assert (found.low, found.value, found.high) == pytest.approx(
        (0.5 - none / 2, 0.5, 0.5 + none / 2)
    )


def test_ties_are_in_the_spread_of_spearmans():
    """Of two answers, rare ones: how many are tied varies from scene to scene."""
    rng = np.random.default_rng(5)
    scenes = np.repeat(np.arange(60), 5)
    x = rng.normal(size=300)
    y = x + 0.7 * rng.normal(size=300) + 2 * (rng.random(60) < 0.2)[scenes] > 1.5
    _, influence = clustered._spearman_influence(x, y)
    found = clustered.spread(clustered.by_scene(scenes, influence / 300))
    expected = jackknife(lambda kept: spearman(x[kept], y[kept])[0], scenes)
    assert found == pytest.approx(expected, rel=0.05)


def partial(x, y, given):
    """Return the correlation of what a line through the ranks of `given` leaves of the others."""
    x, y, given = (stats.rankdata(values) for values in (x, y, given))
    left, right = (v - np.polyval(np.polyfit(given, v, 1), given) for v in (x, y))
    return np.corrcoef(left, right)[0, 1]


def test_partial_correlation_without_spread():
    scenes = np.arange(4)
    three = (np.arange(3.0),) * 3
    assert math.isnan(clustered.partial_spearman(*three, scenes[:3]).value)
    up, down, flat = np.arange(4.0), -np.arange(4.0), np.full(4, 5.0)
    assert clustered.partial_spearman(up, down, flat, scenes).value == pytest.approx(-1)
    assert math.isnan(clustered.partial_spearman(up, flat, down, scenes).value)
    # What is held fixed explains all of one.
    assert math.isnan(clustered.partial_spearman(up, down, up, scenes).value)


@pytest.mark.parametrize('seed', range(3))
def test_the_spread_of_spearmans_is_that_of_a_jackknife(seed):
    rng = np.random.default_rng(seed)
    scenes = np.repeat(np.arange(40), 5)
    shared = rng.normal(size=40)[scenes]
    x = shared + rng.normal(size=200)
    y = np.round(x + shared + rng.normal(size=200))
    z = np.round(2 * rng.normal(size=200) + x)
    value, influence = clustered._spearman_influence(x, y)
    assert value == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-9)
    assert influence.sum() == pytest.approx(0, abs=1e-6)
    found = clustered.spread(clustered.by_scene(scenes, influence / 200))
    expected = jackknife(lambda kept: spearman(x[kept], y[kept])[0], scenes)
    assert found == pytest.approx(expected, rel=0.15)
    interval = clustered.spearman(x, y, scenes)
    half = stats.t.ppf(0.975, 39) * math.sqrt(expected)
    assert interval.high - interval.low == pytest.approx(2 * half, rel=0.25)
    held = clustered.partial_spearman(x, y, z, scenes)
    assert held.value == pytest.approx(partial(x, y, z), abs=1e-9)
    expected = jackknife(lambda kept: partial(x[kept], y[kept], z[kept]), scenes)
    half = stats.t.ppf(0.975, 38) * math.sqrt(expected)
    assert held.high - held.low == pytest.approx(2 * half, rel=0.25)


@pytest.mark.parametrize('seed', range(3))
def test_the_spread_of_an_auroc_is_that_of_a_jackknife(seed):
    rng = np.random.default_rng(seed)
    scenes = np.repeat(np.arange(40), 6)
    wrong = rng.normal(size=40)[scenes] + rng.normal(size=240) > 0.6
    scores = np.round(rng.normal(size=240) + wrong + rng.normal(size=40)[scenes], 1)

    def value(kept):
        u = stats.mannwhitneyu(scores[kept & wrong], scores[kept & ~wrong]).statistic
        return u / ((kept & wrong).sum() * (kept & ~wrong).sum())

    found = clustered.auroc(scores, wrong, scenes)
    everything = np.ones(240, bool)
    assert found.value == pytest.approx(value(everything))
    half = stats.t.ppf(0.975, 30) * math.sqrt(jackknife(value, scenes))
    assert found.high - found.low == pytest.approx(2 * half, rel=0.25)


def test_a_perfect_auroc_has_the_limits_of_its_scenes():
    scores, wrong = np.repeat([0.0, 1.0], 30), np.repeat([False, True], 30)
    found = clustered.auroc(scores, wrong, np.arange(60))
    assert (found.value, found.high) == (1, 1) and found.low == pytest.approx(0.025 ** (1 / 30))
    one = clustered.auroc(scores, wrong, np.zeros(60, int))
    assert one.low == pytest.approx(0.025)
    assert math.isnan(clustered.auroc(scores, ~wrong & wrong, np.arange(60)).value)
    holes = np.append(scores, np.nan), np.append(wrong, True), np.arange(61)
    assert clustered.auroc(*holes) == found


def test_ten_copies_of_each_row_are_no_evidence():
    rng = np.random.default_rng(0)
    scenes = np.arange(30)
    x, y = rng.normal(size=(2, 30))
    wrong = y + rng.normal(size=30) > 0
    for once, often in (
        (clustered.spearman(x, y, scenes), clustered.spearman(*map(ten, (x, y, scenes)))),
        (clustered.auroc(x, wrong, scenes), clustered.auroc(*map(ten, (x, wrong, scenes)))),
    ):
        assert often.value == pytest.approx(once.value)
        assert often.high - often.low > 0.8 * (once.high - once.low)


def ten(values):
    return np.repeat(values, 10)


def test_the_estimate_of_an_miou_is_that_of_the_pixels():
    rng = np.random.default_rng(2)
    matrices = rng.integers(0, 50, (12, *confusion.SHAPE))
    matrices[:, 7:], matrices[:, :, 7:19] = 0, 0
    hits = np.stack([np.diagonal(m) for m in matrices])
    unions = matrices.sum(2) + matrices[:, :, :19].sum(1) - hits
    found = clustered.miou(hits, unions)
    assert found.value == pytest.approx(confusion.miou(matrices.sum(0)))
    assert found.low < found.value < found.high
    assert confusion.mious(hits, unions)[3] == pytest.approx(confusion.miou(matrices[3]))
    assert math.isnan(clustered.miou(hits[:0], unions[:0]).value)
    assert math.isnan(confusion.mious(np.zeros((1, 19)), np.zeros((1, 19)))[0])
    alone = clustered.miou(hits[:1], unions[:1])
    assert alone.low < 0.01 and alone.high > 0.98


# Over conditions -----------------------------------------------------------------------------


def test_without_noise_pearsons_interval_is_scipys():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 12))
    found, count = correlation.pearson_interval(x, y)
    theirs = stats.pearsonr(x, y).confidence_interval()
    assert count == 12
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_the_difference_of_two_correlations_is_zous_example():
    """Of .396 and .179, which correlate by .088, n = 66: -.093 to .517 (Zou 2007, p. 409)."""

    def fisher(value):
        ends = np.tanh(np.arctanh(value) + np.array([-1, 1]) * 1.959964 / math.sqrt(63))
        return Interval(value, *ends)

    found = correlation.difference(fisher(0.179), fisher(0.396), 0.088)
    assert found.value == pytest.approx(0.217)
    assert (found.low, found.high) == pytest.approx((-0.093, 0.517), abs=1e-3)


def test_noise_moves_the_ends_outwards():
    rng = np.random.default_rng(1)
    x = rng.normal(size=12)
    y = x + rng.normal(size=12)
    for interval in (correlation.pearson_interval, correlation.spearman_interval):
        for sign in (1, -1):
            still, noisy = interval(sign * x, y)[0], interval(sign * x, y, 0.7)[0]
            ends = sorted((sign * noisy.low, sign * noisy.high))
            before = sorted((sign * still.low, sign * still.high))
            assert noisy.value == still.value and 0 < before[0]
            # The end near 0 stays, the other moves by what noise leaves.
            assert ends == pytest.approx([before[0], min(1, before[1] / math.sqrt(0.7))])


def test_reliability_is_the_share_that_is_no_noise():
    rng = np.random.default_rng(0)
    values = np.linspace(0, 1, 20)
    # What all conditions have in common is no noise of a correlation.
    drawn = values + rng.normal(size=(4000, 1)) + 0.1 * rng.normal(size=(4000, 20))
    scenes = 400
    spread = values.var(ddof=1)
    noise = 0.01 * scenes / (scenes - 1) * (stats.t.ppf(0.975, 399) / 1.959964) ** 2
    found = correlation.reliability(values, drawn, scenes)
    assert found == pytest.approx(1 - noise / spread, abs=0.01)
    assert correlation.reliability(values, values + 0 * drawn, scenes) == 1
    assert correlation.reliability(values, 100 * drawn, scenes) == 0.2
    holes = np.where(np.arange(20) == 3, np.nan, values)
    assert 0.2 < correlation.reliability(holes, drawn, scenes) < 1


def test_a_perfect_order_of_few_conditions_has_a_width():
    found, count = correlation.spearman_interval(np.arange(5.0), -np.arange(5.0))
    assert (found.value, found.low, count) == (-1, -1, 5) and found.high > -0.6
    few, count = correlation.spearman_interval(np.arange(4.0), np.arange(4.0))
    assert (few.value, count) == (1, 4) and math.isnan(few.low) and math.isnan(few.high)
    flat, _ = correlation.pearson_interval(np.ones(9), np.arange(9.0))
    assert math.isnan(flat.value) and math.isnan(flat.low)
    assert math.isnan(correlation.difference(few, found, 0.0).value)

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

"""Statistics against published numbers, and resampling against numpy by its documented seed."""

import math

import numpy as np
import pytest

from vlm_misalign_ros.core.metrics import bootstrap
from vlm_misalign_ros.core.metrics.intervals import Interval, mean_of_two
from vlm_misalign_ros.core.metrics.statistics import holm, pearson, spearman, wilson


@pytest.mark.parametrize(
    'numerator, denominator, low, high',
    [
        # Newcombe 1998, Statistics in Medicine 17, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilsons_interval_is_newcombes(numerator, denominator, low, high):
    assert wilson(numerator, denominator) == pytest.approx((low, high), abs=5e-5)
    mirrored = wilson(denominator - numerator, denominator)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=5e-5)


def test_the_mean_of_two_proportions_by_hand():
    # Distances below: 0.3 and 0.4, of which the half of the root of squares is 0.25; above: 0.05
    # and 0.12, 0.065.
    found = mean_of_two(Interval(0.5, 0.2, 0.55), Interval(0.6, 0.2, 0.72))
    assert (found.value, found.low, found.high) == pytest.approx((0.55, 0.3, 0.615))
    # Of two that are one and the same it is the same.
    same = mean_of_two(*[Interval(0.5, 0.2, 0.55)] * 2, correlation=1.0)
    assert (same.value, same.low, same.high) == pytest.approx((0.5, 0.2, 0.55))


def test_holms_values_are_those_of_r():
    # p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), 'holm') in R.
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    # One test stays as it is, the largest of several is multiplied by 1.
    assert holm([0.04]) == [0.04]
    assert holm([0.9, 0.001]) == pytest.approx([0.9, 0.002])
    # Neither falls below a smaller one's nor rises above 1.
    assert holm([0.5, 0.4, 0.6]) == [1.0, 1.0, 1.0]
    assert holm([0.02, 0.02]) == pytest.approx([0.04, 0.04])


def test_what_is_no_test_makes_the_family_no_larger():
    found = holm([math.nan, 0.01, math.nan, 0.02])
    assert (found[1], found[3]) == pytest.approx((0.02, 0.02))
    assert math.isnan(found[0]) and math.isnan(found[2])


@pytest.mark.parametrize('clusters', [1, 7, 300])
def test_clusters_are_drawn_by_numpy_from_the_documented_seed(clusters):
    rng = np.random.default_rng((20260108, clusters))
    expected = rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=2000)
    assert (bootstrap.resampled(np.eye(clusters), 2000) == expected).all()


def test_resampling_in_blocks_draws_the_same(monkeypatch):
    sums = np.arange(60).reshape(30, 2)
    whole = bootstrap.resampled(sums, 50)
    monkeypatch.setattr(bootstrap, '_BLOCK', 70)
    assert (bootstrap.resampled(sums, 50) == whole).all()


def test_every_cluster_is_drawn_as_often_as_the_others():
    drawn = bootstrap.resampled(np.eye(20), 20_000)
    # Multinomial: mean 1, variance 1 - 1/20; standard errors 0.007 and 0.01.
    assert np.abs(drawn.mean(0) - 1).max() < 0.035
    assert np.abs(drawn.var(0) - 0.95).max() < 0.06


def test_an_interval_that_ends_at_zero_holds_it():
    assert Interval(0.1, 0.001, 0.2).excludes_zero and Interval(-0.1, -0.2, -0.001).excludes_zero
    assert not Interval(0.1, 0.0, 0.2).excludes_zero
    assert not Interval(-0.1, -0.2, 0.0).excludes_zero


def test_three_pairs_are_enough_for_a_correlation_and_two_are_not():
    assert pearson([1, 2, 3], [2, 4, 6]) == (pytest.approx(1.0), 3)
    # Ranks 1 2 3 against 1 3 2: 1 - 6 * 2 / (3 * 8).
    assert spearman([1, 2, 3], [1, 30, 20]) == (pytest.approx(0.5), 3)
    assert math.isnan(pearson([1, 2], [2, 4])[0]) and math.isnan(spearman([1, 2], [2, 4])[0])

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

"""The difference of two runs over the same scenes."""

from math import hypot, isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vlm_misalign_ros.core.metrics.paired import (
    difference,
    jackknife,
    mean_difference,
    scenes_needed,
    unseen,
)


@pytest.mark.parametrize('scenes', [1, 8, 24, 72, 183])
def test_what_so_many_scenes_leave_unseen_is_the_exact_binomial_limit(scenes):
    high = stats.binomtest(0, scenes).proportion_ci(method='exact').high
    assert unseen(scenes) == pytest.approx(high)


@given(st.floats(0.001, 0.9))
def test_so_many_scenes_without_an_event_show_a_rate_below_a_limit_and_one_fewer_does_not(share):
    needed = scenes_needed(share)
    assert unseen(needed) < share <= unseen(needed - 1)


def test_the_published_numbers_of_scenes():
    assert (scenes_needed(0.05), scenes_needed(0.02)) == (72, 183)


def test_with_one_answer_a_scene_the_error_is_that_of_the_paired_t_test():
    rng = np.random.default_rng(2)
    first, second = (rng.random(40) < p for p in (0.3, 0.5))
    one = np.ones(40)
    found = difference((first, one), (second, one))
    test = stats.ttest_rel(second.astype(float), first.astype(float)).confidence_interval()
    half = hypot((test.high - test.low) / 2, unseen(40))
    value = second.mean() - first.mean()
    assert found.value == pytest.approx(value)
    assert (found.low, found.high) == pytest.approx((value - half, value + half))


def test_ratios_of_unequal_denominators_are_linearised_by_hand():
    first = np.array([1, 0, 2]), np.array([2, 1, 3])
    second = np.array([1, 1, 1]), np.array([4, 1, 1])
    # Ratios 1/2 of 6 and 1/2 of 6; residuals by scene (0, -.5, .5) / 6 and (-1, .5, .5) / 6.
    influence = (np.array([-1, 0.5, 0.5]) - np.array([0, -0.5, 0.5])) / 6
    error = np.sqrt(1.5 * (influence**2).sum())
    half = hypot(stats.t.ppf(0.975, 2) * error, unseen(3))
    found = difference(first, second)
    assert found.value == 0
    assert (found.low, found.high) == pytest.approx((max(-1, -half), min(1, half)))


def test_no_difference_in_any_scene_is_no_proof_that_there_is_none():
    same = np.arange(50) % 3, np.full(50, 3)
    found = difference(same, same)
    assert (found.value, found.low, found.high) == pytest.approx((0, -unseen(50), unseen(50)))
    # Scenes in which neither run has a denominator are no evidence.
    padded = tuple(np.concatenate([array, np.zeros(30)]) for array in same)
    assert difference(padded, padded) == found


def test_nothing_to_count_from_and_a_single_scene():
    none, one = (np.zeros(3), np.zeros(3)), (np.ones(3), np.ones(3))
    assert isnan(difference(none, one).value) and isnan(difference(one, none).low)
    assert isnan(difference((np.zeros(0),) * 2, (np.zeros(0),) * 2).value)
    single = difference((np.array([0]), np.array([4])), (np.array([1]), np.array([4])))
    assert (single.value, single.low, single.high) == (0.25, -1, 1)


def test_the_mean_of_two_differences_is_over_the_same_scenes():
    rng = np.random.default_rng(3)
    pairs = [tuple((rng.integers(0, 2, 30), np.ones(30, int)) for _ in range(2)) for _ in range(2)]
    found = mean_difference(pairs)
    whole = np.mean([second[0] - first[0] for first, second in pairs], axis=0)
    error = whole.std(ddof=1) / np.sqrt(30)
    assert found.value == pytest.approx(whole.mean())
    half = hypot(stats.t.ppf(0.975, 29) * error, unseen(30))
    assert found.high - found.value == pytest.approx(half)


def test_leaving_out_scenes_gives_the_error_of_a_mean():
    values = np.random.default_rng(4).normal(0, 0.1, 25)
    found = jackknife(values.mean(), (values.sum() - values) / 24)
    half = hypot(stats.t.ppf(0.975, 24) * values.std(ddof=1) / 5, unseen(25))
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half))
    assert isnan(jackknife(float('nan'), values).value)
    assert jackknife(0.5, np.array([np.nan, 0.5])).low == -1


@pytest.mark.parametrize(
    'scenes, share, change', [(24, 0.1, 0.02), (100, 0.3, 0.02), (100, 0.1, 0)]
)
def test_the_interval_covers_a_true_difference(scenes, share, change):
    rng = np.random.default_rng(6)
    covered = 0
    for _ in range(400):
        first = rng.random(scenes) < share
        second = np.where(first, rng.random(scenes) > 0.2, rng.random(scenes) < 0)
        # A fifth of the wrong answers turn right; as many, and `change` more, turn wrong.
        turn = (0.2 * share + change) / (1 - share)
        second = np.where(first, second, rng.random(scenes) < turn)
        one = np.ones(scenes)
        found = difference((first, one), (second, one))
        covered += found.low <= change <= found.high
    assert covered / 400 >= 0.93

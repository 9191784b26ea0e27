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

from vlm_misalign_ros.core.metrics.intervals import korn_graubard, mover
from vlm_misalign_ros.core.metrics.paired import difference, jackknife, mean_difference, unseen


@pytest.mark.parametrize('scenes', [1, 8, 24, 72, 183])
def test_what_so_many_scenes_leave_unseen_is_the_exact_binomial_limit(scenes):
    high = stats.binomtest(0, scenes).proportion_ci(method='exact').high
    assert unseen(scenes) == pytest.approx(high)


def kept(numerators, denominators):
    """Return value, low and high of a rate by Clopper and Pearson, an answer a scene."""
    found = stats.binomtest(int(sum(numerators)), len(denominators)).proportion_ci(method='exact')
    return sum(numerators) / len(denominators), found.low, found.high


def test_one_answer_a_scene_by_hand():
    """Of 40 scenes 12 turn wrong and 4 right, 10 are wrong in both."""
    first = np.repeat([0, 1, 0, 1], [12, 4, 14, 10])
    second = np.repeat([1, 0, 0, 1], [12, 4, 14, 10])
    one = np.ones(40)
    found = difference((first, one), (second, one))
    (p, p_low, p_high), (q, q_low, q_high) = kept(first, one), kept(second, one)
    together = np.corrcoef(first, second)[0, 1]
    # One scene more, beside 14 wrong and 26 right, and beside 22 and 18.
    for wrong, right in ((14, 26), (22, 18)):
        seen = wrong * right / 40
        together *= np.sqrt(seen / (seen + 1))
    down, up = (q - q_low, p_high - p), (q_high - q, p - p_low)
    low, high = (hypot(*pair) ** 2 - 2 * together * np.prod(pair) for pair in (down, up))
    expected = 0.2, 0.2 - np.sqrt(low), 0.2 + np.sqrt(high)
    assert (found.value, found.low, found.high) == pytest.approx(expected)


triples = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(1, 5)), min_size=2, max_size=30
)


@given(triples)
def test_a_difference_holds_its_estimate_and_has_a_width(rows):
    before, after, extra = np.array(rows).T
    under = np.maximum(before, after) + extra
    found = difference((before, under), (after, under))
    assert found.value == pytest.approx((after.sum() - before.sum()) / under.sum())
    assert -1 <= found.low <= found.value <= found.high <= 1
    back = difference((after, under), (before, under))
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low), abs=1e-9)
    if np.array_equal(before, after):
        assert found.high >= unseen(len(rows)) - 1e-9 and found.low <= -unseen(len(rows)) + 1e-9


@pytest.mark.parametrize('wrong', [0, 3, 15, 30])
def test_one_answer_that_was_not_judged_does_not_make_the_interval_narrow(wrong):
    """Two runs of 30 scenes that agree but for it leave as much open as two that agree."""
    first, one = np.arange(30) < wrong, np.ones(30)
    unjudged = one - (np.arange(30) == 29)
    same = difference((first, one), (first, one))
    found = difference((first, one), (first * unjudged, unjudged))
    assert found.high - found.low >= 0.95 * (same.high - same.low) >= 0.95 * 2 * unseen(30)
    assert found.low < -0.09 and found.high > 0.09


def test_what_makes_a_scene_hard_drops_out():
    rng = np.random.default_rng(3)
    hard, under = rng.integers(0, 9, 80), np.full(80, 10)
    found = difference((hard, under), (hard + 1, under))
    apart = mover(korn_graubard(hard, under), korn_graubard(hard + 1, under))
    assert found.value == pytest.approx(0.1) and found.excludes_zero
    assert found.high - found.low < 0.5 * (apart.high - apart.low)


def test_a_change_that_is_the_same_in_each_of_few_scenes_proves_nothing():
    under = np.full(3, 4)
    found = difference((np.array([0, 1, 2]), under), (np.array([1, 2, 3]), under))
    assert found.value == pytest.approx(0.25) and not found.excludes_zero


def test_no_event_in_any_scene_is_no_proof_that_there_is_no_difference():
    same = np.zeros(50), np.full(50, 3)
    found = difference(same, same)
    assert (found.value, found.low, found.high) == pytest.approx((0, -unseen(50), unseen(50)))
    # Scenes in which neither run has a denominator are no evidence.
    padded = tuple(np.concatenate([array, np.zeros(30)]) for array in same)
    assert difference(padded, padded) == found


def test_nothing_to_count_from_and_a_single_scene():
    none, one = (np.zeros(3), np.zeros(3)), (np.ones(3), np.ones(3))
    assert isnan(difference(none, one).value) and isnan(difference(one, none).low)
    assert isnan(difference((np.zeros(0),) * 2, (np.zeros(0),) * 2).value)
    assert isnan(mean_difference([(one, one), (none, one)]).value)
    single = difference((np.array([0]), np.array([4])), (np.array([1]), np.array([4])))
    assert single.value == 0.25 and single.low < -0.6 and single.high == 1


def test_the_mean_of_two_differences_of_other_scenes_is_movers_and_of_the_same_ones_is_wider():
    rng = np.random.default_rng(3)
    draws = [rng.integers(0, 2, 30) for _ in range(4)]
    half = np.arange(60) < 30

    def placed(values, here):
        found = np.zeros(60)
        found[here] = values
        return found, here.astype(float)

    pairs = [
        (placed(draws[0], half), placed(draws[1], half)),
        (placed(draws[2], ~half), placed(draws[3], ~half)),
    ]
    found = mean_difference(pairs)
    one, other = (difference(*pair) for pair in pairs)
    low = found.value - hypot(one.value - one.low, other.value - other.low) / 2
    assert found.value == pytest.approx((one.value + other.value) / 2)
    assert found.low == pytest.approx(low)
    together = mean_difference([pairs[0], pairs[0]])
    assert (together.low, together.high) == pytest.approx((one.low, one.high))


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

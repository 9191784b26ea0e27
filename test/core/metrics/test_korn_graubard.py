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

"""Korn and Graubard's interval against scipy, by hand, and by what any interval must do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vlm_misalign_ros.core.metrics.intervals import (
    clopper_pearson,
    effective_size,
    korn_graubard,
    korn_graubard_rows,
)

counts = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 12)).map(lambda pair: (min(pair), max(pair))),
    min_size=1,
    max_size=40,
)


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_scenes_of_one_answer_give_clopper_and_pearsons(answers):
    found = korn_graubard(np.array(answers, float), np.ones(len(answers)))
    exact = stats.binomtest(sum(answers), len(answers)).proportion_ci(method='exact')
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=1e-9)


@given(counts)
def test_it_holds_the_estimate_has_a_width_and_stays_within_0_and_1(pairs):
    over, under = np.array(pairs, float).T
    found = korn_graubard(over, under)
    if not under.sum():
        assert np.isnan([found.value, found.low, found.high]).all()
        return
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.high - found.low > 0.05


@given(counts)
def test_what_did_not_happen_mirrors_what_did(pairs):
    over, under = np.array(pairs, float).T
    found, other = korn_graubard(over, under), korn_graubard(under - over, under)
    if under.sum():
        assert (found.low, found.high) == pytest.approx((1 - other.high, 1 - other.low))


@given(counts)
def test_it_knows_no_order_and_scenes_without_a_denominator_are_nothing(pairs):
    over, under = np.array(pairs, float).T
    other = korn_graubard(np.append(over[::-1], [0, 0]), np.append(under[::-1], [0, 0]))
    assert korn_graubard(over, under).high == pytest.approx(other.high, nan_ok=True)


@given(counts.filter(lambda pairs: sum(under for _, under in pairs) > 1), st.integers(2, 10))
def test_ten_copies_of_each_frame_make_no_interval_narrower(pairs, copies):
    """Copies in a scene carry nothing: only the cap at n answers may give way."""
    over, under = np.array(pairs, float).T
    once, often = korn_graubard(over, under), korn_graubard(copies * over, copies * under)
    known = under > 0
    if np.ptp(over[known] / under[known]) > 0:
        size = effective_size(over[:, None], under[:, None])[0]
        if size < under.sum() - 1e-6:
            # n / (n - 1) and t of n - 1 are all that a copy changes.
            assert often.high - often.low > 0.6 * (once.high - once.low)
    else:
        assert (often.low, often.high) == pytest.approx((once.low, once.high))


@pytest.mark.parametrize('answers', [2, 100, 2000])
@pytest.mark.parametrize('scenes', [2, 8, 20])
def test_scenes_that_are_alike_show_no_independent_answers(scenes, answers):
    """A model that answers alike in every scene: as many answers as scenes, copies or not."""
    found = korn_graubard(np.full(scenes, answers / 2), np.full(scenes, float(answers)))
    half = scenes / 2
    low, high = stats.beta.ppf([0.025, 0.975], [half, half + 1], [half + 1, half])
    assert (found.value, found.low, found.high) == pytest.approx((0.5, low, high))


def test_the_effective_size_by_hand():
    """
    Four scenes of 5 answers: 1, 0, 3, 4 wrong.

    p = 8/20 = .4; residuals x - 2: -1, -2, 1, 2; variance 4/3 * 10 / 400 = 1/30;
    p (1 - p) / variance = .24 * 30 = 7.2; times 20/19; times (t_19 / t_3)^2 = (2.0930/3.1824)^2.
    """
    over, under = np.array([[1.0], [0], [3], [4]]), np.full((4, 1), 5.0)
    expected = 7.2 * 20 / 19 * (2.0930 / 3.1824) ** 2
    assert effective_size(over, under)[0] == pytest.approx(expected, rel=1e-4)
    found = korn_graubard(over[:, 0], under[:, 0])
    low = stats.beta.ppf(0.025, 0.4 * expected, 0.6 * expected + 1)
    high = stats.beta.ppf(0.975, 0.4 * expected + 1, 0.6 * expected)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-4)


@pytest.mark.parametrize('limit, scenes', [(0.05, 72), (0.02, 183)])
def test_without_an_event_the_upper_end_is_that_of_the_scenes(limit, scenes):
    """1 - .025^(1/n) < limit, however many answers each scene has."""
    assert korn_graubard(np.zeros(scenes), np.full(scenes, 30)).high < limit
    assert korn_graubard(np.zeros(scenes - 1), np.full(scenes - 1, 30)).high >= limit
    full = korn_graubard(np.full(scenes, 30), np.full(scenes, 30))
    assert full.low > 1 - limit and full.high == 1


def test_one_scene_says_next_to_nothing():
    found = korn_graubard(np.array([50]), np.array([100]))
    assert found.low < 0.01 and found.high > 0.99
    assert korn_graubard(np.zeros(1), np.array([100])).high == pytest.approx(0.975)


def test_columns_are_intervals_of_their_own():
    over = np.array([[1, 0, 2], [0, 0, 2], [2, 0, 2], [1, 0, 2]])
    under = np.array([[4, 3, 2], [4, 3, 2], [4, 3, 2], [4, 0, 2]])
    rows = korn_graubard_rows(over, under)
    for place in range(3):
        assert rows.at(place) == korn_graubard(over[:, place], under[:, place])


def test_counts_that_are_no_proportion_are_refused():
    with pytest.raises(ValueError, match='no proportion'):
        korn_graubard(np.array([3]), np.array([2]))
    with pytest.raises(ValueError, match='no proportion'):
        korn_graubard(np.array([np.nan]), np.array([2]))
    with pytest.raises(ValueError, match='do not match'):
        korn_graubard(np.ones(3), np.ones(2))


@given(st.integers(0, 60), st.integers(1, 60))
def test_the_exact_interval_is_scipys(events, total):
    events = min(events, total)
    low, high = clopper_pearson(np.array([events]), np.array([total]))
    exact = stats.binomtest(events, total).proportion_ci(method='exact')
    assert (low[0], high[0]) == pytest.approx((exact.low, exact.high), abs=1e-9)

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

"""How many scenes a claim needs: against tables, scipy's exact tests, and simulation."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from vlm_misalign_ros.core.metrics import planning
from vlm_misalign_ros.core.metrics.intervals import korn_graubard
from vlm_misalign_ros.core.metrics.paired import difference
from vlm_misalign_ros.core.metrics.planning import (
    Clustering,
    Discordance,
    chance,
    connor,
    scenes_for_bound,
    scenes_for_difference,
    scenes_for_margin,
    upper_variance,
)

ALONE = Clustering(30, 1.0, 1.0, 0.0, False)
"""A scene has one answer, and nothing happened yet."""


@pytest.mark.parametrize(
    ('limit', 'scenes'), [(0.01, 368), (0.02, 183), (0.05, 72), (0.1, 36), (0.2, 17), (0.3, 11)]
)
def test_without_any_event_it_is_the_least_n_with_one_minus_025_to_the_nth_below(limit, scenes):
    assert scenes == next(n for n in range(1, 999) if 1 - 0.025 ** (1 / n) < limit)
    assert scenes_for_bound(ALONE, limit) == scenes


@pytest.mark.parametrize(('rate', 'limit'), [(0.01, 0.05), (0.05, 0.1), (0.2, 0.3)])
def test_with_single_answers_it_has_the_power_of_the_exact_interval(rate, limit):
    """Summed over every outcome with scipy's own Clopper-Pearson interval."""
    n = scenes_for_bound(Clustering(50, 1.0, 1.0, rate, True), limit)

    def power(trials):
        held = 0.0
        for x in range(trials + 1):
            high = stats.binomtest(x, trials).proportion_ci(0.95, method='exact').high
            if high >= limit:
                break
            held += stats.binom.pmf(x, trials, rate)
        return held

    assert power(n) >= 0.8 > power(n - 1)
    assert all(power(more) >= 0.8 for more in range(n, n + 40))


def plain_search(pilot, limit, upper, power, most):
    """Return the least number from which on all up to `most` have the chance."""
    far = np.arange(1, most + 1)
    short = np.flatnonzero(chance(far, pilot, limit, upper, pilot.rate) < power)
    return int(far[short[-1]] + 1) if short.size else 1


@given(
    st.floats(1, 8),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0.01, 0.3),
    st.booleans(),
    st.sampled_from((0.5, 0.8, 0.95)),
)
@settings(max_examples=30, deadline=None)
def test_the_search_leaves_no_number_out(answers, together, rate, apart, upper, power):
    """Against trying all: what is passed over in whole spans holds no number with too little."""
    limit = rate + apart if upper else rate - apart
    assume(0 < limit < 1)
    pilot = Clustering(50, answers, 1 + (answers - 1) * together, rate, True)
    found = scenes_for_bound(pilot, limit, upper, power=power)
    assume(found is not None and found < 800)
    assert found == plain_search(pilot, limit, upper, power, 2 * found + 20)


def test_near_the_limit_only_few_numbers_are_tried(monkeypatch):
    """Of 371,711 scenes, 1.15^5 times as many were; a thousandth of them cannot take seconds."""
    tried = []
    whole = planning._whole

    def counted(pilot, scenes):
        tried.append(len(scenes))
        return whole(pilot, scenes)

    monkeypatch.setattr(planning, '_whole', counted)
    assert scenes_for_bound(Clustering(50, 1.0, 1.0, 0.049, True), 0.05) == 371_711
    assert sum(tried) < 20_000


def test_above_is_below_turned_around():
    up = scenes_for_bound(Clustering(50, 2.0, 1.5, 0.9, True), 0.8, upper=False)
    assert up == scenes_for_bound(Clustering(50, 2.0, 1.5, 0.1, True), 0.2)


def test_a_rate_on_the_wrong_side_is_shown_by_no_number():
    assert scenes_for_bound(Clustering(50, 1.0, 1.0, 0.2, True), 0.1) is None
    assert scenes_for_bound(Clustering(50, 1.0, 1.0, 0.1, True), 0.1) is None
    assert scenes_for_bound(Clustering(50, 1.0, 1.0, 0.1, True), 0.1 + 1e-6) is None


def clustered(rng, runs, scenes, answers, rate, within):
    """Return events by scene, int (runs, scenes): beta-binomial with that correlation."""
    if within == 0:
        return rng.binomial(answers, rate, (runs, scenes))
    weight = (1 - within) / within
    chances = rng.beta(rate * weight, (1 - rate) * weight, (runs, scenes))
    return rng.binomial(answers, chances)


@pytest.mark.parametrize(
    ('rate', 'limit', 'answers', 'within'),
    [(0.1, 0.2, 5, 0.2), (0.05, 0.1, 4, 0.5), (0.3, 0.4, 10, 0.1)],
)
def test_clustered_answers_keep_a_bound_as_often_as_planned(rate, limit, answers, within):
    """Kish: the design effect of m answers with the correlation r is 1 + (m - 1) r."""
    deff = 1 + (answers - 1) * within
    scenes = scenes_for_bound(Clustering(100, float(answers), deff, rate, True), limit)
    rng = np.random.default_rng(1)
    events = clustered(rng, 400, scenes, answers, rate, within)
    under = np.full(scenes, answers)
    kept = np.mean([korn_graubard(line, under).high < limit for line in events])
    assert 0.72 <= kept <= 0.9
    half = clustered(rng, 400, scenes // 2, answers, rate, within)
    assert (
        np.mean([korn_graubard(o, under[: scenes // 2]).high < limit for o in half]) < kept - 0.1
    )


def test_a_pilot_tells_the_design_effect_that_it_was_made_with():
    rng = np.random.default_rng(2)
    events = clustered(rng, 1, 4000, 6, 0.2, 0.3)[0]
    found = Clustering.of((events, np.full(4000, 6)))
    assert found.deff == pytest.approx(1 + 5 * 0.3, rel=0.08)
    assert found.answers == 6 and found.varies


def test_scenes_without_a_denominator_are_no_part_of_a_pilot():
    found = Clustering.of((np.array([1, 0, 0]), np.array([2, 0, 2])))
    assert (found.scenes, found.answers) == (2, 2)
    with pytest.raises(ValueError, match='denominator'):
        Clustering.of((np.zeros(3), np.zeros(3)))


def test_the_careful_plan_takes_the_variance_at_its_upper_limit():
    assert upper_variance(21) == pytest.approx(20 / stats.chi2.ppf(0.2, 20))
    pilot = Clustering(10, 4.0, 2.0, 0.1, True)
    assert scenes_for_bound(pilot.careful(), 0.2) > scenes_for_bound(pilot, 0.2)
    assert pilot.careful().deff <= 4.0


def test_connor_by_hand():
    """psi .2 and a difference of .1: (1.96 sqrt(.2) + .8416 sqrt(.19))^2 / .01."""
    wanted = (1.959964 * math.sqrt(0.2) + 0.841621 * math.sqrt(0.19)) ** 2 / 0.01
    assert connor(0.2, 0.1, 0.8) == pytest.approx(wanted, rel=1e-5)
    pilot = Discordance(40, 0.1, 0.2)
    assert scenes_for_difference(pilot, 0.1) == math.ceil(wanted)


def test_with_one_answer_a_scene_psi_is_the_share_of_pairs_that_differ_up_to_n_less_one():
    """By hand: 4 pairs of -1, 8 of 1 and 28 of 0 about .1, over 39, and .1 squared."""
    one = np.array([1] * 6 + [0] * 34)
    other = np.array([0] * 4 + [1] * 2 + [1] * 8 + [0] * 26)
    found = Discordance.of((one, np.ones(40)), (other, np.ones(40)))
    assert found.difference == pytest.approx(4 / 40)
    assert found.square == pytest.approx((4 * 1.21 + 8 * 0.81 + 28 * 0.01) / 39 + 0.01)
    assert found.square - 0.01 == pytest.approx((12 / 40 - 0.01) * 40 / 39)


@pytest.mark.parametrize('answers', [1, 4])
def test_a_paired_difference_is_seen_about_as_often_as_planned(answers):
    """Each answer of the second is that of the first, or turned wrong, by chances of its scene."""
    rng = np.random.default_rng(3)

    def drawn(scenes):
        first = clustered(rng, 1, scenes, answers, 0.2, 0.3 if answers > 1 else 0)[0]
        turned = clustered(rng, 1, scenes, answers, 0.14, 0.3 if answers > 1 else 0)[0]
        back = rng.binomial(first, 0.1)
        second = first - back + np.minimum(turned, answers - first)
        return first, second

    first, second = drawn(4000)
    under = np.full(4000, answers)
    pilot = Discordance.of((first, under), (second, under))
    scenes = scenes_for_difference(pilot, pilot.difference)
    under = np.full(scenes, answers)
    seen = []
    for _ in range(400):
        a, b = drawn(scenes)
        seen.append(difference((a, under), (b, under)).excludes_zero)
    assert 0.68 <= np.mean(seen) <= 0.93


@given(st.floats(0.01, 0.4), st.floats(0.01, 0.3), st.floats(0.5, 0.95))
def test_more_power_and_a_smaller_difference_need_more_scenes(square, wanted, power):
    pilot = Discordance(30, 0.0, square)
    found = scenes_for_difference(pilot, wanted, power)
    assert found >= scenes_for_difference(pilot, wanted, power - 0.1)
    assert found <= scenes_for_difference(pilot, wanted / 2, power)


def test_a_margin_without_any_pair_that_differs_takes_what_leaves_it_unseen():
    """docs/verdict.md: 'not worse by .02' takes at least 183 common scenes, by .05 at least 72."""
    pilot = Discordance(30, 0.0, 0.0)
    assert [scenes_for_margin(pilot, m) for m in (0.02, 0.05)] == [183, 72]
    assert scenes_for_margin(Discordance(30, 0.05, 0.1), 0.05) is None


def test_a_chance_is_a_share():
    found = chance(np.arange(1, 400), Clustering(9, 3.0, 1.4, 0.1, True), 0.2, True, 0.1)
    assert ((found >= 0) & (found <= 1)).all() and found[-1] > found[20]

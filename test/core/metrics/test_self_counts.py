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

"""Counts of agreement that add up, against the columns that the report is made from."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.metrics.rates import BY_NAME, rates
from vlm_misalign_ros.core.metrics.self_consistency import Judged, compare_assertions, shares_of
from vlm_misalign_ros.core.metrics.self_counts import SELF_RATES, SelfCounts, count_pair
from vlm_misalign_ros.core.metrics.statistics import wilson
from vlm_misalign_ros.core.types import Judgement

CLASSES = st.sets(st.sampled_from(SCORED), max_size=6)
PAIRS = st.tuples(CLASSES, CLASSES, st.sampled_from(Judgement), st.sampled_from(Judgement))


def counted(pairs):
    return sum((count_pair(*pair) for pair in pairs), SelfCounts())


@given(st.lists(PAIRS, min_size=1, max_size=30))
def test_sums_give_the_figures_of_the_report(pairs):
    states = np.array([compare_assertions(clean, degraded) for clean, degraded, *_ in pairs])
    places = [[tuple(Judgement).index(one) for one in pair[2:]] for pair in pairs]
    terms = shares_of(states, Judged.of(*np.array(places).T))
    found = rates(counted(pairs), SELF_RATES)
    assert list(found) == list(terms)
    for name, (over, under) in terms.items():
        rate = found[name]
        assert (rate.numerator, rate.denominator) == (over.sum(), under.sum()), name
        assert np.array_equal(
            (rate.low, rate.high), wilson(int(over.sum()), int(under.sum())), equal_nan=True
        )


@given(st.lists(PAIRS, max_size=10), st.lists(PAIRS, max_size=10))
def test_what_is_added_can_be_taken_out_again(some, more):
    assert counted([*some, *more]) - counted(more) == counted(some)


def test_two_frames_by_hand():
    # car alike, bus only degraded, person only clean, UNSAFE to SAFE; then the clean one unread.
    found = counted(
        [
            ({'car', 'person'}, {'car', 'bus'}, Judgement.UNSAFE, Judgement.SAFE),
            ({'car'}, set(), Judgement.UNPARSED, Judgement.SAFE),
        ]
    )
    assert found == SelfCounts(
        asked=2,
        compared=2,
        unjudged=1,
        both=1,
        added=1,
        dropped=2,
        judged=1,
        was_unsafe=1,
        to_safe=1,
    )


def test_no_figure_of_agreement_is_among_the_rates_against_truth():
    assert not {row.name for row in SELF_RATES} & BY_NAME.keys()

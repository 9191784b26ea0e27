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


"""What is said of two pictures held against each other, by hand and by what has to hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.metrics.self_consistency import (
    ADDED,
    BOTH,
    DROPPED,
    Judged,
    compare_assertions,
    shares_of,
)
from vlm_misalign_ros.core.types import Judgement

SAFE, UNSAFE, UNPARSED, REFUSED = (
    tuple(Judgement).index(Judgement(name)) for name in ('SAFE', 'UNSAFE', 'UNPARSED', 'REFUSED')
)
CLASSES = st.sets(st.sampled_from(SCORED))


def totals(pairs, judgements=((UNPARSED, UNPARSED),)):
    """Return (numerator, denominator) of each figure over (clean, degraded) assertions."""
    states = np.array([compare_assertions(*pair) for pair in pairs], np.uint8)
    clean, degraded = np.array(judgements).T
    found = shares_of(states, Judged.of(clean, degraded))
    return {name: (over.sum(), under.sum()) for name, (over, under) in found.items()}


def test_each_class_is_said_of_both_of_one_or_of_neither():
    found = dict(zip(SCORED, compare_assertions({'car', 'person'}, {'car', 'bus'}), strict=True))
    assert (found['car'], found['bus'], found['person']) == (BOTH, ADDED, DROPPED)
    assert sum(found.values()) == BOTH + ADDED + DROPPED


def test_two_frames_by_hand():
    # car alike, bus only degraded, person only clean; then sky and road alike, tree only clean.
    found = totals(
        [({'car', 'person'}, {'car', 'bus'}), ({'sky', 'road', 'vegetation'}, {'sky', 'road'})]
    )
    assert found['self_consistency'] == (3, 6)
    assert found['self_added'] == (1, 4)
    assert found['self_dropped'] == (2, 5)


def test_judgements_by_hand():
    # (clean, degraded): alike twice, to safe once of two UNSAFE, to unsafe once of two SAFE.
    pairs = [
        (SAFE, SAFE),
        (UNSAFE, UNSAFE),
        (UNSAFE, SAFE),
        (SAFE, UNSAFE),
        (SAFE, UNPARSED),
        (REFUSED, UNSAFE),
    ]
    found = totals([(set(), set())] * 6, pairs)
    assert found['self_judgement_consistency'] == (2, 4)
    assert found['self_flip_to_safe'] == (1, 2)
    assert found['self_flip_to_unsafe'] == (1, 2)
    assert found['self_consistency'] == (0, 0)


@given(st.lists(st.tuples(CLASSES, CLASSES), min_size=1, max_size=6))
def test_assertions_are_the_jaccard_index_and_its_parts(pairs):
    found = totals(pairs)
    assert found['self_consistency'] == (
        sum(len(one & other) for one, other in pairs),
        sum(len(one | other) for one, other in pairs),
    )
    assert found['self_added'] == (
        sum(len(other - one) for one, other in pairs),
        sum(len(other) for _, other in pairs),
    )
    back = totals([pair[::-1] for pair in pairs])
    assert back['self_consistency'] == found['self_consistency']
    assert (back['self_added'], back['self_dropped']) == (
        found['self_dropped'],
        found['self_added'],
    )


@given(st.lists(st.tuples(*[st.sampled_from(range(len(Judgement)))] * 2), min_size=1))
def test_every_pair_that_was_judged_is_alike_or_flipped(pairs):
    found = totals([(set(), set())] * len(pairs), pairs)
    alike, judged = found['self_judgement_consistency']
    to_safe, was_unsafe = found['self_flip_to_safe']
    to_unsafe, was_safe = found['self_flip_to_unsafe']
    assert alike + to_safe + to_unsafe == judged == was_unsafe + was_safe


@pytest.mark.parametrize('said', [{'car'}, set(SCORED)])
def test_who_says_the_same_agrees(said):
    found = totals([(said, said)])
    assert found['self_consistency'] == (len(said), len(said))
    assert found['self_added'] == (0, len(said))

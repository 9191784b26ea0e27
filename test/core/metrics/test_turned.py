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

"""Answers that turned, and the exact test of McNemar on scenes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vlm_misalign_ros.core.metrics.turned import mcnemar, turned


@given(st.integers(0, 400), st.integers(0, 400))
def test_it_is_the_exact_binomial_test(one, other):
    wanted = stats.binomtest(one, one + other).pvalue if one + other else 1.0
    assert mcnemar(one, other) == pytest.approx(wanted, rel=1e-9)


def test_it_is_what_a_textbook_has():
    # 2 (1 + 10) / 2^10, and 2 / 2^6.
    assert mcnemar(1, 9) == mcnemar(9, 1) == 22 / 1024
    assert mcnemar(0, 6) == 1 / 32
    assert mcnemar(5_000, 5_000) == 1


@pytest.mark.timeout(20)
def test_many_scenes_take_no_longer_than_they_must():
    wanted = stats.binomtest(20_000, 40_500).pvalue
    assert mcnemar(20_000, 20_500) == pytest.approx(wanted, rel=1e-9)


def test_answers_of_one_scene_are_one_witness():
    # Scene 0: two wrong and one right; 1: one each, neither; 2: right again; 3: nothing moved.
    before = np.array([0, 0, 1, 0, 1, 1, 1, 0], bool)
    after = np.array([1, 1, 0, 1, 0, 0, 1, 0], bool)
    found = turned(before, after, np.array([0, 0, 0, 1, 1, 2, 3, 3]))
    assert (found.pairs, found.scenes, found.harm, found.repair) == (8, 4, 3, 3)
    assert (found.harmed, found.repaired, found.p) == (1, 1, 1.0)


def test_nothing_in_common_is_no_test():
    none = np.zeros(0, bool)
    found = turned(none, none, np.zeros(0, np.int64))
    assert found.pairs == 0 and np.isnan(found.p)


def test_its_size_is_kept_where_answers_of_a_scene_hang_together():
    """Scenes of 1 to 8 answers that all turn alike: a test on answers rejects far too often."""
    rng = np.random.default_rng(4)
    scenes, naive = 0, 0
    for _ in range(400):
        places = np.repeat(np.arange(30), rng.integers(1, 9, 30))
        way = rng.integers(-1, 2, 30)[places]
        found = turned(way < 0, way > 0, places)
        scenes += found.p < 0.05
        naive += mcnemar(found.harm, found.repair) < 0.05
    assert scenes / 400 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
    assert naive / 400 > 0.15

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

"""How many pictures never came, from the gaps in their stamps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_misalign_ros.core.evaluation.period import Lost, find_period

MS = 1_000_000


def told(stamps):
    lost = Lost()
    for stamp in stamps:
        lost.add(int(stamp))
    return lost.told()


@given(st.integers(2 * MS, 2000 * MS), st.integers(40, 300), st.integers(0, 10**18), st.data())
def test_exactly_the_pictures_that_were_left_out_between_first_and_last_are_lost(
    period, count, start, data
):
    gone = data.draw(st.sets(st.integers(1, count - 2), max_size=count // 4))
    stamps = [start + number * period for number in range(count) if number not in gone]
    found = told(stamps)
    assert found is not None
    assert found == (pytest.approx(period / 1e9), len(gone))


@given(st.permutations(range(60)))
def test_the_order_does_not_matter(order):
    kept = [number for number in order if number not in (7, 30, 31)]
    assert told(100 * MS * np.array(kept)) == (pytest.approx(0.1), 3)


def test_a_stamp_of_a_block_that_is_forgotten_leaves_the_gaps_unknown(monkeypatch):
    monkeypatch.setattr(Lost, 'BLOCK', 20)
    numbers = np.arange(100).reshape(5, 20)
    assert told(100 * MS * numbers.ravel()) == (pytest.approx(0.1), 0)
    assert told(100 * MS * numbers.T.ravel()) is None


def by_frame(passes, frames, until):
    """Return what is told where each frame has every pass before the next, cut off at `until`."""
    lost = Lost()
    for number in range(until):
        frame, cycle = divmod(number, passes)
        lost.add((cycle * frames + frame) * 100 * MS, cycle=cycle)
    return lost.told()


def test_passes_without_end_are_bounded(monkeypatch):
    monkeypatch.setattr(Lost, 'BLOCK', 50)
    lost = Lost()
    for number in range(10_000):
        lost.add(number * 100 * MS, cycle=number // 25)
        assert sum(len(pass_.stamps) for pass_ in lost._stretches.values()) <= 100
    assert lost.told() == (pytest.approx(0.1), 0)


def test_passes_side_by_side_have_no_gaps(monkeypatch):
    monkeypatch.setattr(Lost, 'BLOCK', 100)
    assert by_frame(5, 60, 300) == (pytest.approx(0.1), 0)
    # It ended early: what was not shown any more is not lost.
    assert by_frame(5, 60, 100) == (pytest.approx(0.1), 0)


def test_a_camera_that_trembles_still_has_a_period():
    rng = np.random.default_rng(0)
    stamps = np.arange(200) * 100 * MS + rng.uniform(-7, 7, 200) * MS
    period, lost = told(np.delete(stamps, [50, 51, 120]))
    assert lost == 3 and period == pytest.approx(0.1, rel=0.05)


def test_stamps_without_a_period_tell_nothing():
    rng = np.random.default_rng(1)
    assert told(np.cumsum(rng.exponential(100 * MS, 300))) is None


def test_ten_distances_are_needed():
    assert told(100 * MS * np.arange(10)) is None
    assert told(100 * MS * np.arange(11)) == (0.1, 0)
    assert find_period(np.full(9, 5.0)) is None and find_period(np.full(10, 5.0)) == 5.0


def test_several_pictures_with_one_stamp_are_no_gap():
    assert told(np.repeat(100 * MS * np.arange(30), 2)) == (0.1, 0)
    assert told(np.zeros(50)) is None


def test_a_long_run_is_counted_in_blocks_with_bounded_memory():
    lost = Lost()
    count = 5 * Lost.BLOCK
    for number in range(count):
        if number % 1000 != 500:
            lost.add(number * 33 * MS)
    assert len(lost._stretches[0].stamps) <= 2 * Lost.BLOCK
    assert lost.told() == (pytest.approx(0.033), len(range(500, count, 1000)))


def test_a_jump_in_time_is_no_gap():
    lost = Lost()
    for start in (1000, 5, 90000):
        for number in range(20):
            if number != 10:
                lost.add((start * 1000 + 100 * number) * MS)
        lost.restart()
    assert lost.told() == (0.1, 3)

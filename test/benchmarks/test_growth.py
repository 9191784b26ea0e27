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

"""The slopes that the endurance benchmark tells: right on average, and their intervals hold."""

import numpy as np
import pytest

HOURS = np.linspace(0.0, 0.5, 600)


@pytest.fixture(scope='module')
def growth(load):
    """Return benchmarks/growth.py."""
    return load('growth')


def alike(rng, near, size=600):
    """Return a series, (N,), in which each value has `near` of the one before."""
    found = np.empty(size)
    found[0] = rng.normal() / np.sqrt(1 - near**2)
    for index in range(1, size):
        found[index] = near * found[index - 1] + rng.normal()
    return found


def test_the_slope_of_a_line_is_that_of_the_line(growth):
    found = growth.slope(HOURS, 7.0 + 3.0 * HOURS)
    assert (found.value, found.low, found.high) == pytest.approx((3.0, 3.0, 3.0))
    assert not found.flat


def test_what_never_changes_has_no_slope(growth):
    found = growth.slope(HOURS, np.full(600, 350.4))
    assert (found.value, found.low) == pytest.approx((0.0, 0.0), abs=1e-9)
    assert found.flat


@pytest.mark.parametrize('near', [0.0, 0.9])
@pytest.mark.parametrize('true', [0.0, 5.0])
def test_intervals_hold_the_slope_though_neighbours_are_alike(growth, near, true):
    rng = np.random.default_rng(1)
    found = [growth.slope(HOURS, true * HOURS + alike(rng, near)) for _ in range(400)]
    held = np.mean([one.low <= true <= one.high for one in found])
    # Of 400 at .95 three standard errors are .033; batches of 50 keep a little of what is near.
    assert 0.90 <= held <= 0.985


def test_a_growth_of_one_small_object_a_frame_shows(growth):
    """28 bytes a frame are 0.96 MiB an hour, told beside steps of a page."""
    leak = np.floor(28 * 36_000 * HOURS / 4096) * 4096 / 2**20
    found = growth.slope(HOURS, 350.0 + leak)
    assert not found.flat
    assert found.value == pytest.approx(28 * 36_000 / 2**20, rel=0.01)


def test_what_comes_of_a_load_that_rises_is_none_of_the_slope(growth):
    rng = np.random.default_rng(2)
    load = 1.0 + HOURS + 0.2 * np.sin(40 * HOURS)
    values = 20.0 + 8.0 * load + 0.1 * rng.normal(size=600)
    assert not growth.slope(HOURS, values).flat
    assert growth.slope(HOURS, values, load).flat

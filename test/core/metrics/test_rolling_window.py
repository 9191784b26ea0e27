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

"""The rolling window holds its newest frame and not the one that is a whole window older."""

import numpy as np
import pytest

from vlm_misalign_ros.core.metrics.confusion import SHAPE
from vlm_misalign_ros.core.metrics.counts import Counts
from vlm_misalign_ros.core.metrics.rolling import RollingCounts

SECOND = 1_000_000_000


def in_window(window, stamps):
    """Return the places of the frames that are counted after all of them came."""
    rolling = RollingCounts(window, Counts())
    for place, stamp in enumerate(stamps):
        matrix = np.full(SHAPE, 2**place, np.int64)
        rolling.add(stamp, Counts(frames=1, assertions=2**place), matrix)
    counts, matrix = rolling.totals()
    found = {place for place in range(len(stamps)) if counts.assertions >> place & 1}
    assert counts.frames == len(found)
    assert (matrix == counts.assertions).all()
    return found


def test_a_frame_exactly_a_window_older_than_the_newest_is_out():
    assert in_window(10.0, [0, 10 * SECOND]) == {1}
    assert in_window(10.0, [5 * SECOND, 6 * SECOND, 15 * SECOND]) == {1, 2}


def test_a_frame_a_nanosecond_younger_than_that_is_in():
    assert in_window(10.0, [1, 10 * SECOND]) == {0, 1}
    assert in_window(10.0, [0, 10 * SECOND - 1]) == {0, 1}


def test_a_window_of_n_frame_intervals_holds_n_frames():
    # At 10 Hz: 30 s are 300 frames, and not 301.
    assert len(in_window(3.0, [k * SECOND // 10 for k in range(50)])) == 30


def test_a_frame_that_comes_late_is_measured_against_the_newest():
    assert in_window(10.0, [20 * SECOND, 10 * SECOND]) == {0}
    assert in_window(10.0, [20 * SECOND, 10 * SECOND + 1]) == {0, 1}


def test_frames_of_one_stamp_are_in_and_out_together():
    assert in_window(1.0, [0, 0, SECOND - 1]) == {0, 1, 2}
    assert in_window(1.0, [0, 0, SECOND]) == {2}


@pytest.mark.parametrize('window', [0.1, 0.7, 30.0])
def test_the_newest_frame_is_always_in(window):
    assert in_window(window, [7 * SECOND]) == {0}
    older = 7 * SECOND - round(window * SECOND)
    assert in_window(window, [older, 7 * SECOND]) == {1}
    assert in_window(window, [older + 1, 7 * SECOND]) == {0, 1}

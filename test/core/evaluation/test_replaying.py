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

"""What replay keeps of the frames that it reads."""

import numpy as np

from vlm_misalign_ros.core.evaluation.replaying import FrameCache
from vlm_misalign_ros.core.types import Frame


class Reading:
    """Reads frames of 3,000 bytes, and counts."""

    def __init__(self):
        self.read = []

    def __call__(self, position):
        self.read.append(position)
        return Frame('d', 's', str(position), np.zeros((10, 100, 3), np.uint8), None, None)


def test_frames_within_the_budget_are_read_once():
    reading = Reading()
    cache = FrameCache(reading, budget=2 * 3000)
    for _ in range(2):
        for position in range(3):
            assert cache.get(position).key == str(position)
    # The third has no room, and those that have theirs keep it.
    assert reading.read == [0, 1, 2, 2]


def test_a_frame_that_is_shown_for_long_is_read_once_and_let_go():
    reading = Reading()
    cache = FrameCache(reading, budget=0)
    for position in (0, 0, 0, 1, 1, 0):
        assert cache.get(position).key == str(position)
    assert reading.read == [0, 1, 0]
    assert cache._frames == {}

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

"""Rolling sums against plain ones."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vlm_misalign_ros.core.metrics import confusion
from vlm_misalign_ros.core.metrics.counts import Counts
from vlm_misalign_ros.core.metrics.rolling import RollingCounts


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 5)), max_size=40), st.integers(1, 20))
def test_a_rolling_window_equals_the_sum_of_what_lies_in_it(entries, window):
    rolling, newest, kept = RollingCounts(window, Counts()), 0, []
    for second, value in entries:
        matrix = np.full(confusion.SHAPE, value, np.int64)
        rolling.add(second * 10**9, Counts(frames=1, assertions=value), matrix)
        # A frame older than the window when it comes never counts again.
        newest = max(newest, second)
        kept = [(s, v) for s, v in [*kept, (second, value)] if s > newest - window]
        counts, total = rolling.totals()
        assert counts == Counts(frames=len(kept), assertions=sum(v for _, v in kept))
        assert (total == sum(v for _, v in kept)).all() if kept else total is None
    rolling.clear()
    assert rolling.totals() == (Counts(), None)

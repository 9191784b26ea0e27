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
"""Coverage and times in a window of header time, against sums over what lies in it."""

import math
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_misalign_ros.core.metrics.pulse import KINDS, MODEL, QUEUE, RESULT, Pulse
from vlm_misalign_ros.core.stamps import NANO, age_of

frames = st.lists(
    st.tuples(
        st.integers(0, 30),
        st.sampled_from(['scored', 'dropped', 'missing']),
        st.dictionaries(st.sampled_from(KINDS), st.floats(0, 100), max_size=3),
    ),
    min_size=1,
    max_size=40,
    unique_by=lambda frame: frame[0],
)


@given(frames, st.integers(1, 20))
def test_the_window_holds_what_is_less_than_its_length_behind_the_newest(stream, window):
    pulse, newest, seen = Pulse(window), -1, []
    for stamp, state, seconds in stream:
        pulse.enter(stamp * NANO, state, seconds)
        newest = max(newest, stamp)
        # What was left behind by a newer frame does not come back.
        seen = [frame for frame in [*seen, (stamp, state, seconds)] if frame[0] > newest - window]
    scored = [state == 'scored' for _, state, _ in seen]
    assert pulse.coverage == sum(scored) / len(scored)
    for kind in KINDS:
        for whole, chosen in ((False, seen), (True, stream)):
            found = [seconds[kind] for _, _, seconds in chosen if kind in seconds]
            mean, most = pulse.seconds(kind, whole)
            if found:
                assert mean == pytest.approx(fmean(found)) and most == max(found)
            else:
                assert math.isnan(mean) and math.isnan(most)


def test_a_frame_that_turns_out_otherwise_moves_and_a_jump_empties_the_window_alone():
    pulse = Pulse(10)
    pulse.enter(1 * NANO, 'missing', {})
    pulse.enter(2 * NANO, 'scored', {QUEUE: 0.5, RESULT: 2.0})
    assert pulse.coverage == 0.5
    pulse.move(2 * NANO, 'doubled')
    pulse.move(99 * NANO, 'late')
    assert pulse.coverage == 0.0
    pulse.clear()
    assert math.isnan(pulse.coverage) and math.isnan(pulse.seconds(QUEUE, False)[0])
    assert pulse.seconds(QUEUE, True) == (0.5, 0.5) and pulse.seconds(RESULT, True) == (2.0, 2.0)
    assert math.isnan(pulse.seconds(MODEL, True)[1])


@pytest.mark.parametrize(
    'stamp, now, seconds',
    [
        (5.0, 5.25, 0.25),
        (5.0, 5.0, 0.0),
        (5.0, 605.0, 600.0),
        # Ahead of the clock, of a recording, and of stamps that begin at one second.
        (5.0, 4.999, None),
        (5.0, 605.001, None),
        (1.0, 1.7e9, None),
    ],
)
def test_a_stamp_has_an_age_where_it_can_be_of_the_same_clock(stamp, now, seconds):
    assert age_of(round(stamp * NANO), round(now * NANO)) == seconds

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

"""The join at exactly its deadline, capacity and patience."""

import pytest

from vlm_misalign_ros.core.evaluation.join import StampJoin

NEEDED = ('image', 'answer')


def make(deadline=1.0, capacity=8, patience=2):
    return StampJoin(lambda parts: NEEDED, deadline, capacity, patience)


def stamps(frames):
    return [frame.stamp for frame in frames]


def miss(join, stamp):
    """Let a frame's deadline pass without an answer."""
    join.add(stamp, 'image', None, 0.0)
    return join.expire(1.0)


# Deadline ------------------------------------------------------------------------------------


def test_a_deadline_that_is_exactly_reached_closes():
    join = make(deadline=2.5)
    join.add(1, 'image', None, 10.0)
    assert join.expire(12.499) == []
    assert stamps(join.expire(12.5)) == [1]


def test_the_deadline_runs_from_the_first_part_of_each_frame():
    join = StampJoin(lambda parts: ('image', 'labels', 'answer'), deadline=2.0)
    join.add(1, 'image', None, 10.0)
    join.add(2, 'image', None, 11.0)
    join.add(1, 'labels', None, 11.9)
    assert stamps(join.expire(12.0)) == [1]
    assert stamps(join.expire(13.0)) == [2]


def test_a_part_that_comes_at_the_deadline_but_before_it_was_looked_at_is_in_time():
    join = make(deadline=1.0)
    join.add(1, 'image', None, 0.0)
    (closed,), late = join.add(1, 'answer', None, 5.0)
    assert (closed.missing, closed.reason, late) == ((), 'complete', False)


# Capacity ------------------------------------------------------------------------------------


@pytest.mark.parametrize('capacity', [2, 5])
def test_as_many_frames_as_the_capacity_are_open_and_one_more_closes_the_oldest(capacity):
    join = make(capacity=capacity)
    for stamp in range(10, 10 + capacity):
        assert join.add(stamp, 'image', None, 0.0) == ([], False)
    closed, _ = join.add(99, 'image', None, 0.0)
    assert [(frame.stamp, frame.reason, frame.missing) for frame in closed] == [
        (10, 'overflow', ('answer',))
    ]
    assert join.counters['overflow'] == 1
    assert stamps(join.flush()) == [*range(11, 10 + capacity), 99]


def test_the_oldest_is_the_frame_that_came_first_whatever_its_stamp():
    join = make(capacity=2)
    join.add(50, 'image', None, 0.0)
    join.add(10, 'image', None, 0.0)
    assert stamps(join.add(30, 'image', None, 0.0)[0]) == [50]


def test_a_frame_that_is_complete_at_once_drives_out_no_other():
    join = StampJoin(lambda parts: ('image',), deadline=1.0, capacity=1)
    assert stamps(join.add(1, 'image', None, 0.0)[0]) == [1]
    join = make(capacity=1)
    join.add(1, 'image', None, 0.0)
    assert stamps(join.add(2, 'answer', None, 0.0)[0]) == [1]


def test_a_frame_that_overflowed_is_no_sign_of_a_silent_node():
    join = make(capacity=1, patience=1)
    for stamp in range(5):
        join.add(stamp, 'image', None, 0.0)
    assert join.counters['overflow'] == 4 and join.silent == ()


# Patience ------------------------------------------------------------------------------------


@pytest.mark.parametrize('patience', [1, 2, 4])
def test_a_part_is_given_up_after_exactly_patience_frames(patience):
    join = make(patience=patience)
    for stamp in range(1, patience):
        miss(join, stamp)
    assert join.silent == ()
    miss(join, patience)
    assert join.silent == ('answer',)


@pytest.mark.parametrize('patience', [1, 2, 4])
def test_a_part_is_waited_for_until_it_is_given_up_and_then_no_longer(patience):
    join = make(patience=patience)
    for stamp in range(1, patience + 1):
        assert join.add(stamp, 'image', None, 0.0) == ([], False)
        assert stamps(join.expire(1.0)) == [stamp]
    (closed,), late = join.add(99, 'image', None, 5.0)
    assert (closed.stamp, closed.missing, closed.reason) == (99, ('answer',), 'deadline')
    assert not late


def test_an_answer_in_between_starts_the_count_again():
    join = make(patience=2)
    miss(join, 1)
    join.add(2, 'image', None, 0.0)
    assert stamps(join.add(2, 'answer', None, 0.0)[0]) == [2]
    miss(join, 3)
    assert join.silent == ()
    miss(join, 4)
    assert join.silent == ('answer',)


def test_a_late_answer_starts_the_count_again_too():
    join = make(patience=2)
    miss(join, 1)
    assert join.add(1, 'answer', None, 2.0) == ([], True)
    miss(join, 2)
    assert join.silent == ()


def test_with_the_frame_that_uses_up_the_patience_the_others_close():
    join = make(deadline=1.0, patience=1)
    join.add(1, 'image', None, 0.0)
    join.add(2, 'image', None, 0.9)
    join.add(3, 'answer', None, 0.9)
    # Frame 2 waits only for what is given up; frame 3 has that and waits for its picture.
    assert stamps(join.expire(1.0)) == [1, 2]
    assert join.waiting_for() == ('image',)


def test_a_jump_in_time_forgets_who_was_silent():
    join = make(patience=1)
    miss(join, 1)
    assert join.silent == ('answer',)
    after = make(patience=1)
    after.follow(join)
    assert after.silent == ()
    assert after.add(2, 'image', None, 0.0) == ([], False)


def test_after_a_jump_in_time_closed_stamps_are_new_frames():
    join = make()
    for _ in range(2):
        join.add(1, 'image', None, 0.0)
        assert stamps(join.add(1, 'answer', None, 0.0)[0]) == [1]
        former, join = join, make()
        join.follow(former)
    assert join.counters['complete'] == 2 and join.counters['repeated'] == 0


# Closed frames -------------------------------------------------------------------------------


def test_a_part_that_came_twice_is_kept_as_it_came_first():
    join = make()
    join.add(1, 'image', 'first', 0.0)
    assert join.add(1, 'image', 'second', 0.0) == ([], False)
    (closed,), _ = join.add(1, 'answer', None, 0.0)
    assert closed.parts['image'] == 'first'
    # After the frame is closed it is still no late part: nothing lacked it.
    assert join.add(1, 'image', 'third', 0.0) == ([], False)
    assert (join.counters['repeated'], join.counters['late']) == (2, 0)


def test_the_last_4096_closed_frames_are_remembered():
    join = StampJoin(lambda parts: ('image',), deadline=1.0)
    for stamp in range(4097):
        join.add(stamp, 'image', None, 0.0)
    assert join.add(1, 'image', None, 0.0) == ([], False)
    assert join.counters['repeated'] == 1
    # The very first is forgotten, and so a new frame.
    assert stamps(join.add(0, 'image', None, 0.0)[0]) == [0]


def test_what_is_open_at_the_end_is_closed_by_it():
    join = make()
    join.add(2, 'image', None, 0.0)
    join.add(1, 'answer', None, 0.0)
    assert [(frame.stamp, frame.reason, frame.missing) for frame in join.flush()] == [
        (2, 'end', ('answer',)),
        (1, 'end', ('image',)),
    ]
    # Nobody was silent: there was no time left to answer.
    assert join.silent == () and join.counters['end'] == 2

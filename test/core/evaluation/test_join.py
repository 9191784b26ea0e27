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

"""The join on the stamp."""

from hypothesis import given
from hypothesis import strategies as st

from vlm_misalign_ros.core.evaluation.join import StampJoin

NEEDED = ('image', 'labels', 'answer')


def make(deadline=1.0, capacity=8, patience=2):
    return StampJoin(lambda parts: NEEDED, deadline, capacity, patience)


def test_a_frame_closes_with_its_last_part():
    join = make()
    assert join.add(5, 'image', 'i', 0.0) == ([], False)
    assert join.add(5, 'labels', 'l', 0.1) == ([], False)
    (closed,), late = join.add(5, 'answer', 'a', 0.2)
    assert (closed.stamp, closed.missing, closed.reason, late) == (5, (), 'complete', False)
    assert closed.parts == {'image': 'i', 'labels': 'l', 'answer': 'a'}
    assert join.flush() == []


def test_stamps_are_joined_exactly():
    join = make()
    for stamp, part in ((1, 'image'), (2, 'labels'), (1, 'answer')):
        assert join.add(stamp, part, None, 0.0) == ([], False)
    assert [frame.stamp for frame in join.flush()] == [1, 2]


def test_at_the_deadline_a_frame_closes_with_what_it_lacks_and_later_parts_are_late():
    join = make(deadline=1.0)
    join.add(1, 'image', None, 0.0)
    join.add(1, 'labels', None, 0.5)
    assert join.expire(0.99) == []
    (closed,) = join.expire(1.0)
    assert (closed.missing, closed.reason) == (('answer',), 'deadline')
    assert join.add(1, 'answer', None, 1.1) == ([], True)
    assert join.add(1, 'answer', None, 1.2) == ([], False)
    assert join.counters['late'] == 1 and join.counters['repeated'] == 1


def test_a_part_that_is_silent_for_patience_frames_is_not_waited_for_until_it_speaks():
    join = make(deadline=1.0, patience=2)
    for stamp in (1, 2, 3):
        join.add(stamp, 'image', None, 0.0)
        join.add(stamp, 'labels', None, 0.0)
    join.add(4, 'image', None, 0.9)
    assert [frame.stamp for frame in join.expire(1.0)] == [1, 2, 3]
    assert join.silent == ('answer',)
    (closed,), _ = join.add(4, 'labels', None, 1.0)
    assert closed.missing == ('answer',)
    assert join.add(4, 'answer', None, 1.1) == ([], True)
    assert join.silent == ()
    join.add(5, 'image', None, 2.0)
    assert join.add(5, 'labels', None, 2.0) == ([], False)


def test_the_oldest_frame_is_closed_when_too_many_are_open():
    join = make(capacity=2)
    join.add(1, 'image', None, 0.0)
    join.add(2, 'image', None, 0.0)
    (closed,), _ = join.add(3, 'image', None, 0.0)
    assert (closed.stamp, closed.reason) == (1, 'overflow')


def test_a_join_that_follows_another_counts_on_and_knows_none_of_its_frames():
    join, after = make(), make()
    join.add(1, 'image', None, 0.0)
    after.follow(join)
    assert after.add(1, 'image', None, 0.0) == ([], False)
    assert [frame.stamp for frame in after.flush()] == [1] == [f.stamp for f in join.flush()]
    assert join.counters == after.counters == {'received': 2, 'end': 2}


def test_a_frame_that_is_taken_over_goes_on_with_what_it_had():
    join, after = make(), make()
    after.follow(join)
    join.add(1, 'labels', 'kept', 0.0)
    assert join.holds_no(1, ['image']) and not join.holds_no(1, ['labels'])
    assert not join.holds_no(2, ['image'])
    after.take_over(1, join, 0.0)
    assert join.flush() == [] and after.counters['received'] == 1
    (closed,) = after.flush()
    assert closed.parts == {'labels': 'kept'}


def test_a_frame_lacks_what_it_has_not_and_once_it_is_closed_what_it_needed():
    join = make()
    join.add(1, 'image', None, 0.0)
    assert join.lacks(1, 'labels') and not join.lacks(1, 'image') and not join.lacks(2, 'image')
    join.flush()
    missing = [name for name in NEEDED if name != 'image']
    assert all(join.lacks(1, name) for name in missing) and not join.lacks(1, 'surplus')
    join.add(1, missing[0], None, 0.0)
    assert not join.lacks(1, missing[0])


@given(st.permutations([(s, p) for s in range(6) for p in NEEDED]))
def test_every_order_of_arrival_gives_the_same_complete_frames(order):
    join = make(capacity=100)
    closed = []
    for stamp, part in order:
        closed += join.add(stamp, part, (stamp, part), 0.0)[0]
    assert sorted(frame.stamp for frame in closed) == list(range(6))
    assert all(frame.parts == {p: (frame.stamp, p) for p in NEEDED} for frame in closed)


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(NEEDED), st.booleans()), max_size=60))
def test_every_part_received_is_accounted_for(events):
    join = make(deadline=1.0, capacity=3)
    now, closed = 0.0, []
    for stamp, part, wait in events:
        now += 0.6 if wait else 0.0
        closed += join.expire(now)
        closed += join.add(stamp, part, None, now)[0]
    closed += join.flush()
    counters = join.counters
    assert counters['received'] == len(events)
    kept = sum(len(frame.parts) for frame in closed)
    assert kept + counters['late'] + counters['repeated'] == len(events)
    assert len({frame.stamp for frame in closed}) == len(closed)

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

"""Parts of a frame brought together by stamp, and the frames before it."""

from hypothesis import given
from hypothesis import strategies as st

from vlm_misalign_ros.core.evaluation.pairing import Announced, Pairing, Past


def test_a_frame_is_handed_out_once_with_all_its_parts():
    pairing = Pairing(('image', 'mask'), 4)
    assert pairing.add(1, 'image', 'a') is None
    assert pairing.add(2, 'mask', 'b') is None
    assert pairing.add(1, 'other', 'c') is None
    assert pairing.add(1, 'mask', 'd') == {'image': 'a', 'mask': 'd'}
    assert pairing.add(2, 'image', 'e') == {'image': 'e', 'mask': 'b'}


def test_a_part_that_comes_twice_counts_as_it_came_last():
    pairing = Pairing(('image', 'mask'), 4)
    pairing.add(1, 'mask', 'old')
    pairing.add(1, 'mask', 'new')
    assert pairing.add(1, 'image', 'a') == {'image': 'a', 'mask': 'new'}


def test_a_frame_that_needs_one_part_never_waits():
    pairing = Pairing(('image',), 1)
    assert [pairing.add(k, 'image', k) for k in range(3)] == [{'image': k} for k in range(3)]
    assert pairing.dropped == 0


@given(
    st.permutations([(stamp, part) for stamp in range(6) for part in ('image', 'mask', 'source')]),
    st.integers(1, 8),
)
def test_whatever_the_order_each_frame_comes_whole_or_is_dropped(order, capacity):
    pairing = Pairing(('image', 'mask', 'source'), capacity)
    done = {}
    for stamp, part in order:
        found = pairing.add(stamp, part, (stamp, part))
        if found is not None:
            assert stamp not in done
            done[stamp] = found
    for stamp, found in done.items():
        assert found == {part: (stamp, part) for part in ('image', 'mask', 'source')}
    if capacity >= 6:
        assert len(done) == 6 and pairing.dropped == 0
    assert len(pairing._open) <= capacity


def test_a_frame_that_is_passed_over_is_not_waited_for_whatever_more_comes_of_it():
    pairing = Pairing(('image', 'mask'), 1)
    pairing.add(1, 'image', 'a')
    assert pairing.pass_over(1) and not pairing.pass_over(1)
    assert pairing.add(1, 'mask', 'b') is None
    assert pairing.add(2, 'mask', 'c') is None
    assert pairing.add(2, 'image', 'd') == {'image': 'd', 'mask': 'c'}
    assert pairing.let_go() == []


def test_frames_that_waited_for_too_long_are_handed_out_once():
    pairing = Pairing(('image', 'mask'), 1)
    for stamp in range(3):
        pairing.add(stamp, 'image', stamp)
    assert pairing.let_go() == [(0, {'image': 0}), (1, {'image': 1})]
    assert pairing.let_go() == [] and pairing.dropped == 2


def test_past_frames_are_stride_apart_and_of_one_sequence():
    past = Past(frames=2, stride=3)
    found = [past.add(k, 'a', k) for k in range(9)]
    assert found[0] == (0,) and found[3] == (0, 3) and found[5] == (2, 5)
    assert found[6] == (0, 3, 6) and found[8] == (2, 5, 8)
    assert past.add(9, 'b', 'first') == ('first',)


def test_a_frame_that_is_not_later_begins_anew():
    past = Past(frames=1, stride=1)
    assert [past.add(5, None, 'a'), past.add(6, None, 'b')] == [('a',), ('a', 'b')]
    assert past.add(6, None, 'c') == ('c',) and past.add(2, None, 'd') == ('d',)


@given(st.integers(0, 4), st.integers(1, 4), st.integers(1, 30))
def test_as_many_past_frames_as_there_are_up_to_those_asked_for(frames, stride, count):
    past = Past(frames, stride)
    for k in range(count):
        wanted = [k - n * stride for n in range(frames, -1, -1)]
        assert past.add(k, 's', k) == tuple(n for n in wanted if n >= 0)


def test_pictures_are_lost_when_a_later_one_has_come():
    found = Announced()
    assert found.announce(1) == found.announce(2) == found.announce(3) == []
    assert found.came(3) == [1, 2]
    # Ahead of its condition: what had been announced before it does not come any more.
    assert found.announce(4) == [] and found.came(5) == []
    assert found.announce(5) == [4]
    # Stamps that begin anew are nothing but another picture.
    assert found.announce(1) == [] and found.came(1) == []


def test_what_a_run_that_was_cut_off_announced_is_not_lost_to_the_next():
    found = Announced()
    assert found.announce(49) == found.came(49) == found.announce(50) == []
    # It ends here: a node that goes on hears the next, whose stamps are the same.
    assert found.announce(1) == found.announce(2) == []
    assert found.came(2) == [1]
    for stamp in range(3, 53):
        assert found.announce(stamp) == found.came(stamp) == []
    assert found.announce(60) == found.came(1) == []
    # A picture ahead of its condition.
    assert found.announce(1) == []


def test_a_frame_that_was_passed_over_is_not_in_the_next_run():
    pairing = Pairing(('image', 'mask'), 4)

    def come(stamp, part):
        if part == 'image':
            pairing.turn(stamp)
        return pairing.add(stamp, part, part)

    for stamp in (1, 2):
        come(stamp, 'image')
        assert pairing.pass_over(stamp) and come(stamp, 'mask') is None
    for stamp in (1, 2):
        assert come(stamp, 'image') is None
        assert come(stamp, 'mask') == {'image': 'image', 'mask': 'mask'}


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_what_is_called_lost_never_came_and_all_before_the_last_that_came_is_called_so(
    arrives, random
):
    conditions = list(range(len(arrives)))
    pictures = [number for number in conditions if arrives[number]]
    found, lost, seen = Announced(), [], set()
    left = {'condition': conditions[:], 'picture': pictures[:]}
    while left['condition'] or left['picture']:
        kind = random.choice([name for name, rest in left.items() if rest])
        number = left[kind].pop(0)
        lost += found.announce(number) if kind == 'condition' else found.came(number)
        seen |= {number} if kind == 'picture' else set()
        assert not seen & set(lost)
    last = pictures[-1] if pictures else 0
    assert lost == [number for number in range(last) if not arrives[number]]

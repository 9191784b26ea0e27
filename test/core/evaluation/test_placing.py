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

"""Which pictures an answer may be about, by each rule, and what is done with it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.placing import SETTLE, Claim, Placer
from vlm_misalign_ros.core.evaluation.rules import ROUNDING, Rule, candidates
from vlm_misalign_ros.core.settings.outside import (
    NEAREST_BEFORE,
    OutsideVlmParameters,
    build_outside,
)

NANO = 1_000_000_000
MS = 1_000_000
PICTURES = [100 * MS * index for index in range(1, 11)]
"""Ten pictures, a tenth of a second apart."""


def rule(name, **chosen):
    values = {'name': 'm', 'topic': '/m', 'rule': name, **chosen}
    return Rule.of(build_outside(OutsideVlmParameters, values, 'm'))


def fitting(chosen, time, pictures=PICTURES):
    return [pictures[place] // MS for place in candidates(pictures, chosen.stretch(time))]


@pytest.mark.parametrize(
    'chosen, milliseconds, pictures',
    [
        (rule('exact'), 300, [300]),
        (rule('exact'), 301, []),
        # Six cameras that take turns: up to five sixths of a period behind the oldest.
        (rule('oldest', period=0.1, cameras=6), 300, [300]),
        (rule('oldest', period=0.1, cameras=6), 317, [400]),
        (rule('oldest', period=0.1, cameras=6), 310, []),
        (rule('oldest', period=0.1, cameras=6, tolerance=0.01), 310, [400]),
        # In any phase: a whole period.
        (rule('oldest', period=0.1), 310, [400]),
        (rule('oldest', period=0.1), 300, [300, 400]),
        (rule('published', latency=0.25, tolerance=0.04), 550, [300]),
        (rule('published', latency=0.25, tolerance=0.04), 590, [300]),
        (rule('published', latency=0.25, tolerance=0.04), 595, []),
        (rule('published', latency=0.25, tolerance=0.06), 600, [300, 400]),
        (rule('nearest_before', bound=0.2), 399, [300]),
        (rule('nearest_before', bound=0.2), 400, [400]),
        (rule('nearest_before', bound=0.2), 1190, [1000]),
        (rule('nearest_before', bound=0.2), 1201, []),
        (rule('nearest_before', bound=0.2, tolerance=0.02), 390, [300, 400]),
        (rule('nearest_before', bound=0.2, tolerance=0.02), 350, [300]),
        (rule('nearest_before', bound=0.2, latency=0.03), 420, [300]),
        (rule('nearest_before', bound=0.2), 50, []),
    ],
)
def test_each_rule_gives_the_pictures_that_may_be_meant(chosen, milliseconds, pictures):
    assert fitting(chosen, milliseconds * MS) == pictures


def test_a_stamp_that_was_a_floating_point_number_still_is_that_of_the_oldest():
    stamp = 1_790_000_000_123_456_789
    rounded = round(float(stamp / NANO) * NANO)
    assert 0 < abs(rounded - stamp) < ROUNDING
    assert len(candidates([stamp], rule('oldest', period=0.1).stretch(rounded))) == 1
    assert len(candidates([stamp], rule('exact').stretch(rounded))) == 0


gaps = st.lists(st.integers(1, 400 * MS), min_size=1, max_size=30)


def running(found):
    total, sums = 0, []
    for gap in found:
        total += gap
        sums.append(total)
    return sums


@given(
    gaps=gaps,
    which=st.integers(0, 29),
    latency=st.integers(0, 2 * NANO),
    tolerance=st.integers(0, 300 * MS),
    error=st.floats(-1, 1),
)
def test_by_a_latency_that_is_kept_the_picture_itself_is_always_among_those_that_fit(
    gaps, which, latency, tolerance, error
):
    pictures = running(gaps)
    own = pictures[which % len(pictures)]
    time = own + latency + round(error * tolerance)
    found = candidates(pictures, Rule('published', '', latency, tolerance).stretch(time))
    assert own in [pictures[place] for place in found]


@given(
    gaps=gaps,
    looked=st.integers(0, 12 * NANO),
    latency=st.integers(0, 200 * MS),
    tolerance=st.integers(0, 300 * MS),
    error=st.floats(-1, 1),
)
def test_what_a_node_saw_as_the_newest_is_always_among_those_that_fit(
    gaps, looked, latency, tolerance, error
):
    pictures = running(gaps)
    # The node has pictures up to latency (give or take the tolerance) before it looks.
    had = looked - latency + round(error * tolerance)
    own = max((time for time in pictures if time <= had), default=None)
    chosen = Rule(NEAREST_BEFORE, '', latency, tolerance, 100 * NANO)
    found = [pictures[place] for place in candidates(pictures, chosen.stretch(looked))]
    assert own is None or own in found


@given(
    gaps=gaps,
    which=st.integers(0, 29),
    others=st.lists(st.floats(0, 1), min_size=1, max_size=7),
    cameras=st.integers(2, 8),
)
def test_a_camera_is_always_within_the_spread_of_the_oldest(gaps, which, others, cameras):
    pictures = running(gaps)
    own = pictures[which % len(pictures)]
    chosen = rule('oldest', period=0.1, cameras=cameras)
    oldest = min(own, *(own - round(share * chosen.spread) for share in others))
    found = [pictures[place] for place in candidates(pictures, chosen.stretch(oldest))]
    assert own in found


# What is done with it ------------------------------------------------------------------------


def claim(stamp=None, arrival=0):
    return Claim(lambda: 'value', stamp, arrival)


def placer(chosen, whole=True, deadline=2.0):
    return Placer({'vlm:m': chosen}, deadline, whole)


def test_by_stamps_nothing_is_decided_before_every_picture_that_may_be_meant_has_come():
    made = placer(rule('oldest', period=0.1, tolerance=0.02))
    made.picture(100 * MS, 0, 0.0)
    assert made.answer('vlm:m', claim(90 * MS), 0.0) == []
    assert made.picture(209 * MS, 0, 0.1) == []
    # Nothing up to 0.210 s can come any more once a picture of that time or later is there.
    assert made.counters == {}
    assert made.picture(400 * MS, 0, 0.2) == []
    assert made.counters == {'ambiguous/m': 1}


def test_what_waits_is_decided_by_what_is_known_after_half_the_deadline():
    made = placer(rule('oldest', period=0.1, tolerance=0.02))
    made.picture(100 * MS, 0, 0.0)
    made.answer('vlm:m', claim(90 * MS), 0.0)
    assert made.expire(0.99) == []
    (settled,) = made.expire(1.0)
    assert (settled.stamp, settled.offset) == (100 * MS, -10 * MS)
    assert (settled.placing.rule, settled.placing.time) == ('oldest', 'stamp')
    assert settled.placing.seconds == pytest.approx(-0.01)
    assert settled.placing.window == pytest.approx(0.12, abs=1e-5)


def test_by_arrival_a_picture_that_waits_to_be_taken_up_still_counts():
    made = placer(rule('published', latency=0.2, tolerance=0.05))
    made.picture(100 * MS, 1000 * MS, 1.0)
    # Taken up before its picture, of which the message lies in the queue beside it.
    assert made.answer('vlm:m', claim(arrival=1320 * MS), 1.32) == []
    assert made.picture(200 * MS, 1100 * MS, 1.33) == []
    (settled,) = made.expire(1.33 + SETTLE)
    assert settled.stamp == 200 * MS and settled.seconds == pytest.approx(0.22)


def test_an_answer_is_settled_by_the_picture_after_it():
    made = placer(rule('published', latency=0.2, tolerance=0.05))
    made.picture(100 * MS, 1000 * MS, 1.0)
    made.answer('vlm:m', claim(arrival=1210 * MS), 1.21)
    (settled,) = made.picture(200 * MS, 1400 * MS, 1.4)
    assert settled.stamp == 100 * MS


def test_a_picture_that_could_not_be_degraded_was_shown_to_nobody():
    made = placer(rule('published', latency=0.2, tolerance=0.15))
    made.picture(100 * MS, 1000 * MS, 1.0)
    made.picture(200 * MS, 1100 * MS, 1.1, shown=False)
    made.answer('vlm:m', claim(arrival=1250 * MS), 1.25)
    assert [one.stamp for one in made.expire(2.0)] == [100 * MS]


def test_a_stamp_of_zero_is_none():
    made = placer(rule('published', latency=0.2, tolerance=0.05))
    made.picture(100 * MS, 1000 * MS, 1.0)
    made.answer('vlm:m', claim(stamp=0, arrival=1210 * MS), 1.21)
    (settled,) = made.expire(2.0)
    assert settled.placing.time == 'arrival'


@pytest.mark.parametrize('chosen', [rule('exact'), rule('oldest', period=0.1)])
@pytest.mark.parametrize('stamp', [None, 0])
def test_an_answer_without_the_stamp_that_its_rule_needs_is_refused(chosen, stamp):
    with pytest.raises(RecordError, match=f'no stamp, and its rule {chosen.name} goes by it'):
        placer(chosen).answer('vlm:m', claim(stamp), 0.0)


def test_where_pictures_may_have_been_missed_at_the_start_their_answers_are_nobodys():
    for whole, expected in ((True, [100 * MS]), (False, [])):
        made = placer(rule('published', latency=0.2, tolerance=0.05), whole)
        made.picture(100 * MS, 1000 * MS, 1.0)
        made.answer('vlm:m', claim(arrival=1230 * MS), 1.23)
        assert [one.stamp for one in made.expire(2.0)] == expected
        # From 0.98 s on: a picture that was there before anybody listened may be meant.
        assert made.counters['without_picture/m'] == (not whole)
        assert made.astray == {}


def test_pictures_that_are_forgotten_are_not_guessed_at():
    made = placer(rule('published', latency=0.2, tolerance=0.05))
    made.KEPT = 3
    for index in range(6):
        made.picture((index + 1) * 100 * MS, (index + 1) * 100 * MS, index * 0.1)
    made.answer('vlm:m', claim(arrival=540 * MS), 1.0)
    assert made.expire(2.0) == [] and made.counters == {'without_picture/m': 1}


def test_a_jump_in_time_forgets_the_pictures_before_it():
    made = placer(rule('exact'))
    made.picture(500 * MS, 0, 0.0)
    assert made.flush(1.0) == []
    made.picture(100 * MS, 0, 1.0)
    made.answer('vlm:m', claim(500 * MS), 1.1)
    assert made.expire(9.0) == [] and made.counters == {'without_picture/m': 1}


def test_what_waits_is_bounded_and_what_is_more_is_counted():
    made = placer(rule('exact'))
    for number in range(made.WAITING + 10):
        made.answer('vlm:m', claim(NANO + number), 0.0)
    assert made.counters == {'surplus/m': 10}


def test_a_picture_is_given_a_few_answers_at_most():
    made = placer(rule('exact'))
    made.picture(NANO, 0, 0.0)
    given = [made.answer('vlm:m', claim(NANO), 0.1) for _ in range(20)]
    assert sum(map(len, given)) == made.MOST
    assert made.counters == {'placed/m': made.MOST, 'surplus/m': 20 - made.MOST}


def test_a_picture_that_was_given_up_still_may_be_the_one_that_an_answer_is_about():
    """Of two pictures nobody knows whose the first answer is: the other's is yet to come."""
    made = placer(rule('published', latency=1.0, tolerance=0.9, once=True))
    made.picture(1000 * MS, 1000 * MS, 1.0)
    made.picture(1100 * MS, 1100 * MS, 1.1)
    made.answer('vlm:m', claim(arrival=2050 * MS), 2.05)
    made.picture(2000 * MS, 2000 * MS, 2.06)
    assert made.expire(2.2) == [] and made.counters == {'ambiguous/m': 1}
    assert [(one.stamp, one.claim) for one in made.expire(2.9)] == [
        (1000 * MS, None),
        (1100 * MS, None),
    ]
    # Within 0.1 to 1.9 s after both the picture at 1.1 s and that at 2.0 s.
    made.answer('vlm:m', claim(arrival=2950 * MS), 2.95)
    assert [(one.stamp, one.claim) for one in made.expire(9.0)] == [(2000 * MS, None)]
    assert made.counters == {'ambiguous/m': 2}

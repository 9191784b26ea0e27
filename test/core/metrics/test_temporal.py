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

"""Flicker, persistence, durations and stale answers: by hand, by loops, and by scipy."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.metrics import durations, survival, temporal
from vlm_misalign_ros.core.metrics.timeline import (
    BEGINS,
    GAP,
    LINKED,
    NOT_KNOWN,
    Timeline,
    runs,
    steps,
)
from vlm_misalign_ros.core.types import Hazard, Judgement

TENTH = 100_000_000
HAZARDS = {'H': 0, 'C': 1, 'I': 2, '?': NOT_KNOWN}
SAID = {'S': 0, 'U': 1, 'x': 2, '.': NOT_KNOWN}
PRESENCE = {'a': 0, 't': 1, 'r': 2, '?': NOT_KNOWN}


def timeline(
    hazards, said, conditions=None, presence=None, asserted=None, steps=None, delays=None, **given
):
    """Return a timeline drawn as text, a letter a frame, of one class (car)."""
    count = len(hazards)
    conditions = conditions or '0' * count
    car = SCORED.index('car')
    truth = np.zeros((count, len(SCORED)), np.int8)
    says = np.zeros((count, len(SCORED)), bool)
    if presence is not None:
        truth[:, car] = [PRESENCE[letter] for letter in presence]
        says[:, car] = [letter == '1' for letter in asserted]
    answered = np.array([letter != '.' for letter in said])
    says &= answered[:, None]
    return Timeline(
        np.arange(count),
        given.get('moments', np.arange(count, dtype=np.int64) * TENTH),
        np.array([BEGINS, *[LINKED] * (count - 1)] if steps is None else steps, np.int8),
        np.array([int(number) for number in conditions]),
        np.array([number == '0' for number in conditions]),
        given.get('scenes', np.zeros(count, np.int64)),
        np.array([HAZARDS[letter] for letter in hazards], np.int8),
        answered,
        np.array([SAID[letter] for letter in said], np.int8),
        truth,
        says,
        says & (truth == 0),
        answered[:, None] & ~says & (truth == 2),
        np.full(count, NOT_KNOWN, np.int64) if delays is None else np.array(delays, np.int64),
    )


def sums(terms):
    over, under = terms
    return int(over.sum()), int(under.sum())


def test_the_codes_are_those_of_the_types():
    assert [tuple(Hazard)[code] for code in (temporal.HAZARD, temporal.CLEAR)] == [
        'HAZARD',
        'CLEAR',
    ]
    assert [tuple(Judgement)[code] for code in (temporal.SAFE, temporal.UNSAFE)] == [
        'SAFE',
        'UNSAFE',
    ]


def test_a_judgement_flickers_where_it_changes_and_the_truth_does_not():
    # Pairs: SS no, SU flicker, U|U truth changed, U. and .U unanswered, Ux unjudged.
    found = timeline('CCCHHHH', 'SSUU.Ux')
    assert sums(temporal.judgement_flicker(found)) == (1, 2)


def test_what_is_indeterminate_or_unknown_is_no_unchanged_truth():
    assert sums(temporal.judgement_flicker(timeline('II??', 'SUSU'))) == (0, 0)


def test_no_pair_is_made_across_a_gap_or_a_change_of_condition():
    gap = timeline('CCCC', 'SUSU', steps=[BEGINS, LINKED, GAP, LINKED])
    assert sums(temporal.judgement_flicker(gap)) == (2, 2)
    changed = timeline('CCCC', 'SUSU', conditions='0011')
    assert sums(temporal.judgement_flicker(changed)) == (2, 2)


def test_assertions_flicker_by_class_and_among_those_made():
    found = timeline('CCCCC', 'SSSSS', presence='aattt', asserted='01100')
    car = SCORED.index('car')
    over, under = temporal.assertion_flicker(found)
    # 0>1 under ABSENT, then the truth changes, 1>0 and 0>0 under TOLERATED.
    assert (over[:, car].sum(), under[:, car].sum()) == (2, 3)
    assert under.sum() == 3 + 4 * (len(SCORED) - 1)
    assert sums(temporal.mentioned_flicker(found)) == (2, 2)


def test_a_hallucination_persists_where_it_could_have():
    found = timeline('C' * 8, 'SSSSSS.S', presence='aaatttaa', asserted='11011111')
    # 1>1 persists, 1>0 not; at 4 it is there; nothing follows an unanswered frame.
    assert sums(temporal.hallucination_persistence(found)) == (1, 2)


def test_an_omission_persists_while_the_class_is_due():
    found = timeline('C' * 6, 'SSSSSS', presence='rrrrta', asserted='000100')
    assert sums(temporal.omission_persistence(found)) == (2, 3)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from('HCI?'),
            st.sampled_from('SUx.'),
            st.sampled_from('01'),
            st.sampled_from('art?'),
            st.sampled_from('01'),
            st.sampled_from((LINKED, LINKED, LINKED, GAP, BEGINS)),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_every_share_is_that_of_a_loop_over_neighbours(frames):
    hazards, said, conditions, presence, asserted, linked = zip(*frames, strict=True)
    found = timeline(hazards, said, conditions, presence, asserted, [BEGINS, *linked[1:]])
    flicker, wrong = [0, 0], [0, 0]
    for one, other in pairwise(frames):
        if other[5] != LINKED or one[2] != other[2] or '.' in (one[1], other[1]):
            continue
        if one[0] == other[0] and one[0] in 'HC' and {one[1], other[1]} <= set('SU'):
            flicker[0] += one[1] != other[1]
            flicker[1] += 1
        if one[3:5] == ('a', '1') and other[3] == 'a':
            wrong[0] += other[4] == '1'
            wrong[1] += 1
    assert list(sums(temporal.judgement_flicker(found))) == flicker
    car = SCORED.index('car')
    over, under = temporal.hallucination_persistence(found)
    assert [over[:, car].sum(), under[:, car].sum()] == wrong


def test_a_step_longer_than_one_and_a_half_is_a_gap():
    moments = np.array([0, 100, 200, 340, 440, 600, 600, 700])
    found = steps(np.zeros(8, np.int64), moments, np.ones(8, bool))
    # The median step is 100; two frames of one moment have no order.
    assert found.tolist() == [BEGINS, LINKED, LINKED, LINKED, LINKED, GAP, GAP, LINKED]


def test_what_the_source_does_not_put_next_to_each_other_are_two_sequences():
    sequences, follows = np.array([0, 0, 1, 1, 1]), np.array([1, 0, 1, 1, 1], bool)
    found = steps(sequences, np.array([0, 5, 10, 15, 20]), follows)
    assert found.tolist() == [BEGINS, BEGINS, BEGINS, LINKED, LINKED]


@pytest.mark.parametrize('length, step', [(150, LINKED), (151, GAP), (1000, GAP)])
def test_the_only_step_of_a_sequence_is_held_against_those_of_all(length, step):
    moments = np.array([0, 100, 200, 300, 0, length])
    found = steps(np.array([0, 0, 0, 0, 1, 1]), moments, np.ones(6, bool))
    assert found.tolist() == [BEGINS, LINKED, LINKED, LINKED, BEGINS, step]


def test_the_only_step_of_all_is_no_measure_of_itself():
    assert steps(np.zeros(2, np.int64), np.array([0, 5]), np.ones(2, bool)).tolist() == [
        BEGINS,
        GAP,
    ]
    # Of several sequences with a step each they are: 4, 4 and 9 have a median of 4.
    found = steps(np.repeat([0, 1, 2], 2), np.array([0, 4, 0, 4, 0, 9]), np.ones(6, bool))
    assert found.tolist() == [BEGINS, LINKED, BEGINS, LINKED, BEGINS, GAP]


def test_runs_end_where_the_link_does():
    holds = np.array([1, 1, 0, 1, 1, 1], bool)
    found = runs(holds, np.array([0, 1, 1, 1, 1, 0], bool))
    assert (found.first.tolist(), found.last.tolist()) == ([0, 3, 5], [1, 4, 5])


def detect(found):
    due = np.where(found.hazards == NOT_KNOWN, NOT_KNOWN, found.hazards == temporal.HAZARD)
    return durations.time_to_detect(found, due, found.judgements == temporal.UNSAFE)


@pytest.mark.parametrize(
    'hazards, said, seconds, ended',
    [
        # Seen in the third frame of it, unanswered ones included.
        ('CHHHH', 'SS.UU', [0.2], [True]),
        # Warned of before, and seen at once.
        ('CHH', 'UUU', [0.0], [True]),
        # Gone before it was seen.
        ('CHHHC', 'SSSSU', [0.2], [False]),
        # The sequence ends first.
        ('CHH', 'SSS', [0.1], [False]),
        # There from the first frame on.
        ('HHC', 'SUS', [0.1], [True]),
        # Twice.
        ('CHCHH', 'SUSSU', [0.0, 0.1], [True, True]),
        # What is between is no hazard yet.
        ('IHH', 'USU', [0.1], [True]),
    ],
)
def test_time_to_detect_by_hand(hazards, said, seconds, ended):
    found = detect(timeline(hazards, said))
    assert found.seconds.tolist() == pytest.approx(seconds)
    assert found.ended.tolist() == ended


def test_a_warning_comes_when_its_answer_does():
    def told(delays):
        found = timeline('CHHHC', 'SSUSS', delays=delays)
        due = (found.hazards == temporal.HAZARD).astype(int)
        return durations.time_to_tell(found, due, found.judgements == temporal.UNSAFE)

    late = told([0, 0, 250_000_000, 0, 0])
    assert late.seconds.tolist() == pytest.approx([0.35])
    untold = told([0, 0, NOT_KNOWN, 0, 0])
    assert (len(untold), untold.unseen) == (0, 1)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from('HC?'),
            st.sampled_from('SU.'),
            st.sampled_from('012'),
            st.sampled_from((LINKED, LINKED, LINKED, GAP, BEGINS)),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_detection_and_recovery_are_those_of_loops(frames):
    hazards, said, conditions, linked = zip(*frames, strict=True)
    linked = [BEGINS, *linked[1:]]
    found = timeline(hazards, said, conditions, steps=linked)
    count = len(frames)

    def chained(one, other):
        return all(linked[n] == LINKED for n in range(one + 1, other + 1))

    detected = []
    for first in range(count):
        begins = first == 0 or linked[first] != LINKED or hazards[first - 1] != 'H'
        single = linked[first] != LINKED and (first + 1 == count or linked[first + 1] != LINKED)
        if hazards[first] != 'H' or not begins or single or linked[first] == GAP:
            continue
        if linked[first] == LINKED and hazards[first - 1] == '?':
            continue
        last = first
        while last + 1 < count and linked[last + 1] == LINKED and hazards[last + 1] == 'H':
            last += 1
        seen = [n for n in range(first, last + 1) if said[n] == 'U']
        detected.append((round(((seen or [last])[0] - first) / 10, 3), bool(seen)))
    told = detect(found)
    assert list(zip(told.seconds.round(3).tolist(), told.ended.tolist(), strict=True)) == detected

    right = [
        None if '.' in pair or '?' in pair else pair in (('H', 'U'), ('C', 'S'))
        for pair in zip(hazards, said, strict=True)
    ]

    def last_told(numbers):
        known = [right[n] for n in numbers if right[n] is not None]
        return known[-1] if known else None

    lags = []
    for first in range(1, count):
        if conditions[first] != '0' or conditions[first - 1] == '0' or linked[first] != LINKED:
            continue
        start = first - 1
        while start and linked[start] == LINKED and conditions[start - 1] != '0':
            start -= 1
        before = start - 1
        if linked[start] != LINKED or before < 0:
            continue
        begin = before
        while begin and linked[begin] == LINKED and conditions[begin - 1] == '0':
            begin -= 1
        if last_told(range(start, first)) is not False:
            continue
        if last_told(range(begin, start)) is not True:
            continue
        last = first
        while last + 1 < count and linked[last + 1] == LINKED and conditions[last + 1] == '0':
            last += 1
        well = [n for n in range(first, last + 1) if right[n]]
        assert chained(begin, last)
        lags.append((round(((well or [last])[0] - first) / 10, 3), bool(well)))
    again = durations.recovery(found, durations.judgement_standing(found))
    assert list(zip(again.seconds.round(3).tolist(), again.ended.tolist(), strict=True)) == lags


def test_a_hazard_whose_beginning_was_not_seen_is_left_out():
    behind_gap = detect(timeline('CCHH', 'SSSU', steps=[BEGINS, LINKED, GAP, LINKED]))
    assert (len(behind_gap), behind_gap.unseen) == (0, 1)
    unknown = detect(timeline('C?HH', 'SSSU'))
    assert (len(unknown), unknown.unseen) == (0, 1)


def test_single_frames_have_no_time():
    found = timeline('HHH', 'USU', steps=[BEGINS] * 3)
    assert len(detect(found)) == 0
    assert sums(temporal.judgement_flicker(found)) == (0, 0)


def test_a_run_lasts_to_the_first_frame_without_it():
    found = timeline('C' * 10, 'SSSSSSSS.S', presence='a' * 10, asserted='0110110101')
    car = SCORED.index('car')
    over = found.answered & (found.presence[:, car] == 0) & ~found.hallucinated[:, car]
    lengths = durations.run_lengths(found, found.hallucinated[:, car], over)
    # 0.2 s, 0.2 s, one frame before an unanswered one, one at the end.
    assert lengths.seconds.tolist() == pytest.approx([0.2, 0.2, 0.0, 0.0])
    assert lengths.ended.tolist() == [True, True, False, False]
    assert lengths.frames.tolist() == [2, 2, 1, 1]


def recovered(hazards, said, conditions, **given):
    found = timeline(hazards, said, conditions, **given)
    return durations.recovery(found, durations.judgement_standing(found))


def test_recovery_counts_from_the_first_clean_frame():
    found = recovered('C' * 10, 'SSUUUUUSSS', '0011110000')
    assert found.seconds.tolist() == pytest.approx([0.1])
    assert found.ended.tolist() == [True]
    # It counts for the last degraded frame.
    assert found.lines.tolist() == [5]


@pytest.mark.parametrize(
    'said, conditions, count, unseen',
    [
        # Right under the degradation to its end, or again: nothing to recover from.
        ('SSSSSSSS', '00111000', 0, 0),
        ('SSUUSSSS', '00111000', 0, 0),
        # Wrong before it: not its doing.
        ('UUUUUUSS', '00111000', 0, 0),
        # Degraded from the beginning.
        ('UUUUUSSS', '11111000', 0, 1),
        # Nothing clean follows.
        ('SSUUUUUU', '00111111', 0, 0),
        # Several degradations without a clean frame between are one.
        ('SSUUUUSS', '00112200', 1, 0),
    ],
)
def test_recovery_is_only_of_what_the_degradation_did(said, conditions, count, unseen):
    found = recovered('C' * 8, said, conditions)
    assert (len(found), found.unseen) == (count, unseen)


def test_who_never_recovers_is_censored():
    found = recovered('C' * 8, 'SSUUUUUU', '00111000')
    assert found.seconds.tolist() == pytest.approx([0.2])
    assert found.ended.tolist() == [False]


def test_no_recovery_is_seen_across_a_gap():
    found = recovered('C' * 6, 'SSUUUS', '001100', steps=[BEGINS, 0, 0, 0, GAP, LINKED])
    assert len(found) == 0


def test_a_late_right_answer_is_wrong_by_then():
    # 250 ms later the hazard has gone; 50 ms later it has not.
    late = timeline('HHCC', 'UUSS', delays=[250_000_000, 50_000_000, -1, 250_000_000])
    arrival = temporal.at_arrival(late)
    # The last frame's truth is not known beyond a step: no count.
    assert arrival.tolist() == [2, 1, NOT_KNOWN, NOT_KNOWN]
    assert sums(temporal.stale_judgement(late, arrival)) == (1, 2)


def test_the_truth_of_the_last_frame_holds_for_one_step():
    found = timeline('CCC', 'SSS', delays=[0, 0, 99_000_000])
    assert temporal.at_arrival(found).tolist() == [0, 1, 2]


def test_no_answer_arrives_across_a_gap():
    found = timeline('HHCC', 'UUSS', delays=[250_000_000] * 4, steps=[BEGINS, LINKED, GAP, LINKED])
    assert temporal.at_arrival(found).tolist() == [NOT_KNOWN] * 4


def test_assertions_and_silences_become_stale():
    critical = np.array([name == 'car' for name in SCORED])
    found = timeline('CCCC', 'SSSS', presence='rata', asserted='1000', delays=[100_000_000] * 4)
    arrival = temporal.at_arrival(found)
    # Said of a car that has gone by then.
    assert sums(temporal.stale_assertion(found, arrival)) == (1, 1)
    due = timeline('CCC', 'SSS', presence='arr', asserted='001', delays=[100_000_000] * 3)
    # Of the first frame only: in the others the car is due.
    assert sums(temporal.stale_silence(due, temporal.at_arrival(due), critical)) == (1, 1)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.booleans(), st.integers(0, 6)), min_size=1, max_size=40
    )
)
def test_kaplan_meier_is_that_of_scipy(entries):
    seconds = np.array([entry[0] / 10 for entry in entries])
    ended = np.array([entry[1] for entry in entries])
    scenes = np.array([entry[2] for entry in entries])
    curve = survival.kaplan_meier(seconds, ended, scenes)
    peer = stats.ecdf(stats.CensoredData(uncensored=seconds[ended], right=seconds[~ended])).sf
    assert curve.seconds.tolist() == sorted(set(seconds[ended].tolist()))
    np.testing.assert_allclose(curve.share, peer.evaluate(curve.seconds), atol=1e-12)
    if len(set(scenes.tolist())) > 1:
        assert np.all(curve.low <= curve.share + 1e-12)
        assert np.all(curve.share <= curve.high + 1e-12)
    else:
        assert np.isnan(curve.low).all()


def test_the_median_by_hand():
    # Freireich's (1963) 6-MP arm: weeks of remission, + censored; median 23 weeks.
    ended = [6, 6, 6, 7, 10, 13, 16, 22, 23]
    censored = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    seconds = np.array([*ended, *censored], float)
    flags = np.array([True] * 9 + [False] * 12)
    curve = survival.kaplan_meier(seconds, flags, np.arange(21))
    assert curve.share == pytest.approx(
        [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], abs=5e-4
    )
    found = survival.median(curve)
    assert found.value == 23
    # Log-log limits have 13 and no upper one; Clopper and Pearson's are the wider.
    assert found.low in (10, 13) and found.high == np.inf


def test_the_variance_of_independent_durations_is_greenwoods():
    rng = np.random.default_rng(3)
    seconds = np.round(rng.exponential(1, 400), 1)
    ended = rng.random(400) < 0.8
    curve = survival.kaplan_meier(seconds, ended, np.arange(400))
    times, events = np.unique(seconds[ended], return_counts=True)
    risk = np.array([(seconds >= time).sum() for time in times])
    greenwood = curve.share * np.sqrt(np.cumsum(events / (risk * (risk - events + 1e-9))))
    middle = int(np.argmax(curve.share <= 0.5))
    # Limits of 1.96 standard errors each way, but for the shape of Clopper and Pearson's.
    width = (curve.high - curve.low)[middle]
    assert 0.98 <= width / (2 * 1.96 * greenwood[middle]) < 1.1


def test_without_an_end_nothing_is_known_of_the_median():
    curve = survival.kaplan_meier(np.array([1.0, 2.0]), np.zeros(2, bool), np.arange(2))
    found = survival.median(curve)
    assert np.isnan(found.value)


def test_one_scene_has_no_interval():
    found = survival.median(
        survival.kaplan_meier(np.array([1.0, 2.0, 3.0]), np.ones(3, bool), np.zeros(3, int))
    )
    assert found.value == 2.0
    assert np.isnan([found.low, found.high]).all()


@pytest.mark.parametrize('scenes', [8, 24])
def test_the_interval_of_the_median_holds_it(scenes):
    """
    Durations in frames of .1 s, four a scene, exponential with a scale shared by the scene.

    Censored evenly over 3 s. The true median is that of the mixture, by 10^6 draws; 400 runs, so
    that three standard errors at .95 are .033.
    """
    rng = np.random.default_rng(7)

    def drawn(count):
        scale = np.exp(rng.normal(-0.5, 0.5, count))[:, None]
        return np.ceil(rng.exponential(scale, (count, 4)) * 10) / 10

    truth = np.median(drawn(250_000))
    held = 0
    for _ in range(400):
        lasts = drawn(scenes).ravel()
        looked = np.ceil(rng.uniform(0, 3, len(lasts)) * 10) / 10
        curve = survival.kaplan_meier(
            np.minimum(lasts, looked), lasts <= looked, np.repeat(np.arange(scenes), 4)
        )
        found = survival.median(curve)
        low = -np.inf if np.isnan(found.low) else found.low
        held += low <= truth <= found.high
    assert held / 400 >= 0.92

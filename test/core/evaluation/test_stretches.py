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

"""Jumps in time when topics interleave: what was sent before a jump belongs before it."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maps import plain
from vlm_misalign_ros.core.evaluation.period import Lost
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.records.account import AccountingRecord
from vlm_misalign_ros.core.records.schema import FrameRecord, Status
from vlm_misalign_ros.core.records.store import RECORDS, comparable, read_records
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.core.stamps import NANO, format_stamp
from vlm_misalign_ros.core.types import Applied, Camera, Condition, Description, Kind, Mention

LABELS = plain()
CAMERA = Camera(64, 32, 1000.0, 1000.0, 32.0, 16.0)
ANSWER = Description('m', Kind.CONTRASTIVE, '', mentions={'car': Mention.ASSERTED})
PARTS = ('condition', 'labels', 'vlm:m')
VALUES = {'condition': Applied(Condition(), 1), 'labels': LABELS, 'vlm:m': ANSWER}


def start(folder='', **chosen):
    parameters = {
        'models': ('m',),
        'lockstep': False,
        'source': False,
        'instances': False,
        'segmentation': False,
        'pictures': 0,
        'deadline': 1.0,
        'window': 1000.0,
        'run_folder': str(folder),
        **chosen,
    }
    return Session(MonitorParameters(**parameters), log=lambda text: None)


def send(session, second, *parts, now=0.0):
    """Send parts of the frame at a second; return what closed."""
    closed = []
    for part in parts or PARTS:
        closed += session.add(round(second * NANO), part, VALUES[part], now)
    return closed


def ended(session, folder):
    """Return the frames' records by (epoch, stamp), and the last line, of a session."""
    session.end(0.0)
    records = list(read_records(folder / RECORDS))
    frames = [record for record in records if isinstance(record, FrameRecord)]
    found = {(record.epoch, record.stamp): record for record in frames}
    assert len(found) == len(frames) == session.closed
    return found, records[-1]


# Whatever the order of arrival -------------------------------------------------------------------


@st.composite
def drives(draw):
    """
    Draw messages (time sent, time of arrival, epoch, stamp in ns, part) of drives with jumps.

    Of 12 to 16 frames a stretch, one each second, up to a third gets lost of each topic; each
    topic is up to 3 s behind the fastest, and keeps its own order.
    """
    messages, tick, stamp = [], 0, 100 * NANO
    latest = dict.fromkeys(PARTS, 0.0)
    for epoch in range(draw(st.integers(2, 4))):
        if epoch:
            # More than ten seconds behind what has come so far, whatever is still under way or
            # lost, and never to a stamp that was there before.
            stamp -= draw(st.integers(18, 40)) * NANO + epoch
        for _ in range(draw(st.integers(12, 16))):
            for part in PARTS:
                delay = draw(st.integers(0, 6)) / 2
                latest[part] = max(latest[part], tick + delay)
                if draw(st.integers(0, 5)) > 1:
                    messages.append((tick, latest[part], epoch, stamp, part))
            tick, stamp = tick + 1, stamp + NANO
        stamp -= NANO
    return messages


def played(messages, folder):
    session = start(folder)
    for _, _, _, stamp, part in messages:
        session.add(stamp, part, VALUES[part], 0.0)
    frames, last = ended(session, folder)
    told = {key: comparable(record) for key, record in frames.items()}
    return told, last, session.metrics()


@settings(max_examples=20, deadline=None)
@given(drives(), st.randoms())
def test_records_are_those_of_the_arrival_in_order(tmp_path_factory, messages, random):
    """In order means that everything arrives when it is sent."""
    folder = tmp_path_factory.mktemp('jumps')
    # Among what arrives at once any topic may be first; each by itself keeps its order.
    turns = {(part, time): random.random() for _, time, _, _, part in messages for part in PARTS}
    late = sorted(messages, key=lambda m: (m[1], turns[m[4], m[1]], m[0]))
    frames, last, metrics = played(late, folder / 'late')
    again, other, rates = played(sorted(messages, key=lambda m: m[0]), folder / 'order')
    sent = {}
    for _, _, epoch, stamp, part in messages:
        sent.setdefault((epoch, format_stamp(stamp)), set()).add(part)
    pictures = {key: parts for key, parts in sent.items() if parts != {'labels'}}
    assert set(frames) == set(pictures)
    for key, parts in pictures.items():
        status = frames[key]['models']['m']['status']
        if 'labels' not in parts or 'condition' not in parts:
            assert status in (Status.UNMATCHED, Status.UNSCORABLE)
        else:
            assert status == (Status.SCORED if 'vlm:m' in parts else Status.MISSING)
    assert last.frames.get('truth_without_picture', 0) == len(sent) - len(pictures)
    assert frames == again and metrics == rates
    assert last.parts == other.parts and last.join == other.join
    assert (last.period, last.estimated_lost) == (other.period, other.estimated_lost)
    assert {**last.frames, 'before_jump': 0} == {**other.frames, 'before_jump': 0}


# By hand -----------------------------------------------------------------------------------------


@pytest.mark.parametrize('order', [('condition', 'vlm:m'), ('vlm:m', 'condition')])
def test_a_topic_that_is_behind_goes_on_in_its_own_stretch(tmp_path, order):
    """Truth has jumped from 145 s to 105 s; pictures and answers of 144 and 145 s are to come."""
    session = start(tmp_path)
    send(session, 143)
    for second in (144, 145, 105, 106):
        send(session, second, 'labels')
    assert session.counters['time_jumps'] == 1
    for second in (144, 145, 105, 106):
        send(session, second, *order)
    assert session.counters['time_jumps'] == 1 and session.counters['before_jump'] == 4
    found, _ = ended(session, tmp_path)
    assert {(epoch, stamp.partition('.')[0]) for epoch, stamp in found} == {
        (0, '143'), (0, '144'), (0, '145'), (1, '105'), (1, '106'),
    }  # fmt: skip
    assert {record.models['m'].status for record in found.values()} == {Status.SCORED}


def test_the_windows_are_of_the_new_stretch_alone():
    session = start()
    send(session, 144)
    send(session, 145, 'condition', 'labels')
    send(session, 105)
    send(session, 145, 'vlm:m')

    def asserted(span):
        return session.metrics()[f'{span}: m']['hallucination_rate/denominator']

    assert session.accounting['m']['scored'] == 3
    assert (asserted('rolling'), asserted('total')) == ('1', '3')
    # Nor does what is taken back of the former stretch come out of them.
    session.add(145 * NANO, 'labels', LABELS + 1, 0.0)
    assert session.accounting['m']['scored'] + session.accounting['m']['doubled'] >= 3
    assert asserted('rolling') == '1'


def test_a_frame_of_before_closes_at_its_deadline_or_at_the_next_jump():
    session = start()
    for second in (145, 105, 65):
        send(session, second, 'condition', 'labels', now=second == 65)
    # The second jump let go what the first had left open.
    assert session.counters['reset'] == 1 and session.closed == 1
    (old,) = session.expire(1.0)
    assert (old.stamp, old.record.epoch, old.record.closed.value) == (105 * NANO, 1, 'deadline')
    assert [frame.record.epoch for frame in session.end(1.5)] == [2]
    assert session.accounting['m'] == {'missing': 3}


def test_a_topic_that_comes_late_into_the_new_stretch_is_no_jump():
    """Truth is at 118 s when the first picture of 105 s comes: 13 s, and no second jump."""
    session = start()
    send(session, 145)
    for second in range(105, 119):
        send(session, second, 'labels')
    for second in range(105, 119):
        send(session, second, 'condition', 'vlm:m')
    assert session.counters['time_jumps'] == 1
    assert session.accounting['m'] == {'scored': 15}


def test_an_answer_that_is_ahead_of_the_jump_is_of_the_new_stretch(tmp_path):
    session = start(tmp_path)
    send(session, 145)
    send(session, 105, 'vlm:m')
    send(session, 105, 'condition', 'labels')
    found, last = ended(session, tmp_path)
    assert {record.epoch for record in found.values()} == {0, 1}
    assert session.accounting['m'] == {'scored': 2} and last.join['received'] == 6


def test_a_clock_of_its_own_is_not_taken_for_what_came_before_a_jump():
    """Pictures by the time of day, truth by that of a simulator: jumps back and forth, as told."""
    session = start()
    for number in range(40):
        send(session, 1.7e9 + number, 'condition')
        send(session, 5 + number, 'labels')
    assert session.counters['time_jumps'] > 25


def test_a_camera_that_is_behind_is_that_of_its_own_stretch(tmp_path):
    session = start(tmp_path)
    session.add(144 * NANO, 'camera', CAMERA, 0.0)
    send(session, 144)
    send(session, 145, 'condition')
    send(session, 105, 'labels')
    session.add(145 * NANO, 'camera', replace(CAMERA, fx=900.0), 0.0)
    session.add(105 * NANO, 'camera', replace(CAMERA, fx=500.0), 0.0)
    send(session, 145, 'labels', 'vlm:m')
    send(session, 105, 'condition', 'vlm:m')
    _, last = ended(session, tmp_path)
    assert isinstance(last, AccountingRecord)
    assert 'camera_of_another_stamp' not in last.frames
    assert 'doubled' not in last.join


def test_a_monitor_that_goes_on_takes_up_frames_of_both_stretches(tmp_path):
    first = start(tmp_path)
    send(first, 144)
    send(first, 145, 'condition', 'labels')
    send(first, 105)
    # Of the former stretch, and written down behind the new one.
    send(first, 145, 'vlm:m')
    first.close()
    again = start(tmp_path)
    send(again, 106)
    assert again.counters['time_jumps'] == 0
    found, _ = ended(again, tmp_path)
    assert Counter(epoch for epoch, _ in found) == {0: 2, 1: 2}
    assert again.accounting['m'] == {'scored': 4}


def test_pictures_of_before_are_in_no_gap_of_the_new_stretch():
    lost = Lost()
    for number in (*range(11), 14):
        lost.add(number * NANO // 10)
    lost.restart()
    for number in range(12):
        lost.add(number * NANO // 10)
    assert lost.told() == (pytest.approx(0.1), 3)
    lost.add(12 * NANO // 10, former=True)
    assert lost.told() == (pytest.approx(0.1), 2)

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

"""Frames that a node left out on purpose: dropped, closed at once, in exactly one state."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maps import plain
from vlm_misalign_ros.core.errors import MAX_REASON, RecordError
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.records.account import LateRecord
from vlm_misalign_ros.core.records.schema import Closing, FrameRecord, Status
from vlm_misalign_ros.core.records.store import RECORDS, read_records
from vlm_misalign_ros.core.report.summary import ALL, summarise
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.core.types import (
    Applied,
    Condition,
    Confidence,
    Description,
    Kind,
    Mention,
    Passed,
)
from vlm_misalign_ros.wire import values as codec

pytestmark = pytest.mark.heavy

SECOND = 1_000_000_000
MODELS = ('m', 'n')
NEWER = Passed('a newer frame was taken (policy latest)')
CAR = Description('m', Kind.GENERATIVE, 'a car', mentions={'car': Mention.ASSERTED})
SURE = Confidence(0.5, 0.5)
WHOLE = {
    'condition': Applied(Condition(), 1),
    'labels': plain(),
    'confidence': SURE,
    'segmentation': np.zeros((32, 64), np.uint8),
    'vlm:m': CAR,
    'vlm:n': CAR,
}


def start(folder=''):
    return Session(
        MonitorParameters(
            models=MODELS,
            lockstep=False,
            source=False,
            instances=False,
            pictures=0,
            deadline=1.0,
            run_folder=str(folder),
        ),
        log=lambda text: None,
    )


def send(session, number, parts, now=0.0):
    closed = []
    for name, part in parts.items():
        closed += session.add(10 * SECOND + number * SECOND // 10, name, part, now)
    return [frame.record for frame in closed]


def states(session, name):
    return {state: count for state, count in session.accounting[name].items() if count}


def test_a_frame_that_was_passed_over_waits_for_nothing_and_says_why():
    session = start()
    (record,) = send(session, 1, {**WHOLE, 'vlm:m': NEWER})
    assert (record.closed, record.missing) == (Closing.COMPLETE, [])
    entry = record.models['m']
    assert (entry.status, entry.problem, entry.error) == (Status.DROPPED, NEWER.reason, None)
    assert record.models['n'].status is record.segmentation.status is Status.SCORED
    assert states(session, 'm') == {'dropped': 1} and states(session, 'n') == {'scored': 1}
    assert session.metrics()['total: m']['dropped'] == '1'
    assert session.coverage('m') == 0.0 and session.coverage('n') == 1.0


def test_a_mask_that_was_passed_over_is_told_in_place_of_its_confidence():
    session = start()
    parts = {**WHOLE, 'confidence': NEWER}
    del parts['segmentation']
    (record,) = send(session, 1, parts)
    found = record.segmentation
    assert (record.closed, found.status, found.problem) == (
        Closing.COMPLETE,
        Status.DROPPED,
        NEWER.reason,
    )
    assert found.error is None and found.cells == [] and found.frame_iou is None
    assert record.models['m'].status is Status.SCORED


def test_a_picture_that_was_passed_over_is_dropped_for_everybody_though_its_truth_is_known():
    session = start()
    passed = Applied(Condition('occlusion', 3), 1, covers=True, passed='the queue was full')
    (record,) = send(session, 1, {'labels': plain(), 'condition': passed})
    assert (record.closed, record.condition.name) == (Closing.COMPLETE, 'occlusion:3')
    assert record.truth is not None and record.problem is None
    for entry in (*record.models.values(), record.segmentation):
        assert entry.status is Status.DROPPED
        assert entry.problem == 'the picture was passed over: the queue was full'


@pytest.mark.parametrize('labels, status', [(None, 'unmatched'), ('two', 'doubled')])
def test_without_truth_and_doubled_go_before_dropped(labels, status):
    session = start()
    parts = {**WHOLE, 'vlm:m': NEWER}
    if labels is None:
        del parts['labels']
    send(session, 1, parts)
    if labels == 'two':
        other = plain()
        other[0] = 11
        send(session, 1, {'labels': other})
    session.end(5.0)
    assert states(session, 'm') == {status: 1}


@pytest.mark.parametrize('order', [(CAR, NEWER), (NEWER, CAR)])
def test_a_picture_that_came_twice_and_was_taken_once_is_answered(order):
    """Delivered twice, or looped in a short recording: one of the two may be passed over."""
    session = start()
    rest = {name: part for name, part in WHOLE.items() if name != 'vlm:m'}
    send(session, 1, {'vlm:m': order[0]})
    send(session, 1, {'vlm:m': order[1]})
    (record,) = send(session, 1, rest)
    assert record.models['m'].status is Status.SCORED
    assert session.counters['doubled'] == 0
    # Behind the frame's closing it stays as it was.
    send(session, 1, {'vlm:m': NEWER})
    assert states(session, 'm') == {'scored': 1}
    send(session, 2, {**WHOLE, 'vlm:m': NEWER})
    send(session, 2, {'vlm:m': CAR})
    assert states(session, 'm') == {'scored': 1, 'dropped': 1}


def test_other_reasons_are_no_other_content_and_other_answers_are():
    session = start()
    send(session, 1, {'vlm:m': NEWER})
    send(session, 1, {'vlm:m': Passed('the queue was full')})
    send(session, 1, {'vlm:m': CAR})
    send(session, 1, {'vlm:m': replace(CAR, text='a bus')})
    send(session, 1, {name: part for name, part in WHOLE.items() if name != 'vlm:m'})
    assert states(session, 'm') == {'doubled': 1} and states(session, 'n') == {'scored': 1}


def test_what_is_told_after_the_deadline_was_dropped_and_not_late(tmp_path):
    session = start(tmp_path)
    parts = dict(WHOLE)
    for name in ('vlm:m', 'confidence', 'segmentation'):
        del parts[name]
    send(session, 1, parts)
    (frame,) = session.expire(2.0)
    assert frame.record.models['m'].status is Status.MISSING
    send(session, 1, {'vlm:m': NEWER, 'confidence': NEWER})
    assert states(session, 'm') == states(session, 'segmentation') == {'dropped': 1}
    session.end(2.0)
    records = list(read_records(tmp_path / RECORDS))
    late = [record for record in records if isinstance(record, LateRecord)]
    assert [(record.part, record.passed) for record in late] == [
        ('vlm:m', True),
        ('confidence', True),
    ]
    row = next(row for row in summarise(records) if (row.model, row.condition) == ('m', ALL))
    assert {state: count for state, count in row.by_status.items() if count} == {Status.DROPPED: 1}


part = st.sampled_from(['answer', 'answer', 'pass', 'nothing'])
frames = st.lists(
    st.tuples(st.booleans(), part, part, part, st.booleans(), st.sampled_from([0.0, 0.4, 1.1])),
    max_size=12,
)


@given(frames, st.randoms(use_true_random=False))
def test_the_states_add_up_to_what_was_sent_and_the_records_say_the_same(
    tmp_path_factory, stream, random
):
    folder = tmp_path_factory.mktemp('passed')
    session = start(folder)
    events, sent = [], 0
    for number, (taken, m, n, mask, labels, wait) in enumerate(stream):
        chosen = {'condition': WHOLE['condition']}
        if not taken:
            chosen = {'condition': replace(WHOLE['condition'], passed='full')}
        for name, what in (('vlm:m', m), ('vlm:n', n), ('confidence', mask)):
            if taken and what != 'nothing':
                chosen[name] = NEWER if what == 'pass' else WHOLE[name]
        if taken and mask == 'answer':
            chosen['segmentation'] = WHOLE['segmentation']
        if labels:
            chosen['labels'] = WHOLE['labels']
        sent += 1
        events += [(number, name, value, wait) for name, value in chosen.items()]
    random.shuffle(events)
    now = 0.0
    for number, name, value, wait in events:
        now += wait / 4
        session.expire(now)
        send(session, number, {name: value}, now)
    session.end(now)
    assert session.closed == sent
    records = list(read_records(folder / RECORDS))
    found = [record for record in records if isinstance(record, FrameRecord)]
    rows = {row.model: row for row in summarise(records) if row.condition == ALL}
    for place, name in enumerate((*MODELS, 'segmentation')):
        assert sum(session.accounting[name].values()) == sent
        # Of frames whose truth came in time, whoever was told to be passed over is dropped.
        expected = sum(
            labels and (not taken or (m, n, mask)[place] == 'pass')
            for taken, m, n, mask, labels, _ in stream
        )
        without = sum(record.truth is None for record in found)
        assert expected - without <= session.accounting[name]['dropped'] <= expected
        if name in rows:
            states_of = {s.value: n for s, n in rows[name].by_status.items() if n}
            assert states_of == states(session, name)


@pytest.mark.parametrize(
    'write, read',
    [
        (codec.passed_to_values, codec.description_from_values),
        (codec.passed_to_values, codec.confidence_from_values),
    ],
)
@given(reason=st.text(max_size=700))
def test_the_reason_travels_bounded_and_never_empty(write, read, reason):
    found = read(write(Passed(reason)))
    assert isinstance(found, Passed)
    assert 0 < len(found.reason) <= MAX_REASON and '\n' not in found.reason


def test_a_condition_says_that_its_picture_was_passed_over():
    applied = Applied(Condition('low_light', 2), 7, passed='the queue was full (queue_size 4)')
    found = codec.applied_from_values(codec.applied_to_values(applied))
    assert found == applied and not found.shown


def test_the_times_that_everybody_tells_are_in_the_record_and_in_the_metrics():
    session = start()
    parts = {
        **WHOLE,
        'vlm:m': replace(CAR, latency=0.25, waited=0.5, age=1.0),
        'vlm:n': replace(CAR, latency=0.75),
        'confidence': replace(SURE, latency=0.125, waited=0.0),
    }
    late = parts.pop('vlm:m')
    send(session, 1, parts, now=10.0)
    (record,) = send(session, 1, {'vlm:m': late}, now=10.75)
    assert record.timing.model_seconds == {'m': 0.25, 'n': 0.75, 'segmentation': 0.125}
    assert record.timing.queue_seconds == {'m': 0.5, 'segmentation': 0.0}
    assert record.timing.result_seconds == {'m': 1.0}
    assert record.timing.open_seconds == 0.75
    metrics = session.metrics()['rolling: m']
    assert metrics['coverage/metric_value'] == '1.0'
    assert metrics['result_seconds/metric_value'] == metrics['result_seconds/max'] == '1.0'
    assert session.metrics()['total: n']['result_seconds/metric_value'] == 'nan'
    # A repetition in other times is the same answer.
    send(session, 1, {'vlm:m': replace(late, age=9.0, waited=8.0, latency=7.0)}, now=11.0)
    assert states(session, 'm') == {'scored': 1}


@given(st.none() | st.floats(0, 1e6), st.none() | st.floats(0, 1e6), st.floats(0, 1e6))
def test_times_travel_and_unknown_ones_stay_unknown(waited, age, latency):
    said = replace(CAR, waited=waited, age=age, latency=latency)
    assert codec.description_from_values(codec.description_to_values(said)) == said
    sure = replace(SURE, waited=waited, age=age, latency=latency)
    assert codec.confidence_from_values(codec.confidence_to_values(sure)) == sure


@pytest.mark.parametrize('key', ['waited', 'age'])
@pytest.mark.parametrize('value', ['-0.1', 'nan', 'inf', 'soon'])
def test_times_that_are_none_are_refused(key, value):
    with pytest.raises(RecordError, match=key):
        codec.description_from_values({**codec.description_to_values(CAR), key: value})
    with pytest.raises(RecordError, match=key):
        codec.confidence_from_values({**codec.confidence_to_values(SURE), key: value})


def test_nobody_waits_for_a_node_that_is_gone_until_it_is_back():
    session = start()
    parts = {name: part for name, part in WHOLE.items() if name != 'vlm:m'}
    assert send(session, 1, parts) == []
    (frame,) = session.without(['vlm:m'], 0.0)
    assert frame.record.models['m'].status is Status.MISSING
    assert frame.record.models['n'].status is Status.SCORED
    (record,) = send(session, 2, parts)
    assert record.missing == ['vlm:m']
    # What a node had sent before it went is late, as ever.
    send(session, 2, {'vlm:m': CAR})
    assert states(session, 'm') == {'missing': 1, 'late': 1}
    assert session.without([], 0.0) == [] and send(session, 3, parts) == []
    assert len(send(session, 3, {'vlm:m': CAR})) == 1

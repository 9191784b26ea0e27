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
"""A monitor that was cut off and is started again: goes on with its run, says what it missed."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maps import plain
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.records.account import AccountingRecord, GapRecord, LateRecord
from vlm_misalign_ros.core.records.schema import FrameRecord, RunRecord, Status
from vlm_misalign_ros.core.records.store import RECORDS, read_records
from vlm_misalign_ros.core.report.evidence import Evidence
from vlm_misalign_ros.core.report.summary import ALL, summarise
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.core.types import (
    Applied,
    Condition,
    Description,
    Judgement,
    Kind,
    Mention,
    Passed,
)

pytestmark = pytest.mark.heavy

STEP = 100_000_000
FIRST = 50_000_000_000
CAR = Description(
    'm',
    Kind.GENERATIVE,
    'a car',
    mentions={'car': Mention.ASSERTED, 'bus': Mention.DENIED},
    judgement=Judgement.UNSAFE,
)
MASK = np.zeros((32, 64), np.uint8)
MASK[:, :20] = 13
WHOLE = {
    'condition': Applied(Condition('low_light', 2), 1),
    'labels': plain(),
    'segmentation': MASK,
    'vlm:m': CAR,
}


def start(folder, **more):
    chosen = {
        'models': ('m',),
        'lockstep': False,
        'source': False,
        'instances': False,
        'confidence': False,
        'pictures': 0,
        'deadline': 1.0,
        'run_folder': str(folder),
        **more,
    }
    return Session(MonitorParameters(**chosen), name='run', log=lambda text: None)


def send(session, number, now=0.0, **changed):
    names = {'answer': 'vlm:m', 'mask': 'segmentation'}
    parts = {**WHOLE, **{names.get(name, name): part for name, part in changed.items()}}
    for name, part in parts.items():
        if part is not None:
            session.add(FIRST + number * STEP, name, part, now)


def states(session, name='m'):
    return {state: count for state, count in session.accounting[name].items() if count}


def before(session):
    """Ten frames, of which one is passed over, one is late and one never answered."""
    for number in range(10):
        answer = {3: Passed('newer'), 4: None, 5: None}.get(number, CAR)
        send(session, number, answer=answer)
    session.expire(2.0)
    session.add(FIRST + 4 * STEP, 'vlm:m', CAR, 2.0)


def after(session):
    """Six frames more, five periods later."""
    for number in range(15, 21):
        send(session, number, answer=replace(CAR, judgement=Judgement.SAFE))


def counted(session):
    """Return what is told of the whole run, times aside."""
    return {
        name: {key: value for key, value in values.items() if 'seconds' not in key}
        for name, values in session.metrics().items()
    }


def test_states_sums_and_windows_are_those_of_a_run_that_was_not_cut_off(tmp_path):
    whole = start(tmp_path / 'whole')
    before(whole)
    after(whole)
    cut = start(tmp_path / 'cut')
    before(cut)
    cut.close()
    with open(tmp_path / 'cut' / RECORDS, 'ab') as stream:
        stream.write(b'{"kind":"frame","sch')
    again = start(tmp_path / 'cut')
    assert again.closed == 10
    assert states(again) == {'scored': 7, 'dropped': 1, 'late': 1, 'missing': 1}
    after(again)
    assert again.accounting == whole.accounting and again.closed == whole.closed == 16
    assert counted(again) == counted(whole)
    again.end(3.0)
    records = list(read_records(tmp_path / 'cut' / RECORDS))
    assert isinstance(records[0], RunRecord) and isinstance(records[-1], AccountingRecord)
    gaps = [record for record in records if isinstance(record, GapRecord)]
    assert [(gap.after, gap.epoch) for gap in gaps] == [('50.900000000', 0)]
    assert sum(isinstance(record, RunRecord) for record in records) == 1
    assert records[-1].parts['m'] == dict(whole.accounting['m'])
    notes = Evidence.of(records).notes()
    assert any(
        note.endswith(
            'what came between frame 50.900000000 and frame 51.500000000 is unknown: about 5 '
            'pictures in no state'
        )
        for note in notes
    )
    assert not any('never came' in note for note in notes)


def test_what_comes_after_all_of_a_frame_that_was_closed_before_is_late_and_no_frame(tmp_path):
    first = start(tmp_path)
    send(first, 0)
    send(first, 1, answer=None)
    first.expire(2.0)
    first.close()
    again = start(tmp_path)
    again.add(FIRST, 'vlm:m', CAR, 0.0)
    again.add(FIRST + STEP, 'vlm:m', CAR, 0.0)
    again.end(5.0)
    assert states(again) == {'scored': 1, 'late': 1}
    records = list(read_records(tmp_path / RECORDS))
    assert sum(isinstance(record, FrameRecord) for record in records) == 2
    assert sum(isinstance(record, LateRecord) for record in records) == 1


def test_a_frame_that_was_open_is_counted_by_what_still_comes_of_it(tmp_path):
    first = start(tmp_path)
    send(first, 0)
    send(first, 1, answer=None, mask=None)
    first.close()
    again = start(tmp_path)
    again.add(FIRST + STEP, 'vlm:m', CAR, 0.0)
    again.end(5.0)
    assert states(again) == {'scored': 1, 'unmatched': 1}
    notes = Evidence.of(read_records(tmp_path / RECORDS)).notes()
    assert any('whatever came behind frame 50.000000000 is unknown' in note for note in notes)


part = st.sampled_from(list(WHOLE))
streams = st.lists(st.tuples(st.integers(0, 6), part, st.sampled_from([0.0, 0.5])), max_size=40)


@given(streams, st.lists(st.integers(0, 40), max_size=3))
def test_wherever_it_is_cut_off_each_frame_is_in_one_state_and_the_records_agree(
    tmp_path_factory, stream, cuts
):
    folder = tmp_path_factory.mktemp('cut')
    session, now = start(folder), 0.0
    for place, (number, name, wait) in enumerate(stream):
        if place in cuts:
            session.close()
            session = start(folder)
        now += wait
        session.expire(now)
        session.add(FIRST + number * STEP, name, WHOLE[name], now)
    session.end(now)
    records = list(read_records(folder / RECORDS))
    frames = [record for record in records if isinstance(record, FrameRecord)]
    assert len({record.stamp for record in frames}) == len(frames) == session.closed
    for name in ('m', 'segmentation'):
        assert sum(session.accounting[name].values()) == session.closed
    assert not states(session).get('doubled')
    row = next((row for row in summarise(records) if row.condition == ALL), None)
    if row is not None:
        assert {s.value: n for s, n in row.by_status.items() if n} == states(session)
        omitted = session.metrics()['total: m']['critical_omission_rate/numerator']
        assert row.counts.omitted == int(omitted)


def test_after_a_jump_in_time_it_goes_on_in_the_same_stretch(tmp_path):
    first = start(tmp_path)
    for number in (200, 201, 0, 1):
        send(first, number)
    first.close()
    again = start(tmp_path)
    send(again, 2)
    send(again, 1)
    again.end(1.0)
    found = [r for r in read_records(tmp_path / RECORDS) if isinstance(r, FrameRecord)]
    assert [record.epoch for record in found] == [0, 0, 1, 1, 1]
    assert states(again) == {'scored': 5}


@pytest.mark.parametrize(
    'more, words',
    [({'models': ('n',)}, 'the models m'), ({'stopping_distance': 30.0}, 'other settings')],
)
def test_the_records_of_another_run_are_left_alone(tmp_path, more, words):
    first = start(tmp_path)
    send(first, 0)
    first.close()
    whole = (tmp_path / RECORDS).read_bytes()
    with pytest.raises(RecordError, match=words):
        start(tmp_path, **more)
    assert (tmp_path / RECORDS).read_bytes() == whole
    # What decides nothing of what was written may change.
    start(tmp_path, limits=('smr < 0.5',), window=5.0).close()


def test_a_run_that_has_ended_is_not_gone_on_with(tmp_path):
    first = start(tmp_path)
    send(first, 0)
    first.end(0.0)
    with pytest.raises(RecordError, match='exists'):
        start(tmp_path)


def test_the_records_of_a_monitor_that_still_runs_are_left_to_it(tmp_path):
    first = start(tmp_path)
    send(first, 0)
    half = b'{"kind":"frame","sch'
    with open(tmp_path / RECORDS, 'ab') as stream:
        stream.write(half)
    for _ in range(2):
        with pytest.raises(RecordError, match='is being written by another monitor. end it, or'):
            start(tmp_path)
        # What it is about to write whole is not cut off either.
        assert (tmp_path / RECORDS).read_bytes().endswith(half)
    first.close()
    again = start(tmp_path)
    with pytest.raises(RecordError, match='is being written by another monitor'):
        start(tmp_path)
    again.end(1.0)
    assert again.closed == 1


def test_one_that_was_cut_off_in_its_first_line_begins_anew(tmp_path):
    (tmp_path / RECORDS).write_bytes(b'{"kind":"run","sche')
    again = start(tmp_path)
    send(again, 0)
    again.end(0.0)
    first, frame, _ = read_records(tmp_path / RECORDS)
    assert isinstance(first, RunRecord) and frame.models['m'].status is Status.SCORED


def test_a_probe_that_is_passed_over_is_no_sign_that_the_run_can_begin(tmp_path):
    session = start(tmp_path, lockstep=True)
    for name, value in {**WHOLE, 'vlm:m': Passed('its node is paused')}.items():
        assert session.add(1, name, value, 0.0) == []
    assert [closed.stamp for closed in session.add(1, 'vlm:m', CAR, 0.0)] == [1]
    session.close()

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

"""Stamps of the first second, truth without a picture, time that jumps, what is not asked for."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from maps import plain
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.records.account import AccountingRecord, DoubledRecord, LateRecord
from vlm_misalign_ros.core.records.schema import FrameRecord, Status
from vlm_misalign_ros.core.records.store import RECORDS, read_records
from vlm_misalign_ros.core.report.evidence import Evidence
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.report.rules import Rules
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.core.types import (
    Applied,
    Camera,
    Condition,
    Description,
    Kind,
    Mention,
    Source,
)

SECOND = 1_000_000_000
LABELS = plain()
ANSWER = Description('m', Kind.CONTRASTIVE, '', mentions={'car': Mention.ASSERTED})


class Run:
    """A session of the model `m`, live unless it is told otherwise."""

    def __init__(self, folder='', **chosen):
        self.log = []
        self.folder = folder
        self.session = Session(
            MonitorParameters(
                models=('m',),
                run_folder=str(folder),
                **{
                    'lockstep': False,
                    'source': False,
                    'instances': False,
                    'segmentation': False,
                    'pictures': 0,
                    'deadline': 1.0,
                    **chosen,
                },
            ),
            log=self.log.append,
        )

    def add(self, stamp, part, value, now=0.0):
        return self.session.add(stamp, part, value, now)

    def truth(self, stamp, now=0.0, seed=1):
        closed = self.add(stamp, 'condition', Applied(Condition(), seed), now)
        return closed + self.add(stamp, 'labels', LABELS, now)

    def frame(self, stamp, now=0.0, seed=1, answer=ANSWER):
        return self.truth(stamp, now, seed) + self.add(stamp, 'vlm:m', answer, now)

    def states(self):
        return {state: n for state, n in self.session.accounting['m'].items() if n}

    def records(self):
        self.session.end(99.0)
        return list(read_records(self.folder / RECORDS))


def source(index=0, probe=False, total=0):
    return Source('d', 's', f'k{index}', index, total, 0, Condition(), probe=probe), None


# Truth without a picture -----------------------------------------------------------------------


def test_labels_without_a_picture_are_no_models_miss(tmp_path):
    run = Run(tmp_path)
    for number in range(30):
        stamp = SECOND + number * SECOND // 30
        if number % 3 == 0:
            run.frame(stamp, number / 30)
        else:
            run.add(stamp, 'labels', LABELS, number / 30)
            run.add(stamp, 'instances', LABELS.astype(np.uint16), number / 30)
    closed = run.session.expire(5.0)
    assert [frame.record for frame in closed] == [None] * 20
    assert run.states() == {'scored': 10} and run.session.closed == 10
    assert run.session.coverage('m') == 1.0
    records = run.records()
    assert sum(isinstance(record, FrameRecord) for record in records) == 10
    assert records[-1].frames['truth_without_picture'] == 20


@pytest.mark.parametrize('part', ['condition', 'image', 'source', 'vlm:m'])
def test_whatever_tells_of_a_picture_makes_it_one(part):
    run = Run(pictures=1)
    values = {
        'condition': Applied(Condition(), 1),
        'image': np.zeros((32, 64, 3), np.uint8),
        'source': source(),
        'vlm:m': ANSWER,
    }
    run.add(SECOND, part, values[part])
    (closed,) = run.session.expire(1.0)
    assert closed.record is not None and run.states() == {'unmatched': 1}


def test_a_picture_that_comes_after_its_truth_was_closed_has_no_truth():
    run = Run()
    run.add(SECOND, 'labels', LABELS, 0.0)
    assert [frame.record for frame in run.session.expire(1.0)] == [None]
    run.add(SECOND, 'condition', Applied(Condition(), 1), 1.1)
    run.add(SECOND, 'vlm:m', ANSWER, 1.2)
    (closed,) = run.session.expire(2.1)
    assert closed.record.models['m'].status is Status.UNMATCHED
    assert run.states() == {'unmatched': 1} and run.session.closed == 1


def test_truth_without_a_picture_does_not_give_a_model_up():
    run = Run(lockstep=True, patience=2)
    for number in range(1, 6):
        run.add(number * SECOND, 'labels', LABELS, 0.0)
    run.session.expire(1.0)
    assert run.session.notes == []
    run.truth(9 * SECOND, 2.0)
    assert run.session.waiting_for() == ('vlm:m',)


# Not asked for ---------------------------------------------------------------------------------


def test_a_segmentation_that_is_not_asked_for_is_not_missing(tmp_path):
    run = Run(tmp_path)
    run.frame(SECOND)
    assert set(run.session.accounting) == {'m'}
    assert not any('segmentation' in name for name in run.session.metrics())
    records = run.records()
    (record,) = (record for record in records if isinstance(record, FrameRecord))
    assert record.segmentation.status is Status.NOT_ASKED
    assert set(records[-1].parts) == {'m'}
    verdict = finalise(tmp_path, Rules())
    assert not any('segmentation' in check.name for check in verdict.checks)


# The first second ------------------------------------------------------------------------------


def test_in_lockstep_what_its_source_calls_no_probe_is_a_frame_of_the_first_second(tmp_path):
    run = Run(tmp_path, lockstep=True, source=True)
    for number in range(3):
        stamp = number * SECOND // 10
        # The source comes first, last, and in between.
        order = [('source', source(number, total=3)), ('labels', LABELS), ('vlm:m', ANSWER)]
        order.append(('condition', Applied(Condition(), 1)))
        for part, value in order[number:] + order[:number]:
            run.add(stamp, part, value)
    assert run.states() == {'scored': 3} and run.session.complete and run.session.started
    found = [r.stamp for r in run.records() if isinstance(r, FrameRecord)]
    assert found == ['0.000000000', '0.100000000', '0.200000000']


def test_a_frame_of_the_first_second_that_came_twice_before_its_source_is_doubled(tmp_path):
    run = Run(tmp_path, lockstep=True, source=True)
    run.add(5, 'labels', LABELS)
    run.add(5, 'labels', LABELS + 1)
    for part, value in (('source', source()), ('condition', Applied(Condition(), 1))):
        run.add(5, part, value)
    run.add(5, 'vlm:m', ANSWER)
    assert run.states() == {'doubled': 1}


@pytest.mark.parametrize('probe', [source(probe=True), source(index=-1)])
def test_a_probe_is_no_frame(probe):
    run = Run(lockstep=True, source=True)
    run.add(5, 'source', probe)
    (closed,) = run.frame(5)
    assert closed.record is None and run.session.closed == 0 and not run.session.started


def test_two_runs_that_probe_at_once_are_noted():
    run = Run(lockstep=True, source=True)
    run.add(5, 'source', source(probe=True))
    run.add(5, 'labels', LABELS)
    run.add(5, 'labels', LABELS + 1)
    (note,) = run.session.notes
    assert 'start-up probe' in note and 'ROS_DOMAIN_ID' in note


@pytest.mark.parametrize('stamp', [0, 1, SECOND - 1, -SECOND])
def test_live_every_stamp_is_a_frame(stamp):
    run = Run()
    (closed,) = run.frame(stamp)
    assert closed.record is not None and run.session.started


# Jumps -----------------------------------------------------------------------------------------


def test_a_recording_looped_in_less_than_ten_seconds_counts_once(tmp_path):
    run = Run(tmp_path)
    for loop in range(3):
        for number in range(20):
            answer = replace(ANSWER, latency=loop / 10)
            run.frame(100 * SECOND + number * SECOND // 10, 5.0 * loop, number, answer)
    assert run.states() == {'scored': 20} and run.session.closed == 20
    records = run.records()
    assert records[-1].join['repeated'] == 2 * 20 * 3
    assert any('120 parts came again' in note for note in Evidence.of(records).notes())


def test_a_clock_that_begins_anew_within_ten_seconds_doubles_its_stamps(tmp_path):
    run = Run(tmp_path)
    for start in (0, 100):
        for number in range(20):
            run.frame(number * SECOND // 10, seed=start + number)
    assert run.states() == {'doubled': 40}
    run.session.end(9.0)
    assert finalise(tmp_path, Rules()).exit_code == 3


def test_after_a_jump_the_same_stamps_are_frames_of_another_epoch(tmp_path):
    run = Run(tmp_path)
    stamps = [100 * SECOND + number * SECOND for number in range(15)]
    for _ in range(2):
        for stamp in stamps:
            run.frame(stamp)
    assert run.states() == {'scored': 30}
    records = run.records()
    found = [record for record in records if isinstance(record, FrameRecord)]
    assert [record.epoch for record in found] == [0] * 15 + [1] * 15
    assert {entry.models['m'].status for entry in found} == {Status.SCORED}
    assert any('jumped back 1 time' in note for note in Evidence.of(records).notes())


def test_an_answer_that_is_very_late_is_no_jump_in_time():
    run = Run()
    run.truth(100 * SECOND)
    run.frame(115 * SECOND)
    run.session.expire(1.0)
    assert run.states() == {'scored': 1, 'missing': 1}
    run.add(100 * SECOND, 'vlm:m', ANSWER, 1.5)
    assert run.session.counters['time_jumps'] == 0
    assert run.states() == {'scored': 1, 'late': 1}


@pytest.mark.parametrize('now, state', [(0.5, 'scored'), (1.5, 'late')])
def test_what_comes_from_before_a_jump_belongs_before_it(tmp_path, now, state):
    run = Run(tmp_path)
    run.frame(100 * SECOND)
    run.truth(101 * SECOND)
    run.frame(1 * SECOND)
    assert run.states() == {'scored': 2}
    run.session.expire(now)
    run.add(101 * SECOND, 'vlm:m', ANSWER, now)
    run.add(101 * SECOND, 'labels', LABELS, now)
    assert run.session.closed == 3 and run.session.counters['before_jump'] == 1
    # Neither was a jump forward: what follows is no jump back.
    run.frame(2 * SECOND, now)
    assert run.session.counters['time_jumps'] == 1
    assert Counter(run.states()) == Counter({'scored': 3}) + Counter([state])
    records = run.records()
    late = [record for record in records if isinstance(record, LateRecord)]
    assert late == [LateRecord('101.000000000', 'vlm:m', 0)] * (state == 'late')
    found = {r.stamp: r.epoch for r in records if isinstance(r, FrameRecord)}
    assert found['101.000000000'] == 0 and found['2.000000000'] == 1


def test_a_recording_with_a_gap_that_is_looped_counts_every_picture_of_each_loop(tmp_path):
    run = Run(tmp_path)
    for _ in range(2):
        for second in (*range(1, 21), *range(40, 61)):
            run.frame(second * SECOND)
    assert run.states() == {'scored': 82} and run.session.counters['time_jumps'] == 1


def test_after_a_jump_an_answer_that_its_frame_had_is_one_of_the_gap(tmp_path):
    run = Run(tmp_path)
    run.frame(1 * SECOND)
    run.frame(100 * SECOND)
    run.frame(1 * SECOND)
    # The answer comes before its picture, and there was one before the jump.
    run.add(100 * SECOND, 'vlm:m', ANSWER)
    run.truth(100 * SECOND)
    assert run.states() == {'scored': 4} and run.session.counters['before_jump'] == 0


@pytest.mark.parametrize('ahead', [False, True])
def test_after_a_jump_a_camera_is_that_of_its_own_stretch(tmp_path, ahead):
    """With another camera at a stamp of the first loop nothing is doubled, in either order."""
    run = Run(tmp_path)
    camera = Camera(64, 32, 1000.0, 1000.0, 32.0, 16.0)
    run.add(1 * SECOND, 'camera', camera)
    run.frame(1 * SECOND)
    run.frame(30 * SECOND)
    if ahead:
        run.add(1 * SECOND, 'camera', replace(camera, fx=500.0))
        run.frame(1 * SECOND)
    else:
        run.truth(1 * SECOND)
        run.add(1 * SECOND, 'camera', replace(camera, fx=500.0))
        run.add(1 * SECOND, 'vlm:m', ANSWER)
    assert run.states() == {'scored': 3}
    assert not [r for r in run.records() if isinstance(r, DoubledRecord)]


def test_a_picture_of_the_first_second_without_its_source_is_counted_at_the_end(tmp_path):
    run = Run(tmp_path, lockstep=True, source=True)
    for number in range(3):
        if number != 1:
            run.add(number, 'source', source(number))
        run.frame(number)
    run.add(7, 'labels', LABELS)
    run.records()
    assert run.states() == {'scored': 2, 'unscorable': 1}
    # Without frames in the first second it is a probe.
    other = Run(tmp_path / 'other', lockstep=True, source=True)
    other.frame(1)
    other.records()
    assert other.states() == {}


# What never came -------------------------------------------------------------------------------


def test_pictures_that_never_came_are_estimated(tmp_path):
    run = Run(tmp_path)
    for number in range(40):
        if number not in (7, 20, 21):
            run.frame(SECOND + number * SECOND // 10)
    last = run.records()[-1]
    assert isinstance(last, AccountingRecord)
    assert (last.period, last.estimated_lost) == (pytest.approx(0.1), 3)
    assert run.states() == {'scored': 37}


def test_without_a_period_nothing_is_estimated(tmp_path):
    run = Run(tmp_path)
    for stamp in np.cumsum(np.random.default_rng(0).exponential(SECOND, 60)).astype(int):
        run.frame(int(stamp))
    last = run.records()[-1]
    assert (last.period, last.estimated_lost) == (None, None)

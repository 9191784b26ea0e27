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

"""One evaluation in progress, fed by hand: what is joined, summed, given up and written down."""

import math
from dataclasses import replace

import numpy as np
import pytest

from maps import plain
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.records.schema import (
    AccountingRecord,
    FrameRecord,
    LateRecord,
    RunRecord,
    Status,
)
from vlm_misalign_ros.core.records.store import RECORDS, read_records
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.core.truth.hazard import Doubt
from vlm_misalign_ros.core.types import (
    Applied,
    Camera,
    Condition,
    Description,
    Hazard,
    Judgement,
    Kind,
    Mention,
    NoCamera,
    Presence,
    Source,
)

SECOND = 1_000_000_000
ROAD, CAR = 7, 26
LABELS = plain()
WRONG = Description('m', Kind.CONTRASTIVE, '', mentions={'car': Mention.ASSERTED})
"""Asserts one class, which is not there."""


class Run:
    """A session of one model `m` without segmentation, and what it logged."""

    def __init__(self, **chosen):
        self.log = []
        chosen = {
            'models': ('m',),
            'source': False,
            'instances': False,
            'segmentation': False,
            'segmentation_classes': CLASSES,
            'pictures': 0,
            'deadline': 1.0,
            **chosen,
        }
        self.session = Session(MonitorParameters(**chosen), log=self.log.append)

    def add(self, stamp, part, value=None, now=0.0):
        return self.session.add(stamp, part, value, now)

    def truth(self, stamp, now=0.0, condition='clean', labels=LABELS):
        """Add all but the answer of a frame."""
        name, _, severity = condition.partition(':')
        applied = Applied(Condition(name, int(severity or 0)), 1, covers=name == 'occlusion')
        closed = self.add(stamp, 'condition', applied, now)
        return closed + self.add(stamp, 'labels', labels, now)

    def frame(self, stamp, now=0.0, answer=WRONG, **chosen):
        """Add a whole frame."""
        return self.truth(stamp, now, **chosen) + self.add(stamp, 'vlm:m', answer, now)

    def missed(self, stamp, now=0.0):
        """Add a frame and let its deadline pass without an answer."""
        closed = self.truth(stamp, now)
        return closed + self.session.expire(now + 1.0)

    def sums(self, span):
        """Return (hallucinated, asserted) of `rolling` or `total`."""
        values = self.session.metrics()[f'{span}: m']
        return tuple(
            int(values[f'hallucination_rate/{part}']) for part in ('numerator', 'denominator')
        )

    def accounting(self, name='m'):
        return {status: count for status, count in self.session.accounting[name].items() if count}


def source(total=0, condition='clean'):
    return Source('d', 's', 'k', 0, total, 0, Condition(condition)), None


def reasons(closed):
    return [frame.record.closed.value for frame in closed]


# Frames --------------------------------------------------------------------------------------


def test_where_nobody_is_told_the_rates_of_a_frame_they_are_not_made():
    chosen = {'models': ('m',), 'source': False, 'instances': False, 'segmentation': False}
    told = Session(MonitorParameters(**chosen, pictures=0), metered=True)
    untold = Session(MonitorParameters(**chosen, pictures=0), metered=False)
    for session in (told, untold):
        session.add(SECOND * 5, 'condition', Applied(Condition('clean', 0), 1), 0.0)
        session.add(SECOND * 5, 'labels', LABELS, 0.0)
    (one,), (other,) = (s.add(SECOND * 5, 'vlm:m', WRONG, 0.0) for s in (told, untold))
    assert one.metrics == told.metrics() == untold.metrics() != {}
    assert other.metrics == {} and one.record == other.record


def test_a_frame_is_summed_when_its_last_part_comes():
    run = Run()
    assert run.truth(5 * SECOND) == []
    assert (run.session.closed, run.sums('total')) == (0, (0, 0))
    (closed,) = run.add(5 * SECOND, 'vlm:m', WRONG)
    assert (closed.stamp, closed.record.stamp) == (5 * SECOND, '5.000000000')
    assert reasons([closed]) == ['complete'] and closed.metrics == run.session.metrics()
    assert run.session.closed == 1 and run.session.counters == {'complete': 1}
    assert run.sums('rolling') == run.sums('total') == (1, 1)
    assert run.accounting() == {'scored': 1}


def test_coverage_is_the_share_of_the_closed_frames_that_were_scored():
    run = Run()
    assert math.isnan(run.session.coverage('m'))
    run.frame(1 * SECOND)
    assert run.session.coverage('m') == 1.0
    run.missed(2 * SECOND)
    assert run.session.coverage('m') == 0.5
    run.frame(3 * SECOND, now=5.0)
    assert run.session.coverage('m') == 2 / 3
    assert run.accounting() == {'scored': 2, 'missing': 1}


def test_a_frame_without_labels_is_accounted_for_as_unmatched():
    run = Run()
    run.add(1 * SECOND, 'vlm:m', WRONG)
    (closed,) = run.session.expire(1.0)
    assert reasons([closed]) == ['deadline'] and closed.record.truth is None
    assert run.accounting() == {'unmatched': 1} and run.sums('total') == (0, 0)


def test_the_run_is_complete_when_as_many_frames_as_its_source_tells_are_closed():
    run = Run(source=True)
    assert (run.session.total, run.session.complete) == (0, False)
    for number in (1, 2):
        run.add(number * SECOND, 'source', source(total=2))
        assert run.session.total == 2
        run.frame(number * SECOND)
        assert run.session.complete is (number == 2)
    # A frame that was closed without an answer is closed, too.
    run = Run(source=True)
    run.add(1 * SECOND, 'source', source(total=1))
    run.missed(1 * SECOND)
    assert run.session.complete


def test_a_run_without_end_is_never_complete():
    run = Run(source=True)
    for number in (1, 2, 3):
        run.add(number * SECOND, 'source', source())
        run.frame(number * SECOND)
    assert run.session.closed == 3 and not run.session.complete
    # Once told, the total stays.
    run.add(4 * SECOND, 'source', source(total=9))
    run.add(5 * SECOND, 'source', source())
    assert run.session.total == 9


def test_when_too_many_frames_are_open_the_oldest_closes():
    run = Run(capacity=2)
    assert run.truth(1 * SECOND) + run.truth(2 * SECOND) == []
    (closed,) = run.truth(3 * SECOND)
    assert (closed.stamp, reasons([closed])) == (1 * SECOND, ['overflow'])
    assert run.session.counters == {'overflow': 1}


def test_the_oldest_open_frame_says_what_is_waited_for():
    run = Run()
    assert run.session.waiting_for() == ()
    run.add(1 * SECOND, 'labels', LABELS)
    run.truth(2 * SECOND)
    assert run.session.waiting_for() == ('condition', 'vlm:m')
    run.frame(1 * SECOND)
    assert run.session.waiting_for() == ('vlm:m',)


# Start-up probes -----------------------------------------------------------------------------


@pytest.mark.parametrize('stamp', [0, 1, SECOND - 1])
def test_in_lockstep_what_is_stamped_before_the_first_second_is_a_probe(stamp):
    run = Run()
    assert run.truth(stamp) == []
    assert run.session.waiting_for() == ('vlm:m',)
    (closed,) = run.add(stamp, 'vlm:m', WRONG)
    assert (closed.stamp, closed.record, closed.metrics) == (stamp, None, {})
    # It is no frame of the run.
    assert not run.session.started and run.session.closed == 0
    assert run.session.counters == {} and run.accounting() == {}
    assert run.sums('total') == (0, 0)


def test_the_first_second_itself_is_a_frame():
    run = Run()
    (closed,) = run.frame(SECOND)
    assert closed.record is not None and run.session.started


def test_a_probe_waits_for_ever_and_tells_no_total():
    run = Run(source=True)
    run.add(0, 'source', (replace(source(total=7)[0], probe=True), None))
    run.truth(0)
    assert run.session.expire(1e6) == [] and run.session.end(1e6) == []
    assert run.session.total == 0
    # A late probe is no late answer.
    assert len(run.add(0, 'vlm:m', WRONG, 2e6)) == 1 and run.accounting() == {}


def test_live_there_are_no_probes():
    run = Run(lockstep=False)
    (closed,) = run.frame(SECOND // 2)
    assert closed.record is not None and run.session.closed == 1


# Late, silent, malformed ---------------------------------------------------------------------


def test_an_answer_that_comes_late_is_late_and_no_longer_missing(tmp_path):
    run = Run(run_folder=str(tmp_path))
    (closed,) = run.missed(1 * SECOND)
    assert closed.record.missing == ['vlm:m'] and run.accounting() == {'missing': 1}
    assert run.add(1 * SECOND, 'vlm:m', WRONG, 3.0) == []
    assert run.accounting() == {'late': 1}
    # It is late once, and never summed.
    run.add(1 * SECOND, 'vlm:m', WRONG, 4.0)
    assert run.accounting() == {'late': 1} and run.sums('total') == (0, 0)
    run.session.end(5.0)
    late = [r for r in read_records(tmp_path / RECORDS) if isinstance(r, LateRecord)]
    assert late == [LateRecord('1.000000000', 'vlm:m')]


def test_a_late_mask_is_accounted_for_as_the_segmentations():
    run = Run(segmentation=True, confidence=False)
    run.frame(1 * SECOND)
    run.session.expire(1.0)
    assert run.accounting('segmentation') == {'missing': 1}
    run.add(1 * SECOND, 'segmentation', np.zeros((32, 64), np.uint8), 3.0)
    assert run.accounting('segmentation') == {'late': 1} and run.accounting() == {'scored': 1}


def test_a_late_answer_to_a_frame_without_labels_leaves_missing_ones_alone():
    run = Run(patience=9)
    run.missed(1 * SECOND)
    run.add(2 * SECOND, 'condition', Applied(Condition(), 1), 2.0)
    run.session.expire(3.0)
    assert run.accounting() == {'missing': 1, 'unmatched': 1}
    run.add(2 * SECOND, 'vlm:m', WRONG, 3.5)
    # Of frame 1 no answer ever came; `summarise` counts it as missing.
    assert run.accounting()['missing'] == 1


def test_in_lockstep_a_model_that_is_silent_for_patience_frames_is_given_up_and_noted_once():
    run = Run(patience=3)
    for number in (1, 2):
        assert len(run.missed(number * SECOND)) == 1
        assert run.session.notes == []
    assert len(run.missed(3 * SECOND)) == 1
    (note,) = run.session.notes
    assert 'm did not answer 3 frames in a row within 1 s' in note and run.log == [note]
    # Nobody waits for it any more: the frame closes with the last part that is still to come.
    (closed,) = run.truth(4 * SECOND)
    assert reasons([closed]) == ['deadline'] and closed.record.missing == ['vlm:m']
    run.session.expire(9.0)
    assert run.session.notes == [note]
    assert run.accounting() == {'missing': 4}


def test_live_nobody_is_given_up():
    run = Run(patience=1, lockstep=False)
    for number in range(1, 6):
        assert len(run.missed(number * SECOND)) == 1
    assert run.session.notes == [] and run.truth(9 * SECOND) == []


def test_what_cannot_be_read_is_counted_and_noted_once_for_each_part():
    run = Run()
    for part, words in (('vlm:m', 'one'), ('labels', 'two'), ('vlm:m', 'three')):
        run.session.malformed(part, RecordError(words))
    assert run.session.counters['malformed'] == 3
    assert [note.partition(':')[0] for note in run.session.notes] == ['vlm', 'labels']
    assert 'one' in run.session.notes[0] and 'two' in run.session.notes[1]
    assert len(run.log) == 2 and not run.session.started


# Jumps in time -------------------------------------------------------------------------------


def looped(first, second, **chosen):
    """Return a live run with a frame at each stamp, the first one's successor still open."""
    run = Run(lockstep=False, window=1000.0, **chosen)
    run.frame(first)
    run.truth(first + 1)
    return run, run.frame(second)


def test_a_stamp_ten_seconds_older_than_the_newest_is_no_jump():
    run, closed = looped(20 * SECOND, 10 * SECOND + 1)
    assert reasons(closed) == ['complete'] and run.session.counters['time_jumps'] == 0
    assert run.log == [] and run.sums('rolling') == (2, 2)


def test_a_stamp_more_than_ten_seconds_older_is_a_jump_and_everything_starts_again():
    run, closed = looped(20 * SECOND, 10 * SECOND)
    assert run.session.counters['time_jumps'] == 1 and len(run.log) == 1
    # The windows are empty, the totals stay; what is open waits for what still comes of it.
    assert reasons(closed) == ['complete'] and closed[0].stamp == 10 * SECOND
    assert run.sums('rolling') == (1, 1) and run.sums('total') == (2, 2)
    (old,) = run.session.expire(1.0)
    assert (old.stamp, old.record.epoch) == (20 * SECOND + 1, 0)
    assert old.record.closed.value == 'deadline' and run.accounting() == {
        'scored': 2,
        'missing': 1,
    }
    # The stamps of the past are frames again.
    assert reasons(run.frame(20 * SECOND)) == ['complete']
    assert run.sums('rolling') == (2, 2) and run.session.counters['time_jumps'] == 1


def test_a_jump_is_measured_from_the_newest_stamp_and_not_from_the_last():
    run = Run(lockstep=False)
    for stamp in (20 * SECOND, 15 * SECOND, 10 * SECOND):
        run.frame(stamp)
    assert run.session.counters['time_jumps'] == 0
    run.frame(10 * SECOND - 1)
    assert run.session.counters['time_jumps'] == 1


def test_after_a_jump_the_next_stamps_are_measured_from_there():
    run = Run(lockstep=False)
    for stamp in (90 * SECOND, 2 * SECOND, 3 * SECOND, 2 * SECOND + 1):
        run.frame(stamp)
    assert run.session.counters['time_jumps'] == 1


def test_in_lockstep_no_stamp_is_a_jump():
    run = Run()
    run.frame(90 * SECOND)
    assert reasons(run.frame(2 * SECOND)) == ['complete']
    assert run.session.counters['time_jumps'] == 0 and run.sums('total') == (2, 2)


# The blank control ---------------------------------------------------------------------------


def test_the_blank_control_is_accounted_for_and_kept_out_of_every_sum():
    run = Run(segmentation=True, confidence=False)
    right, wrong = np.zeros((32, 64), np.uint8), np.full((32, 64), 10, np.uint8)
    for number, (condition, mask) in enumerate(
        [('clean', right), ('blank', wrong), ('motion_blur:3', right)], 1
    ):
        run.add(number * SECOND, 'segmentation', mask)
        (closed,) = run.frame(number * SECOND, condition=condition)
        assert closed.record.condition.name == condition
    for span in ('rolling', 'total'):
        assert run.sums(span) == (2, 2)
        metrics = run.session.metrics()
        assert metrics[f'{span}: segmentation']['miou/metric_value'] == '1.0'
        assert metrics[f'{span}: m']['scored'] == '3'
        assert metrics[f'{span}: segmentation']['scored'] == '3'
    assert run.session.closed == 3 and run.session.coverage('m') == 1.0
    assert run.accounting() == run.accounting('segmentation') == {'scored': 3}


@pytest.mark.parametrize('condition, kept', [('clean', 1), ('blank', 0)])
def test_a_grey_picture_is_not_among_the_worst(tmp_path, condition, kept):
    run = Run(run_folder=str(tmp_path), pictures=3)
    run.add(1 * SECOND, 'image', np.full((32, 64, 3), 128, np.uint8))
    (closed,) = run.frame(1 * SECOND, condition=condition)
    assert closed.record.models['m'].status is Status.SCORED
    run.session.end(0.0)
    assert len(list(tmp_path.glob('pictures/*.jpg'))) == kept


def test_a_blank_frame_without_an_answer_is_missing():
    run = Run()
    run.truth(1 * SECOND, condition='blank')
    run.session.expire(1.0)
    assert run.accounting() == {'missing': 1} and run.session.coverage('m') == 0


# Windows -------------------------------------------------------------------------------------


def test_frames_older_than_the_window_leave_the_rolling_sums_and_stay_in_the_total():
    run = Run(window=10.0)
    for second in (1, 5, 12):
        run.frame(second * SECOND)
    assert run.sums('rolling') == (2, 2) and run.sums('total') == (3, 3)


# Cameras -------------------------------------------------------------------------------------

# A car whose lowest row is 23, seen straight ahead: its lower edge is 15.5 rows below the
# horizon, and with a focal length of 155 pixels that is 10 camera heights away.
WITH_CAR = LABELS.copy()
WITH_CAR[14:24, 28:36] = CAR


def camera(height):
    return Camera(64, 32, 155.0, 155.0, 32.0, 8.0, mount_height=height)


def nearest(run, stamp):
    (closed,) = run.frame(stamp, labels=WITH_CAR)
    return closed.record.truth.nearest


def test_a_camera_opens_no_frame():
    run = Run()
    assert run.add(1 * SECOND, 'camera', camera(1.2)) == []
    assert not run.session.started and run.session.waiting_for() == ()
    assert run.session.expire(9.0) == []


def test_a_frame_takes_the_camera_of_its_own_stamp_before_the_newest():
    run = Run()
    run.add(1 * SECOND, 'camera', camera(1.2))
    run.add(2 * SECOND, 'camera', camera(1.5))
    assert nearest(run, 1 * SECOND) == pytest.approx(12.0)
    assert nearest(run, 2 * SECOND) == pytest.approx(15.0)


def test_a_frame_without_a_camera_of_its_own_takes_the_newest():
    run = Run()
    run.add(1 * SECOND, 'camera', camera(1.2))
    run.add(2 * SECOND, 'camera', camera(1.8))
    assert nearest(run, 3 * SECOND) == pytest.approx(18.0)


def test_a_camera_is_borrowed_of_the_newest_frame_before_and_that_is_told():
    run = Run()
    for second, height in ((2, 1.2), (3, 1.4), (9, 1.8)):
        run.add(second * SECOND, 'camera', camera(height))
    assert nearest(run, 5 * SECOND) == pytest.approx(14.0)
    assert nearest(run, 1 * SECOND) == pytest.approx(12.0)
    assert run.session.counters['camera_of_another_stamp'] == 2
    assert sum('no camera_info has the stamp' in text for text in run.log) == 1
    assert nearest(run, 9 * SECOND) == pytest.approx(18.0)
    assert run.session.counters['camera_of_another_stamp'] == 2


def test_of_a_camera_that_is_not_calibrated_nobody_knows_what_is_in_the_way():
    run = Run()
    run.add(1 * SECOND, 'camera', NoCamera('K is zero'))
    run.add(2 * SECOND, 'camera', camera(1.2))
    (closed,) = run.frame(1 * SECOND, labels=WITH_CAR)
    truth = closed.record.truth
    assert truth.hazard is Hazard.INDETERMINATE and truth.doubt is Doubt.CAMERA
    assert set(truth.sweep.values()) == {Hazard.INDETERMINATE}
    assert truth.nearest is None and truth.required['car'].distance is None
    # What is in the picture is known all the same.
    assert truth.presence['car'] is Presence.REQUIRED
    assert any('K is zero' in note for note in run.session.notes)
    assert nearest(run, 2 * SECOND) == pytest.approx(12.0)


def test_what_can_be_no_camera_is_no_reason_to_take_the_default_one():
    run = Run()
    run.session.malformed('camera', RecordError('a camera sees 0.3 degrees'))
    (closed,) = run.frame(1 * SECOND, labels=WITH_CAR)
    assert closed.record.truth.doubt is Doubt.CAMERA
    assert any('sees 0.3 degrees' in note for note in run.session.notes)
    run.add(2 * SECOND, 'camera', camera(1.2))
    assert nearest(run, 2 * SECOND) == pytest.approx(12.0)
    run.session.malformed('camera', RecordError('a camera sees 0.3 degrees'))
    assert nearest(run, 3 * SECOND) == pytest.approx(12.0)


def test_the_camera_that_the_source_tells_goes_before_every_other():
    run = Run(source=True)
    run.add(1 * SECOND, 'camera', camera(1.2))
    run.add(1 * SECOND, 'source', (source()[0], camera(1.4)))
    assert nearest(run, 1 * SECOND) == pytest.approx(14.0)


def test_the_cameras_of_the_last_256_stamps_are_kept():
    run = Run()
    for number in range(257):
        run.add((number + 1) * SECOND, 'camera', camera(1.0 + number / 1000))
    # That of the first stamp is gone, and the oldest that is kept has to do.
    assert nearest(run, 1 * SECOND) == pytest.approx(10.01)
    assert nearest(run, 2 * SECOND) == pytest.approx(10.01)


# The end -------------------------------------------------------------------------------------


def test_everything_is_written_down_in_order(tmp_path):
    run = Run(run_folder=str(tmp_path / 'run'))
    run.frame(1 * SECOND)
    run.truth(2 * SECOND)
    assert reasons(run.session.end(0.5)) == ['end']
    first, *frames, last = read_records(tmp_path / 'run' / RECORDS)
    assert isinstance(first, RunRecord) and (first.name, first.models) == ('run', ['m'])
    assert all(isinstance(frame, FrameRecord) for frame in frames)
    assert [(frame.stamp, frame.closed.value) for frame in frames] == [
        ('1.000000000', 'complete'),
        ('2.000000000', 'end'),
    ]
    assert isinstance(last, AccountingRecord)
    assert last.parts['m'] == {'scored': 1, 'missing': 1}
    assert last.frames == {'complete': 1, 'end': 1}
    assert last.join == {'received': 5, 'complete': 1, 'end': 1}


def test_a_folder_that_holds_records_is_refused(tmp_path):
    Run(run_folder=str(tmp_path)).session.end(0.0)
    with pytest.raises(RecordError, match='exists'):
        Run(run_folder=str(tmp_path))


# Two truths under an occluder ----------------------------------------------------------------


def test_the_mask_and_the_hazards_are_told_by_the_scene_and_by_what_is_left_to_see():
    run = Run(segmentation=True, confidence=False)
    labels = np.full((32, 64), ROAD, np.uint8)
    labels[20:28, 28:36] = CAR
    predicted = np.zeros((32, 64), np.uint8)
    predicted[:16] = 10
    occluder = np.zeros((32, 64), np.uint8)
    occluder[:12] = occluder[18:30, 24:40] = 255
    stamp = 5 * SECOND
    safe = Description('m', Kind.CONTRASTIVE, '', judgement=Judgement.SAFE)
    run.truth(stamp, condition='occlusion:3', labels=labels)
    run.add(stamp, 'occluder', occluder)
    run.add(stamp, 'segmentation', predicted)
    (closed,) = run.add(stamp, 'vlm:m', safe)
    mask, truth = closed.record.segmentation, closed.record.truth
    # Train ids: road 0, sky 10, car 13. 16 rows of sky over road, of which 12 are covered.
    assert mask.cells == [(0, 0, 16 * 64 - 64), (0, 10, 16 * 64), (13, 0, 64)]
    road = 16 * 64 - 12 * 16
    assert mask.cells_visible == [(0, 0, road), (0, 10, 4 * 64)]
    assert (truth.hazard, truth.hazard_visible) == (Hazard.HAZARD, Hazard.INDETERMINATE)
    assert truth.doubt is None and truth.doubt_visible.value == 'hidden'
    assert truth.corridor.covered > 0 and truth.corridor.pixels <= truth.corridor.reach
    told = run.session.metrics()
    values = told['total: m']
    assert values['smr_false_safe/numerator'] == values['smr_false_safe/denominator'] == '1'
    assert values['smr_false_safe_visible/denominator'] == '0'
    assert (values['hazard_frames'], values['clear_frames']) == ('1', '0')
    seen = road / (road + 4 * 64) / 2
    assert float(told['rolling: segmentation']['miou_visible/metric_value']) == seen
    assert float(told['total: segmentation']['miou_visible/metric_value']) == seen
    # Without an occluder there is one truth.
    run.add(6 * SECOND, 'segmentation', predicted)
    run.add(6 * SECOND, 'vlm:m', safe)
    (closed,) = run.truth(6 * SECOND, labels=labels)
    assert closed.record.segmentation.cells_visible is None
    assert closed.record.truth.hazard_visible is None


def test_a_stranger_cannot_end_a_run_by_telling_another_length():
    run = Run(source=True)
    for number in range(2):
        run.add((5 + number) * SECOND, 'source', source(total=3))
        run.frame((5 + number) * SECOND)
    run.add(9 * SECOND, 'source', source(total=1))
    assert run.session.total == 3 and not run.session.complete
    assert run.session.counters['malformed'] == 1
    assert any('tells 1 frames, and told 3 before' in note for note in run.session.notes)

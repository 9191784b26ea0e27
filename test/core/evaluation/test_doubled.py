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

"""A part that comes twice: the same again is harmless, something else is never scored."""

from dataclasses import replace

import numpy as np
import pytest

from maps import plain
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.records.account import AccountingRecord, DoubledRecord
from vlm_misalign_ros.core.records.schema import FrameRecord, Status
from vlm_misalign_ros.core.records.store import RECORDS, read_records
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.report.rules import Rules
from vlm_misalign_ros.core.report.verdict import Status as Outcome
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.core.types import (
    Applied,
    Camera,
    Condition,
    Description,
    Judgement,
    Kind,
    Mention,
    Source,
)

SECOND = 1_000_000_000
LABELS = plain()
ANSWER = Description('m', Kind.CONTRASTIVE, '', mentions={'car': Mention.ASSERTED})
"""Asserts one class, which is not there."""
OTHER = replace(ANSWER, mentions={'bus': Mention.ASSERTED})
TWO = ('m', 'n')


class Run:
    """A live session of two models, without segmentation unless it is asked for."""

    def __init__(self, folder='', **chosen):
        self.log = []
        self.folder = folder
        self.session = Session(
            MonitorParameters(
                models=TWO,
                run_folder=str(folder),
                **{
                    'lockstep': False,
                    'source': False,
                    'instances': False,
                    'segmentation': False,
                    'segmentation_classes': CLASSES,
                    'pictures': 0,
                    'deadline': 1.0,
                    **chosen,
                },
            ),
            name='run',
            log=self.log.append,
        )

    def add(self, stamp, part, value, who='', now=0.0):
        return self.session.add(stamp, part, value, now, who)

    def frame(self, stamp, condition='clean', seed=1, answers=TWO, covers=False):
        name, _, severity = condition.partition(':')
        applied = Applied(Condition(name, int(severity or 0)), seed, covers=covers)
        closed = self.add(stamp, 'condition', applied, '/corruption')
        closed += self.add(stamp, 'labels', LABELS, '/replay')
        for model in answers:
            closed += self.add(stamp, f'vlm:{model}', ANSWER, f'/{model}')
        return closed

    def states(self, name='m'):
        return {state: count for state, count in self.session.accounting[name].items() if count}

    def asserted(self, span, name='m'):
        return int(self.session.metrics()[f'{span}: {name}']['hallucination_rate/denominator'])

    def records(self):
        self.session.end(9.0)
        return list(read_records(self.folder / RECORDS))


def frames(records):
    return [record for record in records if isinstance(record, FrameRecord)]


def doubles(records):
    return [record for record in records if isinstance(record, DoubledRecord)]


SHARED = {
    'condition': Applied(Condition('occlusion', 5), 1),
    'labels': LABELS + 1,
    'instances': np.ones((32, 64), np.uint16),
    'occluder': np.full((32, 64), 255, np.uint8),
    'depth': np.ones((32, 64), np.uint16),
    'image': np.zeros((32, 64, 3), np.uint8),
    'source': (Source('d', 's', 'k', 3, 0, 0, Condition()), None),
}
FIRST = {
    'condition': Applied(Condition(), 1),
    'labels': LABELS,
    'instances': np.zeros((32, 64), np.uint16),
    'occluder': np.zeros((32, 64), np.uint8),
    'depth': np.zeros((32, 64), np.uint16),
    'image': np.ones((32, 64, 3), np.uint8),
    'source': (Source('d', 's', 'k', 2, 0, 0, Condition()), None),
}


@pytest.mark.parametrize('part', list(SHARED))
@pytest.mark.parametrize('closed', [False, True])
def test_other_content_of_what_all_share_is_scored_for_nobody(tmp_path, part, closed):
    run = Run(tmp_path)
    run.add(SECOND, part, FIRST[part], '/a')
    if not closed:
        run.add(SECOND, part, SHARED[part], '/b')
    run.frame(SECOND, covers=part == 'occluder')
    if closed:
        assert run.states() == {'scored': 1} and run.asserted('total') == 1
        run.add(SECOND, part, SHARED[part], '/b')
    pictures = 2 if part in ('condition', 'image', 'source') else 1
    assert run.states() == run.states('n') == {'doubled': pictures}
    assert run.session.closed == pictures
    assert run.asserted('total') == run.asserted('rolling') == 0
    records = run.records()
    (frame,) = frames(records)
    assert {entry.status for entry in frame.models.values()} == {Status.DOUBLED}
    assert frame.truth is None and frame.pictures == pictures
    assert all(entry.score is None for entry in frame.models.values())
    (told, *_) = doubles(records)
    assert (told.stamp, told.part, told.count) == ('1.000000000', part, 1)
    assert told.publishers == ['/a', '/b']


@pytest.mark.parametrize('closed', [False, True])
def test_two_answers_of_one_model_concern_that_model_alone(tmp_path, closed):
    run = Run(tmp_path)
    if closed:
        run.frame(SECOND)
        run.add(SECOND, 'vlm:m', OTHER, '/other')
    else:
        run.add(SECOND, 'vlm:m', OTHER, '/other')
        run.frame(SECOND)
    assert run.states() == {'doubled': 1} and run.states('n') == {'scored': 1}
    assert (run.asserted('total'), run.asserted('total', 'n')) == (0, 1)
    (frame,) = frames(run.records())
    assert frame.truth is not None
    assert frame.models['m'].status is Status.DOUBLED and frame.models['m'].score is None
    assert frame.models['n'].status is Status.SCORED and frame.models['n'].score is not None


@pytest.mark.parametrize('part', ['segmentation', 'confidence'])
def test_two_masks_concern_the_segmentation_alone(tmp_path, part):
    run = Run(tmp_path, segmentation=True)
    values = {
        'segmentation': [np.zeros((32, 64), np.uint8), np.ones((32, 64), np.uint8)],
        'confidence': ['one', 'other'],
    }
    run.add(SECOND, 'segmentation', values['segmentation'][0])
    run.frame(SECOND)
    run.session.expire(1.0)
    assert run.states('segmentation') == {'scored': 1}
    if part == 'confidence':
        run.add(SECOND, part, values[part][0], now=1.0)
    run.add(SECOND, part, values[part][1], now=1.0)
    assert run.states('segmentation') == {'doubled': 1} and run.states() == {'scored': 1}
    metrics = run.session.metrics()
    for span in ('rolling', 'total'):
        assert metrics[f'{span}: segmentation']['miou/metric_value'] == 'nan'
    (frame,) = frames(run.records())
    assert frame.segmentation.status is Status.DOUBLED
    assert frame.segmentation.cells == [] and frame.segmentation.frame_iou is None
    assert frame.models['m'].status is Status.SCORED


def test_the_same_again_is_harmless_and_counted(tmp_path):
    run = Run(tmp_path)
    run.frame(SECOND, answers=('m',))
    run.frame(SECOND, answers=())
    run.add(SECOND, 'vlm:n', ANSWER)
    run.frame(SECOND)
    # However long a model took: a looped recording has the same picture described again.
    run.add(SECOND, 'vlm:m', replace(ANSWER, latency=3.5))
    assert run.states() == run.states('n') == {'scored': 1} and run.session.closed == 1
    records = run.records()
    assert doubles(records) == []
    assert records[-1].join['repeated'] == 2 + 4 + 1
    assert 'doubled' not in records[-1].join


@pytest.mark.parametrize(
    'other',
    [
        replace(ANSWER, text='b'),
        replace(ANSWER, judgement=Judgement.SAFE),
        replace(ANSWER, scores={'car': 0.5}),
        replace(ANSWER, image='1x1:00000000'),
        replace(ANSWER, view=(0.0, 0.0, 0.5, 1.0)),
    ],
)
def test_an_answer_that_differs_in_anything_but_time_is_another_one(other):
    run = Run()
    run.frame(SECOND)
    run.add(SECOND, 'vlm:m', other)
    assert run.states() == {'doubled': 1}


def test_one_pixel_is_another_content():
    run = Run()
    run.frame(SECOND)
    changed = LABELS.copy()
    changed[17, 5] ^= 1
    run.add(SECOND, 'labels', changed)
    assert run.states() == {'doubled': 1}


def test_all_stamps_zero_is_as_many_doubled_pictures_as_were_sent(tmp_path):
    run = Run(tmp_path)
    for number in range(20):
        run.frame(0, seed=number)
    assert run.states() == run.states('n') == {'doubled': 20}
    assert run.session.closed == 20
    run.session.end(9.0)
    (frame,) = frames(read_records(tmp_path / RECORDS))
    assert frame.pictures == 20
    verdict = finalise(tmp_path, Rules())
    assert verdict.status is Outcome.INVALID
    assert any('condition came twice' in reason for reason in verdict.reasons)


def test_a_picture_delivered_twice_among_others_is_no_further_picture():
    run = Run()
    for seed in (1, 2, 1, 2, 3, 1):
        run.frame(SECOND, seed=seed)
    assert run.states() == {'doubled': 3}


def test_contents_beyond_those_remembered_are_each_another_one():
    run = Run()
    for seed in range(100):
        run.frame(SECOND, seed=seed)
    assert run.states() == {'doubled': 100}


def test_a_late_answer_that_comes_again_with_other_content_is_doubled():
    run = Run()
    run.frame(SECOND, answers=('n',))
    run.session.expire(1.0)
    assert run.states() == {'missing': 1}
    run.add(SECOND, 'vlm:m', ANSWER)
    assert run.states() == {'late': 1}
    run.add(SECOND, 'vlm:m', ANSWER)
    assert run.states() == {'late': 1}
    run.add(SECOND, 'vlm:m', OTHER)
    assert run.states() == {'doubled': 1}


def test_only_the_counts_of_the_doubled_frame_are_taken_back():
    run = Run(window=1000.0)
    for number in (1, 2, 3):
        run.frame(number * SECOND)
    run.add(2 * SECOND, 'labels', LABELS + 1)
    assert run.states() == {'scored': 2, 'doubled': 1}
    assert run.asserted('total') == run.asserted('rolling') == 2
    # A second time there is nothing left to take back.
    run.add(2 * SECOND, 'labels', LABELS + 2)
    assert run.asserted('total') == run.asserted('rolling') == 2


def test_a_frame_that_left_the_window_is_taken_out_of_the_total_alone():
    run = Run(window=5.0)
    for number in (1, 2, 9):
        run.frame(number * SECOND)
    assert (run.asserted('rolling'), run.asserted('total')) == (1, 3)
    run.add(2 * SECOND, 'labels', LABELS + 1)
    assert (run.asserted('rolling'), run.asserted('total')) == (1, 2)


def test_a_doubled_frame_is_none_of_the_worst_pictures(tmp_path):
    run = Run(tmp_path, pictures=3)
    # Seconds of two scenes: nothing but time tells them apart.
    for number in (9, 11):
        run.add(number * SECOND, 'image', np.full((32, 64, 3), number, np.uint8))
        run.frame(number * SECOND)
    assert len(list(tmp_path.glob('pictures/*.jpg'))) == 2
    run.add(9 * SECOND, 'labels', LABELS + 1)
    assert [path.stem for path in tmp_path.glob('pictures/*.jpg')] == ['00000000011000000000']


@pytest.mark.parametrize('closed', [False, True])
def test_two_cameras_of_one_stamp_are_scored_for_nobody(tmp_path, closed):
    run = Run(tmp_path)
    one = Camera(64, 32, 155.0, 155.0, 32.0, 8.0)
    run.add(SECOND, 'camera', one, '/a')
    run.add(SECOND, 'camera', one, '/a')
    if closed:
        run.frame(SECOND)
        assert run.states() == {'scored': 1}
    run.add(SECOND, 'camera', replace(one, fx=100.0), '/b')
    if not closed:
        run.frame(SECOND)
    assert run.states() == {'doubled': 1}
    records = run.records()
    assert [entry.publishers for entry in doubles(records)] == [['/a', '/b']]
    assert frames(records)[0].models['m'].status is Status.DOUBLED


def test_the_log_names_both_publishers_once():
    run = Run()
    for number in (1, 2, 3):
        run.frame(number * SECOND)
        run.add(number * SECOND, 'vlm:m', OTHER, '/other_run/m')
    (line,) = run.log
    assert 'vlm:m came twice' in line and '/m and /other_run/m' in line


def test_where_messages_do_not_say_who_sent_them_the_topic_names_its_publishers(tmp_path):
    asked = []
    session = Session(
        MonitorParameters(models=('m',), run_folder=str(tmp_path), lockstep=False),
        log=asked.append,
        publishers=lambda part: ['/one', '/two'] if part == 'vlm:m' else [],
    )
    session.add(SECOND, 'vlm:m', ANSWER, 0.0)
    session.add(SECOND, 'vlm:m', OTHER, 0.0)
    session.end(0.0)
    (told,) = doubles(read_records(tmp_path / RECORDS))
    assert told.publishers == ['/one', '/two']


def test_a_clean_answer_is_not_scored_under_the_occlusion_of_another_run(tmp_path):
    run = Run(tmp_path)
    run.frame(SECOND, condition='occlusion:5', answers=())
    run.frame(SECOND, condition='clean')
    assert run.states() == {'doubled': 2}
    run.session.end(1.0)
    verdict = finalise(tmp_path, Rules(minimum_coverage=0.0))
    (check,) = [entry for entry in verdict.wrong if entry.data]
    assert check.status is Outcome.INVALID and verdict.exit_code == 3
    assert 'from /corruption and /corruption' in check.message


def test_the_accounting_says_what_was_taken_back(tmp_path):
    run = Run(tmp_path)
    run.frame(SECOND)
    run.add(SECOND, 'labels', LABELS + 1)
    last = run.records()[-1]
    assert isinstance(last, AccountingRecord)
    assert {state: n for state, n in last.parts['m'].items() if n} == {'doubled': 1}
    assert last.join['doubled'] == 1


def test_two_publishers_that_take_turns_make_the_run_invalid_though_no_stamp_is_doubled(tmp_path):
    run = Run(tmp_path)
    for number in range(1, 7):
        who = f'/run{number % 2}'
        run.add(number * SECOND, 'condition', Applied(Condition(), 1), who + '/corruption')
        run.add(number * SECOND, 'labels', LABELS, '/replay')
        for model in TWO:
            run.add(number * SECOND, f'vlm:{model}', ANSWER)
    assert run.states() == {'scored': 6} and len(run.log) == 1
    records = run.records()
    (told,) = doubles(records)
    assert told.part == 'condition'
    assert sorted(told.publishers) == ['/run0/corruption', '/run1/corruption']
    assert [frame.models['m'].status for frame in frames(records)] == [Status.SCORED] * 6
    verdict = finalise(tmp_path, Rules())
    (check,) = [entry for entry in verdict.wrong if entry.data]
    assert verdict.exit_code == 3 and 'in turns' in check.message


def test_a_node_that_was_started_again_takes_no_turns(tmp_path):
    run = Run(tmp_path)
    for number in range(1, 7):
        who = '/corruption' if number < 4 else '/corruption (id 2)'
        run.add(number * SECOND, 'condition', Applied(Condition(), 1), who)
    assert run.log == [] and doubles(run.records()) == []

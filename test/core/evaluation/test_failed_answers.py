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

"""Answers that failed: a frame of theirs closes at once, is missing, and says why."""

import dataclasses

import numpy as np
import pytest

from maps import plain
from vlm_misalign_ros.core.evaluation.parts import Wanted, needs
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.records.account import AccountingRecord
from vlm_misalign_ros.core.records.schema import Closing, FrameRecord, Status
from vlm_misalign_ros.core.records.store import RECORDS, read_records
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.core.truth import recent
from vlm_misalign_ros.core.types import (
    Applied,
    Condition,
    Confidence,
    Description,
    Failed,
    Kind,
    Mention,
)

SECOND = 1_000_000_000
LABELS = plain()
MASK = np.zeros((32, 64), np.uint8)
SURE = Confidence(0.5, 0.5)
CAR = Description('m', Kind.GENERATIVE, 'a car', mentions={'car': Mention.ASSERTED})
EMPTY = Description('m', Kind.GENERATIVE, ' \n')
OUT = Failed('CUDA out of memory')


CLEAN = Applied(Condition(), 1)


class Run:
    """A session of one model `m` and a segmentation, written into a folder."""

    def __init__(self, folder, confidence=True):
        self.log = []
        chosen = MonitorParameters(
            models=('m',),
            source=False,
            instances=False,
            pictures=0,
            deadline=1.0,
            confidence=confidence,
            segmentation_classes=CLASSES,
            run_folder=str(folder),
        )
        self.folder = folder
        self.session = Session(chosen, log=self.log.append)

    def frame(
        self, number, answer=CAR, confidence=SURE, mask=MASK, labels=LABELS, condition=CLEAN
    ):
        """Add the parts of a frame, None for one that does not come; return what closed."""
        parts = {
            'condition': condition,
            'labels': labels,
            'confidence': confidence,
            'segmentation': mask,
            'vlm:m': answer,
        }
        closed = []
        for name, part in parts.items():
            if part is not None:
                closed += self.session.add(number * SECOND, name, part, 0.0)
        return [frame.record for frame in closed]

    def accounting(self, name='m'):
        return {status: count for status, count in self.session.accounting[name].items() if count}


@pytest.fixture
def run(tmp_path):
    made = Run(tmp_path)
    yield made
    made.session.close()


def test_a_frame_with_a_failed_answer_waits_for_nothing(run):
    (record,) = run.frame(1, answer=OUT)
    assert (record.closed, record.missing) == (Closing.COMPLETE, [])
    entry = record.models['m']
    assert (entry.status, entry.error) == (Status.MISSING, 'CUDA out of memory')
    assert entry.answer is None and entry.score is None and entry.scored is None
    # The mask of the same frame has nothing to do with it.
    assert record.segmentation.status is Status.SCORED and record.segmentation.error is None


def test_a_failed_answer_is_missing_in_every_account_and_no_rate_knows_it(run):
    run.frame(1)
    before = run.session.metrics()['total: m']
    run.frame(2, answer=OUT)
    run.frame(3, answer=OUT)
    after = run.session.metrics()['total: m']
    assert run.accounting() == {'scored': 1, 'missing': 2}
    assert run.session.coverage('m') == pytest.approx(1 / 3)
    assert run.session.counters['failed'] == 2
    changed = {key for key in after if after[key] != before[key]}
    assert changed == {'missing', 'coverage/metric_value'}


def test_the_first_failure_of_each_model_is_named_once(run):
    for number in range(1, 5):
        run.frame(number, answer=OUT, confidence=Failed('no kernel'), mask=None)
    named = [line for line in run.log if 'failed on the frame' in line]
    assert named == [
        'm failed on the frame at 1.000000000: CUDA out of memory',
        'segmentation failed on the frame at 1.000000000: no kernel',
    ]
    assert [note for note in run.session.notes if 'failed on' in note] == named


@pytest.mark.parametrize('answer', [EMPTY, dataclasses.replace(EMPTY, text='', truncated=True)])
def test_an_empty_answer_is_none_and_is_never_scored(run, answer):
    """However it came: a bag, a model outside this package, an older recording."""
    (record,) = run.frame(1, answer=answer)
    entry = record.models['m']
    assert (entry.status, entry.error) == (Status.MISSING, 'an empty answer')
    assert run.accounting() == {'missing': 1}


def test_a_contrastive_answer_of_scores_alone_is_scored(run):
    answer = Description('m', Kind.CONTRASTIVE, '', scores={'car': 0.1})
    (record,) = run.frame(1, answer=answer)
    assert record.models['m'].status is Status.SCORED


def test_a_failed_mask_is_not_waited_for(run):
    (record,) = run.frame(1, confidence=Failed('no kernel'), mask=None)
    assert (record.closed, record.missing) == (Closing.COMPLETE, [])
    found = record.segmentation
    assert (found.status, found.error) == (Status.MISSING, 'no kernel')
    assert (found.frame_iou, found.confidence, found.cells) == (None, None, [])
    assert record.models['m'].status is Status.SCORED
    assert run.accounting('segmentation') == {'missing': 1}


def test_a_mask_is_needed_unless_its_model_failed():
    wanted = Wanted(('m',))
    assert 'segmentation' in needs(wanted, {'confidence': SURE})
    assert 'segmentation' not in needs(wanted, {'confidence': OUT})
    assert 'vlm:m' in needs(wanted, {'confidence': OUT})


def test_without_confidence_a_failed_mask_is_not_waited_for_either(tmp_path):
    """A confidence that comes all the same is evidence; one that comes late changes nothing."""
    run = Run(tmp_path, confidence=False)
    (record,) = run.frame(1, confidence=Failed('no kernel'), mask=None)
    assert (record.closed, record.missing) == (Closing.COMPLETE, [])
    assert record.segmentation.error == 'no kernel'
    told = Confidence(0.5, 0.5, 'another picture', 'another mask')
    (early,), (without,) = run.frame(2, confidence=told), run.frame(3, confidence=None)
    assert early.segmentation.status is Status.UNSCORABLE
    assert early.segmentation.problem == 'another mask than that of which confidence tells'
    assert without.closed is Closing.COMPLETE and without.segmentation.status is Status.SCORED
    assert run.session.add(3 * SECOND, 'confidence', told, 0.0) == []
    assert run.accounting('segmentation') == {'missing': 1, 'unscorable': 1, 'scored': 1}
    run.session.close()


def test_a_picture_that_could_not_be_degraded_is_waited_for_by_nobody(run):
    failed = Applied(Condition('motion_blur', 3), 1, error='a picture of 8 x 8 is too small')
    (record,) = run.frame(1, None, None, None, condition=failed)
    assert (record.closed, record.missing) == (Closing.COMPLETE, [])
    assert record.condition.name == 'motion_blur:3' and record.truth is None
    assert record.models['m'].status is record.segmentation.status is Status.UNSCORABLE
    assert record.problem == ('the picture could not be degraded: a picture of 8 x 8 is too small')
    assert run.accounting() == run.accounting('segmentation') == {'unscorable': 1}
    assert any('too small' in note for note in run.session.notes)


def test_an_answer_about_a_picture_that_there_is_not_is_never_scored(run):
    failed = Applied(Condition('occlusion', 3), 1, covers=True, error='too small')
    (record,) = run.frame(1, CAR, SURE, MASK, condition=failed)
    assert record.models['m'].status is record.segmentation.status is Status.UNSCORABLE


def test_the_reason_is_in_the_records(run):
    run.frame(1, answer=OUT)
    run.frame(2)
    run.session.end(0.0)
    records = list(read_records(run.folder / RECORDS))
    frames = [record for record in records if isinstance(record, FrameRecord)]
    assert [frame.models['m'].error for frame in frames] == ['CUDA out of memory', None]
    accounting = next(record for record in records if isinstance(record, AccountingRecord))
    assert accounting.frames['failed'] == 1
    assert accounting.parts['m'] == {'missing': 1, 'scored': 1}


def test_a_frame_that_cannot_be_evaluated_says_so_and_ends_nothing(run, monkeypatch):
    real = recent.read_scene

    def failing(maps, *rest):
        if maps.labels[0, 0] == 24:
            raise IndexError('index 99 is out of bounds')
        return real(maps, *rest)

    monkeypatch.setattr(recent, 'read_scene', failing)
    other = LABELS.copy()
    other[0] = 24
    (good,) = run.frame(1)
    (bad,) = run.frame(2, labels=other)
    (after,) = run.frame(3)
    assert good.problem is None and after.problem is None
    assert bad.problem == (
        'the frame could not be evaluated: IndexError: index 99 is out of bounds'
    )
    assert bad.models['m'].status is bad.segmentation.status is Status.UNSCORABLE
    # What was said and done is kept all the same.
    assert bad.models['m'].answer == good.models['m'].answer and bad.condition == good.condition
    assert bad.truth is None and run.accounting() == {'scored': 2, 'unscorable': 1}
    assert any('could not be evaluated' in note for note in run.session.notes)

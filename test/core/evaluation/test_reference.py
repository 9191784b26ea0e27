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

"""Frames whose truth a reference tells: when they close, and when its labels are not believed."""

import numpy as np
import pytest

from vlm_misalign_ros.core.checksums import checksum
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.labels.classes import BY_NAME
from vlm_misalign_ros.core.labels.maps import LabelMap
from vlm_misalign_ros.core.records.schema import Closing, Status
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.core.types import (
    Applied,
    Condition,
    Confidence,
    Description,
    Failed,
    Kind,
    Mention,
    Passed,
)

SECOND = 1_000_000_000
CLEAN, DARK, OTHER = '64x32:00000001', '64x32:00000002', '64x32:00000003'
LABELS = np.full((32, 64), BY_NAME['road'].id, np.uint8)
LABELS[:16] = BY_NAME['sky'].id
SHOWN = Applied(Condition('low_light', 3), 1, image=DARK, source=CLEAN)
ANSWER = Description('m', Kind.CONTRASTIVE, '', {'road': Mention.ASSERTED}, image=DARK)


def told(image=CLEAN, labels=LABELS):
    return Confidence(0.1, 0.9, image, checksum(labels))


@pytest.fixture
def session():
    parameters = MonitorParameters(
        models=('m',),
        source=False,
        lockstep=False,
        instances=False,
        segmentation=False,
        pictures=0,
        deadline=1.0,
        reference='some:model',
    )
    made = Session(parameters, log=lambda text: None)
    yield made
    made.close()


def came(session, second, now=0.0, **parts):
    closed = []
    for name, value in parts.items():
        closed += session.add(second * SECOND, {'answer': 'vlm:m'}.get(name, name), value, now)
    return [frame.record for frame in closed if frame.record is not None]


def test_a_frame_closes_with_the_labels_and_what_is_said_of_them(session):
    assert came(session, 1, condition=SHOWN, answer=ANSWER, labels=LABELS) == []
    (record,) = came(session, 1, reference=told())
    assert (record.closed, record.missing, record.problem) == (Closing.COMPLETE, [], None)
    assert record.models['m'].status is Status.SCORED
    assert record.pseudo and record.truth is not None
    there = {name for name, state in record.truth.presence.items() if state.value != 'ABSENT'}
    assert there == {'road', 'sky'}
    assert session.metrics()['rolling: m']['against'] == 'against reference some:model'


@pytest.mark.parametrize('said', [Passed('a newer frame was taken'), Failed('no memory')])
def test_where_it_makes_no_labels_nobody_waits_and_the_record_says_why(session, said):
    (record,) = came(session, 1, condition=SHOWN, answer=ANSWER, reference=said)
    assert (record.closed, record.missing) == (Closing.COMPLETE, [])
    assert record.problem == f'no labels of the reference: {said.reason}'
    assert record.models['m'].status is Status.UNMATCHED and record.truth is None


def test_of_a_picture_that_could_not_be_degraded_nothing_of_it_is_waited_for(session):
    broken = Applied(Condition('low_light', 3), 1, error='too small')
    (record,) = came(session, 1, condition=broken)
    assert record.closed is Closing.COMPLETE
    assert record.models['m'].status is Status.UNSCORABLE


@pytest.mark.parametrize(
    'said, problem',
    [
        (told(image=OTHER), 'reference and condition are of different pictures'),
        (told(labels=LABELS + 1), 'other labels than those of which reference tells'),
    ],
)
def test_labels_of_another_picture_are_not_believed(session, said, problem):
    (record,) = came(session, 1, condition=SHOWN, answer=ANSWER, labels=LABELS, reference=said)
    assert record.problem == problem
    assert record.models['m'].status is Status.UNSCORABLE and record.truth is None


def test_labels_that_came_without_a_word_are_taken(session):
    came(session, 1, condition=SHOWN, answer=ANSWER, labels=LABELS)
    (closed,) = session.expire(now=2.0)
    assert (closed.record.closed, closed.record.missing) == (Closing.DEADLINE, ['reference'])
    assert closed.record.models['m'].status is Status.SCORED


def test_labels_as_late_as_they_like_are_no_jump_in_time(session):
    """Of a simulator, labels twelve seconds old mean that it began anew; a model is slow."""
    came(session, 1, condition=SHOWN, answer=ANSWER)
    session.expire(now=2.0)
    came(session, 20, now=15.0, condition=SHOWN, answer=ANSWER)
    came(session, 1, now=15.0, labels=LABELS, reference=told())
    assert session.counters['time_jumps'] == 0
    (record,) = came(session, 20, now=15.5, labels=LABELS, reference=told())
    assert record.epoch == 0 and record.models['m'].status is Status.SCORED


def test_it_does_not_tell_the_ego_vehicle_from_what_it_leaves_open(session):
    """A quarter without a class is too much of a map that tells the hood, and not of others."""
    labels = LABELS.copy()
    labels[24:] = 0
    assert LabelMap.of(labels).tells_hood
    (record,) = came(
        session, 1, condition=SHOWN, answer=ANSWER, labels=labels, reference=told(labels=labels)
    )
    assert record.models['m'].status is Status.SCORED
    # Nor where what it says of them is lost.
    came(session, 2, condition=SHOWN, answer=ANSWER, labels=labels)
    (closed,) = session.expire(now=2.0)
    assert closed.record.missing == ['reference']
    assert closed.record.models['m'].status is Status.SCORED

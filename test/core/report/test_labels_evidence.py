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

"""The check of the verdict that tells what the ground truth of a run was worth."""

import pytest

from made import frame_record
from vlm_misalign_ros.core.report.labels_evidence import LabelsEvidence
from vlm_misalign_ros.core.report.verdict import Status


def labels_checks(records, minimum):
    found = LabelsEvidence()
    for one in records:
        found.add(one)
    return found.checks(minimum)


def record(fault=None, problem=None, labels=True):
    told = {
        'encoding': 'carla_tags',
        'unlabelled': 0.5,
        'outside': {},
        'others': 0,
        'fault': fault,
    }
    return frame_record(labels=told if labels else None, problem=problem)


GOOD = record()
BLACK = record('unlabelled', 'all black')
WRONG = record('outside', 'value 137 (31 %)')


def test_a_run_without_such_frames_has_no_such_check():
    assert list(labels_checks([GOOD] * 5, 0.95)) == []
    assert list(labels_checks([], 0.95)) == []


@pytest.mark.parametrize(
    'lost, minimum, status',
    [
        (1, 0.95, Status.PASS),
        (2, 0.95, Status.INVALID),
        (2, 0.9, Status.PASS),
        (20, 0.9, Status.INVALID),
        (20, 0.0, Status.INVALID),
        (19, 0.0, Status.PASS),
    ],
)
def test_it_is_invalid_below_the_minimum_and_where_nothing_is_left(lost, minimum, status):
    """Of 20 frames: 1 lost leaves .95, 2 leave .90."""
    (check,) = labels_checks([GOOD] * (20 - lost) + [WRONG] * lost, minimum)
    assert check.status is status
    assert check.message.startswith(f'{lost} of 20 frames unscorable: ground truth: value 137')
    assert check.data == (status is Status.INVALID)


def test_labels_that_are_not_there_are_no_fault_of_the_data():
    (check,) = labels_checks([BLACK] * 5, 0.95)
    assert (check.status, check.data) == (Status.INVALID, False)
    (mixed,) = labels_checks([BLACK] * 2 + [WRONG] * 3, 0.95)
    assert mixed.data


def test_frames_without_labels_are_no_matter_of_this_check():
    bare = record(labels=False)
    (check,) = labels_checks([bare] * 100 + [GOOD] * 2 + [WRONG] * 3, 0.95)
    assert check.message.startswith('3 of 5 frames')


def test_several_findings_are_told_the_most_frequent_first():
    others = [record('size', f'size {number}') for number in range(4)]
    (check,) = labels_checks([WRONG, BLACK, BLACK, *others], 0.95)
    assert 'all black (2 frames); value 137 (31 %) (1 frames); ' in check.message
    assert check.message.endswith('and 3 other findings')

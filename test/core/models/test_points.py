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

"""When a class gets an operating point, and where its threshold lies when several are best."""

import numpy as np
import pytest

from vlm_misalign_ros.core.models.calibration import (
    SAFETY,
    calibrate,
    operating_point,
    youden_threshold,
)


def point(positives, negatives):
    truth = np.arange(positives + negatives) < positives
    return operating_point(np.linspace(0.9, 0.1, truth.size), truth)


@pytest.mark.parametrize('positives, negatives', [(19, 50), (50, 19), (19, 19), (19, 20), (0, 90)])
def test_with_fewer_than_20_of_either_kind_there_is_no_operating_point(positives, negatives):
    assert point(positives, negatives) is None


@pytest.mark.parametrize('positives, negatives', [(20, 50), (50, 20), (20, 20)])
def test_20_of_each_kind_are_enough(positives, negatives):
    found = point(positives, negatives)
    assert (found.positives, found.negatives, found.auroc) == (positives, negatives, 1.0)


def test_frames_that_are_neither_do_not_help_a_class_to_its_20():
    there = [True] * 20 + [False] * 20 + [None] * 30
    names = ('car', 'bus', 'truck', SAFETY)
    truths = [dict.fromkeys(names, state) for state in there]
    # One bus that was there is neither now, and one frame without a truck: 19 are left of each.
    truths[0]['bus'] = truths[39]['truck'] = None
    assert set(calibrate([dict.fromkeys(names, 0.5)] * 70, truths)) == {'car', SAFETY}


def threshold(kinds):
    """Return the threshold over scores 0, 1, 2, ... of the given kinds, lowest first."""
    return youden_threshold(np.arange(len(kinds), dtype=float), np.array(list(kinds)) == '+')


def test_of_equally_good_thresholds_the_highest_is_taken():
    # At 0.5 it finds 2 of 2 and leaves out 1 of 2, at 2.5 it finds 1 and leaves out 2: 1.5 both.
    assert threshold('-+-+') == 2.5
    # Everything is as good as nothing: the highest says nothing.
    assert youden_threshold(np.full(4, 0.3), np.array([True, False, True, False])) == 1.0
    assert threshold('+-') == 1.0


def test_a_better_threshold_is_taken_whether_it_is_lower_or_higher():
    # At 0.5: 3/3 + 1/2; at 3.5: 1/3 + 2/2.
    assert threshold('-++-+') == 0.5
    # At 3.5: 2/3 + 3/3; at 1.5: 2/3 + 1/3.
    assert threshold('+---++') == 3.5


def test_thresholds_are_equally_good_whatever_the_order_of_rounding():
    # Of 10 of each kind, at 6.5 it finds 8 and leaves out 5, at 10.5 it finds 6 and leaves out 7.
    assert threshold('++-----' + '++--' + '+++-+++--') == 10.5

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

"""What the verdict is at exactly its limits."""

from collections import Counter

import pytest

from vlm_misalign_ros.core.metrics.counts import Counts
from vlm_misalign_ros.core.records.schema import Status
from vlm_misalign_ros.core.report.summary import ALL, Row
from vlm_misalign_ros.core.report.verdict import Status as Outcome
from vlm_misalign_ros.core.report.verdict import judge_run

PASS, FAIL, INVALID = Outcome.PASS, Outcome.FAIL, Outcome.INVALID


def judged(scored=20, frames=20, counts=None, segmented=None, **chosen):
    """Return the verdict over one model of which `scored` of `frames` answers came."""
    by_status = Counter({Status.SCORED: scored, Status.MISSING: frames - scored})
    rows = [
        Row(name, name, 0, 'm', frames, by_status, counts=counts or Counts())
        for name in ('clean', ALL)
    ]
    chosen = {
        'minimum_coverage': 0.95,
        'limits': {},
        'expected_frames': None,
        'notes': (),
        **chosen,
    }
    return judge_run(rows, frames, segmented, **chosen)


@pytest.mark.parametrize(
    'scored, frames, minimum, expected',
    [
        (19, 20, 0.95, PASS),
        (18, 20, 0.95, INVALID),
        (949, 1000, 0.95, INVALID),
        (950, 1000, 0.95, PASS),
        (7, 10, 0.7, PASS),
        (0, 10, 0.0, PASS),
        (10, 10, 1.0, PASS),
        (9, 10, 1.0, INVALID),
    ],
)
def test_coverage_of_exactly_the_minimum_passes(scored, frames, minimum, expected):
    assert judged(scored, frames, minimum_coverage=minimum).status is expected
    found = judged(frames, frames, segmented=scored, minimum_coverage=minimum)
    assert found.status is expected


# 3 of 10 judged hazards called safe, 1 of 10 asserted classes not there.
COUNTS = Counts(frames=20, assertions=10, hallucinated=1, false_safe=3, hazards_judged=10)


@pytest.mark.parametrize(
    'rate, limit, expected',
    [
        ('smr_false_safe', 0.3, PASS),
        ('smr_false_safe', 0.2999, FAIL),
        ('smr_false_safe', 0.3001, PASS),
        ('hallucination_rate', 0.1, PASS),
        ('hallucination_rate', 0.0999, FAIL),
        ('mentions_per_frame', 0.5, PASS),
        ('mentions_per_frame', 0.4999, FAIL),
    ],
)
def test_a_limit_that_is_just_reached_is_kept(rate, limit, expected):
    assert judged(counts=COUNTS, limits={rate: limit}).status is expected


def test_a_limit_of_zero_is_kept_by_nothing_wrong_and_by_nothing_else():
    for wrong, expected in ((0, PASS), (1, FAIL)):
        counts = Counts(frames=5, assertions=10**6, hallucinated=wrong)
        assert judged(counts=counts, limits={'hallucination_rate': 0.0}).status is expected


def test_a_limit_on_a_mean_that_is_just_reached_is_kept():
    counts = Counts(false_safe=1, hazards_judged=10, false_alarms=2, clear_judged=10)
    assert judged(counts=counts, limits={'smr_balanced': 0.15}).status is PASS


@pytest.mark.parametrize('expected_frames, expected', [(19, PASS), (20, PASS), (21, INVALID)])
def test_every_frame_that_was_expected_has_to_be_closed(expected_frames, expected):
    assert judged(expected_frames=expected_frames).status is expected


def test_a_limit_on_a_rate_of_nothing_cannot_be_judged():
    found = judged(counts=COUNTS, limits={'smr_false_alarm': 1.0})
    assert found.status is INVALID
    assert 'smr_false_alarm has nothing to be counted from' in found.reasons[0]


def test_too_little_scored_weighs_more_than_a_limit_that_was_passed():
    found = judged(18, counts=COUNTS, limits={'smr_false_safe': 0.1})
    assert found.status is INVALID
    assert [check.status for check in found.checks] == [INVALID, FAIL]
    assert (judged().exit_code, judged(18).exit_code) == (0, found.exit_code)


def test_both_sides_of_every_check_are_told():
    (coverage,) = judged(18).checks
    assert coverage.name == 'coverage of m'
    assert coverage.message == 'm: 18 of 20 frames scored (90.0%), 95.0% needed'
    _, limit = judged(counts=COUNTS, limits={'smr_false_safe': 0.1}).checks
    assert limit.message == 'm: smr_false_safe is 0.3000, at most 0.1 allowed'

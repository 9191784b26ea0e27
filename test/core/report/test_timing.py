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
"""The table of times: states and quantiles by hand."""

import math

import pytest

from made import frame_record
from vlm_misalign_ros.core.metrics.pulse import MODEL, QUEUE, RESULT
from vlm_misalign_ros.core.records.account import LateRecord
from vlm_misalign_ros.core.records.schema import Status
from vlm_misalign_ros.core.report.summary import ALL
from vlm_misalign_ros.core.report.timing import OPEN, Timings, known, to_table


def frame(number, condition, **given):
    return frame_record(stamp=f'{number}.000000000', condition=condition, **given)


QUEUED = {'m': [0.1, 0.2, 0.3, 0.4, 1.0]}


def gather(records):
    timings = Timings()
    for record in records:
        timings.add(record)
    return timings.rows()


def five(condition='clean', first=0):
    """Return five frames that waited for .1, .2, .3, .4 and 1 s."""
    return [
        frame(
            first + number,
            condition,
            models={'m': {'status': 'scored'}},
            timing={
                'model_seconds': {'m': 2.0},
                'queue_seconds': {'m': waited},
                'open_seconds': 3.0,
            },
        )
        for number, waited in enumerate(QUEUED['m'])
    ]


def test_quantiles_are_those_of_the_frames_that_tell():
    rows = {(row.condition, row.model): row for row in gather(five())}
    row = rows['clean', 'm']
    assert row.quantile(QUEUE, 0.5) == pytest.approx(0.3) and row.quantile(QUEUE, 1) == 1.0
    # Linear between the fourth and the fifth of five: .4 + .8 x .6.
    assert row.quantile(QUEUE, 0.95) == pytest.approx(0.88)
    assert row.quantile(MODEL, 0.5) == 2.0 and row.quantile(OPEN, 0.5) == 3.0
    assert math.isnan(row.quantile(RESULT, 0.5)) and row.count(RESULT) == 0
    assert (row.frames, row.coverage) == (5, 1.0)
    assert rows[ALL, 'segmentation'].frames == 5


def test_states_add_up_and_what_came_late_is_late():
    lost = [
        frame(10 + number, 'clean', models={'m': {'status': state}})
        for number, state in enumerate(['dropped', 'missing', 'missing', 'missing'])
    ]
    late = [
        LateRecord(lost[1].stamp, 'vlm:m'),
        LateRecord(lost[2].stamp, 'vlm:m', passed=True),
        LateRecord(lost[3].stamp, 'segmentation'),
    ]
    for records in ([*five(), *lost, *late], [*late, *five(), *lost]):
        row = next(r for r in gather(records) if (r.condition, r.model) == (ALL, 'm'))
        states = {state: count for state, count in row.by_status.items() if count}
        assert states == {Status.SCORED: 5, Status.DROPPED: 2, Status.LATE: 1, Status.MISSING: 1}
        assert row.coverage == 5 / 9


def test_the_control_is_in_no_sum_and_the_table_has_every_row():
    rows = gather([*five(), *five('blank', 20), *five('low_light:3', 40)])
    table = to_table(rows).set_index(['condition', 'model'])
    assert table.loc[(ALL, 'm'), 'frames'] == 10
    assert table.loc[('blank', 'm'), 'queue_seconds_count'] == 5
    assert table.loc[(ALL, 'm'), 'queue_seconds_max'] == 1.0
    assert table.loc[(ALL, 'm'), 'dropped'] == 0


def test_of_records_without_times_nothing_is_known():
    assert not known(gather([frame(1, 'clean', models={'m': {'status': 'scored'}})]))
    assert known(gather(five()))

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

"""Classes of a user's own: in the records and the report, and in no rate."""

import dataclasses
import json

import pytest

from made import frame_record
from vlm_misalign_ros.core.models.answering import description_fault
from vlm_misalign_ros.core.records.schema import AnswerEntry, decode, encode
from vlm_misalign_ros.core.report.summary import ALL, further_lines, summarise, to_frame
from vlm_misalign_ros.core.report.terminal import format_table
from vlm_misalign_ros.core.types import Description, Kind, Mention


def frame(number, condition='clean', **further):
    """Return a frame whose model `m` says this of further classes."""
    answer = {'further': further} if further else {}
    return frame_record(
        stamp=f'{number}.000000000',
        key=f'k{number}',
        condition=condition,
        models={'m': {'status': 'scored', 'answer': answer}, 'silent': {'status': 'scored'}},
    )


RECORDS = [
    frame(1, cone='ASSERTED', animal='DENIED'),
    frame(2, cone='ASSERTED'),
    frame(3, cone='HEDGED'),
    frame(4),
    frame(5, 'fog:3', cone='ASSERTED', debris='ASSERTED'),
]


def test_assertions_are_counted_by_model_and_condition():
    rows = {(row.condition, row.model): row for row in summarise(RECORDS)}
    assert rows['clean', 'm'].further == {'cone': 2, 'animal': 0}
    assert rows['fog:3', 'm'].further == {'cone': 1, 'debris': 1}
    assert dict(rows[ALL, 'm'].further) == {'cone': 3, 'animal': 0, 'debris': 1}
    assert not rows[ALL, 'silent'].further
    table = to_frame(list(rows.values())).set_index(['condition', 'model'])
    assert table.loc[('clean', 'm'), 'further_cone'] == 2
    assert table.loc[('clean', 'silent'), 'further_cone'] == 0


def test_the_table_says_how_many_mentions_a_frame_there_are():
    line = (
        'further classes, not scored, mentions a frame: '
        'm animal 0.00, cone 0.60, debris 0.20; silent animal 0.00, cone 0.00, debris 0.00'
    )
    rows = summarise(RECORDS)
    assert further_lines(rows) == [line]
    assert format_table(rows).splitlines()[-1] == line


def test_no_rate_and_no_column_knows_of_them():
    plain = summarise([frame(number) for number in range(1, 5)])
    told = summarise([frame(number, cone='ASSERTED') for number in range(1, 5)])
    for one, other in zip(plain, told, strict=True):
        assert one.counts == other.counts
        assert repr(one.rates()) == repr(other.rates())
    assert not any('further' in name for name in to_frame(plain).columns)
    assert further_lines(plain) == []


def test_a_record_has_them_only_where_there_are_any():
    said = Description('m', Kind.GENERATIVE, 'a cone', further={'cone': Mention.ASSERTED})
    assert AnswerEntry.of(said).further == {'cone': Mention.ASSERTED}
    for record, there in ((RECORDS[0], True), (RECORDS[3], False)):
        line = encode(record)
        assert decode(line, 'here') == record
        assert ('further' in json.loads(line)['models']['m']['answer']) is there


@pytest.mark.parametrize(
    'further, words',
    [
        ([], 'further mentions are a list'),
        ({'car': Mention.ASSERTED}, "a further mention 'car'"),
        ({'cone': 'ASSERTED'}, "a further mention 'cone'"),
        ({3: Mention.ASSERTED}, 'a further mention 3'),
    ],
)
def test_a_model_that_gives_wrong_ones_is_told(further, words):
    plain = Description('m', Kind.GENERATIVE, 'a cone')
    assert description_fault(plain) == ''
    assert words in description_fault(dataclasses.replace(plain, further=further))

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


"""What records say of models against themselves: tables, page, verdict; never an accuracy."""

import json
import math
from contextlib import closing

import pandas as pd
import pytest

from made import frame_record
from vlm_misalign_ros.core.metrics.intervals import korn_graubard
from vlm_misalign_ros.core.records.ending import Ending, write_ending
from vlm_misalign_ros.core.records.schema import SCHEMA, RunRecord
from vlm_misalign_ros.core.records.store import RecordWriter
from vlm_misalign_ros.core.report.analysis import analyse_records
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.report.page import write_report
from vlm_misalign_ros.core.report.rules import Rules
from vlm_misalign_ros.core.report.self_consistency import (
    SelfConsistency,
    lines,
    self_checks,
    self_consistency_analysis,
    write_self_consistency,
)
from vlm_misalign_ros.core.report.summary import summarise
from vlm_misalign_ros.core.report.terminal import format_disagreement
from vlm_misalign_ros.core.report.verdict import Status, judge


def mentions(*names):
    return dict.fromkeys(names, 'ASSERTED')


def frame(number, condition, said, clean=None, status='unmatched', mask=None, **given):
    """Return frame `number` with what model `m` said of both pictures."""
    answer = {
        'kind': 'generative',
        'text': '',
        'mentions': mentions(*said),
        'scores': {},
        'judgement': given.get('judgement', 'SAFE'),
        'judgement_score': None,
        'prompt_id': 'default',
        'truncated': False,
        'view': [0.0, 0.0, 1.0, 1.0],
    }
    if clean is not None:
        answer['clean'] = clean
    sure = None if mask is None else {'entropy': 0.5, 'confidence': 0.5, 'clean': mask}
    return frame_record(
        key=f'city_{number:06d}_000019',
        sequence='city',
        index=number,
        stamp=f'{number + 1}.000000000',
        condition=condition,
        truth=None,
        segmentation={'status': 'unmatched', 'frame_iou': None, 'confidence': sure},
        models={'m': {'status': status, 'answer': answer}},
    )


def gathered(records):
    found = SelfConsistency()
    for record in records:
        found.add(record)
    return found


def told(*names, judgement='SAFE'):
    return {'mentions': mentions(*names), 'judgement': judgement}


RECORDS = [
    frame(0, 'clean', ['car'], told('car')),
    frame(0, 'low_light:3', ['car', 'bus'], told('car', 'person')),
    frame(1, 'low_light:3', ['car'], told('car', judgement='UNSAFE')),
    frame(2, 'blank', [], told('car')),
    frame(2, 'low_light:3', ['car'], {'error': 'the clean picture never came'}),
    frame(3, 'low_light:3', ['car'], told('bus'), status='unscorable'),
]


def test_counts_of_a_condition_by_hand():
    found = self_consistency_analysis(RECORDS)['models']['m']['conditions']['low_light:3']
    assert {name: found[name] for name in ('asked', 'failed', 'untrusted', 'compared')} == {
        'asked': 4,
        'failed': 1,
        'untrusted': 1,
        'compared': 2,
    }
    entry = found['self_consistency']
    # car alike twice; bus and person of one picture only; each frame is a scene by itself.
    expected = korn_graubard([1, 1], [3, 1])
    assert (entry['numerator'], entry['denominator'], entry['scenes']) == (2, 4, 2)
    assert (entry['value'], entry['low'], entry['high']) == pytest.approx(
        (0.5, expected.low, expected.high)
    )
    assert (found['self_flip_to_safe']['numerator'], found['self_flip_to_safe']['value']) == (1, 1)
    assert found['self_judgement_consistency']['value'] == 0.5


def test_clean_and_blank_frames_have_lines_of_their_own_and_are_in_no_total():
    found = self_consistency_analysis(RECORDS)['models']['m']['conditions']
    assert list(found) == ['all', 'clean', 'blank', 'low_light:3']
    assert found['all'] == found['low_light:3']
    assert found['clean']['self_consistency']['value'] == 1
    assert found['blank']['self_dropped']['value'] == 1


def test_classes_are_told_apart():
    found = self_consistency_analysis(RECORDS)['models']['m']['classes']
    assert found['car']['self_consistency']['value'] == 1
    assert found['bus']['self_added']['value'] == found['person']['self_dropped']['value'] == 1
    assert math.isnan(found['sky']['self_consistency']['value'])


def test_self_miou_is_over_summed_cells():
    # Road: 6 alike, 2 to sidewalk: IoU 6/8; sidewalk: 1 alike: IoU 1/3.
    records = [
        frame(0, 'low_light:3', [], mask={'cells': [[0, 0, 6], [1, 1, 1]]}),
        frame(1, 'low_light:3', [], mask={'cells': [[0, 1, 2]]}),
        frame(2, 'low_light:3', [], mask={'error': 'the clean picture never came'}),
    ]
    found = self_consistency_analysis(records)['segmentation']['conditions']['low_light:3']
    assert (found['asked'], found['compared']) == (3, 2)
    assert found['self_miou']['value'] == pytest.approx((6 / 8 + 1 / 3) / 2)
    assert found['classes'] == pytest.approx({'road': 6 / 8, 'sidewalk': 1 / 3})


def test_where_nobody_was_asked_nothing_is_written(tmp_path):
    found = self_consistency_analysis([frame(0, 'low_light:3', ['car'])])
    assert not found['asked'] and not found['models']
    write_self_consistency(tmp_path, found)
    assert not list(tmp_path.iterdir())
    assert format_disagreement(found) == ''


def test_the_tables_have_a_line_a_figure(tmp_path):
    found = self_consistency_analysis(RECORDS)
    write_self_consistency(tmp_path, found)
    table = pd.read_csv(tmp_path / 'self_consistency.csv')
    assert len(table) == len(list(lines(found))) == 4 * 6
    chosen = table[(table.condition == 'low_light:3') & (table.figure == 'self_added')]
    assert chosen[['numerator', 'denominator', 'compared']].to_numpy().tolist() == [[1, 3, 2]]
    plain = json.loads((tmp_path / 'self_consistency.json').read_text(encoding='utf-8'))
    assert plain['models']['m']['classes']['sky']['self_consistency']['value'] is None
    assert 'm: classes alike .50' in format_disagreement(plain)


def test_the_page_calls_it_disagreement(tmp_path):
    records = [frame(0, 'low_light:3', ['car'], told('bus'))]
    found = self_consistency_analysis(records)
    verdict = judge((), (), limited=False)
    rows, analysis = summarise(records), analyse_records(records)
    write_report(tmp_path, records, rows, verdict, analysis, disagreement=found)
    page = (tmp_path / 'report.html').read_text(encoding='utf-8')
    assert 'Disagreement with itself' in page and '0/2' in page
    write_report(tmp_path, records, rows, verdict, analysis)
    assert 'Disagreement' not in (tmp_path / 'report.html').read_text(encoding='utf-8')


def test_no_rate_counts_what_was_said_of_a_clean_picture():
    other = [
        frame(0, 'low_light:3', ['car'], told('bus', judgement='UNSAFE')),
        frame(0, 'low_light:3', ['car']),
    ]
    one, two = (
        [(row.model, row.condition, row.counts, row.by_status) for row in summarise([record])]
        for record in other
    )
    assert one == two


@pytest.mark.parametrize(
    'minimum, status', [(0.4, Status.PASS), (0.5, Status.PASS), (0.51, Status.INVALID)]
)
def test_enough_has_to_be_compared(minimum, status):
    (check,) = self_checks(gathered(RECORDS[1:3] + RECORDS[4:]), minimum, 4, masks=False)
    assert (check.name, check.status) == ('self-consistency of m', status)
    assert '2 of 4 frames compared' in check.message


def test_a_model_that_was_not_asked_is_told():
    (check,) = self_checks(gathered([frame(0, 'low_light:3', ['car'])]), 0.0, 1, masks=False)
    assert check.status is Status.INVALID and check.short == 'nothing compared of m'


def test_masks_that_were_asked_for_and_never_came_are_told(tmp_path):
    lost = [frame(n, 'low_light:3', ['car'], told('car')) for n in range(30)]
    same = {'cells': []}
    compared = [frame(n, 'low_light:3', ['car'], told('car'), mask=same) for n in range(9)]
    for records, share in ((lost, '0 of 30'), ([*compared, *lost[9:]], '9 of 30')):
        of_model, of_masks = self_checks(gathered(records), 0.9, 30, masks=True)
        assert of_model.status is Status.PASS
        assert of_masks.status is Status.INVALID and share in of_masks.message
    # Where none were asked for, none lack.
    assert [check.name for check in self_checks(gathered(lost), 0.9, 30, masks=False)] == [
        'self-consistency of m'
    ]
    chosen = {'monitor': {'truth': False, 'segmentation': True}, 'segmentation': {'model': 'x'}}
    (tmp_path / 'manifest.json').write_text(json.dumps({'configuration': chosen}))
    with closing(RecordWriter(tmp_path / 'records.jsonl')) as writer:
        for record in (RunRecord(SCHEMA, 'run', ['m']), *lost):
            writer.write(record)
    write_ending(tmp_path, Ending())
    verdict = finalise(tmp_path)
    assert verdict.text == 'INVALID'
    assert [check.name for check in verdict.wrong] == ['self-consistency of segmentation']


def test_rules_tell_of_truth_only_where_there_is_none():
    assert 'truth' not in Rules().to_plain()
    assert (
        Rules(truth=False).with_limits(['critical_omission_rate < 0.2']).to_plain()['truth']
        is False
    )

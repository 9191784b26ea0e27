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

"""How far models agree with themselves while a run goes on, against what it ends with."""

import pytest

from made import frame_record
from vlm_misalign_ros.core.evaluation.disagreement import WORDS, compared, meaning, status_name
from vlm_misalign_ros.core.evaluation.join import Twice
from vlm_misalign_ros.core.evaluation.ledger import Ledger
from vlm_misalign_ros.core.evaluation.parts import SEGMENTATION, vlm_part
from vlm_misalign_ros.core.evaluation.resuming import evaluated
from vlm_misalign_ros.core.metrics.statistics import wilson
from vlm_misalign_ros.core.report.self_consistency import FIGURES, self_consistency_analysis
from vlm_misalign_ros.core.stamps import NANO, parse_stamp

WINDOW = 10.0


def said(*names, judgement='SAFE'):
    return {'mentions': dict.fromkeys(names, 'ASSERTED'), 'judgement': judgement}


def frame(second, condition, degraded, clean=None, mask=None, status='unmatched'):
    answer = {'kind': 'generative', 'text': '', 'scores': {}, 'judgement_score': None}
    answer |= {'prompt_id': 'p', 'truncated': False, 'view': [0.0, 0.0, 1.0, 1.0], **degraded}
    if clean is not None:
        answer['clean'] = clean
    sure = {'entropy': 0.5, 'confidence': 0.5}
    return frame_record(
        key=f'k{second}',
        index=second,
        stamp=f'{second}.000000000',
        condition=condition,
        truth=None,
        segmentation={
            'status': 'unmatched',
            'frame_iou': None,
            'confidence': sure if mask is None else {**sure, 'clean': mask},
        },
        models={'m': {'status': status, 'answer': answer}},
    )


RECORDS = [
    frame(1, 'low_light:3', said('car', 'bus'), said('car', 'person'), {'cells': [[0, 0, 6]]}),
    frame(2, 'clean', said('sky'), said('car'), {'cells': [[0, 1, 9]]}),
    frame(3, 'blank', said('sky'), said('car')),
    frame(5, 'low_light:3', said('car'), said('car', judgement='UNSAFE'), {'cells': [[0, 1, 2]]}),
    frame(6, 'motion_blur:1', said('car'), {'error': 'the clean picture never came'}),
    frame(7, 'motion_blur:1', said('car'), said('bus'), status='unscorable'),
    frame(11, 'motion_blur:1', said(judgement='UNSAFE'), said('car'), {'error': 'no'}),
]


def ledger_of(records):
    ledger = Ledger(['m'], True, WINDOW)
    for record in records:
        ledger.enter(record.epoch, parse_stamp(record.stamp), evaluated(record))
    return ledger


def of(ledger, span, name='m'):
    return ledger.metrics()[status_name(span, name)]


def test_the_total_is_the_line_of_all_degraded_frames_of_the_report():
    values, analysis = of(ledger_of(RECORDS), 'total'), self_consistency_analysis(RECORDS)
    expected = analysis['models']['m']['conditions']['all']
    for name in ('asked', 'failed', 'untrusted', 'compared', 'unjudged'):
        assert values[name] == str(expected[name]), name
    for figure in FIGURES:
        over, under = (expected[figure.name][key] for key in ('numerator', 'denominator'))
        assert values[f'{figure.name}/numerator'] == str(over), figure.name
        assert values[f'{figure.name}/denominator'] == str(under), figure.name
        low, high = wilson(over, under)
        assert (values[f'{figure.name}/min'], values[f'{figure.name}/max']) == (
            repr(low),
            repr(high),
        )
    masks = of(ledger_of(RECORDS), 'total', SEGMENTATION)
    told = analysis['segmentation']['conditions']['all']
    assert float(masks['self_miou/metric_value']) == told['self_miou']['value']
    # Road: 6 of 8 alike; sidewalk: of 2 none.
    assert float(masks['self_miou/metric_value']) == 0.375
    assert (masks['asked'], masks['failed'], masks['compared']) == ('3', '1', '2')


def test_the_window_is_by_header_time_and_empty_after_a_jump():
    ledger = ledger_of(RECORDS)
    # Ten seconds behind 11 hold what came after 1: the first frame is out.
    values = of(ledger, 'rolling')
    assert (values['asked'], values['compared'], values['self_added/numerator']) == ('4', '2', '0')
    assert values['self_flip_to_safe/numerator'] == values['self_flip_to_unsafe/numerator'] == '1'
    assert of(ledger, 'rolling', SEGMENTATION)['self_miou/metric_value'] == '0.0'
    ledger.restart(1)
    assert of(ledger, 'rolling')['asked'] == '0' and of(ledger, 'total')['asked'] == '5'
    assert of(ledger, 'rolling', SEGMENTATION)['self_miou/metric_value'] == 'nan'


def test_an_answer_that_is_doubled_is_taken_out_and_told_as_untrusted():
    ledger = ledger_of(RECORDS)
    assert ledger.disagreement.frames == {'m': 5, SEGMENTATION: 3}
    for part, second in ((vlm_part('m'), 5), (SEGMENTATION, 5), (vlm_part('m'), 7)):
        for _ in range(2):
            ledger.take_back(0, Twice(second * NANO, part, ('', ''), 1, 1, True))
    left = [record for record in RECORDS if record.stamp != '5.000000000']
    values, expected = of(ledger, 'total'), of(ledger_of(left), 'total')
    assert (values.pop('asked'), expected.pop('asked')) == ('5', '4')
    assert (values.pop('untrusted'), expected.pop('untrusted')) == ('2', '1')
    assert values == expected
    assert of(ledger, 'total', SEGMENTATION)['self_miou/metric_value'] == '1.0'
    assert ledger.disagreement.frames == {'m': 4, SEGMENTATION: 2}
    # A doubled picture of a clean frame is out of what was compared, and in no sum.
    ledger.take_back(0, Twice(2 * NANO, vlm_part('m'), ('', ''), 1, 1, True))
    assert ledger.disagreement.frames['m'] == 3 and of(ledger, 'total')['untrusted'] == '2'


def test_a_run_that_asks_about_no_clean_picture_tells_nothing_of_it():
    records = [frame(1, 'low_light:3', said('car'))]
    assert compared(records[0]) is None
    assert not [name for name in ledger_of(records).metrics() if 'disagreement' in name]


@pytest.mark.parametrize('span', ['rolling', 'total'])
def test_it_is_called_a_disagreement_and_no_rate_is(span):
    assert meaning(status_name(span, 'm')) == WORDS
    # Whatever a model is called.
    assert meaning(f'{span}: x disagreement: m') == meaning(f'{span}: disagreement') == ''

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

"""VLM minus mask reader: paired by frame, over scenes, only of rates whose denominator is one."""

import math

import msgspec
import numpy as np
import pytest

from made import frame_record
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.metrics.counts import Counts
from vlm_misalign_ros.core.metrics.paired import difference
from vlm_misalign_ros.core.report.analysis import analyse_records

RATES = ('hallucination_opportunity_rate', 'critical_omission_rate', 'smr_false_safe')


def answer(kind, wrong=0, omitted=0, judgement='SAFE', hazard='CLEAR'):
    judged = judgement in ('SAFE', 'UNSAFE')
    danger = hazard == 'HAZARD'
    counts = Counts(
        frames=1,
        assertions=5,
        hallucinated=wrong,
        absent=8,
        required=4,
        omitted=omitted,
        false_safe=int(danger and judgement == 'SAFE'),
        hazards_judged=int(danger and judged),
        hazards_unjudged=int(danger and not judged),
        clear_judged=int(not danger and judged),
    )
    return {
        'status': 'scored',
        'answer': {'kind': kind, 'judgement': judgement},
        'score': {'counts': msgspec.to_builtins(counts)},
    }


def frame(key, models, condition='clean', hazard='CLEAR'):
    return frame_record(
        key=f'{key}',
        stamp=f'{key}.{len(condition):09d}',
        condition=condition,
        truth={'presence': dict.fromkeys(SCORED, 'TOLERATED'), 'hazard': hazard},
        models=models,
    )


def against(records, model='m', reader='mask'):
    return analyse_records(records)['models'][model]['against_mask'][reader]


def test_the_differences_by_hand():
    """Two frames: of 8 + 8 absent classes 3 against 1 made up, of 4 + 4 required 1 against 4."""
    records = [
        frame(1, {'m': answer('generative', 3), 'mask': answer('mask', 0, 4)}),
        frame(2, {'m': answer('generative', 0, 1), 'mask': answer('mask', 1)}),
    ]
    found = against(records)['overall']
    made_up, left_out = found[RATES[0]], found[RATES[1]]
    assert made_up['value'] == pytest.approx(3 / 16 - 1 / 16)
    assert (made_up['model'], made_up['mask_reader']) == (3 / 16, 1 / 16)
    assert left_out['value'] == pytest.approx(1 / 8 - 4 / 8)
    assert (left_out['frames'], left_out['scenes'], found['frames']) == (2, 2, 2)
    assert math.isnan(found[RATES[2]]['value']) and found[RATES[2]]['frames'] == 0
    assert not {'hallucination_rate', 'smr'} & set(found)


def test_the_interval_is_that_of_paired_differences_over_scenes():
    rng = np.random.default_rng(0)
    theirs, ours = rng.integers(0, 3, 60), rng.integers(0, 5, 60)
    # Three frames of each of twenty snippets.
    records = [
        frame_record(
            **{
                'key': f'a_{k // 3:06d}_{k % 3:06d}',
                'sequence': f'a_{k // 3:06d}',
                'stamp': f'{k + 1}.000000000',
                'models': {
                    'm': answer('contrastive', int(ours[k])),
                    'mask': answer('mask', int(theirs[k])),
                },
                'truth': {'presence': dict.fromkeys(SCORED, 'TOLERATED')},
            }
        )
        for k in range(60)
    ]
    found = against(records)['overall']
    summed = [np.asarray(a).reshape(20, 3).sum(axis=1) for a in (theirs, ours)]
    expected = difference((summed[0], np.full(20, 24)), (summed[1], np.full(20, 24)))
    entry = found[RATES[0]]
    assert (entry['value'], entry['low'], entry['high']) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )
    assert (found['scenes'], entry['scenes']) == (20, 20)


def test_only_frames_on_which_both_were_scored_are_paired():
    missing = {'status': 'missing'}
    records = [
        frame(1, {'m': answer('generative', 2), 'mask': answer('mask', 1)}),
        frame(2, {'m': answer('generative', 8), 'mask': missing}),
        frame(3, {'m': missing, 'mask': answer('mask', 8)}),
    ]
    entry = against(records)['overall'][RATES[0]]
    assert entry['value'] == pytest.approx(1 / 8) and entry['frames'] == 1


def test_false_safe_is_of_hazards_that_both_judged_and_the_others_are_counted():
    def pair(key, ours, theirs, hazard='HAZARD'):
        models = {
            'm': answer('generative', judgement=ours, hazard=hazard),
            'mask': answer('mask', judgement=theirs, hazard=hazard),
        }
        return frame(key, models, hazard=hazard)

    records = [
        pair(1, 'SAFE', 'UNSAFE'),
        pair(2, 'UNSAFE', 'UNSAFE'),
        pair(3, 'SAFE', 'UNPARSED'),
        pair(4, 'REFUSED', 'SAFE'),
        pair(5, 'UNPARSED', 'UNPARSED'),
        pair(6, 'SAFE', 'UNPARSED', hazard='CLEAR'),
    ]
    found = against(records)['overall']
    assert found['unjudged'] == 3
    entry = found['smr_false_safe']
    assert (entry['model'], entry['mask_reader'], entry['frames']) == (0.5, 0.0, 2)


def test_each_condition_has_its_own_and_the_blank_control_is_in_no_total():
    def both(ours, theirs):
        return {'m': answer('generative', ours), 'mask': answer('mask', theirs)}

    records = [
        frame(1, both(1, 0)),
        frame(1, both(4, 1), 'low_light:3'),
        frame(1, both(8, 0), 'blank'),
    ]
    found = against(records)
    values = {name: entry[RATES[0]]['value'] for name, entry in found['conditions'].items()}
    assert values == pytest.approx({'clean': 1 / 8, 'low_light:3': 3 / 8, 'blank': 1.0})
    assert found['overall'][RATES[0]]['value'] == pytest.approx((5 - 1) / 16)


def test_readers_are_told_by_their_kind_and_are_held_against_nobody():
    models = {
        'm': answer('generative'),
        'n': answer('contrastive'),
        'own': answer('mask'),
        'truth': answer('mask'),
    }
    found = analyse_records([frame(1, models)])['models']
    assert {name: set(entry['against_mask']) for name, entry in found.items()} == {
        'm': {'own', 'truth'},
        'n': {'own', 'truth'},
        'own': set(),
        'truth': set(),
    }
    assert found['own']['kind'] == 'mask' and found['own']['reader'] == {}
    alone = analyse_records([frame(1, {'m': answer('generative')})])['models']['m']
    assert alone['against_mask'] == {}


def test_a_model_that_says_what_the_mask_says_is_not_told_from_it():
    rng = np.random.default_rng(1)
    records = []
    for k in range(40):
        same = {'wrong': int(rng.integers(0, 3)), 'omitted': int(rng.integers(0, 3))}
        records.append(
            frame(k + 1, {'m': answer('contrastive', **same), 'mask': answer('mask', **same)})
        )
    found = against(records)['overall']
    for name in RATES[:2]:
        assert found[name]['value'] == 0 and found[name]['low'] < 0 < found[name]['high']

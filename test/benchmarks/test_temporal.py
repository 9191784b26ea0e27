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

"""What docs/temporal.md says comes from the kept numbers, and these from records by hand."""

import msgspec
import numpy as np
import pandas as pd
import pytest
import yaml

from made import frame_record
from vlm_misalign_ros.core.corruptions.scenario import load_scenario
from vlm_misalign_ros.core.metrics.counts import Counts
from vlm_misalign_ros.core.metrics.paired import difference
from vlm_misalign_ros.core.settings.configuration import find_config, read_yaml


@pytest.fixture(scope='module')
def temporal(load):
    """Return benchmarks/temporal.py."""
    return load('temporal')


def said(omitted, required=2):
    counts = Counts(frames=1, omitted=omitted, required=required)
    return {
        'status': 'scored',
        'answer': {'mentions': {}},
        'score': {'counts': msgspec.to_builtins(counts)},
    }


def frame(sequence, step, condition, now, past):
    return frame_record(
        key=f'city_{sequence:06d}_{step:06d}',
        sequence=f'city_{sequence:06d}',
        stamp=f'{sequence * 100 + step}.000000000',
        condition=condition,
        models={'m_now': said(now), 'm_past': said(past)},
    )


def test_frames_are_told_apart_by_what_was_three_frames_before(temporal):
    met = ['clean'] * 3 + ['occlusion:5'] * 4 + ['low_light:5']
    records = [
        frame(sequence, step, condition, 1, 0)
        for sequence in range(2)
        for step, condition in enumerate(met)
    ]
    counts = temporal.count(records, ['m'])
    one = ['clean after nothing'] * 3 + ['covered after clean'] * 3
    one += ['covered after covered', 'dark after covered']
    assert counts.conditions.tolist() == 2 * one
    assert len(set(counts.scenes.tolist())) == 2


def test_what_was_before_is_known_though_it_was_not_scored_or_is_told_later(temporal):
    met = ['clean'] * 3 + ['occlusion:5'] * 3
    first, *others = (frame(0, step, name, 1, 0) for step, name in enumerate(met))
    unknown = msgspec.structs.replace(first, truth=None)
    counts = temporal.count([*others, unknown], ['m'])
    assert counts.conditions.tolist() == ['clean after nothing'] * 2 + ['covered after clean'] * 3


def test_each_ask_has_a_row_of_its_own_for_what_the_run_compares(temporal):
    told = {'single': 0.4, 'past': 0.1, 'scenes': 9, 'value': -0.3, 'low': -0.5, 'high': -0.2}
    pair = {'single': 'llava_now', 'past': 'llava_past', **dict.fromkeys(temporal.FLICKER, told)}
    rows = temporal.steadiness([pair])
    assert rows[rows['ask'] == 'llava_now']['value'].tolist() == [0.4] * len(temporal.FLICKER)
    assert not {'low', 'high'} & set(rows)
    lines = temporal.steady_table(temporal.Kept(rows)).splitlines()
    assert (
        lines[2] == '| judgements that change | llava | .400 | .100 | **−.300** [−.500, −.200] |'
    )


def test_differences_are_paired_by_frame_and_their_unit_is_the_sequence(temporal):
    """By hand: of 20 drives' two classes each, `now` leaves out one in all, `past` in half."""
    records = [
        frame(sequence, step, 'clean' if step < 3 else 'occlusion:5', 1, sequence % 2)
        for sequence in range(20)
        for step in range(6)
    ]
    kept = temporal.Kept(temporal.measured(temporal.count(records, ['m']), ['m']))
    row = kept.row('covered after clean', 'm_past', 'critical_omission_rate')
    assert (row['numerator'], row['denominator'], row['scenes']) == (30, 120, 20)
    assert row['value'] == pytest.approx(0.25)
    assert row['difference'] == pytest.approx(-0.25)
    # By hand, of each drive the three covered frames: 3 of 6 classes, and none or 3 of 6.
    by_hand = difference((np.full(20, 3), np.full(20, 6)), (np.tile([0, 3], 10), np.full(20, 6)))
    ends = row['difference_low'], row['difference_high']
    assert ends == pytest.approx((by_hand.low, by_hand.high))


def test_a_frame_that_one_ask_was_not_scored_on_is_left_out_of_all(temporal):
    whole, lost = frame(0, 0, 'clean', 1, 1), frame(0, 1, 'clean', 0, 0)
    lost.models['m_past'] = msgspec.structs.replace(
        lost.models['m_past'], status='missing', answer=None, score=None
    )
    kept = temporal.Kept(temporal.measured(temporal.count([whole, lost], ['m']), ['m']))
    row = kept.row('all', 'm_now', 'critical_omission_rate')
    assert (row['numerator'], row['denominator']) == (1, 2)


def test_the_scenario_has_the_stretches_that_the_page_describes(temporal):
    chosen = temporal.recipe(temporal.RECIPE)
    scenario = load_scenario(temporal.RECIPE.with_name(chosen['scenario']))
    assert scenario.each_sequence
    tenths = [scenario.at(tenth * 10**8).name for tenth in range(15)]
    clean, covered, dark = ['clean'] * 3, ['occlusion:5'] * 3, ['low_light:5'] * 6
    assert tenths == [*clean, *covered, *clean, *dark]
    assert chosen['scenes']['sequence_length'] == len(tenths)
    assert chosen['scenes']['frames'] % len(tenths) == 0
    page = temporal.PAGE.read_text(encoding='utf-8')
    assert f'{chosen["scenes"]["frames"] // len(tenths)} of the city' in page


def test_the_configuration_asks_each_model_with_and_without_the_past(temporal):
    vlms = read_yaml(find_config('temporal'))['vlms']
    assert tuple(vlms) == temporal.MODELS
    for model in vlms.values():
        assert model['asks'] == {'now': {}, 'past': {'frames': 1, 'stride': temporal.BACK}}


def test_the_page_has_the_kept_numbers(temporal):
    found = pd.read_csv(temporal.KEPT)
    assert temporal.PAGE.read_text(encoding='utf-8') == temporal.page(found)
    recipe = yaml.safe_load(temporal.RECIPE.read_text(encoding='utf-8'))['scenes']
    rows = found[(found['measure'] == 'unparsed_rate') & (found['group'] == 'all')]
    assert set(rows['scenes']) == {recipe['frames'] // recipe['sequence_length']}
    assert set(rows['denominator']) == {recipe['frames']}

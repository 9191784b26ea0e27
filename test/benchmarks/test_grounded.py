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

"""What docs/grounded.md says comes from the kept numbers, and these from records by hand."""

import math

import msgspec
import numpy as np
import pandas as pd
import pytest
import yaml

from made import frame_record
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.metrics.counts import Counts
from vlm_misalign_ros.core.metrics.intervals import korn_graubard
from vlm_misalign_ros.core.metrics.paired import difference
from vlm_misalign_ros.core.settings.configuration import find_config, read_yaml
from vlm_misalign_ros.core.types import Input


@pytest.fixture(scope='module')
def grounded(load):
    """Return benchmarks/grounded.py."""
    return load('grounded')


def said(*names, prompted=(), hallucinated=0, absent=17):
    counts = Counts(frames=1, hallucinated=hallucinated, absent=absent)
    return {
        'status': 'scored',
        'answer': {'mentions': dict.fromkeys(names, 'ASSERTED'), 'prompted': list(prompted)},
        'score': {'counts': msgspec.to_builtins(counts)},
    }


def frame(key, plain, told, condition='clean', visible=None):
    """
    Return a frame with a car and a person to be named.

    Perception found the car and, where nothing is, a bus (sure) and a truck (unsure).
    """
    presence = {**dict.fromkeys(SCORED, 'ABSENT'), 'car': 'REQUIRED', 'person': 'REQUIRED'}
    presence['road'] = 'TOLERATED'
    return frame_record(
        key=f'{key}',
        stamp=f'{key}.{len(condition):09d}',
        condition=condition,
        truth={'presence': presence, 'visible': visible and {**presence, **visible}},
        segmentation={
            'confidence': {
                'entropy': 0.1,
                'confidence': 0.9,
                'entropies': {'bus': 0.1, 'truck': 0.6, 'car': 0.2},
            }
        },
        models={
            'plain': said(*plain, hallucinated=len({*plain} & {'bus', 'truck', 'train'})),
            'told': said(
                *told,
                prompted=('bus', 'car', 'road', 'truck'),
                hallucinated=len({*told} & {'bus', 'truck', 'train'}),
            ),
        },
    )


def numbers(grounded, records):
    found = grounded.rates(grounded.count(records, 'told'), 'plain')
    return grounded.Kept(found)


def test_what_is_passed_on_is_counted_by_hand(grounded):
    kept = numbers(
        grounded,
        [
            frame(1, ('car', 'train'), ('car', 'bus', 'truck')),
            frame(2, ('person',), ('bus', 'person'), 'occlusion:3', {'car': 'TOLERATED'}),
        ],
    )

    def pair(ask, measure, group='all'):
        row = kept.row(group, ask, measure)
        return None if row is None else (int(row['numerator']), int(row['denominator']))

    # Of 19 classes 16 are not there, two of which perception found: bus and truck.
    assert pair('told', 'absent_found') == (3, 4) and pair('plain', 'absent_found') == (0, 4)
    assert pair('told', 'absent_not_found') == (0, 28)
    assert pair('plain', 'absent_not_found') == (1, 28)
    # The car that an occluder hides has not to be named.
    assert pair('told', 'required_found') == (1, 1) and pair('plain', 'required_found') == (1, 1)
    assert pair('told', 'required_missed') == (1, 2)
    assert pair('plain', 'required_missed') == (1, 2)
    assert pair('told', 'absent_found_sure') == (2, 2)
    assert pair('told', 'absent_found_unsure') == (1, 2)
    assert pair('told', 'absent_found_fairly_sure') is None
    assert pair('told', 'absent_found', 'clean') == (2, 2)
    assert pair('told', 'absent_found', 'occlusion:3') == (1, 2)
    assert pair('told', 'absent_found', 'occlusion') == (1, 2)


def test_rates_and_differences_have_the_intervals_over_scenes(grounded):
    rng = np.random.default_rng(3)
    words = ('bus', 'truck', 'train')
    ours, theirs = (rng.integers(0, 4, 40) for _ in range(2))
    records = [frame(k + 1, words[: theirs[k]], words[: ours[k]]) for k in range(40)]
    row = numbers(grounded, records).row('all', 'told', 'hallucination_opportunity_rate')
    whole = np.full(40, 17)
    wanted = korn_graubard(ours, whole)
    assert (row['value'], row['low'], row['high']) == pytest.approx(
        (wanted.value, wanted.low, wanted.high)
    )
    apart = difference((theirs, whole), (ours, whole))
    assert (row['difference'], row['difference_low'], row['difference_high']) == pytest.approx(
        (apart.value, apart.low, apart.high)
    )
    assert row['scenes'] == 40


def test_a_frame_without_what_perception_found_is_left_out(grounded):
    lost = frame_record(
        key='9', stamp='9.000000000', models={'plain': said('bus'), 'told': {'status': 'missing'}}
    )
    whole = frame(1, (), ())
    kept = numbers(grounded, [whole, lost])
    assert kept.row('all', 'plain', 'hallucination_opportunity_rate')['numerator'] == 0
    assert math.isnan(kept.row('all', 'plain', 'hallucination_opportunity_rate')['difference'])


def test_numbers_are_written_as_the_tables_have_them(grounded):
    row = pd.Series(
        {
            'value': 0.0123,
            'low': 0.001,
            'high': 0.5,
            'numerator': 3,
            'denominator': 200,
            'difference': -0.02,
            'difference_low': -0.04,
            'difference_high': -0.001,
        }
    )
    assert grounded.value(row) == '.012 [.001, .500] 3/200'
    assert grounded.apart(row) == '**−.020** [−.040, −.001]'
    assert grounded.short(row) == '**.01**'
    row['difference_high'] = 0.01
    assert grounded.short(row) == '.01' and grounded.apart(row).startswith('−.020 [')
    assert grounded.short(None) == grounded.value(None) == grounded.apart(None) == '–'


def test_the_page_has_the_kept_numbers(grounded):
    found = pd.read_csv(grounded.KEPT)
    assert grounded.PAGE.read_text(encoding='utf-8') == grounded.page(found)
    assert {*grounded.ASKS, grounded.BY_WORDS} == set(found['ask'])


def test_the_kept_numbers_are_of_as_many_scenes_as_the_recipe_says(grounded):
    found = pd.read_csv(grounded.KEPT)
    recipe = yaml.safe_load(grounded.RECIPE.read_text(encoding='utf-8'))
    rows = found[found['measure'] == 'hallucination_opportunity_rate']
    assert set(rows['scenes']) == {recipe['scenes']['frames']}
    conditions = read_yaml(find_config(recipe['configuration']))['replay']['conditions']
    named = {str(entry).partition(':')[0] for entry in conditions}
    assert named <= set(found['group'])


def test_the_configuration_shows_asks_of_every_kind(grounded):
    vlms = read_yaml(find_config('grounded'))['vlms']
    own = vlms['grounded']
    inputs = [ask.get('input', 'image') for ask in own['asks'].values()]
    assert inputs == ['image', 'image+objects', 'image+objects+uncertainty', 'objects']
    assert set(inputs) <= {entry.value for entry in Input} and own['paraphrases'] == 5
    assert vlms['mask']['model'] == 'mask_reader:miniature:segformer'
    names = [f'grounded_{name}' for name in own['asks']]
    assert (*names, 'mask') == grounded.ASKS

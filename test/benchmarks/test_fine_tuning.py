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

"""What docs/training_data.md says of the fine-tuning comes from the kept numbers."""

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope='module')
def tuning(load):
    """Return benchmarks/fine_tuning.py."""
    return load('fine_tuning')


@pytest.fixture(scope='module')
def kept(tuning):
    return pd.read_csv(tuning.KEPT)


def test_the_tables_are_those_of_the_kept_numbers(tuning, kept):
    page = tuning.PAGE.read_text(encoding='utf-8')
    assert page.count(tuning.BEGIN) == page.count(tuning.END) == 1
    shown = page.partition(tuning.BEGIN)[2].partition(tuning.END)[0]
    assert shown.strip() == tuning.tables(kept).strip()


def test_the_kept_numbers_fit_each_other(tuning, kept):
    both = kept.dropna(subset=['before', 'after'])
    assert np.allclose(both['after'] - both['before'], both['difference'], atol=2e-4)
    rates = both[both['rate'] != tuning.SAID].dropna(subset=['low'])
    assert (rates['low'] <= rates['difference']).all()
    assert (rates['difference'] <= rates['high']).all()
    # Every run was measured on the same frames, and before is the same for all.
    before = kept.pivot(index=['condition', 'rate'], columns='run', values='before')
    assert (before.nunique(axis=1, dropna=True) <= 1).all()
    frames = kept[kept['rate'] == 'hallucination_rate'].groupby('condition')['frames']
    assert (frames.nunique() == 1).all()
    conditions = [name for name in frames.groups if name not in tuning.GROUPS[1:]]
    sums = frames.first()
    for group in tuning.GROUPS:
        members = [name for name in conditions if tuning.group_of(name) == group]
        assert members and sums[group] == sums[members].sum()


def test_a_change_stands_in_bold_where_its_interval_leaves_0_out(tuning):
    def shown(low, high, **given):
        row = {'before': 0.25, 'after': 0.125, 'difference': -0.125, 'low': low, 'high': high}
        return tuning._cell(pd.Series({**row, **given}))

    assert shown(-0.2, -0.05) == '.250 → .125, **−.125 [−.200, −.050]**'
    assert shown(-0.2, 0.0) == '.250 → .125, −.125 [−.200, +.000]'
    assert shown(0.1, 0.2, after=1.0, difference=0.75) == '.250 → 1.000, **+.750 [+.100, +.200]**'
    assert shown(np.nan, np.nan, after=np.nan) == '–'


def test_conditions_in_which_two_corruptions_meet_were_never_mined(tuning):
    found = [tuning.group_of(name) for name in ('clean', 'occlusion:5', 'low_light:3+occlusion:3')]
    assert found == list(tuning.GROUPS)

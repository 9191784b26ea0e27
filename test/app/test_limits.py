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

"""Limits on the command line of `analyse`, and of `report` on what it made."""

import json

import pytest

from golden import replaying
from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.core.report.baseline import BASELINES


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    """Return the golden run as a bag, beside no configuration."""
    return replaying.write_bag(tmp_path_factory.mktemp('golden') / 'bag', live=False)


@pytest.mark.heavy
def test_a_bag_is_judged_by_limits_of_the_command_line_and_again_by_its_report(
    bag, tmp_path, capsys
):
    out = tmp_path / 'run'
    code = main(
        ['analyse', str(bag), '--out', str(out), '--limit', 'mentions_per_frame@clean > 1e9']
    )
    # Four scenes: a plain limit says nothing.
    assert code == 4 and 'verdict: UNDECIDED' in capsys.readouterr().out
    kept = json.loads((out / 'verdict.json').read_text())
    assert kept['rules']['from'] == 'command line'
    assert json.loads((out / 'ending.json').read_text())['expected_frames'] > 0
    # They made the folder, so that its report has them too, unless others are given.
    assert main(['report', str(out)]) == 4
    assert json.loads((out / 'verdict.json').read_text())['rules'] == kept['rules']
    assert main(['report', str(out), '--limit', 'nobody/smr < 1']) == 3
    capsys.readouterr()
    limit = f'hallucination_rate@clean not worse than {out} by 0.1'
    again = tmp_path / 'again'
    assert main(['analyse', str(bag), '--out', str(again), '--limit', limit]) == 4
    assert 'is +0.0000 [-0.6024, +0.6024]' in capsys.readouterr().out
    manifest = json.loads((again / 'manifest.json').read_text())
    assert manifest[BASELINES] == {str(out): str(out.resolve())}


@pytest.mark.parametrize(
    'limit, words',
    [
        ('luck < 1', "no rate 'luck'"),
        ('nobody/smr < 1', "the model 'nobody', which the run has not"),
        ('smr not worse than /no/run by 0.1', 'has no records.jsonl'),
    ],
)
def test_a_limit_that_will_not_do_leaves_no_folder(bag, tmp_path, capsys, limit, words):
    out = tmp_path / 'run'
    assert main(['analyse', str(bag), '--out', str(out), '--limit', limit]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert words in error and error.startswith('vlm-misalign: error: ') and not out.exists()

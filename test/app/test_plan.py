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

"""`plan`: how many scenes a claim needs, told from a run; and what an undecided limit says."""

import msgspec
import pytest

from made_runs import a_run, frames
from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.core.report.finalise import finalise


@pytest.fixture
def pilot(tmp_path):
    """Return a run of 30 scenes, ten of them without a hazard, in which nothing went wrong."""
    clear = {'hazards_judged': lambda k: k % 3 > 0}
    records = frames(30, models=('m', 'n'), **clear)
    return a_run(tmp_path / 'pilot', records)


def test_a_bound_takes_what_the_table_of_the_verdict_says(pilot, capsys):
    """docs/verdict.md: below .05 without any event takes 72 scenes; two thirds have a hazard."""
    assert main(['plan', str(pilot), 'm/smr_false_safe.high < 0.05']) == 0
    said = capsys.readouterr().out
    assert '72 scenes with something to be counted from' in said
    assert '67% of the scenes have it, so 108 in all' in said
    assert 'An estimate' in said


def test_a_true_rate_may_be_supposed(pilot, capsys):
    assert main(['plan', str(pilot), 'm/smr_false_safe.high < 0.05', '--at', '0.01']) == 0
    assert 'at a rate of 0.0100' in capsys.readouterr().out
    assert main(['plan', str(pilot), 'm/smr_false_safe.high < 0.05', '--at', '0.05']) == 0
    assert 'no number of scenes' in capsys.readouterr().out


def test_a_difference_is_planned_from_two_models_of_a_run(tmp_path, capsys):
    """By hand: .2 of the pairs differ, one way .1 less; Connor's formula for .1 gives 155."""
    one = frames(40, false_safe=lambda k: k < 4, hazards_judged=1)
    two = frames(40, models=('n',), false_safe=lambda k: 4 <= k < 8, hazards_judged=1)
    records = [
        msgspec.structs.replace(a, models={**a.models, **b.models})
        for a, b in zip(one, two, strict=True)
    ]
    folder = a_run(tmp_path / 'pilot', records)
    words = ['--difference', '0.1', '--rate', 'smr_false_safe', '--model', 'm', '--against', 'n']
    assert main(['plan', str(folder), *words]) == 0
    said = capsys.readouterr().out
    assert '40 scenes, 0.2051 discordant' in said
    assert 'to be seen: 159 scenes' in said


def test_a_difference_of_two_runs_is_planned_where_they_can_be_compared(tmp_path, capsys):
    """The same pairs as above in two folders; measured otherwise they are no pairs."""
    one = a_run(tmp_path / 'one', frames(40, false_safe=lambda k: k < 4))
    wrong = frames(40, false_safe=lambda k: 4 <= k < 8)
    two = a_run(tmp_path / 'two', wrong)
    words = ['--difference', '0.1', '--rate', 'smr_false_safe', '--model', 'm', '--of']
    assert main(['plan', str(one), *words, str(two)]) == 0
    said = capsys.readouterr().out
    assert '40 scenes, 0.2051 discordant' in said and 'to be seen: 159 scenes' in said
    other = a_run(tmp_path / 'other', wrong, minimum_area=1.0)
    assert main(['plan', str(one), *words, str(other)]) == 2
    assert 'another minimum_area' in capsys.readouterr().err
    killed = a_run(tmp_path / 'killed', wrong, killed=True)
    assert main(['plan', str(one), *words, str(killed)]) == 2
    assert 'it was killed' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('words', 'reason'),
    [
        ([], 'no claim is given'),
        (['smr_false_safe < 0.05'], 'on no end of an interval'),
        (['miou.high < 0.5'], 'plan'),
        (['smr_balanced.high < 0.5'], 'mean of several rates'),
        (['x/smr_false_safe.high < 0.5'], "no model 'x'"),
        (['smr_false_safe.high@fog:1 < 0.5'], 'shows nothing'),
        (['--difference', '0.1', '--rate', 'smr_false_safe'], 'needs --model'),
        (['--difference', '0.1', '--rate', 'x', '--model', 'm', '--against', 'n'], 'no rate'),
        (['smr_false_safe.high < 0.05', '--power', '0'], 'the power is'),
    ],
)
def test_what_cannot_be_planned_is_refused_in_one_line(pilot, capsys, words, reason):
    assert main(['plan', str(pilot), *words]) == 2
    said = capsys.readouterr().err
    assert reason in said and len(said.strip().splitlines()) == 1


def test_an_undecided_limit_says_how_many_more_scenes_it_needs(pilot, capsys):
    assert main(['report', str(pilot), '--limit', 'm/smr_false_safe.high < 0.05']) == 4
    said = capsys.readouterr().out
    assert 'about 52 more scenes of the kind, 78 in all, would decide it, by estimate' in said


def test_an_undecided_difference_says_so_too(tmp_path, capsys):
    """Nothing differs in 30 scenes: 183 leave a difference of .02 unseen in 2.5 % of cases."""
    base = a_run(tmp_path / 'base', frames(30))
    folder = a_run(
        tmp_path / 'run', frames(30), limits=[f'smr_false_safe not worse than {base} by 0.02']
    )
    finalise(folder)
    assert main(['report', str(folder)]) == 4
    assert 'about 153 more scenes would decide it' in capsys.readouterr().out

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

"""What is published is made from the kept numbers, and says no more than they do."""

import json
import sys
from xml.dom import minidom

import pandas as pd
import pytest
import yaml

from vlm_misalign_ros.core.errors import ExitCode
from vlm_misalign_ros.core.records.ending import Ending, write_ending


@pytest.fixture(scope='module')
def results(load):
    """Return benchmarks/results.py."""
    return load('results')


def test_table_sentences_and_plot_are_those_of_the_kept_numbers(results):
    found = results.pages(pd.read_csv(results.KEPT), results.kept_warnings())
    for path, text in found.items():
        assert path.read_text(encoding='utf-8') == text, path


def test_the_kept_numbers_are_of_the_scenes_of_the_recipe(results):
    kept = results.kept_warnings()['recipe']
    published = results.recipe(results.RECIPE)
    assert kept['scenes'] == published['scenes']
    assert kept['configuration'] == published['configuration']


ENDED = Ending()
SCENES = {'split': 'test', 'frames': 150, 'seed': 20261126}


@pytest.fixture
def made(results, tmp_path, monkeypatch):
    """Return a function that makes the folder of a run, which would be published elsewhere."""
    for name in ('KEPT', 'WARNS'):
        monkeypatch.setattr(results, name, tmp_path / getattr(results, name).name)

    def make(status='COMPLETE', ending=ENDED, data=None, name='results'):
        folder = tmp_path / 'runs' / name
        folder.mkdir(parents=True)
        if status:
            (folder / 'verdict.json').write_text(json.dumps({'status': status}))
        if ending:
            write_ending(folder, ending)
        (folder / 'summary.csv').write_text('condition,model\n')
        analysis = {'models': {'m': {'miou_warns': {'rates': {}, 'conditions': 7}}}}
        (folder / 'analysis.json').write_text(json.dumps(analysis))
        if data is None:
            scenes = tmp_path / 'runs' / '.results' / 'scenes-test-150-20261126-0123abcd'
            data = results.configured(results.recipe(results.RECIPE), tmp_path / 'runs', scenes)
        (folder / 'config.yaml').write_text(yaml.safe_dump(data))
        return folder

    return make


@pytest.mark.parametrize(
    'status, ending, words',
    [
        ('INVALID', Ending(), 'its verdict is INVALID'),
        ('COMPLETE', Ending(interrupted=True, endless=True), 'interrupted'),
        ('COMPLETE', None, 'did not end by itself'),
        (None, Ending(), 'verdict.json cannot be read'),
    ],
)
def test_nothing_is_published_from_a_run_that_is_not_whole(
    results, made, monkeypatch, status, ending, words
):
    folder = made(status, ending)
    monkeypatch.setattr(sys, 'argv', ['results.py', '--run', str(folder)])
    with pytest.raises(SystemExit, match=words):
        results.main()
    assert not results.KEPT.exists() and not results.WARNS.exists()


@pytest.mark.parametrize('status', ['COMPLETE', 'PASS', 'FAIL', 'UNDECIDED'])
def test_a_run_that_is_whole_is_published_with_its_recipe(results, made, monkeypatch, status):
    folder = made(status)
    monkeypatch.setattr(results, 'remake', lambda: None)
    monkeypatch.setattr(sys, 'argv', ['results.py', '--run', str(folder)])
    results.main()
    kept = results.kept_warnings()
    assert kept['recipe'] == results.recipe(results.RECIPE) and kept['conditions'] == 7


def test_the_recipe_of_another_run_is_its_own_configuration(results, made):
    data = {'replay': {'dataset': '/somewhere/scenes-train-8-1'}, 'vlms': {}}
    found = results.recipe_of(made(data=data))
    assert found['configuration'] == data
    assert found['scenes'] == {'split': 'train', 'frames': 8, 'seed': 1}
    found = results.recipe_of(made(data={'replay': {'dataset': 'cityscapes'}}, name='other'))
    assert found['scenes'] is None


def test_a_recipe_that_was_kept_is_kept_on(results, made, tmp_path):
    old = {**results.recipe(results.RECIPE), 'overrides': ['name=results', 'seed=3']}
    results.WARNS.write_text(json.dumps({'recipe': old}))
    data = results.configured(old, 'x', 'y/scenes-test-150-20261126')
    assert results.recipe_of(made(data=data)) == old


def test_a_run_is_made_again_unless_it_is_whole_and_of_this_recipe(
    results, made, tmp_path, monkeypatch, capsys
):
    from vlm_misalign_ros.app.cli import run as verb

    begun = []
    monkeypatch.setattr(
        verb, 'start', lambda data, **_: begun.append(data['name']) or ExitCode.PASS
    )
    monkeypatch.setattr(results, 'draw', lambda out, chosen: out / f'scenes-{chosen["seed"]}')
    chosen, out = results.recipe(results.RECIPE), tmp_path / 'runs'
    data = results.configured(chosen, out, results.draw(out, chosen['scenes']))
    folder = made(data=data)
    assert results.run(out, chosen) == folder and begun == []
    assert 'is not run again' in capsys.readouterr().out
    other = {**chosen, 'scenes': {**chosen['scenes'], 'seed': 1}}
    assert results.run(out, other) == folder and begun == ['results']
    assert 'is run again: it was made with another recipe' in capsys.readouterr().out
    (folder / 'verdict.json').write_text('{"status": "INVALID"}')
    assert results.run(out, chosen) == folder and len(begun) == 2
    assert 'is run again: its verdict is INVALID' in capsys.readouterr().out


def test_scenes_of_other_code_are_drawn_again(results, tmp_path, monkeypatch):
    drawn = []

    def generate(folder, *_, **__):
        folder.mkdir(parents=True)
        drawn.append(folder)

    monkeypatch.setattr('vlm_misalign_ros.core.world.generate', generate)
    world = tmp_path / 'package' / 'core' / 'world'
    world.mkdir(parents=True)
    (world / 'painting.py').write_text('red')
    monkeypatch.setattr(results, 'PACKAGE', tmp_path / 'package')
    first = results.draw(tmp_path, SCENES)
    assert results.draw(tmp_path, SCENES) == first and len(drawn) == 1
    (world / 'painting.py').write_text('blue')
    assert results.draw(tmp_path, SCENES) != first and len(drawn) == 2


def line(condition, model='m', **given):
    """Return a line of a summary: 10 hazards and 20 clear scenes, nothing wrong."""
    corruption, _, severity = condition.partition(':')
    row = {
        'condition': condition,
        'corruption': corruption,
        'severity': int(severity or 0),
        'model': model,
        'miou': 0.8,
        'hazard_scenes': 10,
        'clear_scenes': 20,
        'safe_answer_rate': 0.5,
        'count_unparsed': 0,
    }
    for rate, under in (
        ('hallucination_rate', 50),
        ('critical_omission_rate', 40),
        ('smr_false_safe', 10),
        ('smr_false_alarm', 20),
    ):
        over = given.get(rate, 0)
        row[rate] = over / under
        row[f'{rate}_low'], row[f'{rate}_high'] = max(0, over - 2) / under, (over + 2) / under
        row[f'{rate}_numerator'], row[f'{rate}_denominator'] = over, under
    row.update(
        {
            key: value
            for key, value in given.items()
            if key in row
            and key
            not in (
                'hallucination_rate',
                'critical_omission_rate',
                'smr_false_safe',
                'smr_false_alarm',
            )
        }
    )
    return row


def test_a_rate_is_bold_where_its_interval_lies_above_the_clean_one(results):
    lines = [
        line('clean', smr_false_alarm=1),
        # From .1 to .3 against up to .15; from .2 to .4.
        line('occlusion:1', smr_false_alarm=4),
        line('occlusion:3', smr_false_alarm=6, smr_false_safe=2, miou=0.4),
    ]
    made = results.table(pd.DataFrame(lines)).splitlines()
    assert made[0] == '| condition | mIoU | hazard / clear | m |'
    assert made[2:] == [
        '| clean | .80 | 10 / 20 | .00 / .00 / .00 / .05 |',
        '| occlusion 1 | .80 | 10 / 20 | .00 / .00 / .00 / .20 |',
        '| occlusion 3 | .40 | 10 / 20 | .00 / .00 / .20 / **.30** |',
    ]


def test_models_of_other_scenes_are_told_and_old_summaries_count_frames(results):
    lines = [line('clean'), line('clean', 'n', hazard_scenes=9)]
    assert '| 9–10 / 20 |' in results.table(pd.DataFrame(lines))
    old = dict(
        count_hazards_judged=3,
        count_hazards_unjudged=1,
        count_clear_judged=5,
        count_clear_unjudged=0,
    )
    assert results.scenes_of(old) == (4, 5)


def test_the_sentences_tell_the_two_errors_apart(results):
    lines = [
        line('clean'),
        line('occlusion:3', smr_false_safe=1, smr_false_alarm=9, miou=0.4),
        line('occlusion:5', smr_false_safe=2, smr_false_alarm=19),
        line('blank', safe_answer_rate=1.0),
    ]
    warns = {
        'conditions': 6,
        'models': {
            'm': {'smr_false_alarm': {'spearman': -0.9, 'p_holm': 0.01}},
            'n': {'smr_false_alarm': {'spearman': -0.5, 'p_holm': None}},
        },
    }
    text = results.findings(pd.DataFrame(lines), warns)
    assert 'occlusion: 3 of 20 hazards called safe, 28 of 40 clear scenes called unsafe.' in text
    assert 'keeps of its mIoU 50 % under occlusion' in text
    assert 'm “safe”' in text
    assert '6 conditions: false-alarm -0.90 to -0.50 (1 of 2 significant after Holm)' in text
    assert 'low light' not in text
    # What could be seen, where the summary knows it.
    for entry in lines:
        entry.update(
            smr_false_safe_visible_numerator=0,
            smr_false_safe_visible_denominator=1,
            smr_false_alarm_visible_numerator=1,
            smr_false_alarm_visible_denominator=2,
        )
    text = results.findings(pd.DataFrame(lines), None)
    assert 'called unsafe (by what was left to see: 0 of 2 and 2 of 4).' in text


def test_the_plot_has_a_line_a_model_and_a_panel_a_corruption(results):
    lines = [line('clean'), line('occlusion:1'), line('clean', 'n'), line('occlusion:1', 'n')]
    lines += [line('low_light:2'), line('low_light:2', 'n'), line('blank')]
    made = results.plot(pd.DataFrame(lines), {'miou': 'mIoU', 'smr_false_safe': 'false <safe>'})
    page = minidom.parseString(made)
    # Two columns: one line of the mask and two of the models in each.
    assert len(page.getElementsByTagName('polyline')) == 2 * (1 + 2)
    words = [text.firstChild.data for text in page.getElementsByTagName('text')]
    assert {'occlusion', 'low light', 'm', 'n', 'false <safe>'} <= set(words)

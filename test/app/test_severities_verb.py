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

"""`vlm-misalign severities`, and what a run does with the file that it writes."""

import json

import pytest
import yaml

from vlm_misalign_ros.app import cli
from vlm_misalign_ros.app.graph import build_graph
from vlm_misalign_ros.app.preflight import preflight
from vlm_misalign_ros.core.corruptions import measured
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.records.merge import measured as decides
from vlm_misalign_ros.core.settings.configuration import override, parse

MODEL = 'miniature:segformer'


@pytest.fixture(scope='module')
def file(scenes, tmp_path_factory):
    """Return the file that the verb wrote: two frames, occlusion alone."""
    out = tmp_path_factory.mktemp('severities') / 'severities.json'
    words = f'severities {scenes} --model {MODEL} --limit 2 --input-height 128 --out {out}'
    assert cli.main([*words.split(), '--corruptions', 'occlusion']) == 0
    return out


@pytest.fixture
def configuration(scenes, file):
    """Return a function that makes a configuration of overrides."""
    plain = {
        'replay': {'dataset': str(scenes), 'conditions': ['clean', 'occlusion:2']},
        'corruption': {'severity_by_miou': str(file)},
        'segmentation': {'model': MODEL, 'input_height': 128},
        'vlms': {'clip': {'model': 'miniature:clip'}},
    }
    return lambda *overrides: parse(override(plain, overrides))


def test_the_verb_prints_and_writes_what_is_kept(scenes, file, tmp_path, capsys):
    out = tmp_path / 'again.json'
    words = f'severities {scenes} --model {MODEL} --limit 2 --input-height 128 --out {out}'
    assert cli.main([*words.split(), '--corruptions', 'occlusion']) == 0
    text = capsys.readouterr().out
    found = json.loads(out.read_text())
    # Twice the same, to the last digit.
    assert found == json.loads(file.read_text()) == yaml.safe_load(out.read_text())
    assert f'clean mIoU {found["clean_miou"]:.3f}' in text
    assert 'fewer than 20 scenes prove nothing' in text
    for point in found['corruptions']['occlusion']['curve']:
        line = next(
            line
            for line in text.splitlines()
            if line.startswith(f'occlusion:{point["severity"]:g} ')
        )
        assert f'{point["miou"]:.3f}  {point["kept"]:.3f}' in line
    assert found['data'] | {'scenes': 2} == found['data'] and found['data']['frames'] == 2


@pytest.mark.parametrize(
    'words, named',
    [
        (['/no/data'], '/no/data'),
        (['--model', 'miniature:clip'], 'clip'),
        (['--corruptions', 'rain'], "no corruption 'rain'"),
        (['--losses', '0.5', '0.4', '0.3', '0.2', '0.1'], 'five rising shares'),
        (['--out', '/no/folder/file.json'], '/no/folder/file.json cannot be written'),
        (['--out', '/tmp'], '/tmp cannot be written'),
    ],
)
def test_what_will_not_do_is_one_line_before_anything_is_measured(scenes, words, named, capsys):
    given = ['severities', *([str(scenes)] if words != ['/no/data'] else []), *words]
    if '--model' not in words:
        given += ['--model', MODEL]
    assert cli.main(given) == 2
    error = capsys.readouterr().err
    assert named in error and error.splitlines()[-1].startswith('vlm-misalign: error')


def test_the_manifest_says_what_the_severities_mean_and_where_they_are_from(configuration, file):
    facts = preflight(configuration())['severities']
    assert facts['measured']['sha256'] == json.loads(file.read_text())['sha256']
    assert facts['measured']['model'] == MODEL and facts['notes'] == []
    assert [row['coverage_target'] for row in facts['scales']['occlusion'][:5]] == [
        0.02,
        0.04,
        0.11,
        0.25,
        0.39,
    ]
    plain = preflight(configuration('corruption.severity_by_miou=""'))['severities']
    assert plain == {'scales': facts['scales']}


@pytest.mark.parametrize(
    'changes, named',
    [
        (['segmentation.input_height=256'], 'input_height 128, and this run has 256'),
        (['segmentation=null'], 'model_sha256 [0-9a-f]+, and this run has None'),
        (['corruption.keep_lamps=true'], 'keep_lamps False, and this run has True'),
    ],
)
def test_a_run_with_another_model_or_setting_says_so(configuration, changes, named):
    import re

    notes = preflight(configuration(*changes))['severities']['notes']
    assert any(re.search(named, note) for note in notes)


def test_a_run_on_other_data_says_so(configuration, tmp_path):
    from vlm_misalign_ros.core.world import generate

    generate(tmp_path / 'others', 1, seed=4, width=256, height=128)
    facts = preflight(configuration(f'replay.dataset={tmp_path / "others"}'))['severities']
    assert 'measured on scenes, and this run is on others' in ' '.join(facts['notes'])


@pytest.mark.parametrize(
    'changes, named',
    [
        (['replay.conditions=["low_light:1"]'], "no corruption 'low_light'"),
        (['corruption.severity_by_miou=/no/where'], '/no/where cannot be read'),
    ],
)
def test_what_will_not_do_is_refused_before_the_run(configuration, changes, named):
    with pytest.raises(ConfigurationError, match=named):
        preflight(configuration(*changes))


def test_the_node_is_told_the_file(configuration, file, tmp_path):
    node = next(n for n in build_graph(configuration(), tmp_path).nodes if n.name == 'corruption')
    assert node.parameters['severity_by_miou'] == str(file)


def test_runs_of_other_severities_are_not_merged(configuration):
    found = [
        decides({'severities': preflight(chosen)['severities']})['severities']
        for chosen in (configuration(), configuration('corruption.severity_by_miou=""'))
    ]
    assert found[0] != found[1]
    assert found[0]['measured'] and found[1]['measured'] is None


def test_the_file_is_one_that_loads(file):
    found = measured.load(file)
    assert found.model == MODEL and len(found.content['corruptions']['occlusion']['levels']) == 5

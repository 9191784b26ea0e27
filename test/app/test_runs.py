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
"""Run folders: what a run that never began leaves, and what a folder alone tells."""

import json
import shutil

import pytest
import yaml

from vlm_misalign_ros.app import cli
from vlm_misalign_ros.app.runs import create_run, expected_frames, settle, verdict_or_error
from vlm_misalign_ros.core.errors import ConfigurationError, MisalignError, RecordError
from vlm_misalign_ros.core.report.rules import rules_of
from vlm_misalign_ros.core.settings.configuration import parse


@pytest.fixture
def data(scenes, checkpoints, tmp_path):
    """Return a configuration that can be run, as a mapping."""
    return {
        'name': 'run',
        'out': str(tmp_path / 'runs'),
        'replay': {'dataset': str(scenes), 'conditions': ['clean', 'low_light:1-5']},
        'vlms': {'clip': {'model': f'open_clip:local-dir:{checkpoints["clip"]}'}},
        'monitor': {'limits': ['smr=0.5'], 'minimum_coverage': 0.8},
    }


def frame_in(folder):
    (folder / 'records.jsonl').write_bytes(b'{"kind":"run"}\n{"kind":"frame"}\n')


def test_a_run_that_never_began_leaves_no_folder(data):
    folder = create_run(parse(data))
    (folder / 'log' / 'clip.log').write_text('x')
    (folder / 'records.jsonl').write_bytes(b'{"kind":"run"}\n')
    assert settle(folder) is False
    assert not folder.exists()


@pytest.mark.parametrize('left', ['frame', 'verdict'])
def test_a_run_that_began_keeps_it(data, left):
    folder = create_run(parse(data))
    if left == 'frame':
        frame_in(folder)
    else:
        (folder / 'verdict.json').write_text('{}')
    assert settle(folder) is True and (folder / 'manifest.json').is_file()


def test_a_run_that_was_to_be_replaced_comes_back_if_the_new_one_never_began(data):
    first = create_run(parse(data))
    frame_in(first)
    settle(first)
    again = create_run(parse(data), overwrite=True)
    assert not (again / 'records.jsonl').exists()
    settle(again)
    assert b'frame' in (first / 'records.jsonl').read_bytes()
    third = create_run(parse(data), overwrite=True)
    frame_in(third)
    (third / 'new').touch()
    settle(third)
    assert (third / 'new').exists()
    assert [path.name for path in third.parent.iterdir()] == ['run']


@pytest.mark.parametrize('overwrite', [True, False])
def test_a_run_outlives_a_second_replacement_too(data, overwrite):
    first = create_run(parse(data))
    frame_in(first)
    settle(first)
    # Two that were killed before they had begun, and one that leaves not even its folder.
    create_run(parse(data), overwrite=True)
    create_run(parse(data), overwrite=True)
    if not overwrite:
        shutil.rmtree(first)
        with pytest.raises(RecordError, match='exists'):
            create_run(parse(data))
    else:
        settle(create_run(parse(data), overwrite=True))
    assert b'frame' in (first / 'records.jsonl').read_bytes()
    assert [path.name for path in first.parent.iterdir()] == ['run']


def test_a_run_that_cannot_be_brought_back_is_not_lost(data):
    first = create_run(parse(data))
    frame_in(first)
    settle(first)
    create_run(parse(data), overwrite=True)
    (first / 'manifest.json').rename(first / 'notes.txt')
    with pytest.raises(RecordError, match='cannot be brought back'):
        create_run(parse(data), overwrite=True)
    aside = first.with_name('.run.replaced')
    assert b'frame' in (aside / 'records.jsonl').read_bytes()


def test_a_folder_that_cannot_be_written_is_named_and_leaves_nothing(data, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(RecordError, match='cannot be written'):
        create_run(parse({**data, 'out': str(tmp_path / 'file')}))


def test_a_manifest_that_cannot_be_made_leaves_no_folder(data, monkeypatch, tmp_path):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr('vlm_misalign_ros.app.runs.build_manifest', interrupted)
    with pytest.raises(KeyboardInterrupt):
        create_run(parse(data))
    assert not (tmp_path / 'runs' / 'run').exists()


def test_the_folder_alone_tells_what_the_verdict_is_made_with(data, scenes, tmp_path):
    folder = create_run(parse(data))
    frame_in(folder)
    moved = tmp_path / 'elsewhere'
    shutil.move(folder, moved)
    (moved / 'config.yaml').unlink()
    # Six frames under clean and five severities.
    assert expected_frames(moved) == 36
    rules = rules_of(json.loads((moved / 'manifest.json').read_text()))
    assert [str(limit) for limit in rules.limits] == ['smr <= 0.5']
    assert rules.minimum_coverage == 0.8


@pytest.mark.parametrize(
    'content, words',
    [
        (None, 'cannot be read'),
        ('{', 'cannot be read'),
        ('[]', 'no JSON object'),
        ('{}', 'no manifest of a run'),
        ('{"configuration": 3}', 'no manifest of a run'),
        ('{"configuration": {"monitor": {"limits": 1, "minimum_coverage": 1}}}', "'limits'"),
    ],
)
def test_a_folder_that_is_no_run_is_named(tmp_path, capsys, content, words):
    if content is not None:
        (tmp_path / 'manifest.json').write_text(content)
    assert cli.main(['report', str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count('\n') == 1


@pytest.mark.parametrize(
    'verdict, code, stands',
    [
        ({'status': 'PASS', 'checks': [], 'exit_code': 0}, 0, True),
        ({'status': 'COMPLETE', 'checks': [], 'exit_code': 0}, 0, True),
        ({'status': 'FAIL', 'checks': [], 'exit_code': 1}, 1, True),
        ({'status': 'INVALID', 'checks': [{'status': 'FAIL'}], 'exit_code': 1}, 1, True),
        ({'status': 'PASS', 'checks': [{'status': 'PASS'}], 'exit_code': 0}, 1, False),
        ({'status': 'PASS', 'checks': [], 'exit_code': 1}, 1, False),
        ({'status': 'INVALID', 'checks': [], 'exit_code': 3}, 3, True),
        ({'status': 'UNDECIDED', 'checks': [], 'exit_code': 4}, 4, True),
        ({'status': 'FAIL', 'checks': [], 'exit_code': 1}, 0, False),
        ({'status': 'INVALID', 'checks': [], 'exit_code': 3}, 0, False),
        ({'status': 'UNDECIDED', 'checks': [], 'exit_code': 4}, 0, False),
        ({'status': 'INVALID', 'checks': [], 'exit_code': 0}, 0, False),
        ({'status': 'FAIL', 'checks': [], 'exit_code': 1}, 3, False),
        ({'status': 'PASS', 'checks': [], 'exit_code': 0}, 4, False),
        ({'status': 'PASS', 'checks': []}, 0, False),
        ({'status': 'INVALID', 'checks': [], 'exit_code': 3}, 130, True),
        ({'status': 'COMPLETE', 'checks': [], 'exit_code': 0}, 130, True),
        ({'status': 'PASS', 'exit_code': 0}, 7, False),
        ({'status': 'PASS', 'exit_code': 0}, 2, False),
        (None, 130, False),
        (None, 0, False),
        (None, 1, False),
        (None, 3, False),
    ],
)
def test_an_exit_code_counts_only_where_a_verdict_stands_behind_it(
    tmp_path, verdict, code, stands
):
    if verdict is not None:
        (tmp_path / 'verdict.json').write_text(json.dumps(verdict))
    assert verdict_or_error(tmp_path, code) is stands


@pytest.mark.parametrize(
    'change, words',
    [
        ({'monitor': {'critical': ['dragon']}}, "'dragon'"),
        ({'monitor': {'critical': []}}, "'critical' is empty"),
        ({'monitor': {'limits': ['luck=1']}}, "'luck'"),
        ({'namespace': 'two words'}, "'two words'"),
        ({'remap': {'camera/image_raw': '/7up/image'}}, "'/7up/image'"),
        ({'vlms': {'a': {'model': 'miniature:clip', 'device': 'warp'}}}, "'warp'"),
        ({'vlms': {'a': {'model': 'miniature:clip', 'prompt': 'no_such'}}}, 'no_such'),
        ({'vlms': {'a': {'model': 'miniature:llava', 'prompt': 'no_such'}}}, 'no_such'),
        ({'mode': 'live', 'monitor': {'label_encoding': 'carla_takes'}}, 'carla_takes'),
        ({'mode': 'live', 'corruption': {'condition': 'low_light:1-5'}}, '5 conditions'),
        ({'mode': 'live', 'corruption': {'condition': 'fog:1'}}, "'fog:1'"),
        ({'mode': 'live', 'corruption': {'schedule': ['clean', 'fog:1']}}, "'fog:1'"),
    ],
)
def test_what_cannot_work_is_refused_before_a_folder_is_made(data, tmp_path, change, words):
    chosen = {**data, **change}
    if chosen.get('mode') == 'live':
        del chosen['replay']
    with pytest.raises(MisalignError) as caught:
        create_run(parse(yaml.safe_load(yaml.safe_dump(chosen))))
    assert words in str(caught.value)
    assert not (tmp_path / 'runs').exists()


def test_without_ros_a_run_is_refused_with_the_remedy(data, monkeypatch):
    monkeypatch.setattr('vlm_misalign_ros.app.preflight.find_spec', lambda name: None)
    with pytest.raises(ConfigurationError, match='doctor'):
        create_run(parse(data))

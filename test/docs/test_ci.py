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

"""docs/ci.md: its workflow, configuration and hook are taken as they are written."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from made_runs import a_run, frames
from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.app.cli.parser import parse as parse_words
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.settings.configuration import parse

TEXT = (Path(__file__).parents[2] / 'docs' / 'ci.md').read_text(encoding='utf-8')
WORKFLOW, CONFIGURATION, HOOKS = (
    yaml.safe_load(block) for block in re.findall(r'```yaml\n(.*?)```', TEXT, re.DOTALL)
)
STEPS = {step['name']: step['run'] for step in WORKFLOW['jobs']['check']['steps'] if 'run' in step}
HOOK = HOOKS['repos'][0]['hooks'][0]
INDENTED = [
    line.strip()
    for line in re.sub(r' \\\n\s+', ' ', TEXT).splitlines()
    if line.startswith('    vlm-misalign ')
]


def test_every_command_is_one():
    commands = [*INDENTED, STEPS['Scenes'], STEPS['Run'], STEPS['Check'], HOOK['entry']]
    assert len(commands) >= 7
    for command in commands:
        program, *words = shlex.split(command)
        assert program == 'vlm-misalign' and parse_words(words).run


def test_the_configuration_is_one_and_of_the_scenes_that_are_drawn():
    chosen = parse(CONFIGURATION)
    assert chosen.replay.dataset in shlex.split(STEPS['Scenes'])
    assert [vlm.name for vlm in chosen.vlms] == ['clip']
    assert 'ci.yaml' in shlex.split(STEPS['Run'])
    assert 'ci.yaml' in shlex.split(STEPS['Check'])


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with its baseline, in a job of GitHub Actions."""
    monkeypatch.chdir(tmp_path)
    good = a_run(tmp_path / 'runs/good', frames(30, required=1, omitted=lambda k: k == 3))
    assert main(['check', str(good), '--baseline', 'baseline', '--update']) == 0
    monkeypatch.setenv('GITHUB_ACTIONS', 'true')
    monkeypatch.setenv('GITHUB_STEP_SUMMARY', str(tmp_path / 'step.md'))
    return tmp_path


@pytest.mark.parametrize('left_out, code, word', [(1, 0, 'PASS'), (20, 1, 'FAIL')])
def test_the_job_fails_where_more_is_left_out_and_for_that(
    repository, left_out, code, word, capsys
):
    finalise(
        a_run(repository / 'runs/new', frames(30, required=1, omitted=lambda k: k < left_out))
    )
    capsys.readouterr()
    assert main(shlex.split(STEPS['Check'])[1:]) == code
    assert f'vlm-misalign: {word}' in (repository / 'step.md').read_text().splitlines()[0]
    shown = [line for line in capsys.readouterr().out.splitlines() if line.startswith('::error')]
    assert len(shown) == (code == 1)
    if code:
        # 20 of 30 less 1 of 30.
        assert 'file=ci.yaml,title=FAIL%3A m/critical_omission_rate@clean' in shown[0]
        assert 'is +0.6333' in shown[0]
    for path in WORKFLOW['jobs']['check']['steps'][-1]['with']['path'].split():
        assert (repository / path).exists() or path.endswith('report.html')


def test_the_hook_passes_what_is_undecided_and_stops_what_fails(repository):
    words = shlex.split(HOOK['entry'])[1:]
    finalise(a_run(repository / 'runs/new', frames(30, required=1, omitted=lambda k: k == 3)))
    assert main([word for word in words if word != '--allow-undecided']) == 4
    assert main(words) == 0
    worse = a_run(repository / 'worse', frames(30, required=1, omitted=lambda k: k < 20))
    finalise(worse)
    assert main([str(worse) if word == 'runs/new' else word for word in words]) == 1

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


"""docs/tutorials do what they say: each is walked through, from an empty folder to its end."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest
import walked
import yaml

from vlm_misalign_ros.app.cli.parser import parse as parse_words
from vlm_misalign_ros.core.settings.configuration import override, parse, read_yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / 'docs' / 'tutorials').glob('*.md'))
TEXTS = {page.stem: page.read_text(encoding='utf-8') for page in PAGES}
WIDTH = 90
"""Columns of code that a page of the site shows without scrolling, on a screen of 1400 px."""
MINUTES = 40
"""For a machine that is busy with other things."""


@pytest.fixture
def files(page, tmp_path, monkeypatch):
    """Return the files of a page, written into the folder that tests are in."""
    found = {name: body for step in walked.steps(TEXTS[page]) for name, body in step.files.items()}
    for name, body in found.items():
        (tmp_path / name).write_text(body)
    monkeypatch.chdir(tmp_path)
    return found


@pytest.mark.parametrize('page', TEXTS)
def test_every_command_is_understood(page, files):
    given = walked.commands(TEXTS[page])
    assert given
    for words in given:
        arguments = parse_words([word for word in words[1:] if word != '&'])
        named = getattr(arguments, 'config', 'demo.yaml' if arguments.verb == 'demo' else None)
        if named is not None:
            path = named if named in files else ROOT / 'config' / named
            parse(override(read_yaml(Path(path)), arguments.overrides))


@pytest.mark.parametrize('page', TEXTS)
def test_every_configuration_and_program_is_accepted(page, files):
    assert files
    for name, body in files.items():
        if name.endswith('.py'):
            ast.parse(body)
        elif 'mode' in (data := yaml.safe_load(body)):
            parse(data)
        else:
            # What a configuration names: a scenario, read with it.
            assert any(name in other for at, other in files.items() if at != name)


@pytest.mark.parametrize('page', TEXTS)
def test_nothing_to_copy_is_wider_than_the_page(page, files):
    for step in walked.steps(TEXTS[page]):
        for text in (step.commands, *step.files.values()):
            assert max(map(len, text.splitlines())) <= WIDTH, text


@pytest.mark.slow
@pytest.mark.timeout(MINUTES * 60 + 60)
@pytest.mark.parametrize('page', TEXTS)
def test_it_is_walked_through(page, tmp_path):
    walked.walk(TEXTS[page], tmp_path, MINUTES * 60)


# The walking itself -------------------------------------------------------------------------


def test_a_page_that_is_true_passes(tmp_path):
    walked.walk(
        '```yaml\n# it.yaml\na: 1\n```\n```bash\ncat it.yaml\nx=5\n```\nsays\n```text\n'
        'a: ...\n```\n<!-- exit: 3 -->\n```bash\nfalse\n(exit 3)\n```\n'
        '```bash\nsleep 60 &\necho "$x"; kill %1\n```\n```text\n5\n```\n',
        tmp_path,
        60,
    )


@pytest.mark.parametrize(
    'text, told',
    [
        ('```bash\nfalse\ntrue\n```', 'exit code 1'),
        ('<!-- exit: 3 -->\n```bash\nfalse\n```', 'exit code 1'),
        ('<!-- exit: 3 -->\n```bash\ntrue\n```', 'exit code 99'),
        ('```bash\necho one\n```\n```text\ntwo\n```', "never said \\['two'\\]"),
        ('```bash\nexit 0\n```\n```bash\necho\n```', 'never came to'),
        ('```bash\nsleep 60\n```', 'exit code -1'),
    ],
)
def test_a_page_that_is_not_true_fails(text, told, tmp_path):
    with pytest.raises(AssertionError, match=told):
        walked.walk(text, tmp_path, 2)


def test_what_is_left_in_the_background_is_ended(tmp_path):
    walked.walk('```bash\nsleep 60 &\necho $! > pid\n```', tmp_path, 60)
    end = time.monotonic() + 10
    while running(int((tmp_path / 'pid').read_text())):
        assert time.monotonic() < end


def running(process):
    try:
        state = Path(f'/proc/{process}/stat').read_text().rpartition(') ')[2][0]
    except FileNotFoundError:
        return False
    return state != 'Z'


def test_lines_are_looked_for_as_they_are_told():
    output = 'rate  0.25 [0.10, 0.40]\nresults: here'
    assert walked.lacking(['rate 0.25 [...]', '...', '', 'results: ...'], output) == []
    assert walked.lacking(['rate 0.2 [...]'], output) == ['rate 0.2 [...]']

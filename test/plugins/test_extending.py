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

"""docs/extending.md is true: its excerpts, files, names and commands are those of the package."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from vlm_misalign_ros.core.files import PACKAGE
from vlm_misalign_ros.core.labels.encodings import open_encoding
from vlm_misalign_ros.core.language.lexicon import open_lexicon
from vlm_misalign_ros.core.language.prompts import generative_prompt
from vlm_misalign_ros.core.language.reading import read, to_plain

EXTRAS = Path(__file__).parent / 'street_extras'
ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / 'docs' / 'extending.md').read_text()
BLOCKS = re.findall(r'^```(\w+)\n(.*?)^```$', TEXT, re.MULTILINE | re.DOTALL)
CODE = [block for language, block in BLOCKS if language == 'python']
FILES = {
    block.splitlines()[0].removeprefix('# '): block
    for language, block in BLOCKS
    if language == 'yaml'
}


@pytest.mark.parametrize('block', CODE, ids=lambda block: block.splitlines()[0].strip())
def test_every_excerpt_stands_in_the_package(block):
    files = [path.read_text() for path in (EXTRAS / 'street_extras').glob('*.py')]
    assert any(f'\n{block}' in text for text in files)


def test_the_entry_points_are_those_of_the_package():
    (block,) = (block for language, block in BLOCKS if language == 'toml')
    assert block in (EXTRAS / 'pyproject.toml').read_text()
    listed = re.search(r'^    street_extras/\n(.*?)\n\n', TEXT, re.MULTILINE | re.DOTALL)[1]
    for name in re.findall(r'[\w.]+\.(?:py|toml)', listed):
        assert list(EXTRAS.rglob(name)), name


def test_files_and_names_that_are_told_are_there():
    for place in re.findall(r'`((?:core|wire|nodes)/[\w/.]*)`', TEXT):
        assert (PACKAGE / place).exists(), place
    for place in re.findall(r'\]\(([^)#]+)\)', TEXT):
        assert (ROOT / 'docs' / place).exists(), place
    headings = {
        re.sub(r'[^\w -]', '', line.lstrip('# ').lower()).replace(' ', '-')
        for line in TEXT.splitlines()
        if line.startswith('#')
    }
    assert set(re.findall(r'\]\(#([^)]+)\)', TEXT)) <= headings
    for name in ('Corruption', 'Layout', 'Dataset', 'FrameEntry', 'Family', 'Encoding'):
        assert f'`{name}`' in TEXT


@pytest.fixture
def files(tmp_path):
    """Return the YAML files of the page, written."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_prompts_words_and_label_maps_are_read(files):
    prompts = files / 'my_prompts.yaml'
    assert generative_prompt(str(prompts)).startswith('What do you see')
    assert generative_prompt(f'{prompts}#short').startswith('List the road users')
    words = open_lexicon(str(files / 'my_words.yaml'))
    said = to_plain(read('Two auto rickshaws and a tuktuk. No way.', words))
    assert said['asserted'] == ['motorcycle'] and said['judgement'] == 'UNSAFE'
    pixels = (EXTRAS / 'street_extras' / 'simple.py').read_text()
    for value, name in yaml.safe_load(FILES['my_labels.yaml'])['values'].items():
        assert f"{value}: '{name}'" in pixels
    open_encoding(str(files / 'my_labels.yaml'))
    open_encoding(str(files / 'my_colors.yaml'))


CHECK = """
import sys
from pathlib import Path
from vlm_misalign_ros.app.graph import build_graph
from vlm_misalign_ros.core.settings.configuration import parse, read_yaml
from vlm_misalign_ros.app.preflight import preflight
for name in ('simulator.yaml', 'street.yaml'):
    data = read_yaml(Path(sys.argv[1]) / name)
    if 'replay' in data:
        data['replay']['dataset'] = 'flat:' + sys.argv[2]
    configuration = parse(data)
    preflight(configuration)
    print(*sorted(node.name for node in build_graph(configuration, Path('run')).nodes))
"""


@pytest.mark.heavy
def test_the_configurations_are_accepted_as_they_stand(site, flat, files):
    done = site.python(CHECK, files, flat)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        'corruption monitor vlm_rules',
        'corruption monitor replay vlm_rules',
    ]


def test_the_calls_from_python_work(site, flat):
    block = re.search(r'is one call:\n\n(.*?)\n\n[^ ]', TEXT, re.DOTALL)[1]
    code = '\n'.join(line[4:] for line in block.splitlines())
    done = site.python(code.replace('/data/mine', str(flat)))
    assert done.returncode == 0, done.stderr
    assert 'safe to proceed.' in done.stdout and '[[' in done.stdout


@pytest.mark.parametrize(
    'what, name', [('corruptions', 'fog'), ('datasets', 'flat'), ('encodings', 'simple')]
)
def test_the_names_are_listed(site, what, name):
    assert f'vlm-misalign list {what}' in TEXT
    done = site.cli('list', what, '--json')
    assert done.returncode == 0, done.stderr
    assert any(row['name'].startswith(name) for row in json.loads(done.stdout))

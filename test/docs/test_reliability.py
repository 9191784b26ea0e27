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

"""docs/reliability.md names tests that there are, and nothing that is not of the project."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / 'docs' / 'reliability.md').read_text(encoding='utf-8')
ROWS = [
    [cell.strip() for cell in line.strip('|').split('|')]
    for line in TEXT.splitlines()
    if line.startswith('| ') and not line.startswith('| case |')
]


def names_in(path):
    """Return the names of the tests of a module."""
    found = ast.walk(ast.parse((ROOT / path).read_text(encoding='utf-8')))
    return {node.name for node in found if isinstance(node, ast.FunctionDef)}


def test_the_table_is_whole():
    assert len(ROWS) > 150
    for row in ROWS:
        assert len(row) == 3 and all(row), row
        assert all(re.fullmatch(r'`[^`]+`', name) for name in row[2].split('<br>')), row


@pytest.mark.parametrize('module', sorted(set(re.findall(r'test/[\w/]+\.py', TEXT))))
def test_every_test_that_is_named_is_there(module):
    named = set(re.findall(rf'`{module}::(\w+)`', TEXT))
    assert named, f'{module} is named without a test'
    assert named <= names_in(module), named - names_in(module)
    assert all(name.startswith('test_') for name in named)


def test_no_case_is_there_twice():
    cases = [row[0].lower() for row in ROWS]
    assert [case for case in set(cases) if cases.count(case) > 1] == []


def test_it_is_found_from_the_readme():
    assert '(docs/reliability.md)' in (ROOT / 'README.md').read_text(encoding='utf-8')

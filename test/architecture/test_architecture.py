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

"""The shape of the package: layers, sizes, complexity, and that what is imported is declared."""

import ast
import importlib
import re
import sys
import xml.etree.ElementTree as ElementTree
from importlib.util import find_spec
from pathlib import Path

import pytest
from importlinter import cli as linter
from radon.complexity import cc_visit

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / 'vlm_misalign_ros'
MODULES = sorted(PACKAGE.rglob('*.py'))
MOST_LINES = 400
MOST_COMPLEX = 15
AT_THE_ROOT = 3

# Imported name: what installs it, where the two differ.
DISTRIBUTIONS = {
    'cv2': 'opencv-python-headless',
    'open_clip': 'open_clip_torch',
    'PIL': 'pillow',
    'yaml': 'PyYAML',
}
ROSDEP = {
    'cv2': 'python3-opencv',
    'jinja2': 'python3-jinja2',
    'numpy': 'python3-numpy',
    'pandas': 'python3-pandas',
    'PIL': 'python3-pil',
    'rosbags': 'python3-rosbags-pip',
    'scipy': 'python3-scipy',
    'timm': 'python3-timm-pip',
    'torch': 'python3-torch',
    'tqdm': 'python3-tqdm',
    'transformers': 'python3-transformers-pip',
    'yaml': 'python3-yaml',
}
"""What rosdep knows (rosdistro's rosdep/python.yaml, November 2026)."""
TAKEN_WHERE_INSTALLED = {'foxglove_msgs', 'vision_msgs'}
"""Messages for viewers, which nobody has to have."""


def configured():
    return tomllib.loads((ROOT / 'pyproject.toml').read_text())


def ros_packages():
    contract = configured()['tool']['importlinter']['contracts'][-1]
    return set(contract['forbidden_modules'])


def imported(path):
    """Yield the top-level names that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition('.')[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition('.')[0]


def third_party():
    names = {name for path in MODULES for name in imported(path)}
    return names - set(sys.stdlib_module_names) - {'vlm_misalign_ros'} - ros_packages()


def test_imports_point_downwards_and_ros_stays_in_the_nodes(capsys, monkeypatch):
    # It would disable every logger that is there, and with them what later tests look for.
    monkeypatch.setattr('logging.config.dictConfig', lambda settings: None)
    code = linter.lint_imports(config_filename=str(ROOT / 'pyproject.toml'), no_cache=True)
    assert code == 0, capsys.readouterr().out


def test_every_ros_package_that_is_imported_is_named_in_the_contract():
    declared = {
        entry.text for entry in ElementTree.parse(ROOT / 'package.xml').iter('exec_depend')
    }
    ours = {name for name in declared if not name.startswith('python3-')}
    assert ours <= ros_packages()
    used = {name for path in (PACKAGE / 'nodes').rglob('*.py') for name in imported(path)}
    assert used & ros_packages() <= ours | TAKEN_WHERE_INSTALLED


@pytest.mark.parametrize('path', MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_short_and_says_what_it_is(path):
    text = path.read_text()
    assert len(text.splitlines()) <= MOST_LINES
    assert ast.get_docstring(ast.parse(text)), 'no docstring'


def test_no_function_is_complex():
    blocks = [
        (block.complexity, f'{path.relative_to(PACKAGE)}: {block.name}')
        for path in MODULES
        for outer in cc_visit(path.read_text())
        for block in (outer, *getattr(outer, 'methods', ()))
        if type(block).__name__ == 'Function'
    ]
    assert [block for block in blocks if block[0] > MOST_COMPLEX] == []


@pytest.mark.parametrize(
    'path',
    [path for name in ('benchmarks', 'examples') for path in sorted((ROOT / name).glob('*.py'))],
    ids=lambda path: path.name,
)
def test_benchmarks_and_examples_take_names_that_are_there(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or '').startswith('vlm_misalign_ros'):
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name) or find_spec(f'{node.module}.{alias.name}')


def test_few_modules_lie_at_the_root():
    assert len(list(PACKAGE.glob('*.py'))) <= AT_THE_ROOT


def test_every_import_is_declared():
    setup = (ROOT / 'setup.py').read_text()
    required = setup.partition('install_requires=[')[2].partition('],')[0]
    # What is optional is imported by what needs it, and named with its command where it lacks.
    for extra in ('onnx', 'ray'):
        required += setup.partition(f"'{extra}': [")[2].partition(']')[0]
    names = {re.split('[<>=]', entry)[0].lower() for entry in re.findall(r"'([^']+)'", required)}
    wanted = {DISTRIBUTIONS.get(name, name).lower() for name in third_party()}
    assert wanted - names == set()


def test_what_rosdep_knows_is_in_package_xml():
    declared = {
        entry.text for entry in ElementTree.parse(ROOT / 'package.xml').iter('exec_depend')
    }
    assert {ROSDEP[name] for name in third_party() if name in ROSDEP} <= declared


def test_the_versions_agree():
    from vlm_misalign_ros import __version__

    assert f"version='{__version__}'" in (ROOT / 'setup.py').read_text()
    assert ElementTree.parse(ROOT / 'package.xml').findtext('version') == __version__


def test_the_maintainers_address_is_one_that_catkin_pkg_accepts_and_nobody_has():
    address = ElementTree.parse(ROOT / 'package.xml').find('maintainer').attrib['email']
    # The expression of catkin_pkg; a package whose address fails it is no ROS package to colcon.
    assert re.match(r'^[a-zA-Z0-9._%\+-]+@[a-zA-Z0-9._%-]+\.[a-zA-Z]{2,6}$', address)
    assert re.search(r'@(.+\.)?example\.(org|com|net)$', address), 'not reserved by RFC 2606'

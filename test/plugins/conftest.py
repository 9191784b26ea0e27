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

"""The plug-ins of street_extras, imported, and installed for processes of their own."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import cv2
import pytest

from vlm_misalign_ros.core.world import render_scene

try:
    import tomllib
except ImportError:  # Python 3.10, where pytest brings the same along
    import tomli as tomllib

PACKAGE = Path(__file__).parent / 'street_extras'
TEST = Path(__file__).resolve().parents[1]
CLI = 'import sys; from vlm_misalign_ros.app.cli import main; sys.exit(main(sys.argv[1:]))'


class Site:
    """A folder of installed packages, and Python processes that have it on their path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, name: str, version: str, points: Mapping[str, Mapping[str, str]]) -> None:
        """Leave what pip leaves for importlib.metadata, without pip."""
        info = self.folder / f'{name.replace("-", "_")}-{version}.dist-info'
        info.mkdir(parents=True)
        (info / 'METADATA').write_text(
            f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n'
        )
        (info / 'entry_points.txt').write_text(
            ''.join(
                f'[{group}]\n' + ''.join(f'{key} = {value}\n' for key, value in entries.items())
                for group, entries in points.items()
            )
        )

    def install_extras(self) -> None:
        """Install street_extras by what its pyproject.toml says."""
        data = tomllib.loads((PACKAGE / 'pyproject.toml').read_text())
        for name in data['tool']['setuptools']['packages']:
            shutil.copytree(PACKAGE / name, self.folder / name)
        project = data['project']
        self.install(project['name'], project['version'], project['entry-points'])

    def python(self, code: str, *words: object) -> subprocess.CompletedProcess[str]:
        """Run code in a process of its own, whose registries see these packages."""
        path = [str(self.folder), str(TEST), os.environ.get('PYTHONPATH', '')]
        return subprocess.run(
            [sys.executable, '-c', code, *map(str, words)],
            capture_output=True,
            text=True,
            env={**os.environ, 'PYTHONPATH': os.pathsep.join(filter(None, path))},
        )

    def cli(self, *words: object) -> subprocess.CompletedProcess[str]:
        """Run `vlm-misalign` there."""
        return self.python(CLI, *words)


@pytest.fixture(scope='module')
def make_site(tmp_path_factory) -> Callable[[], Site]:
    """Return a function that makes an empty site."""
    return lambda: Site(tmp_path_factory.mktemp('site'))


@pytest.fixture(scope='module')
def site(make_site) -> Site:
    """Return a site with street_extras."""
    made = make_site()
    made.install_extras()
    return made


@pytest.fixture(scope='module')
def extras() -> SimpleNamespace:
    """Return the modules of street_extras, imported past the registries."""
    sys.path.insert(0, str(PACKAGE))
    try:
        return SimpleNamespace(
            **{
                name: importlib.import_module(f'street_extras.{name}')
                for name in ('flat', 'fog', 'rules', 'simple')
            }
        )
    finally:
        sys.path.remove(str(PACKAGE))


@pytest.fixture(scope='module')
def flat(tmp_path_factory) -> Path:
    """Return a folder of three small frames of the synthetic world in the layout `flat`."""
    root = tmp_path_factory.mktemp('data') / 'town'
    for index in range(3):
        frame = render_scene(3, index, 256, 128)
        for folder, pixels in (('frames', frame.image), ('labels', frame.labels)):
            (root / folder).mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(root / folder / f'{index}.png'), pixels)
    return root

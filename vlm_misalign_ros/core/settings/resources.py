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

"""Where the files of config/ lie: in a source tree, a pip environment or a ROS 2 install space."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.files import PACKAGE as PACKAGE_FOLDER

PACKAGE = 'vlm_misalign_ros'


def share_directories() -> list[Path]:
    """Return the folders that may hold `config/` and `launch/`, the likeliest first."""
    source = PACKAGE_FOLDER.parent
    prefixes = [source] if (source / 'package.xml').is_file() else []
    roots = [*os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep), sys.prefix]
    # `pip install --target` puts share/ beside the package, a colcon install space has
    # PREFIX/lib/pythonX.Y/site-packages/vlm_misalign_ros.
    roots.extend(str(parent) for parent in (source, *source.parents))
    prefixes.extend(Path(root) / 'share' / PACKAGE for root in roots if root)
    return prefixes


def find_shipped(name: str) -> Path | None:
    """Return a file such as `config/demo.yaml`; None when no installation here holds it."""
    for directory in share_directories():
        candidate = directory / name
        if candidate.is_file():
            return candidate
    return None


def config_path(name: str) -> Path:
    """
    Return the path of `config/NAME`.

    Raises ConfigurationError when no installation of this package holds the file.
    """
    found = find_shipped(f'config/{name}')
    if found is None:
        raise ConfigurationError(
            f'config file {name!r} is not installed',
            'install the package again, or give the full path of a file of your own',
        )
    return found

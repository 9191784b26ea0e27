"""Where the files of config/ lie: in a source tree, a pip environment or a ROS 2 install space."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from vlm_misalign_ros.core.errors import ConfigurationError

PACKAGE = 'vlm_misalign_ros'


def share_directories() -> list[Path]:
    """Return the folders that may hold `config/` and `launch/`, the likeliest first."""
    source = Path(__file__).resolve().parents[3]
    prefixes = [source] if (source / 'package.xml').is_file() else []
    roots = [*os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep), sys.prefix]
    # A colcon install space: PREFIX/lib/pythonX.Y/site-packages/vlm_misalign_ros.
    roots.extend(str(parent) for parent in source.parents)
    prefixes.extend(Path(root) / 'share' / PACKAGE for root in roots if root)
    return prefixes


def config_path(name: str) -> Path:
    """
    Return the path of `config/NAME`.

    Raises ConfigurationError when no installation of this package holds the file.
    """
    for directory in share_directories():
        candidate = directory / 'config' / name
        if candidate.is_file():
            return candidate
    raise ConfigurationError(
        f'config file {name!r} is not installed',
        'install the package again, or give the full path of a file of your own',
    )

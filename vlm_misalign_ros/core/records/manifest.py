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

"""The manifest: everything that decides what a run's numbers are."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Collection, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.files import PACKAGE, read_json
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.language.lexicon import lexicon_hash, open_lexicon
from vlm_misalign_ros.core.language.prompts import prompts_hash
from vlm_misalign_ros.core.settings.outside import MASK

TOLD = 'classes'
"""Where an entry of a manifest's models has the classes that a segmentation can tell."""
_NAMED = 6
"""Settings that are named of those that are others."""
_PACKAGES = (
    'vlm_misalign_ros',
    'numpy',
    'opencv-python-headless',
    'opencv-python',
    'pandas',
    'torch',
    'transformers',
    'open_clip_torch',
    'safetensors',
    'tokenizers',
    'rosbags',
    'mcap',
    'ros-rclpy',
)


class OtherRun(RecordError):
    """What is in a folder was begun with something else, and cannot be gone on with."""


def build_manifest(
    configuration: Mapping[str, Any],
    models: Mapping[str, Any],
    extra: Mapping[str, Any],
    lexicon: str = '',
) -> dict[str, Any]:
    """Return the manifest of a run that starts now; `lexicon` is a user's file of words."""
    return {
        'schema': 1,
        'started': datetime.now(timezone.utc).isoformat(timespec='seconds'),
        'command': sys.argv,
        'configuration': dict(configuration),
        'models': dict(models),
        **extra,
        'language': language_of(lexicon),
        **provenance(),
    }


def refuse_other(
    folder: Path, now: Mapping[str, Any], remedy: str, free: Collection[str] = ()
) -> None:
    """
    Check that a run that was begun in a folder can be gone on with by what is there `now`.

    `now` is the manifest that it would be begun with; when, by which command and on which machine
    it was begun counts for nothing, nor what is named in `free`. Raises OtherRun naming what is
    another by now: a setting, a model's files, the data or a package.
    """
    before = _decisive(read_json(folder / 'manifest.json', 'give the folder of a run'), free)
    after = _decisive(json.loads(json.dumps(now, default=str)), free)
    for name in sorted(before.keys() | after.keys()):
        one, other = before.get(name), after.get(name)
        if one != other:
            what = f'{folder} was begun with another {name.replace("_", " ")}'
            if isinstance(one, dict) and isinstance(other, dict):
                inner = [key[:80] for key in {**one, **other} if one.get(key) != other.get(key)]
                more = f' and {len(inner) - _NAMED} more' if len(inner) > _NAMED else ''
                what += f' ({", ".join(inner[:_NAMED])}{more})'
            raise OtherRun(what, remedy)


def _decisive(manifest: Mapping[str, Any], free: Collection[str]) -> dict[str, Any]:
    """Return what of a manifest has to stay as it is while a run is gone on with."""
    left = {'started', 'command', 'revision', 'machine', *free}
    found = {name: value for name, value in manifest.items() if name not in left}
    configuration = dict(found.get('configuration') or {})
    configuration.pop('out', None)
    return {**found, 'configuration': configuration}


def language_of(lexicon: str) -> dict[str, Any]:
    """Return by which words answers are read; `lexicon` is a user's file of them."""
    words = open_lexicon(lexicon)
    return {
        'lexicon_version': words.version,
        'lexicon_language': words.speech.language,
        'lexicon_sha256': lexicon_hash(lexicon),
        'further_classes': list(words.further),
        'prompts_sha256': prompts_hash(),
    }


def provenance() -> dict[str, Any]:
    """Return what made a run: packages, source tree and machine."""
    return {'packages': _versions(), 'revision': _revision(), 'machine': _machine()}


def told_classes(folder: Path) -> tuple[str, ...]:
    """
    Return the classes that the segmentation of the run in `folder` can tell, by its manifest.

    Empty where that says nothing of it: its model tells only once it is loaded, or there is none.
    """
    path = folder / 'manifest.json'
    try:
        models = read_json(path, '').get('models') if path.is_file() else None
    except RecordError:  # nobody's manifest tells nothing
        return ()
    entry = models.get(MASK) if isinstance(models, dict) else None
    told = entry.get(TOLD) if isinstance(entry, dict) else None
    return tuple(name for name in CLASSES if name in told) if isinstance(told, list) else ()


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _revision() -> str | None:
    """Return the git revision of the source tree, `+` at its end for local changes."""
    root = PACKAGE.parent
    if not (root / '.git').exists():
        return None
    try:
        head, changes = (
            subprocess.run(
                ['git', '--no-optional-locks', '-C', str(root), *words],
                capture_output=True,
                text=True,
                timeout=10,
                check=True,
            ).stdout.strip()
            for words in (['rev-parse', 'HEAD'], ['status', '--porcelain', '-uno'])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return head + ('+' if changes else '')


def _machine() -> dict[str, Any]:
    processor = platform.processor()
    try:
        for line in Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines():
            if line.startswith('model name'):
                processor = line.partition(':')[2].strip()
                break
    except OSError:
        pass
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    return {
        'system': platform.platform(),
        'python': platform.python_version(),
        'processor': processor,
        'cpus': cpus,
        'ros_distro': os.environ.get('ROS_DISTRO', ''),
        'rmw': os.environ.get('RMW_IMPLEMENTATION', ''),
    }

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

"""What decided the numbers of a run, as its manifest tells: models, data, versions, hashes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.files import read_json

_SETTINGS = (
    ('corridor width', 'corridor_width', 'm'),
    ('stopping distance', 'stopping_distance', 'm'),
    ('least area of what has to be named', 'minimum_area', 'px at 2048 × 1024'),
    ('least height', 'minimum_height', 'px at 2048 × 1024'),
    ('greatest distance', 'maximum_distance', 'm'),
    ('least coverage', 'minimum_coverage', ''),
    ('scenes that a limit needs', 'minimum_scenes', ''),
)
_PACKAGES = ('vlm_misalign_ros', 'numpy', 'torch', 'transformers', 'open_clip_torch')


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a run folder; empty where there is none."""
    try:
        return read_json(folder / 'manifest.json', '')
    except RecordError:
        return {}


def section(manifest: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a part of a manifest; empty where somebody made something else of it."""
    found = manifest.get(name)
    return found if isinstance(found, Mapping) else {}


def measured_of(manifest: Mapping[str, Any]) -> str:
    """Return what severities were measured with, and what is noted of them; empty without."""
    told = section(manifest, 'severities')
    measured, notes = section(told, 'measured'), told.get('notes')
    if not measured:
        return ''
    more = [str(note) for note in notes] if isinstance(notes, list) else []
    return '; '.join([f'severities by the loss of {measured.get("model")}', *more])


def models_of(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a line a model: what it is, how it was asked, and its hashes."""
    found = []
    for name, entry in section(manifest, 'models').items():
        if not isinstance(entry, Mapping):
            continue
        ask, calibration = section(entry, 'ask'), section(entry, 'calibration')
        asked = str(ask.get('text') or ask.get('prompt') or ('default prompt' if ask else ''))
        found.append(
            {
                'name': name,
                'model': entry.get('model', ''),
                'role': entry.get('role', ''),
                'asked': asked,
                'input': ask.get('input', ''),
                'hashes': {
                    key: str(value)
                    for key, value in (
                        ('weights', entry.get('sha256')),
                        ('prompts', entry.get('prompts_sha256')),
                        ('calibration', calibration.get('sha256')),
                    )
                    if value
                },
            }
        )
    return found


def facts_of(manifest: Mapping[str, Any], folder: Path) -> list[tuple[str, str]]:
    """Return what else decided the numbers, as (what, value), whatever of it is told."""
    configuration = section(manifest, 'configuration')
    data, language = section(manifest, 'dataset'), section(manifest, 'language')
    monitor, replay = section(configuration, 'monitor'), section(configuration, 'replay')
    machine, packages = section(manifest, 'machine'), section(manifest, 'packages')
    facts: list[tuple[str, Any]] = [
        ('data', data.get('root') or manifest.get('bag')),
        ('frames of the data', data.get('frames')),
        ('how they hang together', data.get('protocol')),
        ('conditions', _joined(replay.get('conditions'), ', ')),
        ('seed', configuration.get('seed')),
        ('encoding of the labels', section(manifest, 'label_encoding').get('name')),
        ('lexicon', language.get('lexicon_version')),
        ('lexicon, sha256', language.get('lexicon_sha256')),
        *((told, _with(monitor.get(key), unit)) for told, key, unit in _SETTINGS),
        ('limits', _joined(monitor.get('limits'), '; ') or 'none'),
        ('packages', ', '.join(f'{n} {packages[n]}' for n in _PACKAGES if n in packages)),
        ('revision', manifest.get('revision')),
        ('machine', machine.get('system')),
        ('started', manifest.get('started')),
        *((f'{name}, sha256', value) for name, value in _sealed(folder).items()),
    ]
    return [(what, str(value)) for what, value in facts if value not in (None, '')]


def _joined(value: Any, between: str) -> str:
    return between.join(map(str, value)) if isinstance(value, list) else ''


def _with(value: Any, unit: str) -> str:
    return '' if value is None else f'{value} {unit}'.strip()


def _sealed(folder: Path) -> Mapping[str, Any]:
    """Return the hashes of the run's files as it left them."""
    try:
        return section(read_json(folder / 'ending.json', ''), 'sealed')
    except RecordError:
        return {}

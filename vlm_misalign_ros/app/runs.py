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

"""Run folders: what is written before a run's first frame."""

from __future__ import annotations

import shutil
from datetime import datetime, timezone
from pathlib import Path

import yaml

from vlm_misalign_ros.app.preflight import preflight
from vlm_misalign_ros.core.corruptions import parse_conditions
from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
from vlm_misalign_ros.core.files import write_json
from vlm_misalign_ros.core.records.manifest import build_manifest
from vlm_misalign_ros.core.settings.configuration import Configuration


def create_run(configuration: Configuration, overwrite: bool = False) -> Path:
    """
    Check the configuration, make the run folder and write its manifest; return the folder.

    Raises RecordError when the folder holds a run already (unless `overwrite`) or cannot be
    written, and whatever `preflight` raises, before anything is removed.
    """
    facts = preflight(configuration)
    started = datetime.now(timezone.utc)
    name = configuration.name or started.strftime('%Y%m%d-%H%M%S')
    if Path(name).name != name or name in ('.', '..'):
        raise ConfigurationError(f'run name {name!r} is no folder name', 'leave out slashes')
    folder = configuration.out / name
    if folder.exists() and not folder.is_dir():
        raise RecordError(f'{folder} is a file', 'give another name')
    if folder.exists() and any(folder.iterdir()):
        if not overwrite:
            raise RecordError(
                f'run folder {folder} exists',
                'give another name (--name; launch: name:=), or replace it (--overwrite; launch: '
                'overwrite:=true)',
            )
        if not (folder / 'manifest.json').is_file():
            raise RecordError(
                f'{folder} is not a run folder and is left alone', 'give another name'
            )
        shutil.rmtree(folder)
    try:
        (folder / 'log').mkdir(parents=True)
        (folder / 'config.yaml').write_text(
            yaml.safe_dump(configuration.raw, sort_keys=False), encoding='utf-8'
        )
    except OSError as error:
        raise RecordError(
            f'run folder {folder} cannot be written: {error.strerror}',
            'free space, or give another folder',
        ) from error
    ends = [expected_frames(configuration), configuration.monitor.frames]
    facts['expected_frames'] = min((count for count in ends if count), default=None)
    write_json(
        folder / 'manifest.json',
        build_manifest(
            configuration.resolved(), facts.pop('models'), facts, configuration.lexicon
        ),
    )
    return folder


def expected_frames(configuration: Configuration) -> int:
    """Return the number of frames a run closes; 0 when it has no end."""
    replay = configuration.replay
    if replay is None:
        return configuration.monitor.frames
    dataset = open_dataset(
        replay.dataset,
        split=replay.split,
        cities=replay.cities,
        limit=replay.limit,
        sequences=replay.sequences,
    )
    return len(dataset) * len(parse_conditions(list(replay.conditions)))

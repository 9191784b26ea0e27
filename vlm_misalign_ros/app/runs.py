"""Run folders: what is checked before a run, and what is written before its first frame."""

from __future__ import annotations

import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from vlm_misalign_ros.core.corruptions import parse_conditions
from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
from vlm_misalign_ros.core.files import write_json
from vlm_misalign_ros.core.labels.encodings import open_encoding
from vlm_misalign_ros.core.language.lexicon import open_lexicon
from vlm_misalign_ros.core.language.prompts import (
    contrastive_prompts,
    generative_prompt,
    prompts_hash,
)
from vlm_misalign_ros.core.models import calibration
from vlm_misalign_ros.core.models.factory import check, kind_of, parse
from vlm_misalign_ros.core.models.files import weights_hash
from vlm_misalign_ros.core.records.manifest import build_manifest
from vlm_misalign_ros.core.report.verdict import parse_limits
from vlm_misalign_ros.core.settings.configuration import Configuration
from vlm_misalign_ros.core.settings.nodes import truth_settings
from vlm_misalign_ros.core.types import Kind, Role


def preflight(configuration: Configuration) -> dict[str, Any]:
    """
    Check what can be checked before a process starts; return facts for the manifest.

    Raises a MisalignError that names the data set or model that will not do.
    """
    parse_limits(configuration.monitor.limits)
    open_encoding(configuration.monitor.label_encoding)
    open_lexicon(configuration.lexicon)
    facts: dict[str, Any] = {}
    models: dict[str, dict[str, Any]] = {}
    named = {vlm.name: (vlm.model, Role.VLM) for vlm in configuration.vlms}
    if configuration.segmentation is not None:
        named['segmentation'] = (configuration.segmentation.model, Role.SEGMENTATION)
    for name, (text, role) in named.items():
        model = parse(text)
        check(model, role)
        models[name] = {'model': text, 'role': role.value}
        if model.directory is not None:
            models[name]['sha256'] = weights_hash(model.directory)
    for vlm in configuration.vlms:
        model = parse(vlm.model)
        models[vlm.name]['prompts_sha256'] = prompts_hash(vlm.prompt)
        if kind_of(model) is Kind.CONTRASTIVE:
            contrastive_prompts(vlm.prompt)
        else:
            generative_prompt(vlm.prompt)
        if vlm.calibration:
            found = calibration.load(
                calibration.path_of(vlm.calibration, model.directory),
                models[vlm.name].get('sha256', vlm.model),
                models[vlm.name]['prompts_sha256'],
                truth_settings(configuration.monitor).to_plain(),
            )
            models[vlm.name]['calibration'] = {'file': vlm.calibration, 'sha256': found.sha256}
    facts['models'] = models
    replay = configuration.replay
    if replay is not None:
        if not replay.dataset:
            raise ConfigurationError(
                "parameter 'dataset' of replay is empty",
                'give the folder of a data set in Cityscapes layout',
            )
        dataset = open_dataset(
            replay.dataset,
            split=replay.split,
            cities=replay.cities,
            limit=replay.limit,
            sequences=replay.sequences,
        )
        facts['dataset'] = {
            'root': replay.dataset,
            'frames': len(dataset),
            'first': dataset.entries[0].key,
            'last': dataset.entries[-1].key,
        }
    return facts


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

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

"""Several runs of one evaluation, on several machines or days, as one run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from vlm_misalign_ros.core.corruptions.conditions import UNKNOWN
from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
from vlm_misalign_ros.core.files import read_json, write_json
from vlm_misalign_ros.core.records.account import DoubledRecord, GapRecord, LateRecord
from vlm_misalign_ros.core.records.ending import (
    EXPECTED,
    Ending,
    changed,
    evaluation_settings,
    merged_ending,
    planned_frames,
    read_ending,
    write_ending,
)
from vlm_misalign_ros.core.records.pictures import FOLDER, KEPT, picture_name
from vlm_misalign_ros.core.records.schema import FrameRecord, Record
from vlm_misalign_ros.core.records.store import RECORDS, RecordWriter, read_records
from vlm_misalign_ros.core.settings.nodes import (
    FREE,
    EvaluationParameters,
    ReferenceParameters,
    SegmentationParameters,
    VlmParameters,
)
from vlm_misalign_ros.core.settings.parameters import table
from vlm_misalign_ros.core.stamps import NANO, format_stamp, parse_stamp

_FREE = (*FREE, 'models')
"""Settings of the evaluation that may differ; models are compared by what they are."""
_FREE_OF_MODELS = (
    'model',
    'calibration',
    'label_map',
    'device',
    'threads',
    'queue_size',
    'policy',
    'reliability',
    'trust_remote_code',
    'api_key_env',
    'timeout',
    'retries',
    'concurrency',
    'requests_per_minute',
    'token_budget',
    'answer_cache',
)
"""Settings of a model's node that do not say what it is (hashes do) or how it answers."""
_GAP = NANO
"""Nanoseconds of header time between the last frame of a run and the first of the next."""


class SharedFrame(RecordError):
    """A frame is in two runs that are to be one."""


def merge(out: Path, folders: Sequence[Path], seeds: bool = False) -> int:
    """
    Write manifest, configuration, records and pictures of several runs into a new run folder.

    The runs have to have measured the same: models, language, corruption seed and settings of the
    evaluation. Stamps of later runs are moved behind those of earlier ones, and each frame's
    record says its `run`. With `seeds` the corruption seed may differ: the passes of another seed
    come behind those of the seeds before, as more draws of the same scenes. Returns the number of
    frames. Raises ConfigurationError naming what differs, and SharedFrame for a frame in two runs,
    before anything is written; RecordError for what cannot be read or written.
    """
    manifests, endings = _checked(out, folders, ('corruption seed',) if seeds else ())
    records, moved = _joined(folders, [_degraded(entry)['corruption seed'] for entry in manifests])
    _copy(out, folders[0], moved)
    writer = RecordWriter(out / RECORDS)
    try:
        for record in records:
            writer.write(record)
    finally:
        writer.close()
    write_json(
        out / 'manifest.json',
        {
            **_judged(manifests),
            EXPECTED: _planned(manifests),
            'merged': {
                str(folder): manifest for folder, manifest in zip(folders, manifests, strict=True)
            },
        },
    )
    ending = merged_ending(endings)
    if ending is not None:
        write_ending(out, ending)
    return _frames(records)


def _checked(
    out: Path, folders: Sequence[Path], free: Sequence[str]
) -> tuple[list[dict[str, Any]], list[tuple[str, Ending | None]]]:
    """Return manifests and endings of runs that may be merged; raises as `merge` does."""
    if len(folders) < 2:
        raise ConfigurationError('only one run is named', 'give two or more to merge')
    if out.exists() and any(out.iterdir()):
        raise RecordError(f'run folder {out} exists', 'give another')
    manifests = [_manifest(folder) for folder in folders]
    endings = [(str(folder), read_ending(folder)) for folder in folders]
    for folder, (_, ended) in zip(folders, endings, strict=True):
        for name in changed(folder, ended):
            raise RecordError(
                f'{folder / name} is not as the run left it: it was changed or damaged',
                'merge what the runs left',
            )
    for folder, manifest in zip(folders[1:], manifests[1:], strict=True):
        first, own = measured(manifests[0]), measured(manifest)
        for name in dict.fromkeys((*first, *own)):
            value, other = first.get(name), own.get(name)
            if other != value and name not in free:
                raise ConfigurationError(
                    f'{folder} measured with another {name} than {folders[0]}: '
                    f'{_short(other)}, not {_short(value)}',
                    'merge runs of one evaluation',
                )
    return manifests, endings


def _copy(out: Path, first: Path, pictures: Iterable[tuple[Path, str]]) -> None:
    """Make the folder with the first run's configuration, if it has one, and all pictures."""
    path = first / 'config.yaml'
    try:
        # A bag's analysis has none: its manifest keeps all of its settings.
        configuration = path.read_bytes() if path.exists() else None
    except OSError as error:
        raise RecordError(
            f'{path} cannot be read: {error.strerror}', 'make it readable'
        ) from error
    try:
        out.mkdir(parents=True, exist_ok=True)
        if configuration is not None:
            (out / 'config.yaml').write_bytes(configuration)
        for source, name in pictures:
            if source.is_file():
                (out / FOLDER).mkdir(exist_ok=True)
                shutil.copyfile(source, out / FOLDER / name)
    except OSError as error:
        raise RecordError(
            f'run folder {out} cannot be written: {error}', 'free space, or choose another folder'
        ) from error


def _frames(records: Sequence[Record]) -> int:
    return sum(isinstance(record, FrameRecord) for record in records)


def _judged(manifests: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """
    Return the first manifest, judged by the limits of all runs and the strictest of their minima.

    A limit that one run was under must not be lost by merging it behind another.
    """
    monitors = [evaluation_settings(manifest) or {} for manifest in manifests]
    limits = [limit for values in monitors for limit in values.get('limits') or ()]
    strict: dict[str, Any] = {'limits': list(dict.fromkeys(limits))}
    for name in ('minimum_coverage', 'minimum_scenes'):
        told = [values[name] for values in monitors if name in values]
        strict |= {name: max(told)} if told else {}
    baselines: dict[str, Any] = {}
    for manifest in manifests:
        baselines |= manifest.get('baselines') or {}
    configuration = manifests[0].get('configuration') or {}
    judged = {**monitors[0], **strict}
    in_part = 'monitor' in configuration or not monitors[0]
    return {
        **manifests[0],
        'configuration': {**configuration, 'monitor': judged} if in_part else judged,
        'baselines': baselines,
    }


def _planned(manifests: Sequence[dict[str, Any]]) -> int | None:
    """Return the frames that all runs together were to close; None where one does not say."""
    counts = [planned_frames(manifest) for manifest in manifests]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def measured(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a manifest decides a frame's record, by what to call it."""
    configuration = manifest.get('configuration') or {}
    monitor = evaluation_settings(manifest) or {}
    found: dict[str, Any] = {
        f'model {name}': _model(entry)
        for name, entry in sorted((manifest.get('models') or {}).items())
    }
    # A bag's analysis knows no more of its models than their names.
    found['set of models'] = sorted(manifest.get('models') or monitor.get('models') or ())
    found['language'] = manifest.get('language')
    found |= _degraded(manifest)
    found['label encoding'] = manifest.get('label_encoding')
    found['plugins'] = manifest.get('plugins') or {}
    segmentation = configuration.get('segmentation')
    segmentation = segmentation if isinstance(segmentation, dict) else {}
    found['setting of segmentation'] = _settings(SegmentationParameters, segmentation)
    reference = configuration.get('reference')
    if isinstance(reference, dict):
        found['setting of reference'] = _settings(ReferenceParameters, reference)
    for vlm in configuration.get('vlms') or ():
        found[f'setting of {vlm.get("name")}'] = _settings(VlmParameters, vlm)
    for entry in table(EvaluationParameters):
        if entry.name not in _FREE:
            found[entry.name] = monitor.get(entry.name)
    return found


def _model(entry: Mapping[str, Any]) -> list[Any]:
    """Return what of a model's entry in a manifest decides what it says."""
    label_map = entry.get('label_map') or {}
    return [
        entry.get('role'),
        entry.get('sha256') or entry.get('model'),
        (entry.get('calibration') or {}).get('sha256'),
        entry.get('prompts_sha256'),
        entry.get('ask'),
        entry.get('paraphrases_sha256'),
        label_map.get('sha256') or label_map.get('name'),
        entry.get('lacking'),
        # A server may have another model under the name by now.
        ((entry.get('served') or {}).get('server') or {}).get('model'),
    ]


def _degraded(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a manifest decides how a frame is degraded under a condition."""
    corruption = (manifest.get('configuration') or {}).get('corruption') or {}
    severities = manifest.get('severities') or {}
    return {
        'corruption seed': corruption.get('seed'),
        'keep_lamps': corruption.get('keep_lamps', False),
        'severities': {
            'scales': severities.get('scales'),
            'measured': (severities.get('measured') or {}).get('sha256'),
        },
    }


def _settings(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a model's node that decide what it says."""
    return {e.name: values.get(e.name) for e in table(kind) if e.name not in _FREE_OF_MODELS}


def _joined(
    folders: Sequence[Path], seeds: Sequence[Any]
) -> tuple[list[Record], list[tuple[Path, str]]]:
    """Return the records of all runs, and their pictures with their names from now on."""
    records: list[Record] = []
    pictures = []
    seen: dict[tuple[Any, ...], Path] = {}
    behind = 0
    cycles = _Cycles()
    for folder, seed in zip(folders, seeds, strict=True):
        last = behind
        for record in read_records(folder / RECORDS):
            if isinstance(record, (LateRecord, DoubledRecord, GapRecord)):
                records.append(_moved(record, behind, folder))
            if not isinstance(record, FrameRecord):
                continue
            record = cycles.moved(record, seed)
            key: tuple[Any, ...]
            key = (record.dataset, record.key, record.condition.name, record.cycle, record.epoch)
            if record.condition.corruption == UNKNOWN:
                # One source frame may have lost its condition several times.
                key = (*key, record.stamp)
            # A frame that is held is in its run as often as it was shown.
            held = record.held and seen.get(key) == folder
            if key in seen and not held:
                raise SharedFrame(
                    f'frame {key[1]} under {key[2]} is in {seen[key]} and in {folder}',
                    'merge runs that share no frames',
                )
            seen[key] = folder
            stamp = parse_stamp(record.stamp)
            last = max(last, stamp + behind)
            for suffix in KEPT:
                pictures.append(
                    (
                        folder / FOLDER / (picture_name(stamp) + suffix),
                        picture_name(stamp + behind) + suffix,
                    )
                )
            records.append(_moved(record, behind, folder))
        behind = last + _GAP
    return records, pictures


class _Cycles:
    """Numbers the passes of runs: those of another seed go on behind those of the seeds before."""

    def __init__(self) -> None:
        self._behind: dict[Any, int] = {}
        self._next = 0

    def moved(self, record: FrameRecord, seed: Any) -> FrameRecord:
        behind = self._behind.setdefault(seed, self._next)
        self._next = max(self._next, behind + record.cycle + 1)
        return structs.replace(record, cycle=record.cycle + behind) if behind else record


def _moved(record: Record, behind: int, folder: Path) -> Record:
    """Return a line of a run as it stands behind those of the runs before."""
    assert isinstance(record, (FrameRecord, LateRecord, DoubledRecord, GapRecord))
    if isinstance(record, GapRecord):
        after = record.after and format_stamp(parse_stamp(record.after) + behind)
        return structs.replace(record, after=after, run=str(folder))
    stamp = format_stamp(parse_stamp(record.stamp) + behind)
    if isinstance(record, LateRecord):
        return structs.replace(record, stamp=stamp)
    return structs.replace(record, stamp=stamp, run=str(folder))


class _Monitor(msgspec.Struct):
    models: list[str] | None = None
    limits: list[str] | None = None
    minimum_coverage: float = 0.0
    minimum_scenes: int = 0


class _Configuration(msgspec.Struct):
    """A run's; or the settings of the evaluation alone, as a bag's analysis keeps them."""

    monitor: _Monitor | None = None
    models: list[str] | None = None
    limits: list[str] | None = None
    minimum_coverage: float = 0.0
    minimum_scenes: int = 0
    segmentation: dict[str, Any] | bool | None = None
    corruption: dict[str, Any] | None = None
    vlms: list[dict[str, Any]] | None = None


class _Model(msgspec.Struct):
    calibration: dict[str, Any] | None = None


class _Severities(msgspec.Struct):
    measured: dict[str, Any] | None = None


class _Manifest(msgspec.Struct):
    """The shape of what is read of a manifest here."""

    configuration: _Configuration | None = None
    models: dict[str, _Model] | None = None
    severities: _Severities | None = None
    baselines: dict[str, Any] | None = None


def _manifest(folder: Path) -> dict[str, Any]:
    """Return a run's manifest; RecordError where a section of it is not what it has to be."""
    path = folder / 'manifest.json'
    found = read_json(path, 'give the folder of a run')
    try:
        msgspec.convert(found, _Manifest)
    except msgspec.ValidationError as error:
        raise RecordError(
            f'{path} is no manifest: {error}', 'the file was changed or damaged'
        ) from error
    return found


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + '...'

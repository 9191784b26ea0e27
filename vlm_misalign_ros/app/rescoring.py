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

"""A run scored again: a run folder of its own beside the old one, which is never touched."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec
import yaml

from vlm_misalign_ros.app.rescoring_records import Told, score_records
from vlm_misalign_ros.app.rescoring_settings import Chosen, choose
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.files import name_folder, read_json, sha256_of, write_json
from vlm_misalign_ros.core.records.ending import changed, read_ending, write_ending
from vlm_misalign_ros.core.records.manifest import language_of, provenance
from vlm_misalign_ros.core.records.store import RECORDS
from vlm_misalign_ros.core.report.asked import Asked
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.report.verdict import Verdict

ORIGIN = 'rescored'
"""Key of the manifest: what was scored again, and by what."""
_PART = '.part'


def rescore(
    folder: Path,
    overrides: Sequence[str],
    out: Path,
    models: Sequence[str] = (),
    progress: Callable[[int], None] = lambda frames: None,
    jobs: int | None = None,
) -> tuple[Verdict, Told]:
    """
    Score the records of the run in `folder` by `overrides` of its settings, into `out`.

    `models` are those to be scored again, by their names in the records; without any, all.
    `progress` is told how many frames are done; `jobs` as for `score_records`. Raises
    ConfigurationError and ModelError for what cannot be changed, with the reason, RecordError for
    what is no whole run and where `out` holds something already. Nothing is left of a rescore
    that fails, whether in scoring or in making the results of what was scored.
    """
    manifest = read_json(folder / 'manifest.json', 'give the folder of a run')
    ending = read_ending(folder)
    for name in changed(folder, ending):
        raise RecordError(
            f'{folder / name} is not as the run left it: it was changed or damaged',
            'rescore what the run left',
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RecordError(f'run folder {out} exists', 'give another name (--name)')
    chosen = choose(folder, manifest, overrides, models)
    told = Told(out, settings=chosen.changed)
    with _folder(out) as part:
        _copy(folder, part, chosen)
        score_records(folder / RECORDS, part, chosen, models, told, progress, jobs)
        write_json(part / 'manifest.json', _manifest(folder, chosen, models, told))
        if ending is not None:
            note = f'scored again, from the records of {folder.resolve().name}'
            write_ending(part, msgspec.structs.replace(ending, notes=[*ending.notes, note]))
    try:
        return finalise(out), told
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise


@contextmanager
def _folder(out: Path) -> Iterator[Path]:
    """Make a folder that gets its name once it is whole; RecordError where that cannot be."""
    part = out.with_name(f'.{out.name}{_PART}')
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        yield part
        if out.is_dir():
            out.rmdir()
        name_folder(part, out)
    except OSError as error:
        raise RecordError(
            f'run folder {out} cannot be written: {error.strerror}', 'give another name or folder'
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _copy(folder: Path, part: Path, chosen: Chosen) -> None:
    """Take what is the same over: the configuration with its changes, and the worst pictures."""
    if chosen.raw is not None:
        text = yaml.safe_dump(chosen.raw, sort_keys=False)
        (part / 'config.yaml').write_text(text, encoding='utf-8')
    if (folder / 'pictures').is_dir():
        shutil.copytree(folder / 'pictures', part / 'pictures')
    if (folder / 'reader_audit.json').is_file():
        shutil.copyfile(folder / 'reader_audit.json', part / 'reader_audit.json')


def _manifest(folder: Path, chosen: Chosen, models: Sequence[str], told: Told) -> dict[str, Any]:
    """Return the manifest of the new run: that of the old one, with what is another."""
    old = chosen.manifest
    facts = {
        name: entry
        for name, entry in (old.get('models') or {}).items()
        if not models or name in models or entry.get('role') != 'vlm'
    }
    for name, sha256 in chosen.points.items():
        if name in facts:
            facts[name] = {k: v for k, v in facts[name].items() if k != 'calibration'}
            if sha256:
                file = _calibration(chosen.configuration, name)
                facts[name]['calibration'] = {'file': file, 'sha256': sha256}
    if chosen.masks:
        facts['segmentation'] = chosen.masks
    language = old.get('language')
    if chosen.rescorer.rereader is not None:
        language = language_of(chosen.lexicon)
    return {
        **old,
        'configuration': _with_models(chosen.configuration, models),
        **({'models': facts} if 'models' in old else {}),
        **({'language': language} if language is not None else {}),
        ORIGIN: {
            'of': str(folder.resolve()),
            'records_sha256': sha256_of(folder / RECORDS),
            'manifest_sha256': sha256_of(folder / 'manifest.json'),
            'started': datetime.now(timezone.utc).isoformat(timespec='seconds'),
            'command': sys.argv,
            **provenance(),
            'settings': chosen.changed,
            'models': list(models),
            'answers': told.answers,
            'changed': sum(told.changed.values()),
            'why': dict(told.why),
        },
    }


def _with_models(configuration: dict[str, Any], models: Sequence[str]) -> dict[str, Any]:
    """Return settings in which only the models that are scored again are expected."""
    if not models:
        return configuration
    if 'monitor' not in configuration:
        return {**configuration, 'models': list(models)}
    return {**configuration, 'monitor': {**configuration['monitor'], 'models': list(models)}}


def _calibration(configuration: Mapping[str, Any], name: str) -> str:
    asked = Asked({'configuration': configuration})
    model = asked.of(name)[0]
    found = (v for v in configuration.get('vlms') or [] if v['name'] == model)
    return next((str(v.get('calibration', '')) for v in found), '')

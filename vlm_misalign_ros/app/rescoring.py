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

import csv
import dataclasses
import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec
import yaml

from vlm_misalign_ros.app.rescoring_settings import Chosen, choose
from vlm_misalign_ros.core.corruptions.conditions import BLANK
from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
from vlm_misalign_ros.core.evaluation.rescoring import Change
from vlm_misalign_ros.core.evaluation.resuming import fingerprint
from vlm_misalign_ros.core.files import read_json, sha256_of, write_json
from vlm_misalign_ros.core.metrics.counts import Counts
from vlm_misalign_ros.core.metrics.rates import HEADLINES, rates
from vlm_misalign_ros.core.records.account import LateRecord
from vlm_misalign_ros.core.records.ending import changed, read_ending, write_ending
from vlm_misalign_ros.core.records.manifest import language_of, provenance
from vlm_misalign_ros.core.records.schema import FrameRecord, Record, RunRecord, Status
from vlm_misalign_ros.core.records.store import RECORDS, RecordWriter, read_records
from vlm_misalign_ros.core.report.asked import Asked
from vlm_misalign_ros.core.report.audit.showing import cell
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.report.verdict import Verdict

ORIGIN = 'rescored'
"""Key of the manifest: what was scored again, and by what."""
CHANGED = 'changed.jsonl'
CHANGED_CSV = 'changed.csv'
COLUMNS = (
    'run', 'dataset', 'sequence', 'frame', 'condition', 'pass', 'stamp', 'epoch', 'model', 'ask',
    'text', 'before', 'after', 'why',
)  # fmt: skip
"""Of the list of changed answers."""
_PART = '.part'


@dataclass
class Told:
    """What a rescore did, for the terminal."""

    folder: Path
    answers: int = 0
    changed: Counter[str] = field(default_factory=Counter)
    """Answers by the name of the ask."""
    why: Counter[str] = field(default_factory=Counter)
    before: dict[str, Counts] = field(default_factory=dict)
    """Sums by the name of the ask, the blank control left out."""
    after: dict[str, Counts] = field(default_factory=dict)
    settings: dict[str, list[Any]] = field(default_factory=dict)
    unknown_scores: int = 0

    def lines(self) -> Iterator[str]:
        """Yield what is shown on the terminal."""
        for name, (old, new) in self.settings.items():
            yield f'{name}: {_short(old)} -> {_short(new)}'
        total = sum(self.changed.values())
        why = ', '.join(f'{name} {count}' for name, count in self.why.most_common())
        yield f'{total} of {self.answers} answers changed' + (f' ({why})' if why else '')
        for name, after in self.after.items():
            old, new = rates(self.before[name]), rates(after)
            moved = [
                f'{row.name} {_shown(old[row.name].value)} -> {_shown(new[row.name].value)}'
                for row in HEADLINES
                if _shown(old[row.name].value) != _shown(new[row.name].value)
            ]
            yield f'  {name}: {self.changed[name]} changed; ' + ('; '.join(moved) or 'same rates')
        if self.unknown_scores:
            yield (
                f'{self.unknown_scores} likelihoods of mentions are left out: of which words they '
                'were cannot be told'
            )


def _shown(value: float) -> str:
    return f'{value:.4f}'


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + '...'


def rescore(
    folder: Path,
    overrides: Sequence[str],
    out: Path,
    models: Sequence[str] = (),
    progress: Callable[[int], None] = lambda frames: None,
) -> tuple[Verdict, Told]:
    """
    Score the records of the run in `folder` by `overrides` of its settings, into `out`.

    `models` are those to be scored again, by their names in the records; without any, all.
    `progress` is told how many frames are done. Raises ConfigurationError and ModelError for what
    cannot be changed, with the reason, RecordError for what is no whole run and where `out` holds
    something already. Nothing is left of a rescore that fails.
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
        score_records(folder / RECORDS, part, chosen, models, told, progress)
        write_json(part / 'manifest.json', _manifest(folder, chosen, models, told))
        if ending is not None:
            note = f'scored again, from the records of {folder.resolve().name}'
            write_ending(part, msgspec.structs.replace(ending, notes=[*ending.notes, note]))
    return finalise(out), told


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
        part.rename(out)
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


def score_records(
    records: Path,
    part: Path,
    chosen: Chosen,
    models: Sequence[str],
    told: Told,
    progress: Callable[[int], None] = lambda frames: None,
) -> None:
    """Write the records anew, and the list of the answers that changed."""
    writer, asked = RecordWriter(part / RECORDS), Asked(chosen.manifest)
    frames = 0
    with (
        open(part / CHANGED, 'wb') as lines,
        open(part / CHANGED_CSV, 'w', encoding='utf-8', newline='') as sheet,
    ):
        table = csv.writer(sheet)
        table.writerow(COLUMNS)
        try:
            for record in _chosen(read_records(records), models, chosen):
                if isinstance(record, FrameRecord):
                    made, changes = chosen.rescorer.rescored(record)
                    _add(told, record, made, changes)
                    for change in changes:
                        row = _row(record, change, asked)
                        lines.write(msgspec.json.encode(row) + b'\n')
                        table.writerow([_cell(row[name]) for name in COLUMNS])
                    frames += 1
                    progress(frames)
                    record = made
                writer.write(record)
        finally:
            writer.close()
    told.answers = chosen.rescorer.answers
    if chosen.rescorer.rereader is not None:
        told.unknown_scores = chosen.rescorer.rereader.unknown_scores


def _chosen(records: Iterator[Record], models: Sequence[str], chosen: Chosen) -> Iterator[Record]:
    """Yield the records with the models that are scored again alone."""
    for record in records:
        if isinstance(record, RunRecord):
            yield _run_record(record, models, chosen)
        elif not models:
            yield record
        elif isinstance(record, FrameRecord):
            kept = {name: entry for name, entry in record.models.items() if name in models}
            yield msgspec.structs.replace(record, models=kept)
        elif not isinstance(record, LateRecord) or record.part in models:
            yield record


def _run_record(record: RunRecord, models: Sequence[str], chosen: Chosen) -> RunRecord:
    """Return the first line of the new records; ConfigurationError for models not in the run."""
    for name in models:
        if name not in record.models:
            raise ConfigurationError(
                f'the run has no model {name!r}', 'it has ' + ', '.join(record.models)
            )
    if chosen.before == chosen.after and not models:
        return record
    names = [name for name in record.models if not models or name in models]
    after = dataclasses.replace(chosen.after, models=tuple(names))
    told = fingerprint(after) if record.settings else ''
    return msgspec.structs.replace(record, models=names, settings=told)


def _add(told: Told, record: FrameRecord, made: FrameRecord, changes: Sequence[Change]) -> None:
    for change in changes:
        told.changed[change.name] += 1
        told.why.update(change.why)
    if record.condition.corruption == BLANK:
        return
    for name, entry in made.models.items():
        before = record.models[name].score
        if entry.status is not Status.SCORED or entry.score is None or before is None:
            continue
        told.before[name] = told.before.get(name, Counts()) + before.counts
        told.after[name] = told.after.get(name, Counts()) + entry.score.counts


def _row(record: FrameRecord, change: Change, asked: Asked) -> dict[str, Any]:
    """Return a line of the list of changed answers."""
    model, ask = asked.of(change.name)
    return {
        'run': record.run,
        'dataset': record.dataset,
        'sequence': record.sequence,
        'frame': record.key,
        'condition': record.condition.name,
        'pass': record.cycle,
        'stamp': record.stamp,
        'epoch': record.epoch,
        'model': model,
        'ask': ask,
        'text': change.text,
        'before': change.before,
        'after': change.after,
        'why': list(change.why),
    }


def _cell(value: Any) -> Any:
    """Return a value for a cell of a sheet: text that is no formula, mappings in words."""
    if isinstance(value, Mapping):
        value = '; '.join(f'{name}: {_told(entry)}' for name, entry in value.items())
    elif isinstance(value, list):
        value = ', '.join(map(str, value))
    return cell(value) if isinstance(value, str) else value


def _told(entry: Any) -> str:
    if isinstance(entry, list):
        return ', '.join(map(str, entry)) or 'none'
    return '-' if entry is None else str(entry)


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

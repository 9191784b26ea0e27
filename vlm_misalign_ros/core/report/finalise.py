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

"""From the records of a run to its tables, verdict and report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.files import read_json, write_json
from vlm_misalign_ros.core.metrics.counts import FIELDS
from vlm_misalign_ros.core.records.ending import changed, planned_frames, read_ending, told_ending
from vlm_misalign_ros.core.records.reference import against, reference_of
from vlm_misalign_ros.core.records.schema import FrameRecord, ModelEntry, Record, Status
from vlm_misalign_ros.core.records.store import RECORDS, RecordFile
from vlm_misalign_ros.core.report.analysis import analyse_records, write_analysis
from vlm_misalign_ros.core.report.baseline import Baselines
from vlm_misalign_ros.core.report.evidence import Evidence
from vlm_misalign_ros.core.report.judging import limit_checks, tally_for
from vlm_misalign_ros.core.report.junit import write_junit
from vlm_misalign_ros.core.report.labels_evidence import LabelsEvidence
from vlm_misalign_ros.core.report.page import write_report
from vlm_misalign_ros.core.report.reader import reader_of
from vlm_misalign_ros.core.report.rules import Rules, rules_of
from vlm_misalign_ros.core.report.self_consistency import (
    SelfConsistency,
    self_checks,
    write_self_consistency,
)
from vlm_misalign_ros.core.report.summary import Row, Summary, to_frame
from vlm_misalign_ros.core.report.tally import Tally
from vlm_misalign_ros.core.report.temporal import analyse_times, write_temporal
from vlm_misalign_ros.core.report.timelines import Gathering
from vlm_misalign_ros.core.report.timing import Timings, to_table
from vlm_misalign_ros.core.report.verdict import (
    Check,
    Verdict,
    coverage_checks,
    ending_checks,
    judge,
    sealed_checks,
)


def finalise(folder: Path, rules: Rules | None = None) -> Verdict:
    """
    Write tables, analysis.json, temporal.json, verdict.json, junit.xml and report.html of a run.

    Everything is made from records.jsonl, manifest.json, ending.json and, where somebody has
    labelled answers of the run, reader_audit.json, so it works again on
    what a killed run has left. `rules` are those of the manifest where none are given. Raises
    RecordError, and ConfigurationError for rules that will not do.
    """
    manifest = read_manifest(folder)
    if rules is None:
        rules = rules_of(manifest) if manifest else Rules()
    # A long run does not fit into memory: what does not gather reads the file for itself.
    records = RecordFile(folder / RECORDS)
    tally = tally_for(rules.limits) if rules.limits else None
    summary, evidence, labels, timings = Summary(), Evidence(), LabelsEvidence(), Timings()
    over_time, agreed = Gathering(), SelfConsistency()
    frames = segmented = 0
    for record in records:
        for gathering in (summary, evidence, labels, timings, over_time, agreed):
            gathering.add(record)
        if isinstance(record, FrameRecord):
            frames += record.pictures
            segmented += record.segmentation.status is Status.SCORED
            if tally is not None:
                tally.add(record)
    rows, times = summary.rows(), timings.rows()
    asked = segmented > 0 or _segments(manifest)
    ending = read_ending(folder)
    limited, supposed = _limited(folder, manifest, tally, rules)
    # What is limited is a rate against ground truth: without any it is never kept.
    if rules.truth or rules.limits:
        masks = segmented if asked else None
        covered = coverage_checks(rows, frames, masks, rules.minimum_coverage)
    else:
        covered = self_checks(agreed, rules.minimum_coverage, frames, asked)
    checks = [
        *ending_checks(frames, ending, planned_frames(manifest)),
        *sealed_checks(changed(folder, ending)),
        *covered,
        *labels.checks(rules.minimum_coverage),
        *evidence.checks(),
        *limited,
    ]
    lexicon = _section(manifest, 'language').get('lexicon_sha256', '')
    reader, audited = reader_of(folder, lexicon)
    notes = [
        *(ending.notes if ending else _told(folder)),
        *evidence.notes(reference_of(manifest)),
        *labels.notes(),
        *supposed,
        *audited,
    ]
    verdict = judge(checks, notes, limited=bool(rules.limits))
    write_json(folder / 'verdict.json', {**verdict.to_plain(), 'rules': rules.to_plain()})
    write_junit(folder / 'junit.xml', folder.resolve().name, verdict)
    time = analyse_times(over_time.times(), _section(manifest, 'models'))
    time.update(_against(manifest))
    disagreement = agreed.analysis()
    try:
        write_temporal(folder, time)
        write_self_consistency(folder, disagreement)
        _table(rows, manifest).to_csv(folder / 'summary.csv', index=False)
        to_table(times).to_csv(folder / 'timing.csv', index=False)
        write_flat(folder / 'records.parquet', records)
    except OSError as error:
        raise RecordError(
            f'the tables in {folder} cannot be written: {error.strerror}',
            'free space, then write them with: vlm-misalign report FOLDER',
        ) from error
    analysis = {**_against(manifest), **analyse_records(records, reader)}
    write_analysis(folder, analysis)
    write_report(folder, records, rows, verdict, analysis, time, times, disagreement)
    return verdict


def _limited(
    folder: Path, manifest: dict[str, Any], tally: Tally | None, rules: Rules
) -> tuple[list[Check], list[str]]:
    """Return the checks of the limits, and what they suppose that nothing told."""
    if tally is None:
        return [], []
    checks = list(limit_checks(tally, rules, Baselines(folder, manifest, tally)))
    if not tally.alone:
        return checks, []
    return checks, [
        f'{tally.alone} scenes are single frames, since the data set tells of no drive or time: '
        'frames of one drive would be less evidence than the limits take them for'
    ]


def _against(manifest: dict[str, Any]) -> dict[str, str]:
    """Return what the figures of a run are against, where that is a reference."""
    reference = reference_of(manifest)
    return {'against': against(reference)} if reference else {}


def _table(rows: Sequence[Row], manifest: dict[str, Any]) -> pd.DataFrame:
    """Return summary.csv; with a reference each line says that it is against that."""
    return to_frame(rows).assign(**_against(manifest))


def _told(folder: Path) -> list[str]:
    """Return what a run that was killed had been told of its end."""
    failure, notes = told_ending(folder)
    return [*notes, *([] if failure is None else [failure])]


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a run folder; empty where there is none."""
    try:
        return read_json(folder / 'manifest.json', '')
    except RecordError:
        return {}


def _section(manifest: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a part of a manifest; empty where somebody made something else of it."""
    found = manifest.get(name)
    return found if isinstance(found, dict) else {}


def _segments(manifest: dict[str, Any]) -> bool:
    """Return whether the manifest says that a segmentation model was asked for."""
    return _section(manifest, 'configuration').get('segmentation') not in (None, False)


_LINES = 2000
"""Lines of the table that are written at once."""
_TEXT, _NUMBER, _WHOLE = pa.string(), pa.float64(), pa.int64()
_COLUMNS = pa.schema(
    [
        ('stamp', _TEXT),
        ('index', _WHOLE),
        ('dataset', _TEXT),
        ('sequence', _TEXT),
        ('key', _TEXT),
        ('pass', _WHOLE),
        ('corruption', _TEXT),
        ('severity', _WHOLE),
        ('closed', _TEXT),
        ('epoch', _WHOLE),
        ('pictures', _WHOLE),
        ('hazard', _TEXT),
        ('doubt', _TEXT),
        ('hazard_visible', _TEXT),
        ('nearest', _NUMBER),
        ('frame_iou', _NUMBER),
        ('model', _TEXT),
        ('status', _TEXT),
        ('verified', pa.bool_()),
        ('text', _TEXT),
        ('judgement', _TEXT),
        ('judgement_score', _NUMBER),
        ('mentions', _TEXT),
        ('scores', _TEXT),
        ('hallucinated', _TEXT),
        ('omitted', _TEXT),
        *((f'count_{name}', _WHOLE) for name in FIELDS),
    ]
)


def write_flat(path: Path, records: Iterable[Record]) -> None:
    """
    Write one line a frame and model, with counts as columns and the rest as JSON text.

    Parquet, _LINES lines at a time. Raises OSError.
    """
    lines: list[dict[str, Any]] = []
    with pq.ParquetWriter(path, _COLUMNS) as writer:
        for record in records:
            if isinstance(record, FrameRecord):
                lines.extend(_flat(record))
            if len(lines) >= _LINES:
                writer.write_table(pa.Table.from_pylist(lines, _COLUMNS))
                lines.clear()
        writer.write_table(pa.Table.from_pylist(lines, _COLUMNS))


def _flat(record: FrameRecord) -> Iterator[dict[str, Any]]:
    condition, truth = record.condition, record.truth
    shared = {
        'stamp': record.stamp,
        'index': record.index,
        'dataset': record.dataset,
        'sequence': record.sequence,
        'key': record.key,
        'pass': record.cycle,
        'corruption': condition.corruption,
        'severity': condition.severity,
        'closed': record.closed.value,
        'epoch': record.epoch,
        'pictures': record.pictures,
        'hazard': truth.hazard.value if truth else None,
        'doubt': truth.doubt.value if truth and truth.doubt else None,
        'hazard_visible': (truth.hazard_visible.value if truth and truth.hazard_visible else None),
        'nearest': truth.nearest if truth else None,
        'frame_iou': record.segmentation.frame_iou,
    }
    for name, entry in record.models.items():
        yield {**shared, **_line(name, entry)}


def _line(model: str, entry: ModelEntry) -> dict[str, Any]:
    answer, score = entry.answer, entry.score
    return {
        'model': model,
        'status': entry.status.value,
        'verified': entry.verified,
        'text': answer.text if answer else None,
        'judgement': answer.judgement.value if answer else None,
        'judgement_score': answer.judgement_score if answer else None,
        'mentions': json.dumps(answer.mentions if answer else {}),
        'further': json.dumps(answer.further if answer else {}),
        'scores': json.dumps(answer.scores if answer else {}),
        'hallucinated': json.dumps(score.hallucinated if score else []),
        'omitted': json.dumps(score.omitted if score else []),
        **{f'count_{name}': getattr(score.counts, name) if score else None for name in FIELDS},
    }

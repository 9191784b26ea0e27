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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.files import read_json, write_json
from vlm_misalign_ros.core.language.lexicon import lexicon_hash
from vlm_misalign_ros.core.metrics.counts import FIELDS
from vlm_misalign_ros.core.metrics.extractor import QUALITY, ExtractorQuality
from vlm_misalign_ros.core.records.schema import FrameRecord, ModelEntry, Status
from vlm_misalign_ros.core.records.store import RECORDS, read_records
from vlm_misalign_ros.core.report.analysis import analyse_records, write_analysis
from vlm_misalign_ros.core.report.labels_evidence import labels_checks
from vlm_misalign_ros.core.report.page import write_report
from vlm_misalign_ros.core.report.summary import summarise, to_frame
from vlm_misalign_ros.core.report.verdict import Verdict, judge_run, write_junit


def finalise(
    folder: Path,
    *,
    minimum_coverage: float,
    limits: Mapping[str, float],
    expected_frames: int | None,
    notes: Sequence[str],
) -> Verdict:
    """
    Write the tables, analysis.json, verdict.json, junit.xml and report.html of a run folder.

    Everything is made from records.jsonl, so it works again on what a killed run has left.
    Raises RecordError.
    """
    manifest = _manifest(folder)
    records = list(read_records(folder / RECORDS))
    frames = [record for record in records if isinstance(record, FrameRecord)]
    rows = summarise(records)
    segmented = sum(frame.segmentation.status is Status.SCORED for frame in frames)
    asked = segmented > 0 or _segments(manifest)
    verdict = judge_run(
        rows,
        len(frames),
        segmented if asked else None,
        minimum_coverage=minimum_coverage,
        limits=limits,
        expected_frames=expected_frames,
        notes=notes,
        evidence=list(labels_checks(frames, minimum_coverage)),
    )
    write_json(
        folder / 'verdict.json',
        {
            'status': verdict.status.value,
            'reasons': verdict.reasons,
            'checks': [
                {'name': check.name, 'status': check.status.value, 'message': check.message}
                for check in verdict.checks
            ],
            'notes': list(verdict.notes),
        },
    )
    write_junit(folder / 'junit.xml', folder.resolve().name, verdict)
    try:
        to_frame(rows).to_csv(folder / 'summary.csv', index=False)
        flat(frames).to_parquet(folder / 'records.parquet', index=False)
    except OSError as error:
        raise RecordError(
            f'the tables in {folder} cannot be written: {error.strerror}',
            'free space, then write them with: vlm-misalign report FOLDER',
        ) from error
    analysis = analyse_records(
        frames, extractor_quality((manifest.get('language') or {}).get('lexicon_sha256', ''))
    )
    write_analysis(folder, analysis)
    write_report(folder, records, rows, verdict, analysis)
    return verdict


def extractor_quality(lexicon_sha256: str = '') -> ExtractorQuality | None:
    """
    Return the measured error of a lexicon, by its hash; of this package's own without one.

    None for a lexicon that was never measured, as one with additions.
    """
    quality = ExtractorQuality.load(QUALITY)
    return quality if quality.lexicon_sha256 == (lexicon_sha256 or lexicon_hash()) else None


def _manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a run folder; empty where there is none."""
    try:
        return read_json(folder / 'manifest.json', '')
    except RecordError:
        return {}


def _segments(manifest: dict[str, Any]) -> bool:
    """Return whether the manifest says that a segmentation model was asked for."""
    configuration = manifest.get('configuration') or {}
    return configuration.get('segmentation') not in (None, False)


def flat(frames: Sequence[FrameRecord]) -> pd.DataFrame:
    """Return one line a frame and model, with counts as columns and the rest as JSON text."""
    lines: list[dict[str, Any]] = []
    for record in frames:
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
            'hazard': truth.hazard.value if truth else None,
            'nearest': truth.nearest if truth else None,
            'frame_iou': record.segmentation.frame_iou,
        }
        lines.extend({**shared, **_line(name, entry)} for name, entry in record.models.items())
    return pd.DataFrame(lines)


def _line(model: str, entry: ModelEntry) -> dict[str, Any]:
    answer, score = entry.answer, entry.score
    return {
        'model': model,
        'status': entry.status.value,
        'text': answer.text if answer else None,
        'judgement': answer.judgement.value if answer else None,
        'judgement_score': answer.judgement_score if answer else None,
        'mentions': json.dumps(answer.mentions if answer else {}),
        'scores': json.dumps(answer.scores if answer else {}),
        'hallucinated': json.dumps(score.hallucinated if score else []),
        'omitted': json.dumps(score.omitted if score else []),
        **{f'count_{name}': getattr(score.counts, name) if score else None for name in FIELDS},
    }

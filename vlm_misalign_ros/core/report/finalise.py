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
from vlm_misalign_ros.core.records.store import read_records
from vlm_misalign_ros.core.report.analysis import analyse_records, write_analysis
from vlm_misalign_ros.core.report.page import write_report
from vlm_misalign_ros.core.report.summary import summarise, to_frame
from vlm_misalign_ros.core.report.verdict import Verdict, judge_run, write_junit
from vlm_misalign_ros.core.types import Record


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
    records = list(read_records(folder / 'records.jsonl'))
    frames = [record for record in records if record.get('kind') == 'frame']
    rows = summarise(records)
    asked = any(record['segmentation']['status'] == 'ok' for record in frames) or _segments(
        manifest
    )
    segmented = sum(record['segmentation']['status'] == 'ok' for record in frames)
    verdict = judge_run(
        rows,
        len(frames),
        segmented if asked else None,
        minimum_coverage=minimum_coverage,
        limits=limits,
        expected_frames=expected_frames,
        notes=notes,
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


def flat(frames: Sequence[Record]) -> pd.DataFrame:
    """Return one line a frame and model, with counts as columns and the rest as JSON text."""
    lines: list[dict[str, Any]] = []
    for record in frames:
        condition, truth = record['condition'], record['truth'] or {}
        shared = {
            'stamp': record['stamp'],
            'index': record['index'],
            'dataset': record['dataset'],
            'sequence': record['sequence'],
            'key': record['key'],
            'pass': record['pass'],
            'corruption': condition['corruption'],
            'severity': condition['severity'],
            'closed': record['closed'],
            'hazard': truth.get('hazard'),
            'nearest': truth.get('nearest'),
            'frame_iou': record['segmentation']['frame_iou'],
        }
        for model, entry in record['models'].items():
            counts = entry.get('counts', {})
            scored = entry['status'] == 'ok'
            lines.append(
                {
                    **shared,
                    'model': model,
                    'status': entry['status'],
                    'text': entry.get('text'),
                    'judgement': entry.get('judgement'),
                    'judgement_score': entry.get('judgement_score'),
                    'mentions': json.dumps(entry.get('mentions', {})),
                    'scores': json.dumps(entry.get('scores', {})),
                    'hallucinated': json.dumps(entry.get('hallucinated', [])),
                    'omitted': json.dumps(entry.get('omitted', [])),
                    **{
                        f'count_{name}': counts.get(name, 0) if scored else None for name in FIELDS
                    },
                }
            )
    return pd.DataFrame(lines)

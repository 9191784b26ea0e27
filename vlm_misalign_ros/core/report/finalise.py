"""From the records of a run to its tables, verdict and report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
from vlm_misalign_ros.core.files import write_json
from vlm_misalign_ros.core.metrics.extractor import ExtractorQuality
from vlm_misalign_ros.core.metrics.rates import FIELDS
from vlm_misalign_ros.core.records.store import read_records
from vlm_misalign_ros.core.report.analysis import analyse_records, write_analysis
from vlm_misalign_ros.core.report.page import write_report
from vlm_misalign_ros.core.report.summary import summarise, to_frame
from vlm_misalign_ros.core.report.verdict import Verdict, judge_run, write_junit
from vlm_misalign_ros.core.settings.resources import config_path
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
    records = list(read_records(folder / 'records.jsonl'))
    frames = [record for record in records if record.get('kind') == 'frame']
    rows = summarise(records)
    asked = any(record['segmentation']['status'] == 'ok' for record in frames) or _segments(folder)
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
    analysis = analyse_records(frames, extractor_quality())
    write_analysis(folder, analysis)
    write_report(folder, records, rows, verdict, analysis)
    return verdict


def extractor_quality() -> ExtractorQuality | None:
    """Return the measured error of the lexicon in use; None where it was never measured."""
    try:
        quality = ExtractorQuality.load(config_path('extractor_quality.json'))
        lexicon = hashlib.sha256(config_path('lexicon.yaml').read_bytes()).hexdigest()
    except ConfigurationError:
        return None
    return quality if quality.lexicon_sha256 == lexicon else None


def _segments(folder: Path) -> bool:
    """Return whether the manifest says that a segmentation model was asked for."""
    try:
        manifest = json.loads((folder / 'manifest.json').read_text(encoding='utf-8'))
        return manifest['configuration']['segmentation'] not in (None, False)
    except (OSError, ValueError, KeyError, TypeError):
        return False


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

"""What a verb prints of a run folder."""

from __future__ import annotations

import json
from pathlib import Path


def print_results(folder: Path) -> None:
    """Print table, verdict and where the results are; nothing where there are no records."""
    from vlm_misalign_ros.core.records.schema import FrameRecord
    from vlm_misalign_ros.core.records.store import RECORDS, read_records
    from vlm_misalign_ros.core.report.summary import format_table, summarise

    path = folder / RECORDS
    if not path.is_file():
        return
    records = list(read_records(path))
    if any(isinstance(record, FrameRecord) for record in records):
        print(format_table(summarise(records)))
    verdict = folder / 'verdict.json'
    if verdict.is_file():
        found = json.loads(verdict.read_text(encoding='utf-8'))
        reasons = '; '.join(found['reasons'])
        print(f'\nverdict: {found["status"]}' + (f' ({reasons})' if reasons else ''))
    report = folder / 'report.html'
    print(f'results: {report if report.is_file() else folder}')

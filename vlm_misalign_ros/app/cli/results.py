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

"""What a verb prints of a run folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.report.audit.showing import one_line

_ORDER = ('FAIL', 'INVALID', 'UNDECIDED', 'PASS')


def print_results(folder: Path) -> None:
    """Print table, verdict and where the results are; nothing where there are no records."""
    from vlm_misalign_ros.core.records.reference import reference_of
    from vlm_misalign_ros.core.records.store import RECORDS, read_records
    from vlm_misalign_ros.core.report.provenance import read_manifest
    from vlm_misalign_ros.core.report.summary import summarise
    from vlm_misalign_ros.core.report.terminal import format_disagreement, format_table

    path = folder / RECORDS
    if not path.is_file():
        return
    rows = summarise(read_records(path))
    if rows:
        print(format_table(rows, reference_of(read_manifest(folder))))
    disagreement = folder / 'self_consistency.json'
    if disagreement.is_file():
        told = format_disagreement(json.loads(disagreement.read_text(encoding='utf-8')))
        print(f'\n{told}' if told else '')
    verdict = folder / 'verdict.json'
    if verdict.is_file():
        print('\n' + tell_verdict(json.loads(verdict.read_text(encoding='utf-8'))))
    report = folder / 'report.html'
    print(one_line(f'results: {report if report.is_file() else folder}'))


def tell_verdict(found: dict[str, Any]) -> str:
    """Return a verdict, as verdict.json has it, as it is printed: what went wrong first."""
    checks = sorted(found['checks'], key=lambda check: _ORDER.index(check['status']))
    lines = [f'verdict: {found["text"]}']
    if found['status'] == 'COMPLETE':
        lines[0] += ' (no limit was set: nothing is said of the rates)'
    lines += [f'  {check["status"]:<9}  {check["message"]}' for check in checks]
    lines += [f'  {"note":<9}  {note}' for note in found['notes']]
    return '\n'.join(map(one_line, lines))

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

"""
Makes records.schema.json and the tables of docs/data.md from the types and their docstrings.

`python -m vlm_misalign_ros.core.records.document schema` prints the one, `... tables` the other.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from typing import Any

import msgspec

from vlm_misalign_ros.core.files import PACKAGE
from vlm_misalign_ros.core.metrics.counts import Counts
from vlm_misalign_ros.core.records import (
    account,
    clean,
    confidence,
    placing,
    schema,
    scores,
    truths,
)

SCHEMA_FILE = PACKAGE / 'core' / 'records' / 'records.schema.json'
DOCUMENTED: tuple[type[msgspec.Struct], ...] = (
    schema.FrameRecord,
    schema.ConditionEntry,
    truths.TruthEntry,
    truths.RequiredEntry,
    truths.CorridorEntry,
    truths.StandingEntry,
    truths.LabelsEntry,
    schema.SegmentationEntry,
    confidence.ConfidenceEntry,
    clean.CleanMaskEntry,
    schema.ModelEntry,
    schema.AnswerEntry,
    placing.PlacingEntry,
    clean.CleanEntry,
    scores.ScoreEntry,
    Counts,
    schema.TimingEntry,
    account.RunRecord,
    account.LateRecord,
    account.DoubledRecord,
    account.GapRecord,
    account.AccountingRecord,
    account.OffsetEntry,
)
"""The types in the order of docs/data.md."""
_SOURCES = tuple(
    PACKAGE / 'core' / name
    for name in (
        'records/schema.py',
        'records/truths.py',
        'records/account.py',
        'records/clean.py',
        'records/confidence.py',
        'records/placing.py',
        'records/scores.py',
        'metrics/counts.py',
    )
)


def descriptions() -> dict[str, dict[str, str]]:
    """Return {type: {field: what the docstring under it says}}."""
    found: dict[str, dict[str, str]] = {}
    for path in _SOURCES:
        for node in ast.parse(path.read_text(encoding='utf-8')).body:
            if isinstance(node, ast.ClassDef):
                found[node.name] = dict(_fields(node))
    return found


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for first, second in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(first, ast.AnnAssign) and isinstance(first.target, ast.Name):
            text = ''
            if isinstance(second, ast.Expr) and isinstance(second.value, ast.Constant):
                text = ' '.join(str(second.value.value).split())
            yield first.target.id, text


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a line of records.jsonl, with what each field means."""
    made = schema.json_schema()
    told = descriptions()
    fields = {
        kind.__name__: zip(kind.__struct_encode_fields__, kind.__struct_fields__, strict=True)
        for kind in DOCUMENTED
    }
    renamed = {name: dict(pairs) for name, pairs in fields.items()}
    for name, entry in made['$defs'].items():
        for field, content in entry.get('properties', {}).items():
            text = told.get(name, {}).get(renamed.get(name, {}).get(field, field), '')
            if text:
                content['description'] = text
    return {
        '$schema': 'https://json-schema.org/draft/2020-12/schema',
        'title': f'vlm_misalign_ros records, schema {schema.SCHEMA}',
        **made,
    }


def tables() -> str:
    """Return the fields of every type as Markdown."""
    made, told = schema.json_schema()['$defs'], descriptions()
    parts = []
    for kind in DOCUMENTED:
        name = kind.__name__
        lines = [f'### {name}', '', str(kind.__doc__).strip(), '', '| field | JSON | meaning |']
        lines.append('|---|---|---|')
        for field, key in zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True):
            what = _shape(made[name]['properties'][key], made)
            lines.append(f'| `{key}` | {what} | {told[name].get(field, "")} |')
        parts.append('\n'.join(lines) + '\n')
    return '\n'.join(parts)


def _shape(entry: Any, made: dict[str, Any]) -> str:
    """Return the JSON type of a field in words; `made` are the definitions it may refer to."""
    if not isinstance(entry, dict) or not entry:
        return ''
    if 'anyOf' in entry:
        return ' or '.join(_shape(part, made) for part in entry['anyOf'])
    if '$ref' in entry:
        name = str(entry['$ref']).rpartition('/')[2]
        if 'enum' in made[name]:
            return ', '.join(f'`{value}`' for value in made[name]['enum'])
        return f'[{name}](#{name.lower()})'
    inner = _shape(entry.get('items') or entry.get('additionalProperties'), made)
    kind = 'list' if entry['type'] == 'array' else str(entry['type'])
    return f'{kind} of {inner}' if inner else kind


def main(words: list[str]) -> None:
    """Print the schema or the tables."""
    if words == ['schema']:
        print(json.dumps(json_schema(), indent=1))
    elif words == ['tables']:
        print(tables(), end='')
    else:
        sys.exit('give schema or tables')


if __name__ == '__main__':
    main(sys.argv[1:])

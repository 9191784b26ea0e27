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

"""What trackers of experiments are told of a run: parameters, rates by severity, its files."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.report.asked import DEFAULT
from vlm_misalign_ros.core.report.exports.writing import bounded
from vlm_misalign_ros.core.report.loading import load_run

PROJECT = 'vlm_misalign_ros'
"""The experiment, or project, that runs are put into."""
FILES = (
    'rates.csv',
    'summary.csv',
    'records.parquet',
    'verdict.json',
    'analysis.json',
    'manifest.json',
    'config.yaml',
    'junit.xml',
    'report.html',
)
"""What of a run goes along, as far as it is there."""
_CLEAN = ('clean', 'blank')


@dataclass(frozen=True)
class Point:
    """A figure of a curve over severity."""

    name: str
    severity: int
    value: float


@dataclass(frozen=True)
class Told:
    """What is told of a run."""

    name: str
    parameters: dict[str, str]
    points: tuple[Point, ...]
    tags: dict[str, str]
    files: tuple[Path, ...]


def told_of(folder: Path) -> Told:
    """
    Return what is told of a run; RecordError where its tables are not there.

    A curve is MODEL/RATE/CORRUPTION, with `.low` and `.high` behind it its interval, by severity;
    that of clean frames is severity 0 of every corruption, that of the blank control its own.
    """
    run = load_run(folder)
    verdict, manifest = run.verdict, run.manifest
    return Told(
        folder.resolve().name,
        dict(_flat(manifest.get('configuration') or {})),
        tuple(_points(run.rates)),
        {
            'verdict': str(verdict.get('text', '')),
            'revision': str(manifest.get('revision') or ''),
            'started': str(manifest.get('started') or ''),
            'vlm_misalign_ros': str((manifest.get('packages') or {}).get(PROJECT, '')),
        },
        tuple(path for name in FILES if (path := folder / name).is_file()),
    )


def _points(rates: Any) -> Iterator[Point]:
    corruptions = [name for name in dict.fromkeys(rates['corruption']) if name not in _CLEAN]
    for row in rates.to_dict('records'):
        asked = '' if row['ask'] in ('', DEFAULT) else f'.{row["ask"]}'
        first = row['corruption']
        shared = corruptions if first == _CLEAN[0] else [first]
        for corruption in shared or [first]:
            name = f'{row["model"]}{asked}/{row["rate"]}/{corruption}'
            for end in ('value', 'low', 'high'):
                value = row[end]
                if isinstance(value, (int, float)) and isfinite(value):
                    ended = '' if end == 'value' else f'.{end}'
                    yield Point(f'{name}{ended}', int(row['severity']), float(value))


def _flat(values: Mapping[str, Any], above: str = '') -> Iterator[tuple[str, str]]:
    """Yield (name with dots, value as text) of a nested mapping."""
    for key, value in values.items():
        name = f'{above}{key}'
        if isinstance(value, Mapping):
            yield from _flat(value, f'{name}.')
        elif key == 'vlms' and isinstance(value, list):
            named = {str(one.get('name', n)): one for n, one in enumerate(value)}
            yield from _flat(named, f'{name}.')
        else:
            yield name, bounded(str(value))


def package(name: str, extra: str) -> Any:
    """Return a package that is no part of every installation; ConfigurationError names it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigurationError(
            f'{name} is not installed ({error})', f"pip install 'vlm_misalign_ros[{extra}]'"
        ) from error

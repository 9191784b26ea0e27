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

"""The numbers of a run as sentences and pictures need them: from its rows, or from its folder."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan, nan
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.corruptions import BLANK
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.files import read_json
from vlm_misalign_ros.core.labels.classes import CRITICAL, SCORED
from vlm_misalign_ros.core.metrics.counts import FIELDS, Counts
from vlm_misalign_ros.core.metrics.intervals import FEW_SCENES
from vlm_misalign_ros.core.metrics.known import MIOU
from vlm_misalign_ros.core.metrics.rates import RATES, Rate
from vlm_misalign_ros.core.records.schema import COUNTED, Status
from vlm_misalign_ros.core.report.order import in_order
from vlm_misalign_ros.core.report.provenance import read_manifest
from vlm_misalign_ros.core.report.summary import ALL, Row

AGAIN = 'write its tables with: vlm-misalign report FOLDER'


@dataclass(frozen=True)
class Line:
    """One model under one condition; `condition` is ALL for the sum over conditions."""

    condition: str
    corruption: str
    severity: int
    model: str
    frames: int
    by_status: Mapping[Status, int]
    scenes: int | None
    rates: Mapping[str, Rate]
    counts: Counts = field(default_factory=Counts)

    @classmethod
    def of(cls, row: Row) -> Line:
        """Return what a row of the summary says."""
        return cls(
            row.condition,
            row.corruption,
            row.severity,
            row.model,
            row.frames,
            row.by_status,
            row.scenes,
            row.rates(),
            row.counts,
        )


@dataclass(frozen=True)
class Found:
    """What a run found."""

    lines: Sequence[Line]
    """By condition and model, and ALL over the conditions."""
    analysis: Mapping[str, Any]
    """As analysis.json has it; None and NaN both mean that there is none."""
    critical: tuple[str, ...] = CRITICAL
    """Classes that omissions are counted of."""

    @property
    def totals(self) -> list[Line]:
        """Return the sums over all conditions, a line a model in natural order."""
        found = {line.model: line for line in self.lines if line.condition == ALL}
        return [found[name] for name in in_order(found)]

    @property
    def conditions(self) -> list[str]:
        """Return the conditions but for blank and the sum, in natural order."""
        return in_order(
            line.condition for line in self.lines if line.corruption not in (ALL, BLANK)
        )

    @property
    def few(self) -> bool:
        """Return whether every model has too few scenes to prove anything."""
        return max((line.scenes or 0 for line in self.totals), default=0) < FEW_SCENES

    @property
    def masks(self) -> Mapping[str, Any]:
        """Return mIoU by condition; empty where nothing is known of it."""
        found = (self.analysis.get('segmentation') or {}).get('conditions')
        return found if isinstance(found, Mapping) else {}

    @property
    def miou(self) -> str:
        """Return what the mIoU is called: of how many classes, where not of all."""
        name = str((self.analysis.get('segmentation') or {}).get('name') or MIOU)
        return 'mIoU' if name == MIOU else f'mIoU of {name.rpartition("_")[2]} classes'

    @property
    def models(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Return what the analysis says of each model, in natural order."""
        found = self.analysis.get('models') or {}
        return [(name, found[name]) for name in in_order(found)]

    def kept(self, condition: str) -> Mapping[str, Any]:
        """Return what segmentation keeps of its clean mIoU; empty where that is not known."""
        entry = self.masks.get(condition) or {}
        return entry.get('kept') or {}

    def rate(self, condition: str, model: str, name: str) -> Rate | None:
        """Return a rate; None where there is none, or nothing was counted."""
        for line in self.lines:
            if line.condition == condition and line.model == model:
                found = line.rates.get(name)
                return None if found is None or isnan(found.value) else found
        return None


def found_in(folder: Path) -> Found:
    """
    Return what a finished run folder says; RecordError where a table is not there or damaged.

    Read are summary.csv, analysis.json and, where it is there, manifest.json.
    """
    path = folder / 'summary.csv'
    try:
        with path.open(encoding='utf-8', newline='') as file:
            lines = tuple(_lines(csv.DictReader(file)))
    except OSError as error:
        raise RecordError(f'{path} cannot be read: {error.strerror}', AGAIN) from error
    except (KeyError, ValueError, csv.Error) as error:
        raise RecordError(f'{path} is no summary of a run: {error}', AGAIN) from error
    analysis = read_json(folder / 'analysis.json', AGAIN)
    return Found(lines, analysis, critical_of(read_manifest(folder)))


def critical_of(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the classes that omissions were counted of, by a manifest; else the default ones."""
    found: Any = manifest
    for name in ('configuration', 'monitor', 'critical'):
        found = found.get(name) if isinstance(found, Mapping) else None
    told = found if isinstance(found, list) else []
    return tuple(name for name in told if name in SCORED) or CRITICAL


def _lines(table: Iterator[dict[str, str]] | csv.DictReader[str]) -> Iterator[Line]:
    for line in table:
        yield Line(
            line['condition'],
            line['corruption'],
            int(line['severity']),
            line['model'],
            int(line['frames']),
            Counter({status: int(line[status.value]) for status in COUNTED}),
            _whole(line['scenes']),
            {row.name: _rate(line, row.name) for row in RATES if row.name in line},
            Counts(*(int(line[f'count_{name}']) for name in FIELDS)),
        )


def _rate(line: Mapping[str, str], name: str) -> Rate:
    value, low, high = (_number(line[f'{name}{end}']) for end in ('', '_low', '_high'))
    counted = (_whole(line[f'{name}_{end}']) for end in ('numerator', 'denominator', 'scenes'))
    over, under, scenes = counted
    return Rate(over, under, value, low, high, scenes)


def _number(text: str) -> float:
    return float(text) if text else nan


def _whole(text: str) -> int | None:
    return int(float(text)) if text else None

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
What a run says beyond its table: differences to clean, whether mIoU warns, certainty, the sweep.

Everything comes from the records alone. Intervals resample source frames (metrics/bootstrap).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from vlm_misalign_ros.core.corruptions import BLANK, CLEAN
from vlm_misalign_ros.core.files import write_json
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.metrics import bootstrap
from vlm_misalign_ros.core.metrics.extractor import ExtractorQuality, carried
from vlm_misalign_ros.core.metrics.rates import COMPARED
from vlm_misalign_ros.core.records.schema import Record
from vlm_misalign_ros.core.report.certainty import certainty
from vlm_misalign_ros.core.report.flips import judgement_flips
from vlm_misalign_ros.core.report.table import Table, tables
from vlm_misalign_ros.core.report.warning import adjust, warning
from vlm_misalign_ros.core.types import Hazard, Judgement, Kind


def analyse_records(
    records: Iterable[Record], quality: ExtractorQuality | None = None
) -> dict[str, Any]:
    """Return the analysis as plain data; `quality` is the extractor's own error."""
    records = list(records)
    flips = judgement_flips(records)
    found = tables(records)
    warnings = [warning(table) for table in found]
    adjust(warnings)
    return {
        'schema': 1,
        'models': {
            table.model: {
                'kind': table.kind.value if table.kind else '',
                'frames': len(table),
                'source_frames': len(np.unique(table.clusters)),
                'overall': _overall(table, quality),
                'differences': _differences(table),
                'flips': flips.get(table.model, {}),
                'blank': _blank(table),
                'miou_warns': warns,
                'sweep': _sweep(table),
                'certainty': certainty(table),
            }
            for table, warns in zip(found, warnings, strict=True)
        },
    }


def write_analysis(folder: Path, analysis: dict[str, Any]) -> None:
    """Write analysis.json; RecordError when the disk refuses."""
    write_json(
        folder / 'analysis.json', json.loads(json.dumps(analysis), parse_constant=lambda _: None)
    )


def _overall(table: Table, quality: ExtractorQuality | None) -> dict[str, Any]:
    """Return each rate over all conditions but the blank control, its scenes resampled."""
    chosen = ~table.of(BLANK)
    result: dict[str, dict[str, Any]] = {}
    for rate in COMPARED:
        numerators, denominators = table.sums(rate, chosen)
        interval = bootstrap.ratio(numerators, denominators)
        result[rate.name] = {
            **asdict(interval),
            'numerator': int(numerators.sum()),
            'denominator': int(denominators.sum()),
        }
        if quality is not None and table.kind is Kind.GENERATIVE:
            absent = table.count('absent')[chosen].sum() / (chosen.sum() * len(SCORED) or 1)
            widened = carried(rate, numerators, denominators, float(absent), quality)
            if widened is not None:
                result[rate.name]['with_extractor_error'] = asdict(widened)
    return result


def _differences(table: Table) -> dict[str, dict[str, Any]]:
    """Return degraded - clean for every condition, paired by source frame."""
    clean = table.of(CLEAN)
    if not clean.any():
        return {}
    result: dict[str, dict[str, Any]] = {}
    for condition in table.condition_names:
        chosen = table.of(condition)
        if condition == CLEAN:
            continue
        both = np.intersect1d(table.clusters[clean], table.clusters[chosen])
        pair = np.isin(table.clusters, both)
        result[condition] = {'source_frames': len(both)}
        for rate in COMPARED:
            first = [array[both] for array in table.sums(rate, clean & pair)]
            second = [array[both] for array in table.sums(rate, chosen & pair)]
            result[condition][rate.name] = asdict(
                bootstrap.difference((first[0], first[1]), (second[0], second[1]))
            )
    return result


def _blank(table: Table) -> dict[str, Any]:
    """Return what the model says of a grey picture; empty where it was shown none."""
    chosen = table.of(BLANK)
    if not chosen.any():
        return {}
    names = [
        name for place, name in enumerate(SCORED) if table.asserted[chosen, place].mean() >= 0.5
    ]
    return {
        'frames': int(chosen.sum()),
        'asserted': names,
        'mentions_per_frame': float(table.count('assertions')[chosen].mean()),
        'safe': float(np.mean(table.judgements[chosen] == Judgement.SAFE.value)),
        'unsafe': float(np.mean(table.judgements[chosen] == Judgement.UNSAFE.value)),
        **{rate.name: asdict(bootstrap.ratio(*table.sums(rate, chosen))) for rate in COMPARED},
    }


def _sweep(table: Table) -> dict[str, dict[str, Any]]:
    """Return the safety rates for every corridor width and stopping distance."""
    safe, unsafe = (
        table.judgements == Judgement.SAFE.value,
        table.judgements == Judgement.UNSAFE.value,
    )
    chosen = ~table.of(BLANK)
    result = {}
    for name, verdicts in table.sweeps.items():
        danger, clear = verdicts == Hazard.HAZARD.value, verdicts == Hazard.CLEAR.value
        judged = chosen & (safe | unsafe)

        def share(wrong: np.ndarray, of: np.ndarray) -> dict[str, Any]:
            interval = bootstrap.ratio(
                table.by_cluster(wrong.astype(int)), table.by_cluster(of.astype(int))
            )
            return {
                **asdict(interval),
                'numerator': int(wrong.sum()),
                'denominator': int(of.sum()),
            }

        result[name] = {
            'smr_false_safe': share(judged & danger & safe, judged & danger),
            'smr_false_alarm': share(judged & clear & unsafe, judged & clear),
        }
    return result

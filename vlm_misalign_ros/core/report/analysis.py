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
What a run says beyond its table: differences to clean, to the mask, whether mIoU warns, the sweep.

Everything comes from the records alone. The unit of every interval is the scene (metrics/scenes).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from vlm_misalign_ros.core.corruptions import BLANK, CLEAN
from vlm_misalign_ros.core.files import write_json
from vlm_misalign_ros.core.labels.classes import CRITICAL, SCORED
from vlm_misalign_ros.core.metrics import clustered
from vlm_misalign_ros.core.metrics.intervals import (
    FEW_SCENES,
    NOTHING,
    Interval,
    korn_graubard,
    mean_of_two,
)
from vlm_misalign_ros.core.metrics.paired import mean_difference
from vlm_misalign_ros.core.metrics.rates import BY_NAME, COMPARED, HEADLINES, RateRow
from vlm_misalign_ros.core.records.schema import Record
from vlm_misalign_ros.core.report.against_mask import against_mask, mask_readers
from vlm_misalign_ros.core.report.by_class import by_class
from vlm_misalign_ros.core.report.certainty import certainty
from vlm_misalign_ros.core.report.flips import judgement_flips
from vlm_misalign_ros.core.report.reader import Kinds, Reader
from vlm_misalign_ros.core.report.table import Table, is_hazard, tables
from vlm_misalign_ros.core.report.warning import adjust, warning
from vlm_misalign_ros.core.types import Hazard, Judgement, Kind

SCHEMA = 2
"""Version of analysis.json. 2: intervals over scenes, with their number and by city."""
_SHOWN = tuple(dict.fromkeys((*COMPARED, *HEADLINES)))


def analyse_records(
    records: Iterable[Record], reader: Reader | None = None, critical: Sequence[str] = CRITICAL
) -> dict[str, Any]:
    """
    Return the analysis as plain data; `reader` is how well answers are read, None: not known.

    The records are read once and not kept. `critical` classes are those that omissions were
    counted of.
    """
    found = tables(records)
    warnings = [warning(table) for table in found]
    adjust(warnings)
    readers = mask_readers(found)
    sorted_by = [
        Kinds.of(reader, table) if reader and table.kind is Kind.GENERATIVE else None
        for table in found
    ]
    return {
        'schema': SCHEMA,
        'models': {
            table.model: {
                'kind': table.kind.value if table.kind else '',
                'frames': len(table),
                'source_frames': len(np.unique(table.clusters)),
                'scenes': len(np.unique(table.scenes)),
                'few_scenes': len(np.unique(table.scenes)) < FEW_SCENES,
                'scenes_told_by': {rule.value: count for rule, count in table.rules.items()},
                'overall': _overall(table, kinds),
                'reader': _reader(table, kinds),
                table.known.miou: _mious(table),
                **({'lacking': list(table.known.lacking)} if table.known.lacking else {}),
                'differences': _differences(table),
                'flips': judgement_flips(table),
                'against_mask': against_mask(table, readers),
                'blank': _blank(table),
                'miou_warns': warns,
                'sweep': _sweep(table),
                'certainty': certainty(table),
                'classes': by_class(table, critical),
            }
            for table, warns, kinds in zip(found, warnings, sorted_by, strict=True)
        },
    }


def write_analysis(folder: Path, analysis: dict[str, Any]) -> None:
    """Write analysis.json; RecordError when the disk refuses."""
    write_json(
        folder / 'analysis.json', json.loads(json.dumps(analysis), parse_constant=lambda _: None)
    )


def _interval(
    table: Table, rate: RateRow, chosen: np.ndarray, groups: np.ndarray | None = None
) -> Interval:
    """Return a rate over the chosen lines with its interval over scenes, or other groups."""
    if rate.mean_of:
        two = (table.sums(BY_NAME[name], chosen, groups) for name in rate.mean_of)
        return mean_of_two(*(korn_graubard(over, under) for over, under in two))
    over, under = table.sums(rate, chosen, groups)
    if np.any(over > under):
        return NOTHING
    return korn_graubard(over, under)


def _told(table: Table, rate: RateRow, chosen: np.ndarray) -> dict[str, Any]:
    """Return a rate with its interval, its counts and the scenes that they come from."""
    over, under = table.sums(rate, chosen)
    return {
        **asdict(_interval(table, rate, chosen)),
        'numerator': int(over.sum()),
        'denominator': int(under.sum()),
        'scenes': int((under > 0).sum()),
    }


def _overall(table: Table, kinds: Kinds | None) -> dict[str, Any]:
    """Return each rate over all conditions but the blank control, by scene and by city."""
    chosen = ~table.of(BLANK)
    cities = len(np.unique(table.cities[chosen]))
    result: dict[str, dict[str, Any]] = {}
    for rate in _SHOWN:
        entry = _told(table, rate, chosen)
        result[rate.name] = entry
        # One city alone has no spread, and says nothing about others.
        wider = _interval(table, rate, chosen, table.cities) if cities > 1 else NOTHING
        entry['by_city'] = {'low': wider.low, 'high': wider.high, 'cities': cities}
        corrected = kinds.corrected(rate, chosen) if kinds else None
        if corrected is not None:
            entry['with_extractor_error'] = asdict(corrected)
    return result


def _reader(table: Table, kinds: Kinds | None) -> dict[str, Any]:
    """Return of which kinds the answers are, and of what the reader's error in each is known."""
    if table.kind is not Kind.GENERATIVE:
        return {}
    return kinds.told(~table.of(BLANK)) if kinds else {'source': ''}


def _mious(table: Table) -> dict[str, Any]:
    """
    Return the mIoU of each condition with its interval; NaN where there was no mask.

    Empty where masks of models with different classes are mixed.
    """
    result: dict[str, Any] = {}
    if table.known.mixed:
        return result
    for condition in table.condition_names:
        hits, unions = table.ious(table.of(condition))
        scenes = int((unions.sum(axis=1) > 0).sum())
        result[condition] = {**asdict(clustered.miou(hits, unions)), 'scenes': scenes}
    return result


def _differences(table: Table) -> dict[str, dict[str, Any]]:
    """Return degraded - clean for every condition, of the same source frames, paired by scene."""
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
        entry: dict[str, Any] = {
            'source_frames': len(both),
            'scenes': len(np.unique(table.scenes[pair])),
        }
        for rate in _SHOWN:
            entry[rate.name] = asdict(_difference(table, rate, clean & pair, chosen & pair))
        result[condition] = entry
    return result


def _difference(table: Table, rate: RateRow, one: np.ndarray, other: np.ndarray) -> Interval:
    rows = [BY_NAME[name] for name in rate.mean_of] or [rate]
    pairs = [(table.sums(row, one), table.sums(row, other)) for row in rows]
    if any(np.any(over > under) for pair in pairs for over, under in pair):
        return NOTHING
    return mean_difference(pairs)


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
        'safe': float(np.mean(table.says(Judgement.SAFE)[chosen])),
        'unsafe': float(np.mean(table.says(Judgement.UNSAFE)[chosen])),
        **{rate.name: asdict(_interval(table, rate, chosen)) for rate in _SHOWN},
    }


def _sweep(table: Table) -> dict[str, dict[str, Any]]:
    """Return the safety rates for every corridor width and stopping distance."""
    safe, unsafe = table.says(Judgement.SAFE), table.says(Judgement.UNSAFE)
    chosen = ~table.of(BLANK)
    result = {}
    for name, verdicts in table.sweeps.items():
        danger, clear = (is_hazard(verdicts, state) for state in (Hazard.HAZARD, Hazard.CLEAR))
        judged = chosen & (safe | unsafe)

        def share(wrong: np.ndarray, of: np.ndarray) -> dict[str, Any]:
            over, under = (table.by_scene(a.astype(float), chosen) for a in (wrong, of))
            return {
                **asdict(korn_graubard(over, under)),
                'numerator': int(wrong.sum()),
                'denominator': int(of.sum()),
            }

        result[name] = {
            'smr_false_safe': share(judged & danger & safe, judged & danger),
            'smr_false_alarm': share(judged & clear & unsafe, judged & clear),
        }
    return result

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
What a run says of time: flicker, persistence, delays and recovery, by model and condition.

Made from the records, like everything beside them, so that bags, live and merged runs have it
alike; which asks are of one model is told by the manifest, and without it none are compared.
`temporal.json` has all of it, with classes and curves, `temporal.csv` a line a figure. Where no
frame follows on another there is none of it, and both say so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from vlm_misalign_ros.core.corruptions import BLANK
from vlm_misalign_ros.core.files import write_json
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.metrics import survival
from vlm_misalign_ros.core.metrics.durations import Durations
from vlm_misalign_ros.core.metrics.temporal import Terms
from vlm_misalign_ros.core.metrics.timeline import GAP, Timeline, chains
from vlm_misalign_ros.core.records.schema import Record
from vlm_misalign_ros.core.report.figures import (
    BY_CLASS,
    LENGTHS,
    SHARES,
    length,
    lengths_of,
    share,
    shares_of,
)
from vlm_misalign_ros.core.report.past import against_single
from vlm_misalign_ros.core.report.sheets import write_csv
from vlm_misalign_ros.core.report.summary import ALL
from vlm_misalign_ros.core.report.timelines import Gathering, Times

SCHEMA = 1
"""Version of temporal.json."""
NO_SEQUENCE = (
    'no two frames follow on each other, so nothing can be said of time: single frames of a data '
    'set are no sequence (docs/metrics.md, Time)'
)


def temporal_analysis(
    records: Iterable[Record], models: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """
    Return what records say of time as plain data; they are read once and not kept.

    `models` is what the manifest says of each, by name.
    """
    gathering = Gathering()
    for record in records:
        gathering.add(record)
    return analyse_times(gathering.times(), models)


def analyse_times(times: Times, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run says of time as plain data; `told` is what the manifest says of models."""
    models = {name: _model(timeline, times) for name, timeline in times.timelines.items()}
    return {
        'schema': SCHEMA,
        'protocols': times.protocols,
        'nothing': '' if any(entry['frames_linked'] for entry in models.values()) else NO_SEQUENCE,
        'models': models,
        'asks': against_single(times, told),
    }


def _model(timeline: Timeline, times: Times) -> dict[str, Any]:
    """Return what one model's timeline says."""
    shares = shares_of(timeline, times.critical)
    lengths = lengths_of(timeline, times.critical)
    blank = np.array([name == BLANK for name in times.corruptions], bool)
    chosen = {ALL: ~blank[timeline.conditions]}
    for number, name in enumerate(times.condition_names):
        chosen[name] = timeline.conditions == number
    sizes = np.bincount(chains(timeline)) if len(timeline) else np.zeros(0, np.int64)
    return {
        'frames': len(timeline),
        'frames_linked': int(timeline.linked.sum()),
        'sequences': int((sizes > 1).sum()),
        'seconds': _seconds(timeline),
        'pairs': _broken(timeline),
        'conditions': {
            name: {
                **{of: share(timeline, terms, lines) for of, terms in shares.items()},
                **{of: length(timeline, found.of(lines)) for of, found in lengths.items()},
            }
            for name, lines in chosen.items()
            if lines.any()
        },
        'classes': {
            name: {
                of: share(timeline, _column(shares[of], number), chosen[ALL]) for of in BY_CLASS
            }
            for number, name in enumerate(SCORED)
        },
        'curves': {of: _curve(timeline, found.of(chosen[ALL])) for of, found in lengths.items()},
    }


def _column(terms: Terms, number: int) -> Terms:
    over, under = terms
    return over[:, number], under[:, number]


def _seconds(timeline: Timeline) -> float:
    """Return the seconds of header time that linked frames span."""
    lengths = np.diff(timeline.moments, prepend=timeline.moments[:1])
    return float(lengths[timeline.linked].sum()) / 1e9


def _broken(timeline: Timeline) -> dict[str, int]:
    """Return how many neighbours are pairs, and why the others are none."""
    linked, within, pairs = timeline.linked, timeline.within, timeline.pairs
    return {
        'whole': int(pairs.sum()),
        'unanswered': int((within & ~pairs).sum()),
        'condition_changed': int((linked & ~within).sum()),
        'gap': int((timeline.steps == GAP).sum()),
    }


def _curve(timeline: Timeline, found: Durations) -> list[list[float]]:
    """Return (seconds, share that lasts longer, low, high, at risk) of each step of a curve."""
    curve = survival.kaplan_meier(found.seconds, found.ended, timeline.scenes[found.lines])
    columns = (curve.seconds, curve.share, curve.low, curve.high, curve.at_risk)
    told: list[list[float]] = np.stack([a.astype(np.float64) for a in columns], 1).tolist()
    return told


def lines(analysis: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the lines of temporal.csv: one a model, condition and figure."""
    for model, entry in analysis['models'].items():
        for condition, found in entry['conditions'].items():
            for figure in (*SHARES, *LENGTHS):
                told = found[figure.name]
                yield {
                    'model': model,
                    'condition': condition,
                    'figure': figure.name,
                    'unit': 's' if figure.seconds else '',
                    **{name: told.get(name) for name in _COLUMNS},
                }


_COLUMNS = (
    'value',
    'low',
    'high',
    'numerator',
    'denominator',
    'durations',
    'ended',
    'censored',
    'at_once',
    'unseen',
    'mean_frames',
    'most_frames',
    'longest',
    'scenes',
)
_WHOLE = tuple(
    name for name in _COLUMNS if name not in ('value', 'low', 'high', 'mean_frames', 'longest')
)
_HEADS = ('model', 'condition', 'figure', 'unit', *_COLUMNS)


def write_temporal(folder: Path, analysis: dict[str, Any]) -> None:
    """Write temporal.json and temporal.csv; RecordError or OSError when the disk refuses."""
    plain = json.loads(json.dumps(analysis), parse_constant=lambda _: None)
    write_json(folder / 'temporal.json', plain)
    told = [] if analysis['nothing'] else list(lines(analysis))
    frame = pd.DataFrame(told, columns=_HEADS).astype(dict.fromkeys(_WHOLE, 'Int64'))
    # Where a reference stands for the truth, `against` names it.
    frame = frame.assign(**{name: analysis[name] for name in ('against',) if name in analysis})
    write_csv(folder / 'temporal.csv', frame)

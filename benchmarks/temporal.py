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
Makes the tables of docs/temporal.md: does seeing the past help a model.

    python benchmarks/temporal.py             draws the scenes, runs the asks, remakes the tables
    python benchmarks/temporal.py --run RUN   remakes them from a run folder, without running
    python benchmarks/temporal.py --kept      remakes them from docs/temporal.csv

benchmarks/temporal.yaml has the scenes and what is run. Of a run that is interrupted or INVALID
nothing is published.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from grounded import Kept, apart, decimal, grid, value
from grounded_counts import ALL, Counted, Counts, groups, rates
from results import between, lacking, recipe, run

from vlm_misalign_ros.core.metrics.rates import BY_NAME, terms
from vlm_misalign_ros.core.metrics.scenes import Scenes
from vlm_misalign_ros.core.records.schema import FrameRecord, ModelEntry, Record
from vlm_misalign_ros.core.records.store import read_records

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / 'benchmarks' / 'temporal.yaml'
KEPT = ROOT / 'docs' / 'temporal.csv'
PAGE = ROOT / 'docs' / 'temporal.md'
MODELS = ('temporal', 'llava')
BACK = 3
"""Frames from the earlier picture to the later: the stride of the asks."""
MEASURES = {
    'critical_omission_rate': 'omission',
    'hallucination_opportunity_rate': 'hallucination, per opportunity',
    'smr_false_safe': 'false-safe',
    'smr_false_alarm': 'false alarm',
    'unparsed_rate': 'unparsed',
}
FLICKER = {
    'judgement_flicker': 'judgements that change',
    'assertion_flicker': 'classes that change',
    'hallucination_persistence': 'hallucinated again',
    'omission_persistence': 'left out again',
}
"""What the run's own comparison of asks has (`asks` in temporal.json)."""
FIRST = 'nothing'
"""What is before the first frames of a sequence."""
WORDS = {'occlusion:5': 'covered', 'low_light:5': 'dark'}


def step_of(record: FrameRecord) -> tuple[str, int]:
    """Return the sequence of a frame and its number there."""
    sequence, _, number = record.key.rpartition('_')
    return sequence, int(number)


def count(records: Iterable[Record], models: Iterable[str] = MODELS) -> Counts:
    """
    Return the counts of a run.

    A frame's condition is `NOW after BEFORE`, with that of BACK frames before in its sequence,
    whether that one was scored or not, and in whatever order the records are. Frames that one of
    the asks was not scored on are left out of all.
    """
    asks = [f'{model}_{ask}' for model in models for ask in ('now', 'past')]
    scenes = Scenes()
    frames = [record for record in records if isinstance(record, FrameRecord)]
    met = {step_of(record): record.condition.name for record in frames}
    sources, conditions = [], []
    lines: dict[str, list[np.ndarray]] = {name: [] for name in asks}
    for record in frames:
        if record.truth is None:
            continue
        rows = [_terms(record.models.get(name)) for name in asks]
        if len(whole := [row for row in rows if row is not None]) < len(rows):
            continue
        sources.append(scenes.add(record))
        sequence, step = step_of(record)
        before = met.get((sequence, step - BACK), FIRST)
        conditions.append(f'{worded(record.condition.name)} after {worded(before)}')
        for name, row in zip(asks, whole, strict=True):
            lines[name].append(row)
    numbers = scenes.numbers()[np.array(sources, np.int64)]
    places = np.arange(len(sources))
    table = {name: np.stack(rows) for name, rows in lines.items()}
    counted = {name: Counted(places, rows[:, 0], rows[:, 1]) for name, rows in table.items()}
    told = np.array(conditions)
    return Counts(told, told, numbers, counted)


def _terms(entry: ModelEntry | None) -> np.ndarray | None:
    """Return numerators and denominators by MEASURES, int64 (2, M); None where not scored."""
    if entry is None or entry.scored is None:
        return None
    values = np.array([entry.scored[1].counts.values()], np.int64)
    found: np.ndarray = np.array([terms(BY_NAME[rate], values) for rate in MEASURES])[:, :, 0].T
    return found


def worded(condition: str) -> str:
    """Return what a condition is called in the tables."""
    return WORDS.get(condition, condition)


def measured(counts: Counts, models: Iterable[str] = MODELS) -> pd.DataFrame:
    """Return every measure of every ask by what was seen, now and before, and past minus now."""
    tables = []
    for model in models:
        own = {name: c for name, c in counts.asks.items() if name.startswith(f'{model}_')}
        part = Counts(counts.conditions, counts.corruptions, counts.scenes, own)
        tables.append(rates(part, f'{model}_now', tuple(MEASURES), groups))
    return pd.concat(tables)


def steadiness(asks: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the rows of what the run itself compares: shares over pairs of neighbours."""
    rows = []
    for pair in asks:
        for figure in FLICKER:
            told = pair[figure]
            row = {'group': 'pairs', 'measure': figure, 'scenes': told['scenes']}
            apart = {
                'difference': told['value'],
                'difference_low': told['low'],
                'difference_high': told['high'],
            }
            rows.append({**row, 'ask': pair['single'], 'value': told['single']})
            rows.append({**row, 'ask': pair['past'], 'value': told['past'], **apart})
    return pd.DataFrame(rows)


def rate_table(kept: Kept, model: str) -> str:
    """Return what one model does with and without the past, by what it saw before."""
    rows = []
    told = [group for group in kept.groups if group not in (ALL, 'pairs')]
    for measure, name in MEASURES.items():
        for group in (*told, ALL):
            now, past = (kept.row(group, f'{model}_{ask}', measure) for ask in ('now', 'past'))
            if now is None or past is None:
                continue
            rows.append([name, group, value(now), value(past), apart(past)])
    return grid(['', 'picture', 'now', 'past', 'past minus now'], rows)


def steady_table(kept: Kept) -> str:
    """Return what the run itself says of neighbours."""
    rows = []
    for measure, name in FLICKER.items():
        for model in MODELS:
            now, past = (kept.row('pairs', f'{model}_{ask}', measure) for ask in ('now', 'past'))
            if now is None or past is None:
                continue
            rows.append([name, model, decimal(now['value']), decimal(past['value']), apart(past)])
    return grid(['of pairs of neighbours', 'model', 'now', 'past', 'past minus now'], rows)


def page(frame: pd.DataFrame) -> str:
    """Return docs/temporal.md with its tables as the numbers have them."""
    text, kept = PAGE.read_text(encoding='utf-8'), Kept(frame)
    for model in MODELS:
        text = between(text, model, rate_table(kept, model))
    return between(text, 'steady', steady_table(kept))


def keep(folder: Path) -> None:
    """Keep the numbers of a run."""
    if reason := lacking(folder):
        raise SystemExit(f'nothing is published from {folder}: {reason}')
    found = measured(count(read_records(folder / 'records.jsonl')))
    told = json.loads((folder / 'temporal.json').read_text(encoding='utf-8'))
    every = pd.concat([found, steadiness(told['asks'])])
    every.to_csv(KEPT, index=False, float_format='%.6g', lineterminator='\n')


def chosen_recipe() -> dict[str, Any]:
    """Return the recipe, with its scenario as an override."""
    made = recipe(RECIPE)
    scenario = RECIPE.with_name(made['scenario'])
    return {**made, 'overrides': [f'replay.scenario={scenario}', *made['overrides']]}


def main() -> None:
    """Draw, run and remake, or remake alone."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--run', help='run folder to remake everything from, without running')
    parser.add_argument('--kept', action='store_true', help='remake from what is kept in docs/')
    parser.add_argument('--out', default='runs', help='folder of scenes and runs')
    chosen = parser.parse_args()
    if chosen.run:
        keep(Path(chosen.run))
    elif not chosen.kept:
        keep(run(Path(chosen.out), chosen_recipe()))
    PAGE.write_text(page(pd.read_csv(KEPT)), encoding='utf-8')
    print(f'wrote {PAGE.relative_to(ROOT)}')


if __name__ == '__main__':
    main()

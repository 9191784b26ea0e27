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
Writes what fine-tuning on mined answers changed, from runs before and after it.

    python benchmarks/fine_tuning.py runs/before after=runs/after other=runs/other
    python benchmarks/fine_tuning.py --kept   remakes the tables from docs/fine_tuning.csv

docs/training_data.md has the commands that make the runs. Kept is docs/fine_tuning.csv: for each
run, condition and rate, and for the groups of conditions that the page shows, both rates over the
frames that both runs scored, and their difference with its 95 % interval over scenes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.files import write_text
from vlm_misalign_ros.core.report.comparing import RATES, pair
from vlm_misalign_ros.core.report.tally import Tally

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / 'docs' / 'fine_tuning.csv'
PAGE = ROOT / 'docs' / 'training_data.md'
BEGIN, END = '<!-- fine-tuning -->\n', '<!-- /fine-tuning -->'
MODEL = 'llava'
NAMES = {
    'critical_omission_rate': 'omission',
    'hallucination_rate': 'hallucination',
    'hallucination_opportunity_rate': 'per opportunity',
    'smr_false_safe': 'false safe',
    'smr_false_alarm': 'false alarm',
}
CLEAN, MINED, NEVER = 'clean', 'mined conditions', 'never mined'
GROUPS = (CLEAN, MINED, NEVER)
SAID = 'classes asserted'
"""Of an answer, on average."""


def group_of(condition: str) -> str:
    """Return the group of a condition: those in which two corruptions meet were never mined."""
    if condition == CLEAN:
        return CLEAN
    return NEVER if '+' in condition else MINED


def lines(name: str, own: Tally, base: Tally) -> Iterator[dict[str, object]]:
    """Yield a line for each rate of each condition and group."""
    shared = [condition for condition in own.conditions if condition in base.conditions]
    named = {condition: [condition] for condition in shared}
    grouped = {group: [c for c in shared if group_of(c) == group] for group in GROUPS}
    for where, conditions in {**named, **grouped}.items():
        if not conditions:
            raise ConfigurationError(
                f'the runs have nothing of {where!r}', 'run what docs/training_data.md says'
            )
        for rate in RATES:
            found = own.paired(base, MODEL, rate, conditions)
            yield {
                'run': name,
                'condition': where,
                'rate': rate,
                'before': found.other,
                'after': found.own,
                'difference': found.value,
                'low': found.low,
                'high': found.high,
                'scenes': found.scenes,
                'frames': found.scored,
            }
        before, after = (_said(tally, conditions) for tally in (base, own))
        yield {
            'run': name,
            'condition': where,
            'rate': SAID,
            'before': before,
            'after': after,
            'difference': after - before,
        }


def _said(tally: Tally, conditions: Sequence[str]) -> float:
    """Return how many classes an answer asserts."""
    place = tally.fields.index('assertions')
    counts = [entry[1][place] for entry in tally.by_key(MODEL, RATES[0], conditions).values()]
    return sum(counts) / len(counts)


def measure(before: Path, after: dict[str, Path]) -> pd.DataFrame:
    """Return the lines of all runs after."""
    found = [
        line
        for name, folder in after.items()
        for line in lines(name, *pair(folder, before, RATES))
    ]
    return pd.DataFrame(found).round(4)


def table(kept: pd.DataFrame, run: str) -> str:
    """Return what one training changed as Markdown; bold where the interval leaves 0 out."""
    rows: Any = kept[kept['run'] == run].set_index(['condition', 'rate'])
    text = [
        '| before → after, difference [95 %] | ' + ' | '.join(GROUPS) + ' |',
        '|---|' + '---|' * len(GROUPS),
    ]
    for rate, title in NAMES.items():
        cells = [_cell(rows.loc[(group, rate)]) for group in GROUPS]
        text.append(f'| {title} | ' + ' | '.join(cells) + ' |')
    said = [rows.loc[(group, SAID)] for group in GROUPS]
    text.append(
        f'| {SAID} | ' + ' | '.join(f'{r["before"]:.1f} → {r["after"]:.1f}' for r in said) + ' |'
    )
    return '\n'.join(text)


def _cell(row: Mapping[str, float]) -> str:
    if pd.isna(row['before']) or pd.isna(row['after']):
        return '–'
    change = f'{_signed(row["difference"])} [{_signed(row["low"])}, {_signed(row["high"])}]'
    if row['low'] > 0 or row['high'] < 0:
        change = f'**{change}**'
    return f'{_plain(row["before"])} → {_plain(row["after"])}, {change}'


def _plain(value: float) -> str:
    return f'{value:.3f}'.removeprefix('0')


def _signed(value: float) -> str:
    return ('−' if round(value, 3) < 0 else '+') + _plain(abs(value))


def tables(kept: pd.DataFrame) -> str:
    """Return the tables of all trainings, one below the other."""
    runs = list(dict.fromkeys(kept['run']))
    return '\n'.join(f'**{run}**\n\n{table(kept, run)}\n' for run in runs)


def main() -> None:
    """Measure and write, or write again what is kept."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('before', nargs='?', type=Path, help='run of the model as it came')
    parser.add_argument('after', nargs='*', metavar='NAME=RUN', help='runs of trained models')
    parser.add_argument('--kept', action='store_true', help='remake the tables from what is kept')
    chosen = parser.parse_args()
    if not chosen.kept:
        if chosen.before is None or not chosen.after:
            parser.error('give the run before, and NAME=RUN for each after it')
        runs = {name: Path(run) for name, _, run in (a.partition('=') for a in chosen.after)}
        write_text(KEPT, measure(chosen.before, runs).to_csv(index=False))
    head, _, rest = PAGE.read_text(encoding='utf-8').partition(BEGIN)
    tail = rest.partition(END)[2]
    write_text(PAGE, f'{head}{BEGIN}\n{tables(pd.read_csv(KEPT))}\n{END}{tail}')


if __name__ == '__main__':
    main()

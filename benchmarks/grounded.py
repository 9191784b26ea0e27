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
Makes the tables of docs/grounded.md: does telling a model what perception found help it.

    python benchmarks/grounded.py             draws the scenes, runs the asks, remakes the tables
    python benchmarks/grounded.py --run RUN   remakes them from a run folder, without running
    python benchmarks/grounded.py --kept      remakes them from docs/grounded.csv

benchmarks/grounded.yaml has the scenes and what is run. Of a run that is interrupted or INVALID
nothing is published.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from grounded_counts import ALL, PASSED, RATES, count, rates
from results import between, lacking, recipe, run

from vlm_misalign_ros.core.records.store import read_records

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / 'benchmarks' / 'grounded.yaml'
KEPT = ROOT / 'docs' / 'grounded.csv'
PAGE = ROOT / 'docs' / 'grounded.md'
MODEL = 'grounded'
PLAIN, TOLD = f'{MODEL}_plain', f'{MODEL}_objects'
SURE = f'{MODEL}_uncertainty'
ASKS = (PLAIN, TOLD, SURE, f'{MODEL}_words', 'mask')
BY_WORDS = f'{SURE} minus objects'
"""The differences of `uncertainty` to `objects`: what the words of certainty do."""
SHOWN = {
    'hallucination_opportunity_rate': 'hallucination, per opportunity',
    'critical_omission_rate': 'omission',
    'critical_omission_rate_visible': 'omission, of what is left to see',
    'smr_false_safe': 'false-safe',
    'smr_false_alarm': 'false alarm',
    'paraphrase_disagreement': 'paraphrases disagree',
    'self_contradiction': 'self-contradiction',
    'prompted_share': 'prompted',
    'absent_found': 'not there, found',
    'absent_not_found': 'not there, not found',
    'required_found': 'to be seen, found',
    'required_missed': 'to be seen, missed',
    'absent_found_sure': 'not there, found and called sure',
    'absent_found_fairly_sure': 'not there, found and called fairly sure',
    'absent_found_unsure': 'not there, found and called unsure',
}
FOUR = (
    'hallucination_opportunity_rate',
    'critical_omission_rate',
    'smr_false_safe',
    'smr_false_alarm',
)
MISTAKES = RATES[:-1]
"""The rates that have a good end, so that a difference says something."""


class Kept:
    """The kept numbers by group, ask and measure."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._rows = frame.set_index(['group', 'ask', 'measure'])
        self.groups = list(dict.fromkeys(frame['group']))

    def row(self, group: str, ask: str, measure: str) -> pd.Series | None:
        """Return a row; None where there is none, or nothing was counted in it."""
        if (group, ask, measure) not in self._rows.index:
            return None
        row = self._rows.loc[(group, ask, measure)]
        return None if pd.isna(row['value']) else row


def decimal(value: float, signed: bool = False) -> str:
    """Return `.012`, with a sign where that is asked for."""
    text = f'{value:+.3f}' if signed else f'{value:.3f}'
    return text.replace('0.', '.', 1).replace('-', '−')


def value(row: pd.Series | None) -> str:
    """Return a rate with interval and counts."""
    if row is None:
        return '–'
    interval = f'[{decimal(row["low"])}, {decimal(row["high"])}]'
    counts = f'{int(row["numerator"])}/{int(row["denominator"])}'
    return f'{decimal(row["value"])} {interval} {counts}'


def apart(row: pd.Series | None) -> str:
    """Return a difference with interval; in bold type where that leaves out 0."""
    if row is None or pd.isna(row['difference']):
        return '–'
    low, high = row['difference_low'], row['difference_high']
    text = decimal(row['difference'], True)
    if low > 0 or high < 0:
        text = f'**{text}**'
    return f'{text} [{decimal(low, True)}, {decimal(high, True)}]'


def short(row: pd.Series | None) -> str:
    """Return a rate alone, in bold type where it differs from the plain ask's."""
    if row is None:
        return '–'
    text = f'{row["value"]:.2f}'.lstrip('0') if row['value'] < 0.995 else '1.0'
    differs = row['difference_low'] > 0 or row['difference_high'] < 0
    return f'**{text}**' if differs else text


def named(ask: str) -> str:
    """Return what an ask is called in the tables."""
    return ask.removeprefix(f'{MODEL}_') if ask != 'mask' else 'mask reader'


def titled(group: str) -> str:
    """Return what a group of conditions is called in the tables."""
    if group == ALL:
        return 'all'
    name, _, severity = group.partition(':')
    return f'{name.replace("_", " ")} {severity}'.strip()


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as Markdown."""
    lines = ['| ' + ' | '.join(head) + ' |', '|' + '---|' * len(head)]
    return '\n'.join([*lines, *('| ' + ' | '.join(row) + ' |' for row in rows)])


def overall(kept: Kept) -> str:
    """Return the rates of every ask over all conditions."""
    rows = [[SHOWN[name], *(value(kept.row(ALL, ask, name)) for ask in ASKS)] for name in RATES]
    return grid(['', *map(named, ASKS)], rows)


def differences(kept: Kept) -> str:
    """Return the differences to the plain ask over all conditions."""
    rows = [
        [SHOWN[name], *(apart(kept.row(ALL, ask, name)) for ask in (*ASKS[1:], BY_WORDS))]
        for name in MISTAKES
    ]
    return grid([f'minus {named(PLAIN)}', *map(named, (*ASKS[1:], BY_WORDS))], rows)


def believed(kept: Kept) -> str:
    """Return by how much more of what perception found, and did not, is asserted once told."""
    rows = [
        [SHOWN[name], *(apart(kept.row(ALL, ask, name)) for ask in (*ASKS[1:], BY_WORDS))]
        for name in PASSED
    ]
    return grid(['asserted of what is', *map(named, (*ASKS[1:], BY_WORDS))], rows)


def by_condition(kept: Kept) -> str:
    """Return the four rates of every ask by condition."""
    groups = [name for name in kept.groups if name == 'clean' or ':' in name]
    rows = [
        [
            titled(group),
            *(' / '.join(short(kept.row(group, ask, name)) for name in FOUR) for ask in ASKS),
        ]
        for group in groups
    ]
    return grid(['condition', *map(named, ASKS)], rows)


def passed(kept: Kept) -> str:
    """Return how much of what perception found, and did not, is asserted."""
    groups = [name for name in kept.groups if ':' not in name]
    rows = [
        [f'{SHOWN[name]}; {titled(group)}', *(value(kept.row(group, ask, name)) for ask in ASKS)]
        for name in PASSED
        for group in (groups if name in PASSED[:4] else [ALL])
    ]
    return grid(['asserted of what is', *map(named, ASKS)], rows)


TABLES = {
    'overall': overall,
    'differences': differences,
    'conditions': by_condition,
    'passed': passed,
    'believed': believed,
}


def page(frame: pd.DataFrame) -> str:
    """Return docs/grounded.md with its tables as the numbers have them."""
    text, kept = PAGE.read_text(encoding='utf-8'), Kept(frame)
    for name, table in TABLES.items():
        text = between(text, name, table(kept))
    return text


def keep(folder: Path) -> None:
    """Keep the numbers of a run."""
    if reason := lacking(folder):
        raise SystemExit(f'nothing is published from {folder}: {reason}')
    counts = count(read_records(folder / 'records.jsonl'), TOLD)
    found = rates(counts, PLAIN)
    if missing := set(ASKS) - set(found['ask']):
        raise SystemExit(f'{folder} has no answers of {", ".join(sorted(missing))}')
    words = rates(counts, TOLD)
    words = words[words['ask'] == SURE].assign(ask=BY_WORDS)
    pd.concat([found, words]).to_csv(KEPT, index=False, float_format='%.6g', lineterminator='\n')


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
        keep(run(Path(chosen.out), recipe(RECIPE)))
    PAGE.write_text(page(pd.read_csv(KEPT)), encoding='utf-8')
    print(f'wrote {PAGE.relative_to(ROOT)}')


if __name__ == '__main__':
    main()

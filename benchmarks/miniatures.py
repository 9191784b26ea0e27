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
Writes README's table of the miniature models from a run's summary, and the figures of their cards.

    vlm-misalign demo --frames 100 && python benchmarks/miniatures.py runs/demo

keeps the summary as docs/miniatures.csv and puts the table between README's markers; without a
run the table is made again from the kept summary.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / 'docs' / 'miniatures.csv'
START, END = '<!-- results -->', '<!-- /results -->'
RATES = ('hallucination_rate', 'critical_omission_rate', 'smr')
SHOWN = (
    'clean',
    *(
        f'{name}:{severity}'
        for name in ('motion_blur', 'low_light', 'occlusion')
        for severity in (1, 3, 5)
    ),
    'blank',
)
PLAIN = {'blank': 'grey picture'}


def table(summary: pd.DataFrame) -> str:
    """
    Return the table as Markdown: mIoU, and the three rates of each model by condition.

    A rate stands in bold type where its whole interval lies above that of the clean frames.
    """
    models = list(dict.fromkeys(summary['model']))
    found = summary.set_index(['condition', 'model'])
    lines = [
        '| condition | mIoU | ' + ' | '.join(models) + ' |',
        '|---|---|' + '---|' * len(models),
    ]
    for condition in SHOWN:
        if (condition, models[0]) not in found.index:
            continue
        miou = found.loc[(condition, models[0]), 'miou']
        cells = []
        for model in models:
            row, clean = found.loc[(condition, model)], found.loc[('clean', model)]
            cells.append(' / '.join(_cell(row, clean, rate) for rate in RATES))
        name = PLAIN.get(condition, condition.replace('_', ' ').replace(':', ' '))
        shown = '–' if condition == 'blank' or pd.isna(miou) else _number(miou)
        lines.append(f'| {name} | {shown} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def _cell(row: pd.Series, clean: pd.Series, rate: str) -> str:
    if pd.isna(row[rate]):
        return '–'
    text = _number(row[rate])
    return f'**{text}**' if row[f'{rate}_low'] > clean[f'{rate}_high'] else text


def _number(value: float) -> str:
    return f'{value:.2f}'.lstrip('0') if value < 0.995 else '1.0'


def section(readme: str, made: str) -> str:
    """Return README's text with the table between its markers."""
    before, _, rest = readme.partition(START)
    _, _, after = rest.partition(END)
    if not after:
        raise SystemExit(f'README.md lacks the markers {START} and {END}')
    return f'{before}{START}\n{made}\n{END}{after}'


def main() -> None:
    """Keep a run's summary where one is given; write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('run', nargs='?', help='run folder of the miniatures')
    run = parser.parse_args().run
    if run:
        shutil.copyfile(Path(run) / 'summary.csv', KEPT)
    path = ROOT / 'README.md'
    made = table(pd.read_csv(KEPT))
    path.write_text(section(path.read_text(encoding='utf-8'), made), encoding='utf-8')
    print(made)


if __name__ == '__main__':
    main()

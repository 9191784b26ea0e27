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

"""Rates against severity as SVG: panels by rate and corruption, and in each a line a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

import pandas as pd

COLORS = ('#0b6bcb', '#c0392b', '#1e8449', '#8e44ad', '#b9770e', '#117a8b')
MASK = '#333333'
WIDE, HIGH = 250, 112
"""Of a panel, pixels."""
LEFT, TOP, GAP = 118, 58, 14
OFFSET = 0.05
"""Severities by which models stand beside each other, so that intervals do not hide another."""


def plot(summary: pd.DataFrame, rows: Mapping[str, str]) -> str:
    """
    Return the plot; `rows` are columns of the summary and their titles, from the top.

    `miou` is the mask's, drawn once. Intervals are those of the summary, where it has any.
    """
    corruptions = [
        name
        for name in dict.fromkeys(summary['corruption'])
        if name not in ('clean', 'blank', 'all')
    ]
    models = list(dict.fromkeys(summary['model']))
    last = int(summary['severity'].max())
    width = LEFT + len(corruptions) * (WIDE + GAP) + 10
    height = TOP + len(rows) * (HIGH + GAP) + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        *_legend(models),
    ]
    for column, corruption in enumerate(corruptions):
        x = LEFT + column * (WIDE + GAP)
        parts.append(_text(x + WIDE / 2, TOP - 8, corruption.replace('_', ' '), 'middle'))
        shown = summary[summary['corruption'].isin(('clean', corruption))]
        for line, (rate, title) in enumerate(rows.items()):
            y = TOP + line * (HIGH + GAP)
            if not column:
                parts.append(_text(LEFT - 34, y + HIGH / 2 + 4, title, 'end'))
            parts.extend(_frame(x, y, last, not column, line == len(rows) - 1))
            parts.extend(_panel(shown, rate, models, x, y, last))
    bottom = TOP + len(rows) * (HIGH + GAP) + 24
    middle = LEFT + (width - LEFT) / 2
    parts.append(_text(middle, bottom, 'severity (0: clean); bars: 95 % intervals', 'middle'))
    return '\n'.join([*parts, '</svg>']) + '\n'


def _text(x: float, y: float, words: str, anchor: str = 'start', color: str = '#1c2430') -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} fill="{color}">{escape(words)}</text>'


def _legend(models: list[str]) -> Iterator[str]:
    x = float(LEFT)
    for name, color in (('segmentation', MASK), *zip(models, COLORS * len(models), strict=False)):
        yield f'<path d="M{x:.1f} 16h18" stroke="{color}" stroke-width="2"/>'
        yield _text(x + 23, 20, name)
        x += 38 + 7.2 * len(name)


def _frame(x: float, y: float, last: int, labelled: bool, lowest: bool) -> Iterator[str]:
    """Yield a panel's grid, with its numbers at the margins of the figure."""
    for value in (0.0, 0.5, 1.0):
        height = y + HIGH * (1 - value)
        yield f'<path d="M{x} {height:.1f}h{WIDE}" stroke="#dde3ea"/>'
        if labelled:
            yield _text(x - 5, height + 4, f'{value:g}', 'end', '#5b6675')
    if lowest:
        for severity in range(last + 1):
            place = x + _across(severity, last)
            yield _text(place, y + HIGH + 13, f'{severity}', 'middle', '#5b6675')


def _across(severity: float, last: int) -> float:
    return WIDE * (severity + 0.35) / (last + 0.7)


def _panel(
    shown: pd.DataFrame, rate: str, models: list[str], x: float, y: float, last: int
) -> Iterator[str]:
    """Yield the lines of one panel, with a bar for each interval."""
    drawn = models[:1] if rate == 'miou' else models
    for number, model in enumerate(drawn):
        color = MASK if rate == 'miou' else COLORS[number % len(COLORS)]
        own = shown[shown['model'] == model].sort_values('severity')
        own = own[own[rate].notna()]
        aside = (number - (len(drawn) - 1) / 2) * OFFSET
        places = [x + _across(severity + aside, last) for severity in own['severity']]
        points = [(place, y + HIGH * (1 - v)) for place, v in zip(places, own[rate], strict=True)]
        path = ' '.join(f'{a:.1f},{b:.1f}' for a, b in points)
        yield f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.6"/>'
        for a, b in points:
            yield f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.4" fill="{color}"/>'
        if f'{rate}_low' in own:
            ends = zip(places, own[f'{rate}_low'], own[f'{rate}_high'], strict=True)
            for place, low, high in ends:
                top, height = y + HIGH * (1 - high), HIGH * (high - low)
                bar = f'M{place:.1f} {top:.1f}v{height:.1f}'
                yield f'<path d="{bar}" stroke="{color}" opacity=".5"/>'

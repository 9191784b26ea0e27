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

"""The plot of the report: mIoU and the headline rates against severity, a column a corruption."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from vlm_misalign_ros.core.corruptions import BLANK, CLEAN
from vlm_misalign_ros.core.metrics.known import Known
from vlm_misalign_ros.core.metrics.rates import HEADLINES, RateRow
from vlm_misalign_ros.core.report.summary import ALL, Row, known_of

_COLORS = ('#0b6bcb', '#c0392b', '#1e8449', '#8e44ad', '#b9770e', '#117a8b')


def plot(rows: Sequence[Row]) -> str:
    """Return the plot as HTML, with its script; empty for no rows."""
    rows = [row for row in rows if row.corruption not in (BLANK, ALL)]
    if not rows:
        return ''
    corruptions = dict.fromkeys(row.corruption for row in rows if row.corruption != CLEAN)
    known = known_of(rows)
    figure = _grid(list(corruptions) or [CLEAN])
    for column, corruption in enumerate(corruptions or [CLEAN], 1):
        shown = [row for row in rows if row.corruption in (CLEAN, corruption)]
        _fill(figure, column, shown, list(dict.fromkeys(row.model for row in rows)), known)
    return str(
        figure.to_html(full_html=False, include_plotlyjs=True, config={'displaylogo': False})
    )


def _fill(
    figure: Any, column: int, rows: Sequence[Row], models: Sequence[str], known: Known
) -> None:
    """Draw the rows of one corruption into its column."""
    for number, model in enumerate(models):
        own = [row for row in rows if row.model == model]
        for line, trace in enumerate(_traces(own, model, number, known), 1 if number == 0 else 2):
            trace.showlegend = line <= 2 and column == 1
            figure.add_trace(trace, row=line, col=column)


def _grid(columns: Sequence[str]) -> Any:
    """Return the empty figure: a line for mIoU and each headline, a column a corruption."""
    titles = ['mIoU', *(rate.title for rate in HEADLINES)]
    figure = make_subplots(
        rows=len(titles),
        cols=len(columns),
        shared_xaxes=True,
        shared_yaxes=True,
        column_titles=[name.replace('_', ' ') for name in columns],
        row_titles=titles,
        vertical_spacing=0.03,
        horizontal_spacing=0.02,
    )
    figure.update_yaxes(range=[-0.02, 1.02])
    figure.update_xaxes(dtick=1)
    figure.update_xaxes(title_text='severity', row=len(titles))
    figure.update_layout(
        template='plotly_white',
        height=190 * len(titles) + 80,
        margin={'t': 50, 'r': 40},
        legend={'orientation': 'h', 'y': 1.08},
    )
    return figure


def _traces(rows: Sequence[Row], model: str, number: int, known: Known) -> Iterator[Any]:
    """Yield the lines of one model, from the top; the mask's with the first model's."""
    if number == 0:
        yield _miou(rows, known)
    for rate in HEADLINES:
        yield _rate(rows, rate, model, _COLORS[number % len(_COLORS)])


def _miou(rows: Sequence[Row], known: Known) -> Any:
    """Return the mask's line; without a point where means are over different classes."""
    rows = () if known.mixed else rows
    return go.Scatter(
        x=[row.severity for row in rows],
        y=[row.miou for row in rows],
        mode='lines+markers',
        name=_named(known),
        line={'color': '#333'},
        hovertemplate='%{y:.3f}',
    )


def _named(known: Known) -> str:
    if known.mixed:
        return 'segmentation (no mIoU: classes are mixed)'
    return 'segmentation' if known.all else f'segmentation ({known.count} classes)'


def _rate(rows: Sequence[Row], rate: RateRow, model: str, color: str) -> Any:
    found = [row.rates()[rate.name] for row in rows]
    return go.Scatter(
        x=[row.severity for row in rows],
        y=[entry.value for entry in found],
        mode='lines+markers',
        name=model,
        legendgroup=model,
        line={'color': color},
        text=[entry.counts for entry in found],
        hovertemplate='%{y:.3f} (%{text})',
        error_y={
            'type': 'data',
            'symmetric': False,
            'thickness': 1,
            'width': 3,
            'array': [entry.high - entry.value for entry in found],
            'arrayminus': [entry.value - entry.low for entry in found],
        },
    )

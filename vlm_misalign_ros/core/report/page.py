"""The report: one self-contained page; every text from models and data is escaped."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from math import isnan, nan
from pathlib import Path
from typing import Any

import jinja2

from vlm_misalign_ros.core.corruptions.conditions import BLANK
from vlm_misalign_ros.core.files import write_text
from vlm_misalign_ros.core.records.pictures import picture_name
from vlm_misalign_ros.core.report.summary import ALL, HEADLINE, Row, lost_kinds, show
from vlm_misalign_ros.core.report.verdict import Verdict
from vlm_misalign_ros.core.stamps import parse_stamp
from vlm_misalign_ros.core.types import Record

_COLORS = ('#0b6bcb', '#c0392b', '#1e8449', '#8e44ad', '#b9770e', '#117a8b')


def write_report(
    folder: Path,
    records: Sequence[Record],
    rows: Sequence[Row],
    verdict: Verdict,
    analysis: Mapping[str, Any],
) -> None:
    """Write report.html into a run folder; RecordError when the disk refuses."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(interval=show_interval, value=show_value)
    frames = [record for record in records if record.get('kind') == 'frame']
    lost = lost_kinds(rows)
    page = environment.get_template('page.html.jinja').render(
        name=folder.resolve().name,
        verdict=verdict,
        manifest=_manifest(folder),
        headline=list(HEADLINE.values()),
        table=[_line(row, lost) for row in rows],
        lost=lost,
        plot=_plot(rows),
        models=analysis['models'],
        short=HEADLINE,
        worst=_worst(folder, frames),
        frames=len(frames),
        late=sum(record.get('kind') == 'late' for record in records),
    )
    write_text(folder / 'report.html', page)


def show_interval(entry: Mapping[str, float], sign: bool = True) -> str:
    """Return `+0.12 [+0.03, +0.20]`, or a dash where there is nothing."""
    value, low, high = entry['value'], entry.get('low', nan), entry.get('high', nan)
    if isnan(value):
        return '–'
    form = '+.2f' if sign else '.3f'
    if isnan(low):
        return format(value, form)
    return f'{value:{form}} [{low:{form}}, {high:{form}}]'


def show_value(value: float | None, digits: int = 3) -> str:
    """Return a number, or a dash where there is none."""
    return '–' if value is None or isnan(value) else f'{value:.{digits}f}'


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / 'manifest.json').read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _line(row: Row, lost: Sequence[str]) -> dict[str, Any]:
    found = row.rates()

    def cell(name: str) -> dict[str, str]:
        rate = found[name]
        return {
            'text': show(rate).replace('-', '–') if isnan(rate.value) else show(rate),
            'counts': f'{rate.numerator}/{rate.denominator}',
        }

    def plain(value: float, digits: int = 3) -> str:
        return '–' if isnan(value) else f'{value:.{digits}f}'

    return {
        'condition': row.condition,
        'model': row.model,
        'scored': row.scored,
        'lost': [getattr(row, name) for name in lost],
        'total': row.condition == ALL,
        'miou': plain(row.miou),
        'rates': [cell(name) for name in HEADLINE],
        'mentions': plain(found['mentions_per_frame'].value, 1),
        'safe': plain(found['safe_answer_rate'].value, 2),
        'unparsed': plain(found['unparsed_rate'].value, 2),
    }


def _plot(rows: Sequence[Row]) -> str:
    """Return the plot of rates and mIoU against severity, with its script; empty for no rows."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    rows = [row for row in rows if row.corruption != BLANK]
    clean = [row for row in rows if row.corruption == 'clean']
    corruptions = list(
        dict.fromkeys(row.corruption for row in rows if row.corruption not in ('clean', ALL))
    )
    models = list(dict.fromkeys(row.model for row in rows))
    if not rows:
        return ''
    columns = corruptions or ['clean']
    lines = ['mIoU', *HEADLINE.values()]
    figure = make_subplots(
        rows=len(lines),
        cols=len(columns),
        shared_xaxes=True,
        shared_yaxes=True,
        column_titles=[name.replace('_', ' ') for name in columns],
        row_titles=lines,
        vertical_spacing=0.03,
        horizontal_spacing=0.02,
    )
    for column, corruption in enumerate(columns, 1):
        for number, model in enumerate(models):
            own = [
                row
                for row in (*clean, *rows)
                if row.model == model
                and (
                    row.corruption == corruption
                    or (row.corruption == 'clean' and corruption != 'clean')
                )
            ]
            own = list({id(row): row for row in own}.values())
            severities = [row.severity for row in own]
            color = _COLORS[number % len(_COLORS)]
            for line, name in enumerate(HEADLINE, 2):
                found = [row.rates()[name] for row in own]
                figure.add_trace(
                    go.Scatter(
                        x=severities,
                        y=[rate.value for rate in found],
                        mode='lines+markers',
                        name=model,
                        legendgroup=model,
                        showlegend=line == 2 and column == 1,
                        line={'color': color},
                        text=[f'{rate.numerator}/{rate.denominator}' for rate in found],
                        hovertemplate='%{y:.3f} (%{text})',
                        error_y={
                            'type': 'data',
                            'symmetric': False,
                            'thickness': 1,
                            'width': 3,
                            'array': [rate.high - rate.value for rate in found],
                            'arrayminus': [rate.value - rate.low for rate in found],
                        },
                    ),
                    row=line,
                    col=column,
                )
            if number == 0:
                figure.add_trace(
                    go.Scatter(
                        x=severities,
                        y=[row.miou for row in own],
                        mode='lines+markers',
                        name='segmentation',
                        showlegend=column == 1,
                        line={'color': '#333'},
                        hovertemplate='%{y:.3f}',
                    ),
                    row=1,
                    col=column,
                )
    figure.update_yaxes(range=[-0.02, 1.02])
    figure.update_xaxes(dtick=1)
    figure.update_xaxes(title_text='severity', row=len(lines))
    figure.update_layout(
        template='plotly_white',
        height=190 * len(lines) + 80,
        margin={'t': 50, 'r': 40},
        legend={'orientation': 'h', 'y': 1.08},
    )
    return str(
        figure.to_html(full_html=False, include_plotlyjs=True, config={'displaylogo': False})
    )


def _worst(folder: Path, frames: Sequence[Record]) -> list[dict[str, Any]]:
    found = []
    for record in frames:
        name = picture_name(parse_stamp(record['stamp']))
        picture = folder / 'pictures' / f'{name}.jpg'
        if picture.is_file():
            found.append((_badness(record), record, picture))
    found.sort(key=lambda entry: (-entry[0], entry[1]['stamp']))
    shown = []
    for _, record, picture in found:
        mask = picture.with_name(picture.stem + '_mask.jpg')
        truth = record['truth'] or {}
        states = truth.get('presence', {})
        shown.append(
            {
                'key': record['key'],
                'condition': record['condition']['name'],
                'hazard': truth.get('hazard', ''),
                'nearest': truth.get('nearest'),
                'nearest_class': truth.get('nearest_class'),
                'frame_iou': record['segmentation']['frame_iou'],
                'required': [name for name, state in states.items() if state == 'REQUIRED'],
                'picture': _data(picture),
                'mask': _data(mask) if mask.is_file() else '',
                'models': record['models'],
            }
        )
    return shown


def _badness(record: Record) -> float:
    return float(
        sum(
            entry['counts'].get('hallucinated', 0)
            + entry['counts'].get('omitted', 0)
            + 2 * entry['counts'].get('false_safe', 0)
            for entry in record['models'].values()
            if entry.get('counts')
        )
    )


def _data(path: Path) -> str:
    try:
        return 'data:image/jpeg;base64,' + base64.b64encode(path.read_bytes()).decode()
    except OSError:
        return ''

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

"""Pictures of two numbers at once: a rate against mIoU, false safe beside false alarm, a mask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isnan
from typing import Any

from markupsafe import Markup

from vlm_misalign_ros.core.corruptions import BLANK
from vlm_misalign_ros.core.metrics.intervals import FEW_SCENES
from vlm_misalign_ros.core.metrics.rates import BY_NAME, Rate
from vlm_misalign_ros.core.report.found import Found, Line
from vlm_misalign_ros.core.report.order import natural
from vlm_misalign_ros.core.report.summary import ALL
from vlm_misalign_ros.core.report.svg import (
    Scale,
    ceiling,
    line,
    mark,
    picture,
    place,
    text,
    tick,
    whisker,
)
from vlm_misalign_ros.core.report.warning import WARNED
from vlm_misalign_ros.core.report.wording import correlation, known, named

_WIDTH, _HEIGHT = 300.0, 220.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 34.0, 10.0, 10.0, 36.0
_ROW = 17.0


def corruptions_of(found: Found) -> list[str]:
    """Return the corruptions of a run, clean first; their place is their colour and marker."""
    kinds = {one.condition: one.corruption for one in found.lines}
    return list(dict.fromkeys(kinds[name] for name in found.conditions))


def against_miou(found: Found) -> list[dict[str, Any]]:
    """Return for each rate that mIoU is held against a picture a model, a point a condition."""
    if not found.masks:
        return []
    rows = []
    for rate in WARNED:
        panels = [
            {'model': model, 'svg': svg, 'told': _told(entry, rate.name)}
            for model, entry in found.models
            if (svg := _scatter(found, model, rate.name, rate.title)) is not None
        ]
        rows.append({'title': rate.title, 'panels': panels})
    return [row for row in rows if row['panels']]


def _told(entry: Mapping[str, Any], rate: str) -> str:
    """Return the correlation with its interval and p, in words."""
    found = ((entry.get('miou_warns') or {}).get('rates') or {}).get(rate) or {}
    spearman = found.get('spearman') or {}
    if not known(spearman.get('value')):
        return 'no correlation: nothing varies, or too few conditions'
    number = f'{spearman["n"]} conditions'
    if not known(spearman.get('low')):
        value = f'{spearman["value"]:+.2f}'.replace('0.', '.').replace('-', '−')
        return f'Spearman {value}, {number}: too few for an interval'
    p = found.get('p_holm')
    held = f', p {p:.2g} (Holm)' if known(p) else ''
    return f'Spearman {correlation(spearman)}{held}, {number}'


def _scatter(found: Found, model: str, rate: str, title: str) -> Markup | None:
    kinds = corruptions_of(found)
    points = []
    for one in found.lines:
        mask, value = found.masks.get(one.condition) or {}, one.rates.get(rate)
        if one.model != model or one.condition not in found.conditions:
            continue
        if not known(mask.get('value')) or value is None or isnan(value.value):
            continue
        points.append((one, mask, value))
    if not points:
        return None
    lows = [_end(mask, 'low') for _, mask, _ in points]
    highs = [_end(mask, 'high') for _, mask, _ in points]
    pad = 0.04 * (max(highs) - min(lows) or 0.1)
    x = Scale(max(0, min(lows) - pad), min(1, max(highs) + pad), _LEFT, _WIDTH - _RIGHT)
    top = ceiling(v for *_, value in points for v in (value.value, value.high))
    y = Scale(0, top, _HEIGHT - _BOTTOM, _TOP)
    inside = list(_axes(x, y))
    for one, mask, value in points:
        inside.append(_cross(one, mask, value, kinds.index(one.corruption), x, y))
    label = f'{title} of {named(model)} against mIoU, {len(points)} conditions'
    return picture(_WIDTH, _HEIGHT, inside, label)


def _end(mask: Mapping[str, Any], key: str) -> float:
    return float(mask[key] if known(mask.get(key)) else mask['value'])


def _cross(
    one: Line, mask: Mapping[str, Any], value: Rate, series: int, x: Scale, y: Scale
) -> str:
    at = x(mask['value']), y(value.value)
    drawn = whisker(x(_end(mask, 'low')), at[1], x(_end(mask, 'high')), at[1], series)
    if not isnan(value.low):
        drawn += whisker(at[0], y(value.low), at[0], y(value.high), series)
    told = (
        f'{named(one.condition)}: {value.value:.3f} ({value.counts}) at mIoU {mask["value"]:.3f}'
    )
    drawn += mark(*at, series, told)
    if one.severity:
        drawn += text(at[0] + 6, max(at[1] - 5, 9), f'{one.severity}', 'small', 'start')
    return drawn


def _axes(x: Scale, y: Scale) -> Iterator[str]:
    for value in y.ticks(4):
        yield line(x.start, y(value), x.end, y(value), 'rule')
        yield text(x.start - 5, y(value) + 4, tick(value), anchor='end')
    for value in x.ticks(4):
        yield line(x(value), y.start, x(value), y.start + 4, 'axis')
        yield text(x(value), y.start + 16, tick(value))
    yield line(x.start, y.start, x.end, y.start, 'axis')
    yield text((x.start + x.end) / 2, y.start + 31, 'mIoU')


def safety(found: Found) -> list[dict[str, Any]]:
    """
    Return a picture a model: false safe to the left, false alarm to the right, a condition a line.

    Beside each stand wrong judgements and those of hazard, or clear, frames.
    """
    panels = []
    for total in found.totals:
        model = total.model
        own = sorted(
            (one for one in found.lines if one.model == model),
            key=lambda one: natural(one.condition),
        )
        scenes = ' and '.join(
            f'{_scenes(total.rates.get(name))} {of} scenes'
            for name, of in (('smr_false_safe', 'hazard'), ('smr_false_alarm', 'clear'))
        )
        told = f'{scenes} were judged'
        panels.append({'model': model, 'scenes': told, 'svg': _butterfly(model, own)})
    return panels


def _scenes(rate: Rate | None) -> str:
    return '0' if rate is None else '?' if rate.scenes is None else f'{rate.scenes}'


def _butterfly(model: str, lines: Sequence[Line]) -> Markup:
    width, top = 390.0, 30.0
    bottom = top + _ROW * len(lines)
    left, right = Scale(0, 1, 238, 152), Scale(0, 1, 248, 334)
    inside = [text(195, 12, 'false safe'), text(291, 12, 'false alarm')]
    inside += [text(at, 12, 'of hazard' if at < 200 else 'of clear', 'small') for at in (130, 362)]
    for side in (left, right):
        for share in (0, 0.5, 1):
            inside.append(line(side(share), top - 6, side(share), bottom, 'rule'))
            inside.append(text(side(share), bottom + 13, tick(share), 'small'))
    for row, one in enumerate(lines):
        at = top + _ROW * (row + 0.5)
        if one.corruption in (BLANK, ALL):
            inside.append(line(4, at - _ROW / 2, 386, at - _ROW / 2, 'axis'))
        inside.append(text(104, at + 4, named(one.condition)[:17], anchor='end'))
        inside.append(_half(one, left, 'smr_false_safe', 2, at, 130))
        inside.append(_half(one, right, 'smr_false_alarm', 1, at, 362))
    label = f'False safe and false alarm of {named(model)} by condition'
    return picture(width, bottom + 20, inside, label)


def _half(one: Line, side: Scale, name: str, series: int, at: float, counts: float) -> str:
    rate = one.rates.get(name)
    if rate is None or isnan(rate.value):
        return text(counts, at + 4, 'none', 'small')
    zero = side(0)
    x, wide = min(zero, side(rate.value)), abs(side(rate.value) - zero)
    drawn = (
        f'<rect class="b s{series}" x="{place(x)}" y="{place(at - 5)}" width="{place(wide)}" '
        'height="10"/>'
    )
    if not isnan(rate.low):
        drawn += whisker(side(rate.low), at, side(rate.high), at, series)
    told = f'{BY_NAME[name].title}, {named(one.condition)}: {rate.value:.3f}'
    told += '' if isnan(rate.low) else f' [{rate.low:.3f}, {rate.high:.3f}]'
    told += f' ({rate.counts} in {rate.scenes} scenes)'
    drawn += mark(side(rate.value), at, series, told, 3)
    return drawn + text(counts, at + 4, rate.counts, 'small')


def against_mask(found: Found) -> list[dict[str, Any]]:
    """Return for each mask reader and rate a picture: model minus reader, a line a model."""
    readers = {name for _, entry in found.models for name in entry.get('against_mask') or {}}
    panels = []
    for reader in sorted(readers, key=natural):
        for name in ('critical_omission_rate', 'hallucination_opportunity_rate', 'smr_false_safe'):
            told = [
                (model, ((entry.get('against_mask') or {}).get(reader) or {}).get('overall') or {})
                for model, entry in found.models
            ]
            shown = [
                (model, of[name]) for model, of in told if known((of.get(name) or {}).get('value'))
            ]
            if shown:
                title = f'{BY_NAME[name].title}: model minus {named(reader)}'
                panels.append({'title': title, 'svg': _forest(title, shown)})
    return panels


def _forest(title: str, shown: Sequence[tuple[str, Mapping[str, Any]]]) -> Markup:
    width, top = 340.0, 14.0
    bottom = top + _ROW * len(shown)
    ends = [abs(of[key]) for _, of in shown for key in ('value', 'low', 'high') if known(of[key])]
    reach = ceiling(ends, 0.05)
    x = Scale(-reach, reach, 120, 326)
    inside = []
    for value in x.ticks(4):
        inside.append(line(x(value), top - 4, x(value), bottom, 'rule'))
        inside.append(text(x(value), bottom + 14, tick(value), 'small'))
    inside.append(line(x(0), top - 6, x(0), bottom + 2, 'axis'))
    inside.append(text(x(reach / 2), bottom + 28, 'more than the mask', 'small'))
    inside.append(text(x(-reach / 2), bottom + 28, 'less', 'small'))
    for row, (model, of) in enumerate(shown):
        at = top + _ROW * (row + 0.5)
        inside.append(text(114, at + 4, named(model)[:20], anchor='end'))
        if known(of['low']):
            inside.append(whisker(x(of['low']), at, x(of['high']), at, row + 1))
        told = (
            f'{named(model)}: {of["value"]:+.3f} [{of["low"]:+.3f}, {of["high"]:+.3f}]'
            if known(of['low'])
            else named(model)
        )
        few = '*' if (of.get('scenes') or 0) < FEW_SCENES else ''
        inside.append(mark(x(of['value']), at, row + 1, f'{told}{few}'))
    return picture(width, bottom + 34, inside, title)

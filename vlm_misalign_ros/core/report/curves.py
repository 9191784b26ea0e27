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

"""mIoU and the headline rates against severity: a picture for each rate and corruption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan, nan
from typing import Any

from vlm_misalign_ros.core.corruptions import CLEAN
from vlm_misalign_ros.core.metrics.rates import HEADLINES
from vlm_misalign_ros.core.report.found import Found
from vlm_misalign_ros.core.report.svg import (
    Scale,
    ceiling,
    line,
    mark,
    picture,
    stroke,
    text,
    tick,
    whisker,
)
from vlm_misalign_ros.core.report.wording import named

MOST = 12
"""Corruptions that get a picture."""
_WIDTH, _HEIGHT = 300.0, 180.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 34.0, 8.0, 10.0, 30.0
_DODGE = 0.32
"""Severities over which the models of one severity are spread."""

Point = tuple[float, float, float, float, str]
"""Severity, value, low, high, and what is told of it."""


def curves(found: Found) -> list[dict[str, Any]]:
    """
    Return for mIoU and each headline rate its pictures, a corruption each, clean at severity 0.

    A marker and a dash stand beside each colour, and models at one severity stand side by side.
    """
    severities = _severities(found)
    kinds = [name for name in dict.fromkeys(severities[c][0] for c in found.conditions) if name]
    kinds = [name for name in kinds if name != CLEAN][:MOST]
    models = [line.model for line in found.totals]
    rows = [(found.miou, {'segmentation': _mious(found, severities)}, 0)]
    for rate in HEADLINES:
        series = {name: _points(found, severities, name, rate.name) for name in models}
        rows.append((rate.title, series, 1))
    return [
        {'title': title, 'panels': [_panel(title, kind, series, first) for kind in kinds]}
        for title, series, first in rows
        if any(_any(series)) and kinds
    ]


def left_out(found: Found) -> int:
    """Return how many corruptions have no picture."""
    kinds = {kind for kind, _ in _severities(found).values() if kind != CLEAN}
    return max(0, len(kinds) - MOST)


def _severities(found: Found) -> dict[str, tuple[str, float]]:
    """Return corruption and severity of each condition but blank."""
    told = {}
    for one in found.lines:
        if one.condition in found.conditions:
            told[one.condition] = (one.corruption, float(one.severity))
    return told


def _any(series: Mapping[str, Mapping[str, list[Point]]]) -> list[bool]:
    return [
        not isnan(point[1])
        for kinds in series.values()
        for points in kinds.values()
        for point in points
    ]


def _mious(found: Found, severities: Mapping[str, tuple[str, float]]) -> dict[str, list[Point]]:
    by: dict[str, list[Point]] = {}
    for condition in found.conditions:
        entry = found.masks.get(condition) or {}
        value, low, high = (_or_nan(entry.get(key)) for key in ('value', 'low', 'high'))
        kind, severity = severities[condition]
        by.setdefault(kind, []).append(
            (severity, value, low, high, _told('segmentation', condition, value, low, high, ''))
        )
    return by


def _points(
    found: Found, severities: Mapping[str, tuple[str, float]], model: str, rate: str
) -> dict[str, list[Point]]:
    by: dict[str, list[Point]] = {}
    for condition in found.conditions:
        kind, severity = severities[condition]
        entry = found.rate(condition, model, rate)
        if entry is not None:
            told = _told(model, condition, entry.value, entry.low, entry.high, entry.counts)
            by.setdefault(kind, []).append((severity, entry.value, entry.low, entry.high, told))
    return by


def _or_nan(value: Any) -> float:
    return nan if value is None else float(value)


def _told(name: str, condition: str, value: float, low: float, high: float, counts: str) -> str:
    text = f'{named(name)}, {named(condition)}: {value:.3f}'
    text += '' if isnan(low) else f' [{low:.3f}, {high:.3f}]'
    return f'{text} ({counts})' if counts else text


def _panel(
    title: str, kind: str, series: Mapping[str, Mapping[str, list[Point]]], first: int
) -> dict[str, Any]:
    top = 1.0
    if first:
        every = [p for kinds in series.values() for points in kinds.values() for p in points]
        top = ceiling(value for p in every for value in (p[1], p[3]))
    shown = {
        name: [p for p in (kinds.get(CLEAN, []) + kinds.get(kind, [])) if not isnan(p[1])]
        for name, kinds in series.items()
    }
    last = max((p[0] for points in shown.values() for p in points), default=1.0)
    x = Scale(-0.4, max(last, 1.0) + 0.4, _LEFT, _WIDTH - _RIGHT)
    y = Scale(0, top, _HEIGHT - _BOTTOM, _TOP)
    inside = [*_axes(x, y, last)]
    for number, points in enumerate(shown.values()):
        inside.append(_series(points, number, len(shown), first, x, y))
    label = f'{title} against the severity of {named(kind)}, {len(shown)} lines'
    return {'kind': kind, 'svg': picture(_WIDTH, _HEIGHT, inside, label)}


def _axes(x: Scale, y: Scale, last: float) -> list[str]:
    drawn = []
    for value in y.ticks(4):
        drawn.append(line(x.start, y(value), x.end, y(value), 'rule'))
        drawn.append(text(x.start - 5, y(value) + 4, tick(value), anchor='end'))
    for value in range(int(last) + 1):
        drawn.append(text(x(value), y.start + 14, 'clean' if value == 0 else f'{value}'))
    drawn.append(line(x.start, y.start, x.end, y.start, 'axis'))
    return drawn


def _series(
    points: Sequence[Point], number: int, count: int, first: int, x: Scale, y: Scale
) -> str:
    shift = 0.0 if count < 2 else _DODGE * (number / (count - 1) - 0.5)
    color = number + first
    places = [(x(p[0] + shift), y(p[1])) for p in points]
    drawn = [stroke(places, color)]
    for (px, _), point in zip(places, points, strict=True):
        if not isnan(point[2]):
            drawn.append(whisker(px, y(point[2]), px, y(point[3]), color))
    drawn += [mark(*at, color, point[4]) for at, point in zip(places, points, strict=True)]
    return ''.join(drawn)

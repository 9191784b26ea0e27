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

"""A sequence as it went: what the camera met, where a hazard was, what each model made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from markupsafe import Markup

from vlm_misalign_ros.core.corruptions import CLEAN
from vlm_misalign_ros.core.metrics.temporal import CLEAR, HAZARD, SAFE, UNSAFE
from vlm_misalign_ros.core.metrics.timeline import BEGINS, Timeline
from vlm_misalign_ros.core.report.order import in_order
from vlm_misalign_ros.core.report.svg import Scale, line, picture, text, tick
from vlm_misalign_ros.core.report.timelines import Times
from vlm_misalign_ros.core.report.wording import named
from vlm_misalign_ros.core.stamps import NANO

SHOWN = 2
"""Sequences that are drawn."""
LEAST, MOST = 5, 400
"""Frames that a sequence needs to be drawn, and that are drawn of it."""
_WIDTH, _LEFT, _RIGHT = 960.0, 150.0, 12.0
_LANE = 52.0


@dataclass(frozen=True)
class _Sequence:
    """The frames of one sequence as one model saw them."""

    of: Timeline
    lines: np.ndarray

    def seconds(self, since: int) -> np.ndarray:
        """Return the time of each frame since a moment, float64 (N,)."""
        found: np.ndarray = (self.of.moments[self.lines] - since) / NANO
        return found


def strips(times: Times | None) -> list[dict[str, Any]]:
    """Return pictures of the sequences whose conditions change most, the longest first."""
    if times is None or not times.timelines:
        return []
    chosen = _chosen(next(iter(times.timelines.values())))
    return [_strip(times, frames) for frames in chosen]


def _chosen(timeline: Timeline) -> list[np.ndarray]:
    """Return the numbers of the frames of the sequences to be drawn."""
    starts = np.flatnonzero(timeline.steps == BEGINS)
    found = []
    for lines in np.split(np.arange(len(timeline)), starts[starts > 0]):
        if len(lines) >= LEAST and timeline.linked[lines].any():
            conditions = timeline.conditions[lines[:MOST]]
            found.append((int((np.diff(conditions) != 0).sum()), len(lines), lines))
    found.sort(key=lambda entry: (-entry[0], -entry[1], entry[2][0]))
    return [timeline.frames[lines] for *_, lines in found[:SHOWN]]


def _strip(times: Times, frames: np.ndarray) -> dict[str, Any]:
    shown = frames[:MOST]
    models = {
        name: _Sequence(of, np.flatnonzero(np.isin(of.frames, shown)))
        for name, of in times.timelines.items()
    }
    models = {name: models[name] for name in in_order(models)}
    first = max(models.values(), key=lambda own: len(own.lines))
    since = int(first.of.moments[first.lines[0]])
    seconds = first.seconds(since)
    step = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 1.0
    x = Scale(0, float(seconds[-1]) + step, _LEFT, _WIDTH - _RIGHT)
    top, lane = 40.0, 64.0
    bottom = lane + _LANE * len(models)
    wide = max(x(step) - x(0) - 0.6, 0.8)
    inside = [
        *_bands(times, first, seconds, step, x, bottom),
        *_truth(first, seconds, x, wide, top),
    ]
    for number, (name, own) in enumerate(models.items()):
        inside += _lane(name, own, own.seconds(since), x, wide, lane + _LANE * number)
    inside += _axis(x, bottom)
    count, changes = len(frames), int((np.diff(first.of.conditions[first.lines]) != 0).sum())
    told = f'{count} frames in {seconds[-1]:.1f} s, {changes} changes of condition'
    if count > MOST:
        told += f'; the first {MOST} are drawn'
    return {'told': told, 'svg': _wide(bottom + 38, inside, f'A sequence over time: {told}')}


def _wide(height: float, inside: Sequence[str], label: str) -> Markup:
    return picture(_WIDTH, height, inside, label)


def _bands(
    times: Times, own: _Sequence, seconds: np.ndarray, step: float, x: Scale, bottom: float
) -> Iterator[str]:
    """Shade what was degraded, and name it where there is room."""
    conditions = own.of.conditions[own.lines]
    place = 0
    for number, group in groupby(conditions.tolist()):
        frames = len(list(group))
        start, end = x(seconds[place]), x(seconds[place + frames - 1] + step)
        name = times.condition_names[number]
        if name != CLEAN:
            yield (
                f'<rect class="band" x="{start:.1f}" y="22" width="{end - start:.1f}" '
                f'height="{bottom - 22:.1f}"><title>{_escaped(name)}</title></rect>'
            )
        if end - start > 6.2 * len(named(name)):
            yield text((start + end) / 2, 15, named(name), 'small')
        place += frames


def _escaped(name: str) -> str:
    return str(Markup.escape(named(name)))


def _truth(
    own: _Sequence, seconds: np.ndarray, x: Scale, wide: float, top: float
) -> Iterator[str]:
    yield text(_LEFT - 8, top + 9, 'hazard in the way', anchor='end')
    hazards = own.of.hazards[own.lines]
    for at, hazard in zip(seconds.tolist(), hazards.tolist(), strict=True):
        if hazard == HAZARD:
            yield _bar(x(at), top, wide, 12, 'truth', 'a hazard')
        elif hazard != CLEAR:
            yield _bar(x(at), top + 5, wide, 2, 'open', 'not known, or neither')


def _lane(
    name: str, own: _Sequence, seconds: np.ndarray, x: Scale, wide: float, top: float
) -> Iterator[str]:
    """Draw a model: wrong judgements, and below them what was made up and left out."""
    yield line(4, top - 4, _WIDTH - 4, top - 4, 'rule')
    yield text(_LEFT - 8, top + 12, named(name)[:22], anchor='end')
    of, lines = own.of, own.lines
    made_up, left_out = of.hallucinated[lines].sum(axis=1), of.omitted[lines].sum(axis=1)
    states = zip(
        seconds.tolist(),
        of.answered[lines].tolist(),
        of.judgements[lines].tolist(),
        of.hazards[lines].tolist(),
        made_up.tolist(),
        left_out.tolist(),
        strict=True,
    )
    for at, answered, judged, hazard, made, left in states:
        if not answered:
            yield _bar(x(at), top + 9, wide, 2, 'open', 'no answer')
            continue
        yield _judgement(x(at), top, wide, judged, hazard)
        middle = top + 32
        if made:
            high = min(made, 4) * 3.0
            yield _bar(x(at), middle - high, wide, high, 'made', f'{made} made up')
        if left:
            yield _bar(x(at), middle + 1, wide, min(left, 4) * 3.0, 'left', f'{left} left out')
    yield line(_LEFT, top + 32.5, _WIDTH - _RIGHT, top + 32.5, 'rule')


def _judgement(at: float, top: float, wide: float, judged: int, hazard: int) -> str:
    if judged not in (SAFE, UNSAFE):
        return _bar(at, top + 9, wide, 2, 'open', 'no judgement')
    if hazard not in (HAZARD, CLEAR):
        return _bar(at, top + 7, wide, 4, 'open', 'judged, truth not known')
    if judged == SAFE and hazard == HAZARD:
        return _bar(at, top, wide, 16, 'false-safe', 'false safe')
    if judged == UNSAFE and hazard == CLEAR:
        return _bar(at, top + 4, wide, 12, 'false-alarm', 'false alarm')
    return _bar(at, top + 11, wide, 5, 'right', 'right')


def _bar(x: float, y: float, width: float, height: float, kind: str, told: str) -> str:
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}"><title>{told}</title></rect>'
    )


def _axis(x: Scale, bottom: float) -> Iterator[str]:
    yield line(x.start, bottom + 2, x.end, bottom + 2, 'axis')
    for value in x.ticks(10):
        yield text(x(value), bottom + 17, tick(value), 'small')
    yield text((x.start + x.end) / 2, bottom + 32, 'seconds of header time', 'small')


KEY: Mapping[str, str] = {
    'truth': 'hazard',
    'false-safe': 'false safe',
    'false-alarm': 'false alarm',
    'right': 'right judgement',
    'open': 'no answer, judgement or truth',
    'made': 'made up (upwards)',
    'left': 'left out (downwards)',
    'band': 'degraded',
}
"""What the marks mean."""

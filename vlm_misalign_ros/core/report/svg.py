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

"""Pictures as inline SVG: scales, axes, markers, intervals; every text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import floor, isnan, log10

from markupsafe import Markup, escape

SERIES = 8
"""Colours, shapes and dashes that a page has; the ninth series has the first colour, another
shape."""
_SHAPES = (
    'M{x},{t}A{r},{r} 0 1 1 {x},{b}A{r},{r} 0 1 1 {x},{t}Z',
    'M{l},{t}H{e}V{b}H{l}Z',
    'M{x},{t}L{e},{b}H{l}Z',
    'M{x},{t}L{e},{y}L{x},{b}L{l},{y}Z',
    'M{x},{b}L{e},{t}H{l}Z',
    'M{l},{t}L{e},{b}M{e},{t}L{l},{b}',
    'M{x},{t}V{b}M{l},{y}H{e}',
)
_OPEN = (5, 6)
"""Shapes that are strokes alone."""
_DASHES = ('', '6 3', '2 2', '8 3 2 3', '4 2', '1 3', '10 4', '')


@dataclass(frozen=True)
class Scale:
    """A stretch of numbers on a stretch of the picture."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return where a number lies, within the picture."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)

    def ticks(self, most: int = 5) -> list[float]:
        """Return round numbers on the scale, `most` and one at most."""
        step = step_of(self.high - self.low, most)
        first = -floor(-self.low / step + 1e-9)
        return [step * k for k in range(first, floor(self.high / step + 1e-9) + 1)]


def step_of(span: float, most: int = 5) -> float:
    """Return 1, 2 or 5 times a power of ten that divides a span into `most` parts at most."""
    rough = max(span, 1e-9) / most
    power = 10.0 ** floor(log10(rough))
    return next(k * power for k in (1.0, 2.0, 5.0, 10.0) if k * power >= rough * (1 - 1e-9))


def ceiling(values: Iterable[float], least: float = 0.1) -> float:
    """Return the round number of 1 at most that holds all shares, for the top of an axis."""
    top = max((value for value in values if not isnan(value)), default=0.0)
    top = max(top, least)
    step = step_of(top, 4)
    return min(1.0, -floor(-top / step + 1e-9) * step)


def tick(value: float) -> str:
    """Return a number as an axis says it."""
    return (
        f'{value:.3g}'.replace('-', '−').replace('0.', '.', 1) if abs(value) < 1 else f'{value:g}'
    )


def place(value: float) -> str:
    """Return a coordinate."""
    return f'{value:.1f}'.removesuffix('.0')


def line(x1: float, y1: float, x2: float, y2: float, kind: str, style: str = '') -> str:
    """Return a line of a class of the page's style."""
    extra = f' {style}' if style else ''
    return (
        f'<line x1="{place(x1)}" y1="{place(y1)}" x2="{place(x2)}" y2="{place(y2)}" '
        f'class="{kind}"{extra}/>'
    )


def text(x: float, y: float, said: str, kind: str = '', anchor: str = 'middle') -> str:
    """Return a text; `anchor` is start, middle or end."""
    of = f' class="{kind}"' if kind else ''
    return f'<text x="{place(x)}" y="{place(y)}" text-anchor="{anchor}"{of}>{escape(said)}</text>'


def mark(x: float, y: float, series: int, told: str = '', radius: float = 4) -> str:
    """Return the marker of a series; `told` shows when it is pointed at."""
    shape = series % len(_SHAPES)
    path = _SHAPES[shape].format(
        x=place(x),
        y=place(y),
        r=place(radius),
        l=place(x - radius),
        e=place(x + radius),
        t=place(y - radius),
        b=place(y + radius),
    )
    kind = 'mo' if shape in _OPEN else 'm'
    title = f'<title>{escape(told)}</title>' if told else ''
    return f'<path class="{kind} s{series % SERIES}" d="{path}">{title}</path>'


def stroke(points: Sequence[tuple[float, float]], series: int) -> str:
    """Return the line of a series through points; nothing for fewer than two."""
    if len(points) < 2:
        return ''
    path = 'M' + 'L'.join(f'{place(x)},{place(y)}' for x, y in points)
    dash = _DASHES[series % len(_DASHES)]
    extra = f' stroke-dasharray="{dash}"' if dash else ''
    return f'<path class="l s{series % SERIES}" d="{path}"{extra}/>'


def whisker(x1: float, y1: float, x2: float, y2: float, series: int) -> str:
    """Return an interval."""
    return line(x1, y1, x2, y2, f'w s{series % SERIES}')


def picture(width: float, height: float, inside: Iterable[str], label: str) -> Markup:
    """Return a picture that fits its column, with what a screen reader says of it."""
    # Every text in it went through escape().
    return Markup(
        f'<svg viewBox="0 0 {place(width)} {place(height)}" role="img" '
        f'aria-label="{escape(label)}" style="max-width:{place(width * 1.5)}px">'
        f'{"".join(inside)}</svg>'
    )


def swatch(series: int) -> Markup:
    """Return a series' line and marker, for a legend."""
    inside = stroke([(1, 8), (27, 8)], series) + mark(14, 8, series)
    return Markup(
        f'<svg viewBox="0 0 28 16" width="28" height="16" aria-hidden="true">{inside}</svg>'
    )  # noqa: S704

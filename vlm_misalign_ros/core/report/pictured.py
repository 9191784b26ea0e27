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

"""The pictures of the page's worst frames: small, and what is drawn over them as lines."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from vlm_misalign_ros.core.labels.classes import BY_NAME, CLASSES, IGNORE, color_table
from vlm_misalign_ros.core.records.pictures import CLEAN, MASK, PICTURE, TRUTH, Pictures
from vlm_misalign_ros.core.truth import outlines as lines
from vlm_misalign_ros.core.truth.outlines import Outlined, Outlines

QUALITY = 62
"""Of WebP."""
WIDTH = 576
"""Pixels of a picture in the page."""
LEAST_SHARE = 0.01
"""Share of the mask from which a class is in its legend."""
MOST_CLASSES = 10
LEAST_NAMED = 0.02
"""Share of the mask from which a region has its name written on it."""


@dataclass(frozen=True)
class Shown:
    """A picture as the page has it."""

    data: str
    """As a data URI."""
    width: int
    height: int


@dataclass(frozen=True)
class Entry:
    """A class in the legend of a mask."""

    name: str
    color: str
    share: float


@dataclass(frozen=True)
class Name:
    """A name on a mask."""

    text: str
    x: float
    y: float


@dataclass(frozen=True)
class Masked:
    """A mask as the page has it."""

    picture: Shown
    legend: tuple[Entry, ...]
    names: tuple[Name, ...]


@dataclass(frozen=True)
class Polygon:
    """A closed line over a picture."""

    points: str
    """As SVG has them."""
    kind: str
    """`omitted`, `way`, `named` or `corridor`."""


@dataclass(frozen=True)
class Label:
    """Words beside a line."""

    text: str
    x: float
    y: float
    end: bool
    """Whether they end at that place, and do not begin there."""
    kind: str


@dataclass(frozen=True)
class Drawn:
    """What is drawn over a picture, and what it says in words."""

    polygons: tuple[Polygon, ...]
    labels: tuple[Label, ...]
    words: tuple[str, ...]


def picture(kept: Pictures, stamp: int, end: str = PICTURE) -> Shown | None:
    """Return a kept picture, made smaller where it is large; None where there is none."""
    bgr = _read(kept.path(stamp, end), cv2.IMREAD_COLOR)
    if bgr is None:
        return None
    height, width = bgr.shape[:2]
    if width > WIDTH:
        height, width = max(1, round(height * WIDTH / width)), WIDTH
        bgr = cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA)
    good, data = cv2.imencode('.webp', bgr, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    return Shown(_uri('webp', data.tobytes()), width, height) if good else None


def clean_picture(kept: Pictures, stamp: int) -> Shown | None:
    """Return the clean picture of a frame; None where there is none."""
    return picture(kept, stamp, CLEAN)


def masked(kept: Pictures, stamp: int) -> Masked | None:
    """Return a kept mask in its colours with a legend; None where there is none."""
    ids = _read(kept.path(stamp, MASK), cv2.IMREAD_UNCHANGED)
    if ids is None or ids.ndim != 2 or ids.dtype != np.uint8:
        return None
    height, width = ids.shape
    drawn = Image.fromarray(ids)
    drawn.putpalette(color_table().astype(np.uint8).tobytes())
    stream = io.BytesIO()
    drawn.save(stream, 'PNG', optimize=True)
    shares = np.bincount(ids.ravel(), minlength=256) / ids.size
    order = sorted(range(len(CLASSES)), key=lambda number: -shares[number])
    legend = tuple(
        Entry(CLASSES[number], _hex(BY_NAME[CLASSES[number]].color), float(shares[number]))
        for number in order[:MOST_CLASSES]
        if shares[number] >= LEAST_SHARE
    )
    void = float(shares[len(CLASSES) : IGNORE + 1].sum())
    if void >= LEAST_SHARE:
        legend = (*legend, Entry('nothing', '#000000', void))
    shown = Shown(_uri('png', stream.getvalue()), width, height)
    return Masked(shown, legend, tuple(_names(ids)))


def _names(ids: np.ndarray) -> list[Name]:
    """Return the names of large regions, each where it has the most room."""
    found = []
    for number, name in enumerate(CLASSES):
        count, parts, stats, _ = cv2.connectedComponentsWithStats(
            (ids == number).view(np.uint8), connectivity=4
        )
        if count < 2:
            continue
        part = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
        if stats[part, cv2.CC_STAT_AREA] < LEAST_NAMED * ids.size:
            continue
        inside = np.pad((parts == part).view(np.uint8), 1)
        room = cv2.distanceTransform(inside, cv2.DIST_L2, 3)[1:-1, 1:-1]
        row, column = np.unravel_index(int(room.argmax()), room.shape)
        # Half a name needs about as much room as this beside its middle.
        half = min(5.4 * len(name), ids.shape[1] / 2)
        middle = min(max(float(column), half), ids.shape[1] - half)
        found.append(Name(name, middle, min(max(float(row), 12.0), ids.shape[0] - 12.0)))
    return found


def drawn(
    kept: Pictures,
    stamp: int,
    size: tuple[int, int],
    omitted: Sequence[str],
    hidden: Sequence[str],
) -> Drawn:
    """
    Return what is true of a frame over a picture of a size, (width, height).

    What of `omitted` is there is told to be left out; `hidden` are classes of it that an occluder
    covers.
    """
    found = _outlines(kept.path(stamp, TRUTH))
    width, height = size
    polygons: list[Polygon] = []
    labels: list[Label] = []
    words: list[str] = []
    if found.corridor:
        polygons.append(Polygon(_points(found.corridor, width, height), 'corridor'))
    # What matters comes last, over the rest.
    for thing in sorted(found.things, key=lambda each: (each.way, each.name in omitted)):
        missed = thing.required and thing.name in omitted
        kind = 'omitted' if missed else 'way' if thing.way else 'named'
        text = _words(thing, missed, thing.name in hidden)
        words.append(text)
        polygons += [Polygon(_points(line, width, height), kind) for line in thing.lines]
        if thing.lines and kind != 'named':
            labels.append(_label(thing.lines[0], text, width, height, kind))
    return Drawn(tuple(polygons), tuple(_apart(labels)), tuple(words[::-1]))


def _outlines(path: Path) -> Outlines:
    """Return the outlines in a file; none where there are none."""
    try:
        return lines.decode(path.read_bytes()) or Outlines()
    except OSError:
        return Outlines()


def _words(thing: Outlined, missed: bool, hidden: bool) -> str:
    told = [
        word
        for word, holds in (
            ('left out', missed),
            ('covered', missed and hidden),
            ('in the way', thing.way),
        )
        if holds
    ]
    far = '' if thing.metres is None else f' {thing.metres:.0f} m'
    return f'{thing.name}{far}' + (f': {", ".join(told)}' if told else '')


def _label(
    line: Sequence[tuple[float, float]], text: str, width: int, height: int, kind: str
) -> Label:
    left = min(x for x, _ in line) * width
    right = max(x for x, _ in line) * width
    top = min(y for _, y in line) * height
    end = left > width / 2
    place = right if end else left
    return Label(
        text, round(min(max(place, 2), width - 2), 1), round(max(top - 5, 18), 1), end, kind
    )


def _apart(labels: Sequence[Label]) -> list[Label]:
    """Return labels of which none stands in the line of one beside it."""
    found: list[Label] = []
    for label in labels:
        y = label.y
        for _ in range(3 * len(found)):
            if all(abs(other.y - y) >= 20 for other in found):
                break
            y += 20
        found.append(Label(label.text, label.x, y, label.end, label.kind))
    return found


def _points(line: Sequence[tuple[float, float]], width: int, height: int) -> str:
    return ' '.join(f'{x * width:.0f},{y * height:.0f}' for x, y in line)


def _read(path: Path, how: int) -> np.ndarray | None:
    """Return the pixels of a file; None where there are none."""
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError:
        return None
    if not data.size:
        return None
    try:
        found: np.ndarray | None = cv2.imdecode(data, how)
    except cv2.error:
        return None
    return found


def _uri(kind: str, data: bytes) -> str:
    return f'data:image/{kind};base64,{base64.b64encode(data).decode()}'


def _hex(color: tuple[int, int, int]) -> str:
    return '#{:02x}{:02x}{:02x}'.format(*color)

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

"""A closed frame as a picture: the mask, what each model said of it, and what is true."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vlm_misalign_ros.core.labels.classes import CLASSES, VEHICLE, VEHICLE_MEMBERS, color_table
from vlm_misalign_ros.core.records.schema import FrameRecord, ModelEntry, Status
from vlm_misalign_ros.core.types import Hazard, Judgement, Mention

Color = tuple[int, int, int]
"""RGB, 0-255."""
HALLUCINATED: Color = (255, 64, 64)
OMITTED: Color = (255, 191, 0)
RIGHT: Color = (96, 220, 96)
PLAIN: Color = (235, 235, 235)
UNKNOWN: Color = (150, 150, 150)
_GROUND = (24, 24, 24)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_LEAST = 2e-4
"""Share of the picture from which a region is outlined."""
_MOST = 64
"""Regions that are outlined at most, the largest first."""
_MOST_POINTS = 200
_MOST_CLASSES = 32
_WRONG = {Judgement.SAFE: Hazard.HAZARD, Judgement.UNSAFE: Hazard.CLEAR}
_RIGHT = {Judgement.SAFE: Hazard.CLEAR, Judgement.UNSAFE: Hazard.HAZARD}


@dataclass(frozen=True)
class Span:
    """A piece of a line, in one colour."""

    text: str
    color: Color = PLAIN


@dataclass(frozen=True, eq=False)
class Outline:
    """The outline of a region of a class."""

    name: str
    color: Color
    points: np.ndarray
    """Corners of the closed line, float64 (N, 2), column and row as parts of width and height."""


def chosen_models(record: FrameRecord, names: Sequence[str]) -> dict[str, ModelEntry]:
    """Return the models of a frame that are asked for, in that order; all where none is named."""
    wanted = names or sorted(record.models)
    return {name: record.models[name] for name in wanted if name in record.models}


def lines_of(record: FrameRecord, names: Sequence[str] = ()) -> list[list[Span]]:
    """
    Return what is written under a frame: first what is true, then a line for each model.

    Classes asserted are plain, those hallucinated red, required ones left out amber; a judgement
    is red where it is wrong, green where it is right, and grey where that cannot be told. Texts
    of models are not shown: only names that this package knows are.
    """
    lines = [[Span(f'{record.condition.name}  '), *_truth(record)]]
    for name, entry in chosen_models(record, names).items():
        lines.append([Span(f'{name}: '), *_told(entry, record)])
    return lines


def _truth(record: FrameRecord) -> Iterator[Span]:
    truth = record.truth
    if truth is None:
        yield Span('no reference' if record.pseudo else 'no ground truth', UNKNOWN)
        return
    yield Span(f'{"reference" if record.pseudo else "truth"} {truth.hazard.value}')
    if truth.nearest is not None:
        yield Span(f': {truth.nearest_class} at {truth.nearest:.1f} m')
    elif truth.doubt is not None:
        yield Span(f': {truth.doubt.value}')
    if truth.hazard_visible is not None and truth.hazard_visible is not truth.hazard:
        yield Span(f', by what is to be seen {truth.hazard_visible.value}')


def _told(entry: ModelEntry, record: FrameRecord) -> Iterator[Span]:
    if entry.answer is None:
        yield Span(entry.status.value, UNKNOWN)
        return
    judged, score = entry.answer.judgement, entry.score
    said = [name for name, mention in entry.answer.mentions.items() if mention is Mention.ASSERTED]
    if score is None:
        yield Span(f'{judged.value}  {entry.status.value}', UNKNOWN)
        yield from (Span(f'  {name}', UNKNOWN) for name in said[:_MOST_CLASSES])
        return
    yield Span(judged.value, _verdict(judged, record))
    for name in said[:_MOST_CLASSES]:
        yield Span(f'  {name}', HALLUCINATED if name in score.hallucinated else PLAIN)
    for name in score.omitted[:_MOST_CLASSES]:
        yield Span(f'  no {name}', OMITTED)


def _verdict(judged: Judgement, record: FrameRecord) -> Color:
    hazard = None if record.truth is None else record.truth.hazard
    if hazard is not None and _WRONG.get(judged) is hazard:
        return HALLUCINATED
    return RIGHT if hazard is not None and _RIGHT.get(judged) is hazard else UNKNOWN


def outlines_of(
    record: FrameRecord,
    names: Sequence[str] = (),
    truth: np.ndarray | None = None,
    mask: np.ndarray | None = None,
) -> list[Outline]:
    """
    Return where a frame is what models left out, and where the mask has what they made up.

    `truth` and `mask` are train ids, uint8 (H, W) each, of one view and any size. A class that a
    model made up lies nowhere: it is outlined only where the segmentation made it up, too.
    """
    omitted: set[str] = set()
    made_up: set[str] = set()
    for entry in chosen_models(record, names).values():
        if entry.score is not None and entry.status is Status.SCORED:
            omitted |= set(entry.score.omitted)
            made_up |= set(entry.score.hallucinated)
    found: list[tuple[float, Outline]] = []
    for ids, classes, color in ((truth, omitted, OMITTED), (mask, made_up, HALLUCINATED)):
        if ids is not None:
            for name in sorted(classes):
                found += _regions(ids, name, color)
    found.sort(key=lambda pair: -pair[0])
    return [outline for _, outline in found[:_MOST]]


def _regions(ids: np.ndarray, name: str, color: Color) -> Iterator[tuple[float, Outline]]:
    members = VEHICLE_MEMBERS if name == VEHICLE else (name,)
    numbers = [CLASSES.index(member) for member in members if member in CLASSES]
    where = np.isin(ids, numbers).astype(np.uint8)
    height, width = ids.shape
    lines, _ = cv2.findContours(where, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    for line in lines:
        area = cv2.contourArea(line) / (height * width)
        if area < _LEAST:
            continue
        corners = cv2.approxPolyDP(line, 1.0, True)[:_MOST_POINTS, 0].astype(np.float64)
        # The middle of a pixel, as part of the picture.
        yield area, Outline(name, color, (corners + 0.5) / (width, height))


def annotate(
    picture: np.ndarray,
    lines: Sequence[Sequence[Span]],
    outlines: Sequence[Outline] = (),
    mask: np.ndarray | None = None,
    opacity: float = 0.35,
) -> np.ndarray:
    """
    Return a picture with mask, outlines and lines of text below it, RGB uint8 (H + text, W, 3).

    `picture` is BGR uint8 (H, W, 3), `mask` train ids uint8 of any size, or None.
    """
    drawn = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_BGR2RGB)
    height, width = drawn.shape[:2]
    if mask is not None and opacity > 0:
        ids = mask
        if ids.shape != (height, width):
            ids = cv2.resize(ids, (width, height), interpolation=cv2.INTER_NEAREST)
        drawn = cv2.addWeighted(drawn, 1 - opacity, color_table()[ids], opacity, 0)
    thick = max(1, round(width / 480))
    for outline in outlines:
        points = np.round(outline.points * (width, height) - 0.5).astype(np.int32)
        cv2.polylines(drawn, [points[:, None]], True, outline.color, thick)
    return np.concatenate([drawn, _written(lines, width)])


def _written(lines: Sequence[Sequence[Span]], width: int) -> np.ndarray:
    """Return lines of coloured text, broken where they do not fit, RGB uint8 (H, W, 3)."""
    scale = max(width / 1400, 0.32)
    thick = max(1, round(scale * 1.6))
    step = round(34 * scale)
    margin = round(10 * scale)
    placed: list[tuple[str, Color, int, int]] = []
    row = 0
    for line in lines:
        column = margin
        row += 1
        for span in line:
            text = span.text.encode('ascii', 'replace').decode()
            wide = cv2.getTextSize(text, _FONT, scale, thick)[0][0]
            if column + wide > width - margin and column > margin:
                row, column, text = row + 1, 3 * margin, text.lstrip()
                wide = cv2.getTextSize(text, _FONT, scale, thick)[0][0]
            placed.append((text, span.color, column, row))
            column += wide
    strip = np.full((row * step + margin, width, 3), _GROUND, np.uint8)
    for text, color, column, number in placed:
        place = (column, number * step - round(6 * scale))
        cv2.putText(strip, text, place, _FONT, scale, color, thick, cv2.LINE_AA)
    return strip


def texts_of(lines: Sequence[Sequence[Span]]) -> list[tuple[str, Color]]:
    """Return each line as one text with the colour of the worst that it says."""
    order: Mapping[Color, int] = {HALLUCINATED: 3, OMITTED: 2, RIGHT: 1}
    return [
        (
            ''.join(span.text for span in line),
            max((span.color for span in line), key=lambda color: order.get(color, 0)),
        )
        for line in lines
    ]

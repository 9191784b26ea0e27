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

"""The inventory of a frame: pixels by label, and its things with extent and distance."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from vlm_misalign_ros.core.labels.classes import BY_NAME, LABELS
from vlm_misalign_ros.core.truth.spans import Runs

INSTANCE = 1000
"""Instance ids are label * 1000 + k; a bare label id is a group (Cityscapes' convention)."""
NEAR_SHARE = 0.25
"""A thing is as far as this quantile of the depths over its mask: its near side."""

_THINGS = tuple(label.id for label in LABELS if label.has_instances)
_OUTLINED = (BY_NAME['traffic light'].id, BY_NAME['traffic sign'].id)
_DEPTHS = 20_000
"""Pixels of all things together of which the depth is read."""


@dataclass(frozen=True)
class Thing:
    """One instance, group, light or sign: its extent in the picture."""

    label: int
    """Label id."""
    area: int
    """Pixels."""
    top: int
    bottom: int
    """First and last row."""
    foot: np.ndarray
    """Columns of the mask in its lowest rows (a twentieth of its height, at least one row)."""
    group: bool = False
    """True where single instances could not be told apart."""
    depth: float | None = None
    """Depth of its near side along the optical axis, metres; None where it is not known."""
    foot_depth: np.ndarray | None = None
    """Depth of each column of `foot` (lower median), metres; 0 where it is not known."""
    number: int = 0
    """Instance id; 0 where it has none of its own."""
    ends: tuple[np.ndarray, np.ndarray] | None = None
    """Its columns, and the lowest row in each; None where they were not asked for."""

    @property
    def height(self) -> int:
        """Return the rows from top to bottom."""
        return self.bottom - self.top + 1


@dataclass(frozen=True)
class Inventory:
    """What is in a frame."""

    shape: tuple[int, int]
    """(H, W) of the maps."""
    pixels: np.ndarray
    """Pixels by label id, int64 (256,)."""
    things: tuple[Thing, ...]
    runs: Runs
    """The label map as runs."""


def take_inventory(
    labels: np.ndarray,
    instances: np.ndarray | None,
    depth: np.ndarray | None = None,
    ends: Container[int] = (),
    runs: Runs | None = None,
) -> Inventory:
    """
    Return what is in a frame.

    `labels` holds label ids, uint8 (H, W); `instances` instance ids, uint16 (H, W); `depth`
    millimetres along the optical axis, uint16 (H, W), 0 where it is not known. Groups, traffic
    lights and signs, and without an instance map everything, are told apart by connected
    outlines; of these, things of the labels in `ends` say where their columns end. `runs` are
    those of the labels, where they are known already.
    """
    labels = np.ascontiguousarray(labels)
    runs = Runs.of(labels) if runs is None else runs
    pixels = runs.histogram()
    things: list[Thing] = []
    alone = pixels.copy()
    if instances is not None:
        instances = np.ascontiguousarray(instances)
        numbered = Runs.of(instances)
        things = list(_instances(instances, numbered, depth))
        for thing in things:
            alone[thing.label] -= thing.area
    for label in (*_THINGS, *_OUTLINED):
        if alone[label] <= 0:
            continue
        if instances is None or label in _OUTLINED:
            things.extend(_outlined(labels, runs, label, False, depth, label in ends))
        else:
            things.extend(_outlined(instances, numbered, label, True, depth, label in ends))
    return Inventory(labels.shape, pixels, tuple(things), runs)


def _instances(instances: np.ndarray, runs: Runs, depth: np.ndarray | None) -> Iterator[Thing]:
    """Yield the things of an instance map."""
    runs = runs.only(runs.values >= INSTANCE)
    if not runs.values.size:
        return
    areas = np.bincount(runs.values, runs.lengths).astype(np.int64)
    # Rows ascend, and of equal indices numpy keeps the last value assigned.
    first, last = np.zeros((2, len(areas)), np.int64)
    rows = runs.rows
    last[runs.values] = rows
    first[runs.values[::-1]] = rows[::-1]
    depths = {}
    if depth is not None:
        ids, places = runs.sampled(_DEPTHS)
        depths = _near_sides(ids, depth.ravel()[places])
    for number in np.flatnonzero(areas):
        label = int(number) // INSTANCE
        if label in _THINGS:
            top, bottom = int(first[number]), int(last[number])
            foot, foot_depth = _foot(instances, int(number), top, bottom, depth)
            yield Thing(
                label,
                int(areas[number]),
                top,
                bottom,
                foot,
                depth=depths.get(int(number)),
                foot_depth=foot_depth,
                number=int(number),
            )


def _near_sides(ids: np.ndarray, depths: np.ndarray) -> dict[int, float]:
    """Return the depth in metres of each id's near side; ids of unknown depth are left out."""
    known = depths > 0
    ids, depths = ids[known], depths[known]
    if not ids.size:
        return {}
    # Sorted as one number each, which is faster than by two: depths have sixteen bits.
    both = np.sort(ids.astype(np.int64) << 16 | depths)
    ids, depths = both >> 16, both & 0xFFFF
    starts = np.flatnonzero(np.diff(ids, prepend=-1))
    counts = np.diff(starts, append=len(ids))
    places = starts + np.floor(NEAR_SHARE * (counts - 1)).astype(np.int64)
    return {
        int(number): float(value) / 1000
        for number, value in zip(ids[starts], depths[places], strict=True)
    }


def _outlined(
    array: np.ndarray, runs: Runs, value: int, group: bool, depth: np.ndarray | None, ends: bool
) -> Iterator[Thing]:
    """Yield the connected parts of a map where it has a value."""
    runs = runs.only(runs.values == value)
    if not runs.values.size:
        return
    rows, columns = runs.box()
    # No more parts than runs: sixteen bits are enough for all but noise, and three times faster.
    kind = cv2.CV_16U if runs.values.size < 2**16 - 2 else cv2.CV_32S
    count, parts, stats, _ = cv2.connectedComponentsWithStats(
        (array[rows, columns] == value).view(np.uint8), connectivity=8, ltype=kind
    )
    depths = {}
    if depth is not None:
        _, places = runs.sampled(_DEPTHS)
        down, across = np.divmod(places, runs.width)
        depths = _near_sides(
            parts[down - rows.start, across - columns.start], depth.ravel()[places]
        )
    for number in range(1, count):
        top = int(stats[number, cv2.CC_STAT_TOP])
        bottom = top + int(stats[number, cv2.CC_STAT_HEIGHT]) - 1
        foot, foot_depth = _foot(
            parts, number, top, bottom, None if depth is None else depth[rows, columns]
        )
        yield Thing(
            value,
            int(stats[number, cv2.CC_STAT_AREA]),
            top + rows.start,
            bottom + rows.start,
            foot + columns.start,
            group,
            depths.get(number),
            foot_depth,
            ends=_ends(parts, number, stats[number], rows, columns) if ends else None,
        )


def _ends(
    parts: np.ndarray, number: int, stats: np.ndarray, rows: slice, columns: slice
) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns of a part and the lowest row in each; `rows`, `columns`: of `parts`."""
    left, top, width, height = (int(value) for value in stats[: cv2.CC_STAT_AREA])
    held = parts[top : top + height, left : left + width] == number
    # A connected part has no column without a pixel.
    lowest = top + height - 1 - held[::-1].argmax(axis=0)
    return np.arange(left, left + width) + columns.start, lowest + rows.start


def _foot(
    marks: np.ndarray, mark: int, top: int, bottom: int, depth: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the columns of the lowest rows of a mark, and their depths in metres."""
    rows = slice(bottom - max(1, (bottom - top + 1) // 20) + 1, bottom + 1)
    inside = marks[rows] == mark
    foot = np.flatnonzero(inside.any(axis=0))
    if depth is None:
        return foot, None
    # Unknown ones sort behind the others, so that half the known ones is where the median is.
    values = np.where(inside[:, foot], depth[rows, foot], 0).astype(np.float64)
    known = (values > 0).sum(axis=0)
    values[values == 0] = np.inf
    values.sort(axis=0)
    middle = values[np.maximum(known - 1, 0) // 2, np.arange(len(foot))]
    return foot, np.where(known > 0, middle, 0.0) / 1000

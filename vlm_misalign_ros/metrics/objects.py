"""The inventory of a frame: pixels by label, and its things with extent and distance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from vlm_misalign_ros.labels import BY_NAME, LABELS

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


def take_inventory(
    labels: np.ndarray, instances: np.ndarray | None, depth: np.ndarray | None = None,
) -> Inventory:
    """
    Return what is in a frame.

    `labels` holds label ids, uint8 (H, W); `instances` instance ids, uint16 (H, W); `depth`
    millimetres along the optical axis, uint16 (H, W), 0 where it is not known. Groups, traffic
    lights and signs, and without an instance map everything, are told apart by connected
    outlines.
    """
    labels = np.ascontiguousarray(labels)
    pixels = cv2.calcHist([labels], [0], None, [256], [0, 256]).ravel().astype(np.int64)
    things: list[Thing] = []
    alone = pixels.copy()
    if instances is not None:
        things = list(_instances(np.ascontiguousarray(instances), depth))
        for thing in things:
            alone[thing.label] -= thing.area
    for label in (*_THINGS, *_OUTLINED):
        if alone[label] <= 0:
            continue
        group = label in _THINGS and instances is not None
        mask = cv2.inRange(labels if instances is None or not group else instances, label, label)
        things.extend(_outlined(mask, label, group, depth))
    return Inventory(labels.shape, pixels, tuple(things))


def _instances(instances: np.ndarray, depth: np.ndarray | None) -> Iterator[Thing]:
    """Yield the things of an instance map."""
    width = instances.shape[1]
    numbered = cv2.inRange(instances, INSTANCE, 65535)
    x, y, columns, rows = cv2.boundingRect(numbered)
    if not columns:
        return
    part = instances[y:y + rows, x:x + columns].ravel()
    inside = np.flatnonzero(numbered[y:y + rows, x:x + columns])
    ids = part[inside]
    row = inside // columns + y
    areas = np.bincount(ids)
    # Rows ascend, and of equal indices numpy keeps the last value assigned.
    last = np.zeros(len(areas), np.int64)
    last[ids] = row
    first = np.zeros(len(areas), np.int64)
    first[ids[::-1]] = row[::-1]
    depths = {}
    if depth is not None:
        step = max(1, len(ids) // _DEPTHS)
        places = row[::step] * width + inside[::step] % columns + x
        depths = _near_sides(ids[::step], depth.ravel()[places])
    for number in np.flatnonzero(areas):
        label = int(number) // INSTANCE
        if label in _THINGS:
            top, bottom = int(first[number]), int(last[number])
            yield Thing(label, int(areas[number]), top, bottom,
                        _foot(instances, int(number), top, bottom), depth=depths.get(int(number)))


def _near_sides(ids: np.ndarray, depths: np.ndarray) -> dict[int, float]:
    """Return the depth in metres of each id's near side; ids of unknown depth are left out."""
    known = depths > 0
    ids, depths = ids[known], depths[known]
    if not ids.size:
        return {}
    order = np.lexsort((depths, ids))
    ids, depths = ids[order], depths[order]
    starts = np.flatnonzero(np.diff(ids, prepend=-1))
    counts = np.diff(starts, append=len(ids))
    places = starts + np.floor(NEAR_SHARE * (counts - 1)).astype(np.int64)
    return {int(number): float(value) / 1000
            for number, value in zip(ids[starts], depths[places], strict=True)}


def _outlined(
    mask: np.ndarray, label: int, group: bool, depth: np.ndarray | None,
) -> Iterator[Thing]:
    """Yield the connected parts of a mask, uint8 (H, W)."""
    x, y, columns, rows = cv2.boundingRect(mask)
    if not columns:
        return
    count, parts, stats, _ = cv2.connectedComponentsWithStats(
        mask[y:y + rows, x:x + columns], connectivity=8)
    depths = {}
    if depth is not None:
        marks = parts.ravel()
        inside = np.flatnonzero(marks)
        inside = inside[::max(1, len(inside) // _DEPTHS)]
        depths = _near_sides(marks[inside], depth[y:y + rows, x:x + columns].ravel()[inside])
    for number in range(1, count):
        top = int(stats[number, cv2.CC_STAT_TOP])
        bottom = top + int(stats[number, cv2.CC_STAT_HEIGHT]) - 1
        foot = _foot(parts, number, top, bottom) + x
        yield Thing(label, int(stats[number, cv2.CC_STAT_AREA]), top + y, bottom + y, foot, group,
                    depths.get(number))


def _foot(marks: np.ndarray, mark: int, top: int, bottom: int) -> np.ndarray:
    rows = max(1, (bottom - top + 1) // 20)
    return np.flatnonzero((marks[bottom - rows + 1:bottom + 1] == mark).any(axis=0))

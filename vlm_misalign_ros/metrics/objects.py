"""The countable things of a frame: instances, groups, and lights and signs by their outlines."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from vlm_misalign_ros.labels import BY_NAME, LABELS

INSTANCE = 1000
"""Instance ids are label * 1000 + k; a bare label id is a group (Cityscapes' convention)."""

_THINGS = tuple(label.id for label in LABELS if label.has_instances)
_OUTLINED = (BY_NAME['traffic light'].id, BY_NAME['traffic sign'].id)
_GROUPS = np.zeros(256, np.uint8)
_GROUPS[list(_THINGS)] = 1


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

    @property
    def height(self) -> int:
        """Return the rows from top to bottom."""
        return self.bottom - self.top + 1


def find_things(labels: np.ndarray, instances: np.ndarray | None) -> list[Thing]:
    """
    Return the things of a frame.

    `labels` holds label ids, uint8 (H, W); `instances` instance ids, uint16 (H, W). Groups,
    traffic lights and signs, and without an instance map everything, are told apart by
    connected outlines.
    """
    things = []
    if instances is not None:
        things = _instances(instances)
    for label in (*_THINGS, *_OUTLINED):
        group = label in _THINGS
        if instances is None or not group:
            things.extend(_outlined(labels, label, group=False))
        else:
            things.extend(_outlined(instances, label, group=True))
    return things


def _instances(instances: np.ndarray) -> list[Thing]:
    flat = instances.ravel()
    places = np.flatnonzero(flat >= INSTANCE)
    if not places.size:
        return []
    ids = flat[places]
    rows = places // instances.shape[1]
    areas = np.bincount(ids)
    # Rows ascend, and of equal indices numpy keeps the last value assigned.
    last = np.zeros(len(areas), np.int64)
    last[ids] = rows
    first = np.zeros(len(areas), np.int64)
    first[ids[::-1]] = rows[::-1]
    things = []
    for number in np.flatnonzero(areas):
        label = int(number) // INSTANCE
        if label in _THINGS:
            top, bottom = int(first[number]), int(last[number])
            foot = _foot(instances, int(number), top, bottom)
            things.append(Thing(label, int(areas[number]), top, bottom, foot))
    return things


def _outlined(labels: np.ndarray, label: int, group: bool) -> list[Thing]:
    mask = (labels == label).view(np.uint8)
    if not cv2.countNonZero(mask):
        return []
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    things = []
    for number in range(1, count):
        top = int(stats[number, cv2.CC_STAT_TOP])
        bottom = top + int(stats[number, cv2.CC_STAT_HEIGHT]) - 1
        things.append(Thing(
            label, int(stats[number, cv2.CC_STAT_AREA]), top, bottom,
            _foot(parts, number, top, bottom), group))
    return things


def _foot(marks: np.ndarray, mark: int, top: int, bottom: int) -> np.ndarray:
    rows = max(1, (bottom - top + 1) // 20)
    return np.flatnonzero((marks[bottom - rows + 1:bottom + 1] == mark).any(axis=0))

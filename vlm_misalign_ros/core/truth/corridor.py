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

"""What lies on the ego corridor's road: obstacles, what nobody knows, what is covered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, sin
from typing import NamedTuple

import cv2
import numpy as np

from vlm_misalign_ros.core.labels.classes import BY_ID, BY_NAME
from vlm_misalign_ros.core.labels.shares import NO_SCENE, SILENT
from vlm_misalign_ros.core.truth.camera import axis_of_rows
from vlm_misalign_ros.core.truth.inventory import Inventory
from vlm_misalign_ros.core.truth.spans import Runs
from vlm_misalign_ros.core.types import Camera

OBSTACLES: tuple[str, ...] = (
    'sidewalk',
    'building',
    'wall',
    'fence',
    'guard rail',
    'bridge',
    'tunnel',
    'pole',
    'polegroup',
    'traffic light',
    'traffic sign',
    'vegetation',
    'terrain',
    'static',
    'dynamic',
)
"""Labels on which nobody drives. Road users are told by their feet (hazard.approaches)."""
OWN: tuple[str, ...] = NO_SCENE
"""Labels that are no part of the scene: they hide the corridor, in every frame alike."""

HOOD_ROWS = 0.25
"""Part of the picture's height, from below, that a hood can fill."""

_TINY = 1e-9
"""What is on the edge is inside, however it was rounded."""
_ROAD, _OBSTACLE, _OWN, _SILENT = range(4)
_NO_ROAD = (_OWN, _SILENT)


def _kinds() -> np.ndarray:
    """Return what a pixel of each label id is to the corridor, uint8 (256,)."""
    kinds = np.full(256, _SILENT, np.uint8)
    for label in BY_ID.values():
        kinds[label.id] = _ROAD
    kinds[[BY_NAME[name].id for name in SILENT]] = _SILENT
    kinds[[BY_NAME[name].id for name in OBSTACLES]] = _OBSTACLE
    kinds[[BY_NAME[name].id for name in OWN]] = _OWN
    return kinds


_KINDS = _kinds()


def with_hood(runs: Runs, labels: np.ndarray, tells_hood: bool) -> Runs:
    """
    Return the runs of label ids, uint8 (H, W), with the hood as one where nothing else tells it.

    That is, in the lowest HOOD_ROWS of the picture, what is out of roi and hangs together with the
    lower edge (Cityscapes' border below the hood), and in labels that do not tell the hood what
    is not labelled and does: else no frame of such data would ever be CLEAR.
    """
    first = labels.shape[0] - round(HOOD_ROWS * labels.shape[0])
    lower = labels[first:]
    edge = lower == BY_NAME['out of roi'].id if tells_hood else np.isin(_KINDS, _NO_ROAD)[lower]
    if not edge[-1:].any():
        return runs
    parts = cv2.connectedComponents(edge.view(np.uint8), connectivity=4)[1]
    hood = edge & np.isin(np.arange(parts.max() + 1), parts[-1])[parts]
    below = Runs.of(np.where(hood, np.uint8(BY_NAME['ego vehicle'].id), lower))
    offset = first * runs.width
    above = runs.only(runs.starts < offset)
    return Runs(
        np.concatenate([above.values, below.values]),
        np.concatenate([above.starts, below.starts + offset]),
        np.concatenate([above.lengths, below.lengths]),
        runs.width,
    )


@dataclass(frozen=True)
class Corridor:
    """The corridor's pixels up to a distance; all are counts of pixels."""

    pixels: int
    """Of which is known what they show: without hood, border and what is not labelled."""
    silent: int
    """Not labelled, out of the region of interest, or with a value outside the label table."""
    obstacles: dict[str, int]
    """By label name, those on which nobody drives, the most frequent first."""

    @property
    def blocked(self) -> int:
        """Return the pixels of all obstacles."""
        return sum(self.obstacles.values())


class _Stretches(NamedTuple):
    """Runs by row and column; the arrays are (n,)."""

    rows: np.ndarray
    first: np.ndarray
    """First column."""
    last: np.ndarray
    """The column behind the last."""

    @classmethod
    def of(cls, runs: Runs) -> _Stretches:
        """Return where runs lie."""
        rows = runs.rows
        first = runs.starts - rows * runs.width
        return cls(rows, first, first + runs.lengths)

    def inside(
        self, left: np.ndarray, right: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return row, first column and length of each one's part between edges, (H,)."""
        start = np.maximum(self.first, left[self.rows])
        end = np.minimum(self.last, right[self.rows])
        return self.rows, start, np.maximum(end - start, 0)


@dataclass(frozen=True)
class Cover:
    """What an occluder covers of the road ahead; hood and border count as neither."""

    edges: Callable[[float, float], tuple[np.ndarray, np.ndarray]]
    """First column and the one behind the last by row, of a corridor's width and distance."""
    own: _Stretches
    hidden: _Stretches

    def within(self, width: float, distance: float) -> tuple[int, int]:
        """Return how many of a corridor's pixels are covered, and all of them; metres."""
        left, right = self.edges(width, distance)
        own, hidden = (which.inside(left, right)[2].sum() for which in (self.own, self.hidden))
        return int(hidden), int((right - left).sum() - own)


class Road:
    """
    The road ahead in one frame, of which corridors of any width and length are counted.

    A pixel belongs to a corridor when the flat road at its centre lies within half the width of
    the middle and no farther than the distance. Such pixels are below the horizon, so whatever
    they show is lower than the camera and stands on that road or before it. Where the depth of an
    obstacle's pixel is known, its own place decides: one that is measured beyond the corridor
    counts as road.
    """

    def __init__(
        self, inventory: Inventory, camera: Camera, depth: np.ndarray | None = None
    ) -> None:
        """
        Keep what is needed of a frame; `camera` is scaled to the maps.

        `depth` holds millimetres along the optical axis, uint16 (H, W), 0 where it is not known.
        """
        height, width = inventory.shape
        slope = (np.arange(height) - camera.cy) / camera.fy
        self._ahead = np.maximum(cos(camera.pitch) - slope * sin(camera.pitch), 0.0)
        """Metres along the road for each metre along the optical axis, by row."""
        self._axis = axis_of_rows(camera, np.arange(height))
        """Metres along the optical axis of flat road, by row; inf at and above the horizon."""
        self._camera = camera
        self._depth = depth
        kinds = _KINDS[inventory.runs.values]
        below = inventory.runs.starts >= self._top * width
        self._marked = inventory.runs.only((kinds != _ROAD) & below)
        self._kinds = _KINDS[self._marked.values]
        self._stretches = _Stretches.of(self._marked)
        self._width = width
        self._known: dict[tuple[float, float], Corridor] = {}

    @property
    def _top(self) -> int:
        """Return the first row below the horizon."""
        found = np.flatnonzero(np.isfinite(self._axis))
        return int(found[0]) if found.size else len(self._axis)

    def within(self, width: float, distance: float) -> Corridor:
        """Return what lies in the corridor, `width` and `distance` in metres; once for each."""
        found = self._known.get((width, distance))
        if found is None:
            found = self._known[width, distance] = self._count(width, distance)
        return found

    def _count(self, width: float, distance: float) -> Corridor:
        left, right = self._edges(width, distance)
        rows, start, overlap = self._stretches.inside(left, right)
        obstacle = (self._kinds == _OBSTACLE) & (overlap > 0)
        inside = overlap * obstacle
        if self._depth is not None and obstacle.any():
            run, _, measured = self._measured(
                rows[obstacle], start[obstacle], overlap[obstacle], width, distance
            )
            inside[obstacle] = np.bincount(run, measured, np.count_nonzero(obstacle))
        by_label = np.bincount(self._marked.values, inside, 256).astype(np.int64)
        order = sorted(np.flatnonzero(by_label), key=lambda label: (-by_label[label], label))
        silent = int(overlap[self._kinds == _SILENT].sum())
        own = int(overlap[self._kinds == _OWN].sum())
        return Corridor(
            int((right - left).sum()) - silent - own,
            silent,
            {BY_ID[int(label)].name: int(by_label[label]) for label in order},
        )

    def obstacle_mask(self, width: float, distance: float) -> np.ndarray:
        """Return which pixels `within` counts as obstacles, bool (H, W)."""
        rows, start, overlap = self._stretches.inside(*self._edges(width, distance))
        obstacle = (self._kinds == _OBSTACLE) & (overlap > 0)
        run, columns, inside = self._measured(
            rows[obstacle], start[obstacle], overlap[obstacle], width, distance
        )
        mask = np.zeros((len(self._axis), self._width), bool)
        mask[rows[obstacle][run], columns] = inside
        return mask

    def cover(self, visible: np.ndarray) -> Cover:
        """Return what an occluder covers; `visible` is what it leaves to see, bool (H, W)."""
        offset = self._top * self._width
        shown = visible[self._top :].copy()
        flat = shown.reshape(-1)
        own = self._marked.only(self._kinds == _OWN)
        for start, length in zip(own.starts - offset, own.lengths, strict=True):
            flat[start : start + length] = True
        runs = Runs.of(shown)
        hidden = runs.only(~runs.values)
        below = Runs(hidden.values, hidden.starts + offset, hidden.lengths, hidden.width)
        return Cover(self._edges, _Stretches.of(own), _Stretches.of(below))

    def _edges(self, width: float, distance: float) -> tuple[np.ndarray, np.ndarray]:
        """Return first column and the one behind the last by row, int64 (H,); none: equal."""
        near = np.isfinite(self._axis)
        near[near] = self._axis[near] * self._ahead[near] <= distance * (1 + _TINY)
        half = np.divide(
            self._camera.fx * width / 2, self._axis, out=np.zeros(len(near)), where=near
        )
        left = np.ceil(self._camera.cx - half - _TINY).clip(0, self._width).astype(np.int64)
        right = (
            (np.floor(self._camera.cx + half + _TINY) + 1).clip(0, self._width).astype(np.int64)
        )
        return np.where(near, left, 0), np.where(near, np.maximum(left, right), 0)

    def _measured(
        self,
        rows: np.ndarray,
        starts: np.ndarray,
        lengths: np.ndarray,
        width: float,
        distance: float,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """
        Return the run, the column, and whether it is inside, of each pixel of runs.

        By its own depth; one whose depth is not known is inside.
        """
        run = np.repeat(np.arange(len(rows)), lengths)
        columns = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        columns += starts[run]
        if self._depth is None:
            return run, columns, np.ones(len(run), bool)
        # An unknown depth is 0, and so inside, as over flat ground it is.
        depth = self._depth[rows[run], columns] / 1000
        sideways = np.abs(columns - self._camera.cx) / self._camera.fx * depth
        inside = (sideways <= width / 2) & (depth * self._ahead[rows[run]] <= distance)
        return run, columns, inside

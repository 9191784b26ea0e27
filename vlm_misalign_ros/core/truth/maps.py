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

"""The ground truth of a frame, or of a part of it, as maps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vlm_misalign_ros.core.labels.classes import BY_NAME
from vlm_misalign_ros.core.labels.telling import EVERYTHING, Telling
from vlm_misalign_ros.core.truth.lens import flat
from vlm_misalign_ros.core.types import Camera, Frame, View

_BORDER = BY_NAME['rectification border'].id

_STEP = 64
"""Rows of a depth map of which one is looked at first."""


@dataclass(frozen=True)
class TruthMaps:
    """The ground truth of a frame, or of the part of it that a model saw."""

    labels: np.ndarray
    """Label ids, uint8 (H, W)."""
    instances: np.ndarray | None = None
    """Instance ids, uint16 (H, W)."""
    depth: np.ndarray | None = None
    """Millimetres along the optical axis, uint16 (H, W); 0 where it is not known."""
    visible: np.ndarray | None = None
    """What an occluder leaves to see, bool (H, W); None without one."""
    telling: Telling = EVERYTHING
    """Which classes the labels tell apart."""
    tells_hood: bool = True
    """Whether they tell the ego vehicle's hood from what is unlabeled."""

    @classmethod
    def of(cls, frame: Frame) -> TruthMaps:
        """Return the maps of a labelled frame; ValueError when it has no labels."""
        if frame.labels is None:
            raise ValueError(f'frame {frame.key} has no labels')
        depth = known_depth(frame.depth)
        telling = Telling.of(frame.about)
        return cls(
            frame.labels, frame.instances, depth, telling=telling, tells_hood=frame.tells_hood
        )

    def part(self, view: View) -> TruthMaps:
        """Return what lies in a view, one pixel of each map at least."""
        height, width = self.labels.shape
        rows = _span(view[1], view[3], height)
        columns = _span(view[0], view[2], width)

        def cut(array: np.ndarray | None) -> np.ndarray | None:
            return None if array is None else np.ascontiguousarray(array[rows, columns])

        return TruthMaps(
            np.ascontiguousarray(self.labels[rows, columns]),
            cut(self.instances),
            cut(self.depth),
            cut(self.visible),
            self.telling,
            self.tells_hood,
        )

    def flat(self, camera: Camera) -> TruthMaps:
        """Return the maps as a pinhole would show them; `camera` is scaled to them."""
        if not camera.distortion:
            return self
        return replace(
            self,
            labels=flat(self.labels, camera, _BORDER),
            instances=None if self.instances is None else flat(self.instances, camera, _BORDER),
            depth=None if self.depth is None else flat(self.depth, camera, 0),
            visible=None if self.visible is None else self.flat_visible(camera),
        )

    def flat_visible(self, camera: Camera) -> np.ndarray:
        """Return `visible`, which is there, as a pinhole would show it; as `flat`."""
        assert self.visible is not None
        if not camera.distortion:
            return self.visible
        return flat(self.visible.view(np.uint8), camera, 1) > 0


def known_depth(depth: np.ndarray | None) -> np.ndarray | None:
    """
    Return a depth map, uint16 (H, W), or None for one that says nothing.

    One value throughout is no scene: all 0 is unknown, all 65535 out of reach, anything else a
    wall before the lens.
    """
    if depth is None or not depth.size:
        return None
    value = depth[0, 0]
    # A few rows tell of nearly every scene.
    told = (depth[::_STEP] != value).any() or (depth != value).any()
    return depth if told else None


def _span(first: float, last: float, size: int) -> slice:
    """Return the pixels of a row or column between two shares of it."""
    start = min(round(first * size), size - 1)
    return slice(start, max(round(last * size), start + 1))

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

"""Depth of what is painted: that of its owners, and of flat ground row by row."""

from __future__ import annotations

import numpy as np

from vlm_misalign_ros.core.labels.classes import BY_ID
from vlm_misalign_ros.core.types import Camera
from vlm_misalign_ros.core.world.canvas import Canvas


def _ground_depth(camera: Camera) -> np.ndarray:
    """Return the depth in metres at which each row sees flat ground, float32 (H,); inf above."""
    slope = (np.arange(camera.height) - camera.cy) / camera.fy
    below = slope * np.cos(camera.pitch) + np.sin(camera.pitch)
    with np.errstate(divide='ignore'):
        along = camera.mount_height * (np.cos(camera.pitch) - slope * np.sin(camera.pitch)) / below
    depth = along * np.cos(camera.pitch) + camera.mount_height * np.sin(camera.pitch)
    return np.where(below > 0, depth, np.inf).astype(np.float32)


_FLAT = np.array(
    [
        label in ('road', 'sidewalk', 'terrain')
        for label in (BY_ID[index].name if index in BY_ID else '' for index in range(256))
    ]
)


def depth_map(canvas: Canvas, labels: np.ndarray) -> np.ndarray:
    """Return the depth of each pixel, float32 (H, W), metres; inf where it is the sky."""
    depths = canvas.depths()
    ground = np.broadcast_to(_ground_depth(canvas.camera)[:, None], labels.shape)
    depths = np.where(_FLAT[labels], np.minimum(ground, 600), depths)
    depths[depths >= 999] = np.inf
    return depths

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

"""The one default camera, cameras of other picture sizes, and how far a row of road is."""

from __future__ import annotations

from dataclasses import replace
from math import cos, sin

import numpy as np

from vlm_misalign_ros.core.types import Camera


def nominal_camera(shape: tuple[int, ...], height: float, pitch: float) -> Camera:
    """
    Return a camera with Cityscapes' nominal intrinsics, scaled to pictures of `shape`, (H, W).

    Source: the data set's camera files. `height` is in metres above the road, `pitch` in radians.
    """
    rows, columns = shape[:2]
    x, y = columns / 2048, rows / 1024
    return Camera(columns, rows, 2262.52 * x, 2265.30 * y, 1096.98 * x, 513.137 * y, height, pitch)


def scaled(camera: Camera, width: int, height: int) -> Camera:
    """Return the same camera for pictures of another size in pixels."""
    if (camera.width, camera.height) == (width, height):
        return camera
    x, y = width / camera.width, height / camera.height
    return replace(
        camera,
        width=width,
        height=height,
        fx=camera.fx * x,
        fy=camera.fy * y,
        cx=camera.cx * x,
        cy=camera.cy * y,
    )


def ground_distance(camera: Camera, row: float) -> float:
    """
    Return the distance in metres of flat road seen at a row; inf at and above the horizon.

    With t = (row - cy) / fy, height h and pitch p: Z = h (cos p - t sin p) / (t cos p + sin p).
    """
    slope = (row - camera.cy) / camera.fy
    below = slope * cos(camera.pitch) + sin(camera.pitch)
    if below <= 0:
        return float('inf')
    return max(camera.mount_height * (cos(camera.pitch) - slope * sin(camera.pitch)) / below, 0.0)


def axis_of_rows(camera: Camera, rows: np.ndarray) -> np.ndarray:
    """
    Return the metres along the optical axis of flat road seen at rows, float64 (n,).

    inf at and above the horizon. With t = (row - cy) / fy: Z = h / (t cos p + sin p).
    """
    below = (rows - camera.cy) / camera.fy * cos(camera.pitch) + sin(camera.pitch)
    metres = np.full(len(rows), np.inf)
    np.divide(camera.mount_height, below, out=metres, where=below > 0)
    return metres


def road_distance(camera: Camera, depth: float) -> float:
    """Return the metres along the road of a point at `depth` metres along the optical axis."""
    return max((depth - camera.mount_height * sin(camera.pitch)) / cos(camera.pitch), 0.0)


def axis_depth(camera: Camera, distance: float) -> float:
    """Return the metres along the optical axis of flat road `distance` metres along it."""
    return distance * cos(camera.pitch) + camera.mount_height * sin(camera.pitch)


def project(camera: Camera, offset: float, distance: float) -> tuple[float, float]:
    """
    Return (column, row) of a point on flat road, the inverse of ground_distance.

    `offset` is metres to the right of the corridor's middle, `distance` metres along the road.
    """
    depth = axis_depth(camera, distance)
    down = camera.mount_height * cos(camera.pitch) - distance * sin(camera.pitch)
    return (camera.cx + camera.fx * offset / depth, camera.cy + camera.fy * down / depth)

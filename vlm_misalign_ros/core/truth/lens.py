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

"""
What a lens bends, straightened: points and maps as a pinhole camera would have them.

Model and names of the coefficients: OpenCV's, of which ROS's plumb_bob and rational_polynomial are
the first five and eight. With (x, y) = (X / Z, Y / Z) and r2 = x^2 + y^2:

    x' = x (1 + k1 r2 + k2 r2^2 + k3 r2^3) / (1 + k4 r2 + k5 r2^2 + k6 r2^3)
         + 2 p1 x y + p2 (r2 + 2 x^2) + s1 r2 + s2 r2^2

and the like for y', with p1 and p2 exchanged and s3, s4.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from vlm_misalign_ros.core.types import Camera

COEFFICIENTS = (4, 5, 8, 12)
"""How many there may be: k1 k2 p1 p2, k3, k4 k5 k6, s1 s2 s3 s4."""
ROUNDS = 100
"""Of the iteration that undoes a lens; ten are enough for all but the strongest."""
_STILL = 1e-9
"""Focal lengths by which a round moves points that are where they belong."""
CLOSE = 0.01
"""Pixels by which a point may come out elsewhere than it went in."""


def _bent(camera: Camera, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the factor of a lens at (x, y), and what it adds to them, the latter (2, n)."""
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4 = (*camera.distortion, *([0.0] * 12))[:12]
    r2 = x * x + y * y
    radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
    added = np.stack(
        [
            2 * p1 * x * y + p2 * (r2 + 2 * x * x) + r2 * (s1 + r2 * s2),
            p1 * (r2 + 2 * y * y) + 2 * p2 * x * y + r2 * (s3 + r2 * s4),
        ]
    )
    return radial, added


def distorted(
    camera: Camera, columns: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return where the lens shows points of the pinhole camera, in pixels, float64 (n,) each."""
    x, y = (columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy
    radial, added = _bent(camera, x, y)
    return (
        (x * radial + added[0]) * camera.fx + camera.cx,
        (y * radial + added[1]) * camera.fy + camera.cy,
    )


def straightened(
    camera: Camera, columns: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """
    Return where the pinhole camera would show points of the picture, in pixels, float64 (n,) each.

    NaN where nothing is shown there: the lens does not reach so far.
    """
    columns, rows = np.asarray(columns, np.float64), np.asarray(rows, np.float64)
    if not camera.distortion:
        return columns, rows
    first_x, first_y = (columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy
    x, y = first_x, first_y
    with np.errstate(all='ignore'):
        for _ in range(ROUNDS):
            radial, added = _bent(camera, x, y)
            before, x, y = x, (first_x - added[0]) / radial, (first_y - added[1]) / radial
            if np.nanmax(np.abs(x - before), initial=0.0) < _STILL:
                break
        found = x * camera.fx + camera.cx, y * camera.fy + camera.cy
        again = distorted(camera, *found)
        good = (np.abs(again[0] - columns) < CLOSE) & (np.abs(again[1] - rows) < CLOSE)
    return np.where(good, found[0], np.nan), np.where(good, found[1], np.nan)


def reaches(camera: Camera) -> bool:
    """
    Return whether the lens can be undone where the road ahead is.

    That is in the lower half and the middle two thirds of the picture.
    """
    if not camera.distortion:
        return True
    across = np.linspace(camera.width / 6, camera.width * 5 / 6, 9)
    down = np.linspace(camera.height / 2, camera.height, 9)
    columns, rows = (grid.ravel() for grid in np.meshgrid(across, down))
    return bool(np.isfinite(straightened(camera, columns, rows)).all())


@lru_cache(maxsize=4)
def _map(camera: Camera) -> np.ndarray:
    """Return which pixel of the picture each of the pinhole camera's shows, int16 (H, W, 2)."""
    matrix = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    size = (camera.width, camera.height)
    found = cv2.initUndistortRectifyMap(
        matrix, np.array(camera.distortion), np.eye(3), matrix, size, cv2.CV_32FC1
    )
    # To the nearest pixel here: fixed point, which OpenCV offers, cuts off.
    limits = np.iinfo(np.int16)
    near = np.rint(np.stack(found, axis=-1)).clip(limits.min, limits.max)
    return near.astype(np.int16)


def flat(array: np.ndarray, camera: Camera, border: int) -> np.ndarray:
    """
    Return a map, (H, W) of the camera's size, as a pinhole camera would have it.

    Each pixel is that of the map which is nearest; where there is none it is `border`.
    """
    found: np.ndarray = cv2.remap(
        array,
        _map(camera),
        np.empty((0, 0), np.uint16),
        cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=border,
    )
    return found

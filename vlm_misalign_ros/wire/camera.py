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

"""Cameras of strangers: from camera/source and camera_info, checked that geometry can be done."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.types import Camera

_ALLOWED = {
    'width': (1, 1 << 16),
    'height': (1, 1 << 16),
    'fx': (1e-3, 1e6),
    'fy': (1e-3, 1e6),
    'cx': (-1e6, 1e6),
    'cy': (-1e6, 1e6),
    'mount_height': (1e-3, 1e3),
    'pitch': (-1.5, 1.5),
    'baseline': (-100, 100),
}
"""Lowest and highest value of what can be a camera on a vehicle."""


def possible(camera: Camera) -> Camera:
    """Return a camera with which geometry can be done; RecordError names what is out of range."""
    for name, (low, high) in _ALLOWED.items():
        value = getattr(camera, name)
        if not low <= value <= high:
            raise RecordError(
                f'a camera has {name} {value}', f'expected a finite number, {low:g} to {high:g}'
            )
    if camera.width != int(camera.width) or camera.height != int(camera.height):
        raise RecordError(f'a camera is {camera.width} x {camera.height} pixels', 'give integers')
    return replace(camera, width=int(camera.width), height=int(camera.height))


def camera_from_info(message: Any, mount_height: float, pitch: float) -> Camera | None:
    """
    Return the camera of a CameraInfo; None where it is not calibrated (K or the size is zero).

    Raises RecordError for values that are not finite or can be no camera's. Distortion is not
    used: the geometry of the road is that of a rectified picture.
    """
    if not all(math.isfinite(value) for value in getattr(message, 'd', ())):
        raise RecordError('a camera has distortion that is not finite', 'calibrate it again')
    fx, fy, cx, cy = (float(message.k[place]) for place in (0, 4, 2, 5))
    if (fx == 0 and fy == 0) or not message.width or not message.height:
        return None
    return possible(
        Camera(int(message.width), int(message.height), fx, fy, cx, cy, mount_height, pitch)
    )

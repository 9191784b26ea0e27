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

"""Messages of this package as bytes, for bags that are written without ROS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from rosbags.typesys import Stores, get_typestore

from vlm_misalign_ros.core.stamps import split_stamp
from vlm_misalign_ros.core.types import Camera, NoCamera

_STORE = get_typestore(Stores.ROS2_JAZZY)
_TYPES = _STORE.types
FRAME_ID = 'camera'


def _header(stamp: int) -> Any:
    seconds, nanoseconds = split_stamp(stamp)
    time = _TYPES['builtin_interfaces/msg/Time'](sec=seconds, nanosec=nanoseconds)
    return _TYPES['std_msgs/msg/Header'](stamp=time, frame_id=FRAME_ID)


def _serialised(message: Any) -> bytes:
    return bytes(_STORE.serialize_cdr(message, message.__msgtype__))


def image_bytes(array: np.ndarray, stamp: int, encoding: str) -> bytes:
    """Return a sensor_msgs/Image of uint8 or uint16, (H, W) or (H, W, C), serialised."""
    pixels = np.ascontiguousarray(array)
    little = pixels.astype(pixels.dtype.newbyteorder('<'), copy=False)
    return _serialised(
        _TYPES['sensor_msgs/msg/Image'](
            header=_header(stamp),
            height=pixels.shape[0],
            width=pixels.shape[1],
            encoding=encoding,
            is_bigendian=0,
            step=pixels.strides[0],
            data=little.reshape(-1).view(np.uint8),
        )
    )


def values_bytes(name: str, values: Mapping[str, str], stamp: int) -> bytes:
    """Return a DiagnosticArray with one status that carries values, serialised."""
    pair = _TYPES['diagnostic_msgs/msg/KeyValue']
    status = _TYPES['diagnostic_msgs/msg/DiagnosticStatus'](
        level=0,
        name=name,
        message='',
        hardware_id='vlm_misalign_ros',
        values=[pair(key=key, value=value) for key, value in values.items()],
    )
    return _serialised(
        _TYPES['diagnostic_msgs/msg/DiagnosticArray'](header=_header(stamp), status=[status])
    )


def info_bytes(camera: Camera | NoCamera, stamp: int) -> bytes:
    """Return the CameraInfo of a camera with its lens, serialised; zeros where it is unknown."""
    if isinstance(camera, NoCamera):
        camera = Camera(0, 0, 0.0, 0.0, 0.0, 0.0)
    region = _TYPES['sensor_msgs/msg/RegionOfInterest']
    fx, fy, cx, cy = camera.fx, camera.fy, camera.cx, camera.cy
    several = len(camera.distortion) > 5
    return _serialised(
        _TYPES['sensor_msgs/msg/CameraInfo'](
            header=_header(stamp),
            height=camera.height,
            width=camera.width,
            distortion_model='rational_polynomial' if several else 'plumb_bob',
            d=np.array(camera.distortion or [0.0] * 5, np.float64),
            k=np.array([fx, 0, cx, 0, fy, cy, 0, 0, 1], np.float64),
            r=np.eye(3).reshape(-1),
            p=np.array([fx, 0, cx, 0, 0, fy, cy, 0, 0, 0, 1, 0], np.float64),
            binning_x=0,
            binning_y=0,
            roi=region(x_offset=0, y_offset=0, height=0, width=0, do_rectify=False),
        )
    )

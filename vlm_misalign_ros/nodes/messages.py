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

"""Core types to and from ROS messages: the one conversion module."""

from __future__ import annotations

import sys
from array import array as Bytes
from collections.abc import Mapping

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from vlm_misalign_ros.core.stamps import split_stamp
from vlm_misalign_ros.core.types import Camera, NoCamera
from vlm_misalign_ros.nodes.bridge import by_cv_bridge
from vlm_misalign_ros.wire import images, pixels
from vlm_misalign_ros.wire.values import stamp_of

__all__ = [
    'bgr_pixels',
    'camera_info',
    'compressed_message',
    'image_message',
    'key_values',
    'make_header',
    'map_message',
    'stamp_of',
    'status',
    'values_message',
]


def make_header(stamp: int, frame_id: str) -> Header:
    """Return a header with `stamp` in nanoseconds."""
    seconds, nanoseconds = split_stamp(stamp)
    return Header(stamp=Time(sec=seconds, nanosec=nanoseconds), frame_id=frame_id)


def image_message(array: np.ndarray, header: Header, encoding: str) -> Image:
    """Return an Image of a uint8 or uint16 array, (H, W) or (H, W, C)."""
    array = np.ascontiguousarray(array)
    message = Image(header=header, encoding=encoding)
    message.height, message.width = array.shape[:2]
    message.step = array.strides[0]
    message.is_bigendian = int(sys.byteorder == 'big')
    # frombytes is a plain copy; assigning bytes or an ndarray walks every element.
    data = Bytes('B')
    data.frombytes(array.data.cast('B'))
    message.data = data
    return message


def map_message(array: np.ndarray, header: Header, sixteen: str = 'mono16') -> Image:
    """
    Return an Image of a map, (H, W) or RGB (H, W, 3), in the encoding of its type.

    `sixteen` is that of sixteen bits.
    """
    kinds = {'u1': 'mono8', 'u2': sixteen, 'i4': '32SC1', 'f4': '32FC1'}
    encoding = 'rgb8' if array.ndim == 3 else kinds[array.dtype.str[1:]]
    return image_message(array, header, encoding)


def compressed_message(
    bgr: np.ndarray, header: Header, form: str, quality: int
) -> CompressedImage:
    """Return a CompressedImage of BGR uint8 (H, W, 3), as `pixels.pack` packs it."""
    message = CompressedImage(header=header)
    message.format, packed = pixels.pack(bgr, form, quality)
    data = Bytes('B')
    data.frombytes(packed.data.cast('B'))
    message.data = data
    return message


def bgr_pixels(message: Image | CompressedImage) -> np.ndarray:
    """
    Return an Image, packed or not, as BGR uint8 (H, W, 3); RecordError when it cannot be read.

    Encodings that this package does not know itself go through cv_bridge, where it imports.
    """
    return images.picture(message, by_cv_bridge)


def camera_info(camera: Camera | NoCamera, header: Header) -> CameraInfo:
    """Return the CameraInfo of a pinhole camera without distortion; zeros where none is known."""
    if isinstance(camera, NoCamera):
        return CameraInfo(header=header)
    message = CameraInfo(header=header, width=camera.width, height=camera.height)
    message.distortion_model = 'plumb_bob'
    message.d = [0.0] * 5
    message.k = [camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0]
    message.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    message.p = [
        camera.fx,
        0.0,
        camera.cx,
        0.0,
        0.0,
        camera.fy,
        camera.cy,
        0.0,
        0.0,
        0.0,
        1.0,
        0.0,
    ]
    return message


def key_values(values: Mapping[str, str]) -> list[KeyValue]:
    """Return string pairs as KeyValue messages."""
    return [KeyValue(key=key, value=value) for key, value in values.items()]


def status(
    name: str, values: Mapping[str, str], level: bytes = DiagnosticStatus.OK, message: str = ''
) -> DiagnosticStatus:
    """Return a DiagnosticStatus of this package."""
    return DiagnosticStatus(
        level=level,
        name=name,
        message=message,
        hardware_id='vlm_misalign_ros',
        values=key_values(values),
    )


def values_message(name: str, values: Mapping[str, str], header: Header) -> DiagnosticArray:
    """Return a DiagnosticArray with one status that carries `values`."""
    return DiagnosticArray(header=header, status=[status(name, values)])

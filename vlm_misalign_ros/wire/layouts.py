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
The encodings of sensor_msgs/Image that are read: how their bytes lie, and how they become BGR.

Source of the names: sensor_msgs/image_encodings.hpp. YUV is that of video (ITU-R BT.601, luma 16
to 235), as OpenCV and cv_bridge take it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2


@dataclass(frozen=True)
class Layout:
    """How the pixels of an encoding lie, rows of whole elements one below the other."""

    type: str
    """Of an element: u1, u2, i4 or f4, in the byte order that the message tells."""
    channels: int
    """Elements of a pixel in a row; of planar formats those of the first plane."""
    code: int | None = None
    """cv2.cvtColor's way to BGR; None where there is none, or none is needed."""
    blue_first: bool = False
    """A colour picture that begins with blue."""
    color: bool = True
    """Whether it can be a picture to look at."""
    even: tuple[bool, bool] = (False, False)
    """Whether width and height have to be even, since pixels share their colour."""
    chroma: int = 0
    """Of planar formats, bytes of colour for every two of luma."""
    raw: bool = False
    """Pixels lack colours of their own (YUV, Bayer): no map can be sent in it."""


def _bayer(name: str, code: int) -> dict[str, Layout]:
    return {
        f'bayer_{name}8': Layout('u1', 1, code, raw=True),
        f'bayer_{name}16': Layout('u2', 1, code, raw=True),
    }


_UYVY = Layout('u1', 2, cv2.COLOR_YUV2BGR_UYVY, even=(True, False), raw=True)
_YUYV = Layout('u1', 2, cv2.COLOR_YUV2BGR_YUY2, even=(True, False), raw=True)

LAYOUTS: dict[str, Layout] = {
    'bgr8': Layout('u1', 3, blue_first=True),
    'rgb8': Layout('u1', 3, cv2.COLOR_RGB2BGR),
    'bgra8': Layout('u1', 4, cv2.COLOR_BGRA2BGR, blue_first=True),
    'rgba8': Layout('u1', 4, cv2.COLOR_RGBA2BGR),
    'mono8': Layout('u1', 1, cv2.COLOR_GRAY2BGR),
    'bgr16': Layout('u2', 3, blue_first=True),
    'rgb16': Layout('u2', 3, cv2.COLOR_RGB2BGR),
    'bgra16': Layout('u2', 4, cv2.COLOR_BGRA2BGR, blue_first=True),
    'rgba16': Layout('u2', 4, cv2.COLOR_RGBA2BGR),
    'mono16': Layout('u2', 1, cv2.COLOR_GRAY2BGR),
    '8UC1': Layout('u1', 1, cv2.COLOR_GRAY2BGR),
    '8UC3': Layout('u1', 3, blue_first=True),
    '8UC4': Layout('u1', 4, cv2.COLOR_BGRA2BGR, blue_first=True),
    '16UC1': Layout('u2', 1, color=False),
    '32SC1': Layout('i4', 1, color=False),
    '32FC1': Layout('f4', 1, color=False),
    'uyvy': _UYVY,
    'yuv422': _UYVY,
    'yuyv': _YUYV,
    'yuv422_yuy2': _YUYV,
    'nv12': Layout('u1', 1, cv2.COLOR_YUV2BGR_NV12, even=(True, True), chroma=1, raw=True),
    'nv21': Layout('u1', 1, cv2.COLOR_YUV2BGR_NV21, even=(True, True), chroma=1, raw=True),
    # OpenCV has no way from full colour in two planes: it goes by YUYV of double width.
    'nv24': Layout('u1', 1, cv2.COLOR_YUV2BGR_YUY2, chroma=4, raw=True),
    # OpenCV names a pattern by its second row and column, ROS by its first pixels.
    **_bayer('rggb', cv2.COLOR_BayerBG2BGR),
    **_bayer('bggr', cv2.COLOR_BayerRG2BGR),
    **_bayer('gbrg', cv2.COLOR_BayerGR2BGR),
    **_bayer('grbg', cv2.COLOR_BayerGB2BGR),
}
"""By encoding, as sensor_msgs/Image has it."""

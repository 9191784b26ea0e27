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

"""Pictures and maps, whether they come as an Image or packed in a CompressedImage."""

from __future__ import annotations

from typing import Any

import numpy as np

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.wire import pixels
from vlm_misalign_ros.wire.packed import is_packed, unpacked_bgr, unpacked_depth, unpacked_map
from vlm_misalign_ros.wire.pixels import Fallback

METRIC, CARLA = 'metric', 'carla'
_FARTHEST = (1 << 24) - 1


def picture(message: Any, fallback: Fallback | None = None) -> np.ndarray:
    """Return a picture as BGR uint8 (H, W, 3); RecordError where there is none."""
    return unpacked_bgr(message) if is_packed(message) else pixels.to_bgr(message, fallback)


def label_pixels(message: Any) -> np.ndarray:
    """Return labels, (H, W) or RGB (H, W, 3); RecordError as for what is packed with loss."""
    if is_packed(message):
        return pixels.narrowed(unpacked_map(message, 'a label map'))
    return pixels.to_label_pixels(message)


def depth(message: Any, how: str = METRIC) -> np.ndarray:
    """
    Return millimetres, uint16 (H, W), 0 where unknown; RecordError for what is no depth.

    `how` is `metric`, or `carla` for the colours of its depth camera.
    """
    if how == CARLA:
        return pixels.to_millimetres(from_carla(whole(message, 'depth')))
    found = unpacked_depth(message) if is_packed(message) else pixels.to_array(message)
    return pixels.to_millimetres(found)


def from_carla(rgb: np.ndarray) -> np.ndarray:
    """
    Return metres, float32 (H, W), of CARLA's depth camera, RGB uint8 (H, W, 3); NaN for the sky.

    Source: CARLA, ref_sensors.md, depth camera: (R + 256 G + 65536 B) / (256^3 - 1) * 1000.
    """
    if rgb.ndim != 3 or rgb.dtype != np.uint8:
        raise RecordError(
            f"depth of {rgb.dtype} in one channel is none of CARLA's colours",
            "publish its depth camera as it is (bgra8), or set monitor.depth_encoding to 'metric'",
        )
    red, green, blue = (rgb[:, :, place].astype(np.uint32) for place in range(3))
    steps = red | green << 8 | blue << 16
    metres = steps * (1000 / _FARTHEST)
    return np.where(steps == _FARTHEST, np.nan, metres).astype(np.float32)


def whole(message: Any, what: str) -> np.ndarray:
    """Return a map as it is, (H, W) or RGB (H, W, 3); `what` names it in a RecordError."""
    if is_packed(message):
        return unpacked_map(message, what)
    found = pixels.to_array(message)
    return found if found.ndim == 2 else pixels.red_first(found, message.encoding)

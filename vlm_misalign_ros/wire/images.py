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

from vlm_misalign_ros.wire import pixels
from vlm_misalign_ros.wire.packed import is_packed, unpacked_bgr, unpacked_depth, unpacked_map
from vlm_misalign_ros.wire.pixels import Fallback


def picture(message: Any, fallback: Fallback | None = None) -> np.ndarray:
    """Return a picture as BGR uint8 (H, W, 3); RecordError where there is none."""
    return unpacked_bgr(message) if is_packed(message) else pixels.to_bgr(message, fallback)


def label_pixels(message: Any) -> np.ndarray:
    """Return labels, (H, W) or RGB (H, W, 3); RecordError as for what is packed with loss."""
    if is_packed(message):
        return pixels.narrowed(unpacked_map(message, 'a label map'))
    return pixels.to_label_pixels(message)


def depth(message: Any) -> np.ndarray:
    """Return millimetres, uint16 (H, W), 0 where unknown; RecordError for what is no depth."""
    found = unpacked_depth(message) if is_packed(message) else pixels.to_array(message)
    return pixels.to_millimetres(found)


def whole(message: Any, what: str) -> np.ndarray:
    """Return a map as it is, (H, W) or RGB (H, W, 3); `what` names it in a RecordError."""
    if is_packed(message):
        return unpacked_map(message, what)
    found = pixels.to_array(message)
    return found if found.ndim == 2 else pixels.red_first(found, message.encoding)

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

"""The pictures of a run, and its masks, as files of an export."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.seen import Seen
from vlm_misalign_ros.core.labels.classes import to_label_ids

FORMATS = ('png', 'jpg')
"""What pictures are written as: to the last bit, or smaller."""
_QUALITY = 95
_LONGEST = 120
"""Characters of a frame's name in that of a file."""


def picture_path(number: int, seen: Seen, kind: str) -> str:
    """Return where a picture lies below its folder: condition, number and the frame's name."""
    condition = quote(seen.record.condition.name.replace(':', '_'), safe='+')[:_LONGEST]
    key = quote(seen.record.key, safe='')[:_LONGEST]
    # Nothing is named `..`, and nothing is hidden.
    return f'{condition.replace(".", "_")}/{number:06d}_{key}.{kind}'


def write_picture(path: Path, bgr: np.ndarray) -> None:
    """Write a picture, BGR uint8 (H, W, 3), or a map, uint8 (H, W), by the ending of its name."""
    how = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY] if path.suffix == '.jpg' else []
    good, data = cv2.imencode(path.suffix, bgr, how)
    if not good:
        raise RecordError(f'{path} cannot be encoded: a picture of {bgr.shape}')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.tobytes())


def predicted(seen: Seen) -> np.ndarray | None:
    """Return the mask of a frame as label ids, uint8 (H, W) of its picture; None without one."""
    if seen.mask is None:
        return None
    ids, size = to_label_ids(seen.mask), seen.picture.shape[1::-1]
    if ids.shape[::-1] == size:
        return ids
    # A mask from outside may have a resolution of its own.
    found: np.ndarray = cv2.resize(ids, size, interpolation=cv2.INTER_NEAREST)
    return found

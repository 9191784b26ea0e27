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

"""Camera files of Cityscapes: intrinsics and mounting, as JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.errors import DatasetError
from vlm_misalign_ros.core.types import Camera


def read_camera(path: Path, width: int = 2**20, height: int = 2**20) -> Camera:
    """
    Return the camera of a Cityscapes camera file, for pictures of `width` x `height` pixels.

    Raises DatasetError when a field is missing or no finite number, or when the principal point
    lies outside the picture, as it does when the picture was resized and the file was not.
    """
    try:
        data: Any = json.loads(path.read_text(encoding='utf-8'))
        intrinsic, extrinsic = data['intrinsic'], data['extrinsic']
        fx, fy, cx, cy = (float(intrinsic[name]) for name in ('fx', 'fy', 'u0', 'v0'))
        mount_height, pitch = float(extrinsic['z']), float(extrinsic['pitch'])
        baseline = float(extrinsic.get('baseline', 0.0))
    except OSError as error:
        raise DatasetError(
            f'{path} cannot be read: {error.strerror}', 'check its permissions'
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f'{path} is no camera file: {type(error).__name__} {error}',
            'expected intrinsic fx, fy, u0, v0 and extrinsic z, pitch; '
            'without the camera folder a default camera is used',
        ) from error
    numbers = (fx, fy, cx, cy, mount_height, pitch, baseline)
    if not all(map(math.isfinite, numbers)) or min(fx, fy) <= 0:
        raise DatasetError(
            f'{path} has fx {fx}, fy {fy}, z {mount_height}, pitch {pitch}',
            'expected finite numbers and focal lengths above 0',
        )
    if not (0 < cx < width and 0 < cy < height):
        raise DatasetError(
            f'{path} has its principal point at ({cx}, {cy}), outside {width} x {height} pixels',
            'scale the intrinsics with the pictures',
        )
    return Camera(width, height, fx, fy, cx, cy, mount_height, pitch, max(baseline, 0.0))

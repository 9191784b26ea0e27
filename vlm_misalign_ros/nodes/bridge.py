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

"""Pictures of encodings that this package does not read itself, through cv_bridge."""

from __future__ import annotations

from typing import Any

import numpy as np

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.wire.pixels import ENCODINGS


def by_cv_bridge(message: Any) -> np.ndarray:
    """
    Return an Image-like message, live or from a bag, as BGR uint8 (H, W, 3).

    cv_bridge is imported when it is first needed: one that was built for another NumPy can end
    the process. Raises RecordError where it is not there, or cannot read the encoding.
    """
    encoding = message.encoding[:40]
    try:
        from cv_bridge import CvBridge
    except ImportError as error:
        raise RecordError(
            f'image encoding {encoding!r} is not supported without cv_bridge',
            'install cv_bridge, or publish one of ' + ', '.join(ENCODINGS),
        ) from error
    try:
        return np.asarray(CvBridge().imgmsg_to_cv2(message, 'bgr8'))
    except Exception as error:  # it raises its own, RuntimeError and OpenCV's
        raise RecordError(f'cv_bridge cannot read {encoding!r}: {error}') from error

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

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

"""The mask of a frame as a model's node takes it: at the size of its picture, and of no other."""

from __future__ import annotations

from typing import Any

import numpy as np

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation import parts
from vlm_misalign_ros.core.evaluation.lanes import NO_MASK, mask_for
from vlm_misalign_ros.core.types import Confidence, Failed, Segmented
from vlm_misalign_ros.wire import channels


def mask_of(
    mask: Any,
    sure: Confidence | Failed | None,
    picture: np.ndarray,
    told: str,
    context: channels.Context,
) -> Segmented | None:
    """
    Return the mask of a frame, at the size of its picture; None where no ask needs it.

    `mask` is the message with it, which is read by `context`; `told` the checksum of the picture
    (BGR uint8, (H, W, 3)).

    Raises RecordError, which is no fault of this node, for a mask that is none or is of another
    picture, and for one that the segmentation could not make.
    """
    if mask is None:
        return None
    if isinstance(mask, Failed):
        raise RecordError(NO_MASK + mask.reason)
    row = next(row for row in channels.CHANNELS if row.part == parts.SEGMENTATION)
    labels = channels.read(row, mask, context)
    return mask_for(labels, sure, picture, told)

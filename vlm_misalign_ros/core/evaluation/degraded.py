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

"""Degrades one picture of a run, and says what was done to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vlm_misalign_ros.core.checksums import checksum
from vlm_misalign_ros.core.corruptions import Manner, degrade
from vlm_misalign_ros.core.corruptions.degrading import LEAST_SIDE, Degraded
from vlm_misalign_ros.core.errors import ConfigurationError, FrameError, RecordError
from vlm_misalign_ros.core.types import Condition


def degrade_frame(
    picture: np.ndarray, condition: Condition, seed: int, key: str, manner: Manner, told: str = ''
) -> Degraded:
    """
    Degrade a picture, contiguous BGR uint8 (H, W, 3); what was applied tells the checksums.

    `seed` is the run's, `key` what seeds the draws of this picture; `told` is its checksum, where
    that is known. Raises RecordError for a picture that is too small, which is its sender's fault,
    and FrameError where the corruption fails.
    """
    if min(picture.shape[:2]) < LEAST_SIDE:
        raise RecordError(
            f'a picture of {picture.shape[1]} x {picture.shape[0]} is too small to degrade',
            f'publish {LEAST_SIDE} pixels at least each way',
        )
    try:
        degraded = degrade(picture, condition, seed, key, manner)
    except ConfigurationError as error:
        raise FrameError(error.what, error.remedy) from error
    source = told or checksum(picture)
    applied = replace(
        degraded.applied,
        image=source if degraded.image is picture else checksum(degraded.image),
        occluder='' if degraded.occluder is None else checksum(degraded.occluder),
        source=source,
    )
    return replace(degraded, applied=applied)

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

"""Segments one degraded picture, and its clean one where the two are held against each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from vlm_misalign_ros.core.checksums import checksum
from vlm_misalign_ros.core.errors import FrameError
from vlm_misalign_ros.core.evaluation.clean import NEVER_CAME, against_clean
from vlm_misalign_ros.core.models.answering import CheckedSegmentation
from vlm_misalign_ros.core.types import AgainstClean, Confidence, Segmented

Clean = Callable[[], Sequence[np.ndarray] | None]
"""Returns clean pictures, BGR uint8 (H, W, 3), oldest first; None where one never came."""


def _as_it_is(found: Segmented) -> np.ndarray:
    return found.labels


def segment_frame(
    model: CheckedSegmentation,
    picture: np.ndarray,
    against: Callable[[Segmented], AgainstClean | None] = lambda found: None,
    told: str = '',
    labels_of: Callable[[Segmented], np.ndarray] = _as_it_is,
) -> tuple[np.ndarray, Confidence]:
    """
    Return the mask of a picture, train ids uint8 (H, W), and what is told of it.

    `picture` is BGR uint8 (H, W, 3) and `told` its checksum, where that is known; `against` says
    how the mask stands to that of the clean picture, where somebody asks; `labels_of` makes of the
    mask what is passed on. FrameError where the model fails on the picture itself.
    """
    begin = time.perf_counter()
    found = model.segment(picture)
    seconds = time.perf_counter() - begin
    labels = labels_of(found)
    return labels, Confidence(
        found.entropy,
        found.confidence,
        told or checksum(picture),
        checksum(labels),
        found.entropies,
        found.lacking,
        seconds,
        against_clean=against(found),
    )


def held_against_clean(
    model: CheckedSegmentation, found: Segmented, pictures: Sequence[np.ndarray] | None
) -> AgainstClean:
    """
    Return how a mask stands to that of the clean picture, the first of `pictures`.

    None where it never came. A model that fails on it costs the comparison alone.
    """
    if pictures is None:
        return AgainstClean(error=NEVER_CAME)
    try:
        clean = model.segment(pictures[0])
    except FrameError as error:
        return AgainstClean(error=str(error))
    return against_clean(found, clean, pictures[0])

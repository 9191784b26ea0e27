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
What is said of the clean picture of a frame: made by its model's node, trusted by its checksum.

A model is asked about both pictures of a frame in one go. That its answer is about the picture
that was degraded is told by the checksums of answer and condition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vlm_misalign_ros.core.checksums import checksum
from vlm_misalign_ros.core.errors import FrameError, RecordError
from vlm_misalign_ros.core.evaluation.asker import Asker, Shown
from vlm_misalign_ros.core.evaluation.join import Joined
from vlm_misalign_ros.core.evaluation.parts import CONDITION, CONFIDENCE, vlm_part
from vlm_misalign_ros.core.labels.classes import to_label_ids
from vlm_misalign_ros.core.metrics.confusion import confusion, to_cells
from vlm_misalign_ros.core.types import (
    AgainstClean,
    Applied,
    Confidence,
    Description,
    Failed,
    Segmented,
)

NEVER_CAME = 'the clean picture never came'
ANOTHER = 'what is said of the clean picture is about another one'
OTHER_SIZE = 'the masks of the two pictures have different sizes'


def describe_clean(asker: Asker, pictures: Sequence[np.ndarray] | None) -> Description | Failed:
    """
    Return what a model says of the clean picture of a frame, with those before it.

    `pictures` are BGR uint8 (H, W, 3), oldest first; None where one never came. Whatever goes
    wrong costs the comparison, never the answer to the degraded picture.
    """
    if pictures is None:
        return Failed(NEVER_CAME)
    try:
        found = asker.answer(Shown(tuple(pictures)), paraphrased=False)
    except (FrameError, RecordError) as error:
        return Failed(str(error))
    return replace(found, image=checksum(pictures[-1]))


def against_clean(degraded: Segmented, clean: Segmented, picture: np.ndarray) -> AgainstClean:
    """
    Return how the mask of a degraded picture stands to that of the clean one.

    Pixels that the clean mask leaves void are not compared. `picture` is the clean one.
    """
    told = checksum(picture)
    if degraded.labels.shape != clean.labels.shape:
        return AgainstClean(image=told, error=OTHER_SIZE)
    matrix = confusion(to_label_ids(clean.labels), degraded.labels)
    return AgainstClean(tuple(to_cells(matrix)), told)


def only_of_its_own(joined: Joined, models: Sequence[str]) -> Joined:
    """Return a frame of which nothing is compared with another clean picture than its own."""
    applied: Applied | None = joined.parts.get(CONDITION)
    if applied is None or not applied.source:
        return joined
    changed: dict[str, Any] = {}
    for part in map(vlm_part, models):
        answer = joined.parts.get(part)
        if isinstance(answer, Description) and isinstance(answer.clean, Description):
            if answer.clean.image not in ('', applied.source):
                changed[part] = replace(answer, clean=Failed(ANOTHER))
    told = joined.parts.get(CONFIDENCE)
    if isinstance(told, Confidence) and told.against_clean is not None:
        if told.against_clean.image not in ('', applied.source):
            changed[CONFIDENCE] = replace(told, against_clean=AgainstClean(error=ANOTHER))
    return replace(joined, parts={**joined.parts, **changed}) if changed else joined

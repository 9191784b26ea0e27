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
The asks of one model, in lanes by what they wait for, and how all of a lane are put to it.

An ask that needs no mask does not wait for one; one that is shown past frames has its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from vlm_misalign_ros.core.checksums import checksum
from vlm_misalign_ros.core.errors import FrameError, RecordError
from vlm_misalign_ros.core.evaluation import parts
from vlm_misalign_ros.core.evaluation.asker import Asker, Shown
from vlm_misalign_ros.core.evaluation.clean import describe_clean
from vlm_misalign_ros.core.evaluation.segmenting import Clean
from vlm_misalign_ros.core.models.answering import CheckedVlm
from vlm_misalign_ros.core.settings.asks import Ask, asks_of
from vlm_misalign_ros.core.settings.nodes import VlmParameters
from vlm_misalign_ros.core.types import Confidence, Description, Failed, Segmented, Source

NO_MASK = 'there is no mask of this frame: '
NO_SEGMENTATION = 'no segmentation node is there'


@dataclass(frozen=True)
class Lane:
    """Asks that need the same parts of a frame, and as many past ones."""

    needed: frozenset[str]
    """Names of parts."""
    frames: int
    """Past ones that are shown, at most."""
    stride: int
    askers: tuple[Asker, ...]

    @property
    def masked(self) -> bool:
        """Return whether it needs the mask of the segmentation."""
        return parts.SEGMENTATION in self.needed


def open_lanes(model: CheckedVlm, chosen: VlmParameters) -> tuple[Lane, ...]:
    """
    Return the asks that are put to a loaded model, each tried out.

    The model is tried out with the prompt of the first as it is loaded. Raises a MisalignError
    that names the ask that will not do.
    """
    asks = asks_of(chosen)
    askers = {ask.name: Asker(model, ask, chosen.lexicon) for ask in asks}
    for ask in asks:
        if ask.chosen != type(ask.chosen)(prompt=ask.chosen.prompt):
            askers[ask.name].try_out()
    return lanes_of(asks, askers, chosen)


def lanes_of(
    asks: Sequence[Ask], askers: Mapping[str, Asker], chosen: VlmParameters
) -> tuple[Lane, ...]:
    """Return the asks by what they wait for: those that need no mask do not wait for one."""
    by_need: dict[tuple[frozenset[str], int, int], list[Asker]] = {}
    for ask in asks:
        needed = {parts.IMAGE}
        if ask.input.masked:
            needed |= {parts.SEGMENTATION} | ({parts.CONFIDENCE} if chosen.confidence else set())
        if chosen.source and (ask.chosen.frames or ask.input.masked):
            needed.add(parts.SOURCE)
        key = frozenset(needed), ask.chosen.frames, ask.chosen.stride
        by_need.setdefault(key, []).append(askers[ask.name])
    return tuple(
        Lane(needed, frames, stride, tuple(found))
        for (needed, frames, stride), found in by_need.items()
    )


def sequence_of(source: Source | None) -> object:
    """
    Return what the frames of one sequence and pass have in common.

    A pass has one condition, or goes through a scenario, whose changes are part of what was seen.
    """
    if source is None:
        return None
    held = source.key if source.protocol.held else ''
    return source.dataset, source.sequence, held, source.cycle, source.probe


def mask_for(
    labels: np.ndarray, sure: Confidence | Failed | None, picture: np.ndarray, told: str
) -> Segmented:
    """
    Return the mask of a frame, train ids uint8 (H, W), at the size of its picture.

    `told` is the checksum of the picture (BGR uint8, (H, W, 3)). RecordError, which is no fault of
    the model, for a mask of another picture.
    """
    if not isinstance(sure, Confidence):
        sure = Confidence(math.nan, math.nan)
    if sure.image and sure.image != told or sure.mask and sure.mask != checksum(labels):
        raise RecordError(
            'the mask of this stamp is of another picture',
            'two segmentation nodes, or two cameras, publish on one topic: part them',
        )
    height, width = picture.shape[:2]
    if labels.shape != (height, width):
        labels = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST)
    return Segmented(labels, sure.entropy, sure.confidence, sure.entropies, sure.lacking)


def answer(asker: Asker, shown: Shown, told: str, clean: Clean | None = None) -> Description:
    """
    Return what is answered to a frame, and to its clean picture where `clean` gives one.

    `told` is the checksum of the picture. FrameError where the model fails on the frame; what
    goes wrong with the clean picture costs the comparison alone.
    """
    found = asker.answer(shown)
    if clean is not None:
        found = replace(found, clean=describe_clean(asker, clean()))
    return replace(found, image=told)


def put_all(
    askers: Sequence[Asker], put: Callable[[Asker], None], refuse: Callable[[str, str], None]
) -> None:
    """
    Put every ask of a lane; one that fails takes no other with it.

    `refuse` is told which ask failed, and why. In the end the FrameError that tells most of the
    model's state is raised, if there was any.
    """
    failed: FrameError | None = None
    for asker in askers:
        try:
            put(asker)
        except FrameError as error:
            if failed is None or error.repeats:
                failed = error
            refuse(asker.name, str(error))
    if failed is not None:
        raise failed

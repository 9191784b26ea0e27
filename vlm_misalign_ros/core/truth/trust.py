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
Whether the ground truth of a frame says enough to score anything against it.

Ground truth that says nothing proves nothing: a black map makes every class ABSENT, the road CLEAR
and every mention a hallucination. Such a frame is unscorable, and what was found says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import cv2
import numpy as np

from vlm_misalign_ros.core.labels.classes import BY_ID, LABELS
from vlm_misalign_ros.core.labels.encodings import ENCODINGS
from vlm_misalign_ros.core.labels.fitting import contradiction, fitting, show_values, tells
from vlm_misalign_ros.core.labels.forms import UNKNOWN
from vlm_misalign_ros.core.labels.maps import LabelMap, spread
from vlm_misalign_ros.core.labels.shares import Limits, Said, nothing_said, show_share
from vlm_misalign_ros.core.truth.inventory import INSTANCE

MOST_HOOD = 0.5
"""Share of a picture that hood and border can be; more is another encoding's road."""
MOST_FOREIGN = 0.01
"""Share of a map outside the table from which it is asked whether another encoding has it all."""
MOST_OTHER = 0.2
"""Share of the pixels of things whose instance may be one of another class."""
MOST_BROKEN = 0.4
"""
Share of neighbouring pixels that may be of different classes. Real maps have .01, brought to 64 x
32 pixels .2, noise of two values .5 and of more .75 and above.
"""
LEAST_SIDE = 16
"""Pixels of a side below which a map is too small to be told from noise."""
NO_OTHER = 'no other encoding fits'
"""Ends the note of a map that lies as no road scene does."""
STEP = 4
"""Rows and columns of which one is asked for that."""
LOOKED_AT = 200_000
"""Pixels of an instance map that are compared with the labels, about."""

_THINGS = np.zeros(256, np.uint8)
_THINGS[[label.id for label in LABELS if label.has_instances]] = 1


class Fault(str, Enum):
    """Why a frame is unscorable."""

    UNLABELLED = 'unlabelled'
    """Too much of the scene is unlabelled."""
    OUTSIDE = 'outside'
    """Too much of the scene has values that the encoding does not have."""
    UNREADABLE = 'unreadable'
    """The labels are of a form that the encoding does not have, or `auto` could not decide."""
    CONTRARY = 'contrary'
    """The labels give no road scene, or too little, and fit another encoding without fault."""
    NOISE = 'noise'
    """Neighbouring pixels are of different classes, as in random values and in no scene."""
    INSTANCES = 'instances'
    """The instance map contradicts the labels."""
    SIZE = 'size'
    """Maps or picture are of sizes that do not go together."""


WRONG = frozenset(Fault) - {Fault.UNLABELLED}
"""Faults that come of data read wrongly, not of data that are not there."""


REMEDIES: dict[Fault, str] = {
    Fault.UNLABELLED: 'use data that are labelled; `vlm-misalign labels` shows what a map holds',
    **dict.fromkeys(
        (Fault.OUTSIDE, Fault.UNREADABLE, Fault.CONTRARY),
        'find the encoding with `vlm-misalign labels TOPIC|BAG` and set monitor.label_encoding',
    ),
    Fault.NOISE: 'publish label maps as they were made: not compressed with loss, nor dithered',
    Fault.INSTANCES: 'publish label id * 1000 + k, or set monitor.instances=false',
    Fault.SIZE: 'publish maps of the size of the picture',
}
"""What a user can do about each fault."""


@dataclass(frozen=True)
class Trust:
    """What the labels of a frame are worth."""

    said: Said
    fault: Fault | None = None
    """None for a frame that can be scored."""
    reason: str = ''
    """What was found, in words; empty for a frame that can be scored."""
    note: str = ''
    """What speaks against a frame that is scored all the same; empty for nothing."""

    @property
    def scorable(self) -> bool:
        """Return whether answers may be held against this truth."""
        return self.fault is None


def assess(
    labels: LabelMap,
    instances: np.ndarray | None = None,
    limits: Limits = Limits(),  # noqa: B008
    counts: np.ndarray | None = None,
) -> Trust:
    """
    Return whether a frame with these labels can be scored.

    `instances` are instance ids, uint16 (H, W); `counts` the pixels by label id, int64 (256,),
    where they are known already. The scene is taken whole: before an occluder and any crop.
    """
    said = nothing_said(labels.labels, counts)
    if labels.problem:
        return Trust(said, Fault.UNREADABLE, labels.problem)
    fault, reason = _unsaid(labels, said, limits.of(labels.tells_hood))
    wrong = contradiction(spread(labels.labels))
    doubt = reason or _doubt(labels, wrong)
    others = _others(labels, limits) if doubt else None
    if others:
        fault, reason = Fault.CONTRARY, f'{doubt}; the labels fit {" and ".join(others)}'
    if fault is None:
        fault, reason = _noise(labels.labels)
    if fault is None:
        fault, reason = _other_instances(labels.labels, instances)
    alone = wrong and others == [] and fault is None
    return Trust(said, fault, reason, f'by {labels.encoding} {wrong}; {NO_OTHER}' if alone else '')


Finding = tuple[Fault | None, str]


def _unsaid(labels: LabelMap, said: Said, limit: float) -> Finding:
    """Find a map that says too little."""
    name, size, outside = labels.encoding, labels.labels.size, labels.outside
    if said.hood > MOST_HOOD:
        share = show_share(said.hood)
        return Fault.UNLABELLED, f'{share} of the picture would be ego vehicle or border by {name}'
    if labels.sample is not None and not labels.sample.any():
        # Whatever 0 means there, road in train ids: a buffer that nobody filled is no scene.
        return Fault.UNLABELLED, f'every pixel is 0, which says nothing in {name} either'
    if said.share <= limit:
        if said.only is None:
            return None, ''
        only = BY_ID[said.only].name
        return Fault.UNLABELLED, f'the whole scene is {only} by {name}, which is no scene'
    told = f'{show_share(said.share)} of the scene say nothing (at most {show_share(limit)})'
    if not outside.total:
        return Fault.UNLABELLED, f'{told}: unlabelled by {name}'
    values = f'{name} does not have {show_values(outside, size)}'
    if outside.total > said.share * size * (1 - said.hood) / 2:
        return Fault.OUTSIDE, f'{told}: {values}'
    return Fault.UNLABELLED, f'{told}: mostly unlabelled, and {values}'


def _doubt(labels: LabelMap, wrong: str) -> str:
    """
    Say what makes another encoding likely in a map that says enough; empty for nothing.

    `wrong` is what lies as it does in no road scene.
    """
    if wrong:
        return f'by {labels.encoding} {wrong}'
    size = labels.labels.size
    # Small tables of a user's own fit many others; what they lack is no doubt of them.
    known = labels.encoding in ENCODINGS.builtin()
    if known and labels.outside.total > MOST_FOREIGN * size:
        return f'{labels.encoding} does not have {show_values(labels.outside, size)}'
    return ''


def _others(labels: LabelMap, limits: Limits) -> list[str] | None:
    """Return the other encodings that a map fits without fault; None for too few values."""
    if labels.sample is None or not tells(labels.sample):
        return None
    return [n for n in fitting(labels.sample, limits=limits) if n != labels.encoding]


def _noise(labels: np.ndarray) -> Finding:
    """Find a map that is no picture of anything."""
    if min(labels.shape) < LEAST_SIDE:
        return None, ''
    rows, columns = labels[::STEP], np.ascontiguousarray(labels[:, ::STEP])
    broken = (_share(rows[:, 1:] != rows[:, :-1]) + _share(columns[1:] != columns[:-1])) / 2
    if broken <= MOST_BROKEN:
        return None, ''
    share = show_share(broken)
    return Fault.NOISE, f'noise: {share} of neighbouring pixels are of different classes'


def _share(told: np.ndarray) -> float:
    return int(np.count_nonzero(told)) / told.size


def _other_instances(labels: np.ndarray, instances: np.ndarray | None) -> Finding:
    """Find an instance map whose things are of other classes than the labels'."""
    if instances is None or instances.shape != labels.shape:
        return None, ''
    labels = np.ascontiguousarray(spread(labels, LOOKED_AT))
    instances = np.ascontiguousarray(spread(instances, LOOKED_AT))
    numbered = instances >= INSTANCE
    looked_at = (numbered | cv2.LUT(labels, _THINGS).view(bool)) & (labels != UNKNOWN)
    things = labels[looked_at]
    if not things.size:
        return None, ''
    ids = instances[looked_at]
    owners = np.where(ids >= INSTANCE, ids // INSTANCE, ids)
    other = owners != things
    share = _share(other)
    if share <= MOST_OTHER:
        return None, ''
    label, owner = int(things[other][0]), int(owners[other][0])
    named = BY_ID[owner].name if owner in BY_ID else f'instances {owner}'
    return (
        Fault.INSTANCES,
        f'the instance map contradicts the labels in {show_share(share)} of the pixels of '
        f'things, such as {BY_ID[label].name} where it has {named}',
    )

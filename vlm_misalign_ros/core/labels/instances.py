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
What the values of an instance map mean: from any encoding to Cityscapes instance ids.

Cityscapes has label * 1000 + k. CARLA's instance camera has the tag in red and a number of the
object in green and blue, Gazebo's panoptic camera the label in blue and the number in green and
red: what that label means is up to each world, and told by the encoding of its label map.
Simulators such as Isaac Sim number objects alone, whatever they are: of these the label map says
what they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.labels.auto import AutoEncoding
from vlm_misalign_ros.core.labels.classes import LABELS
from vlm_misalign_ros.core.labels.encodings import Encoding, decode_labels, name_of
from vlm_misalign_ros.core.labels.forms import ColorEncoding, ValueEncoding
from vlm_misalign_ros.core.labels.tables import CARLA_TAGS, CARLA_TAGS_0_9_13

AUTO, CITYSCAPES, CARLA = 'auto', 'cityscapes', 'carla'
GAZEBO, IDS = 'gazebo', 'ids'
INSTANCE_ENCODINGS = (AUTO, CITYSCAPES, CARLA, GAZEBO, IDS)
"""`auto`: colours are CARLA's, sixteen bits Cityscapes', 32 bits numbers of objects."""
MOST = 1000
"""Instances of a label that have ids of their own; further ones are a group."""

_THINGS = np.zeros(256, np.uint8)
_THINGS[[label.id for label in LABELS if label.has_instances]] = 1


@dataclass(frozen=True, eq=False)
class Numbered:
    """An instance map that numbers objects, of which only the labels say what they are."""

    ids: np.ndarray
    """Whole numbers (H, W), of an object each; 0 for none."""

    def resolved(self, labels: np.ndarray) -> np.ndarray:
        """Return Cityscapes instance ids, uint16 (H, W), by label ids, uint8 (H, W)."""
        if labels.shape != self.ids.shape:
            # Maps that do not go together are told by their size.
            return np.zeros(self.ids.shape, np.uint16)
        return number(labels, self.ids)


def number(labels: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """
    Return Cityscapes instance ids, uint16 (H, W), of numbered objects.

    `labels` are label ids, uint8 (H, W); `ids` whole numbers (H, W). Pixels of one label and one
    number are an instance, counted by label in the order of the numbers; a thing with the number
    0, and those beyond MOST of a label, are groups; whatever has no instances keeps its label.
    """
    found = labels.astype(np.uint16)
    things = cv2.LUT(np.ascontiguousarray(labels), _THINGS).view(bool)
    places = np.flatnonzero(things)
    places = places[ids.ravel()[places] != 0]
    if not places.size:
        return found
    owners = labels.ravel()[places].astype(np.int64)
    keys = owners << 32 | (ids.ravel()[places].astype(np.int64) & 0xFFFFFFFF)
    # Objects are runs of pixels: their numbers are compared once a run.
    starts = np.flatnonzero(np.diff(keys, prepend=~keys[:1]))
    kinds, which = np.unique(keys[starts], return_inverse=True)
    owner = kinds >> 32
    count = np.arange(len(kinds)) - np.searchsorted(owner, owner)
    numbers = np.where(count < MOST, owner * 1000 + count, owner).astype(np.uint16)
    found.ravel()[places] = np.repeat(numbers[which], np.diff(starts, append=len(keys)))
    return found


def from_carla(pixels: np.ndarray, tags: Encoding = CARLA_TAGS) -> np.ndarray:
    """
    Return Cityscapes instance ids, uint16 (H, W), of RGB uint8 (H, W, 3) of an instance camera.

    Source: CARLA, ref_sensors.md, instance segmentation camera: R is the tag, G and B the object.
    """
    return number(decode_labels(tags, pixels), _objects(pixels))


def from_gazebo(pixels: np.ndarray, labels: Encoding) -> np.ndarray:
    """
    Return Cityscapes instance ids, uint16 (H, W), of RGB uint8 (H, W, 3) of a panoptic camera.

    Its labels are the world's own, so that only `labels`, the encoding of the label map, says
    what they mean: of values, or one that takes the semantic camera's map, which has the label
    in every channel. RecordError for one of colours, and for `auto` until it is decided.
    Source: gz-sensors, tutorials/segmentation_camera.md: B is the label, G and R the object.
    """
    table = labels.chosen if isinstance(labels, AutoEncoding) else labels
    if table is None or isinstance(table, ColorEncoding):
        why = 'is not decided yet' if table is None else 'is one of colours'
        raise RecordError(
            f'instance_encoding gazebo has labels as values, and label encoding {name_of(labels)} '
            f'{why}',
            'set monitor.label_encoding to a table of the values of this world',
        )
    values = np.ascontiguousarray(pixels[:, :, 2])
    shown = values if isinstance(table, ValueEncoding) else np.dstack([values] * 3)
    return number(decode_labels(table, shown), _objects(pixels[:, :, ::-1]))


def _objects(pixels: np.ndarray) -> np.ndarray:
    """Return the numbers, uint16 (H, W), of which channel 1 is the low byte and 2 the high."""
    return np.ascontiguousarray(pixels[:, :, 1:3]).view('<u2')[:, :, 0]


def tags_beside(encoding: Encoding) -> Encoding:
    """Return the table of CARLA's tags that goes with the encoding of the labels."""
    if isinstance(encoding, ValueEncoding) and encoding.red:
        return encoding
    return CARLA_TAGS_0_9_13 if name_of(encoding).endswith('_0_9_13') else CARLA_TAGS


def read_instances(pixels: np.ndarray, how: str, labels: Encoding) -> np.ndarray | Numbered:
    """
    Return Cityscapes instance ids, uint16 (H, W), or objects that only the labels can tell.

    `pixels` are whole numbers (H, W) or RGB uint8 (H, W, 3), `how` one of INSTANCE_ENCODINGS,
    `labels` the encoding of the label map. RecordError for what the encoding does not have.
    """
    colors = pixels.ndim == 3 and pixels.dtype == np.uint8
    plane = pixels.ndim == 2
    if colors and how == GAZEBO:
        return from_gazebo(pixels, labels)
    if colors and how in (AUTO, CARLA):
        return from_carla(pixels, tags_beside(labels))
    if plane and pixels.dtype == np.uint16 and how in (AUTO, CITYSCAPES):
        return pixels
    whole = plane and np.issubdtype(pixels.dtype, np.integer)
    if whole and (how == IDS or (how == AUTO and pixels.dtype == np.int32)):
        return Numbered(pixels)
    shape = 'colours' if pixels.ndim == 3 else 'one channel'
    raise RecordError(
        f'instances are {pixels.dtype} in {shape}, and instance_encoding is {how}', _REMEDIES[how]
    )


_REMEDIES: dict[str, Any] = {
    AUTO: "publish mono16, the colours of CARLA's instance camera, or 32SC1",
    CITYSCAPES: 'publish mono16 with label id * 1000 + k',
    CARLA: 'publish the instance camera as it is, bgra8 or rgb8',
    GAZEBO: 'publish labels_map of a panoptic segmentation camera, rgb8',
    IDS: 'publish whole numbers: mono8, mono16 or 32SC1',
}

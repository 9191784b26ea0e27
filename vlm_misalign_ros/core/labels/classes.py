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
The Cityscapes label table: label ids, train ids, names, colours, and what counts as critical.

Source: cityscapesScripts, helpers/labels.py (ids, train ids, categories and colours are facts of
the data set).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

IGNORE = 255
"""Train id of everything that is not evaluated."""


@dataclass(frozen=True)
class Label:
    """One Cityscapes class."""

    name: str
    id: int
    train_id: int
    has_instances: bool
    color: tuple[int, int, int]
    """RGB, 0-255."""


LABELS: tuple[Label, ...] = (
    Label('unlabeled', 0, IGNORE, False, (0, 0, 0)),
    Label('ego vehicle', 1, IGNORE, False, (0, 0, 0)),
    Label('rectification border', 2, IGNORE, False, (0, 0, 0)),
    Label('out of roi', 3, IGNORE, False, (0, 0, 0)),
    Label('static', 4, IGNORE, False, (0, 0, 0)),
    Label('dynamic', 5, IGNORE, False, (111, 74, 0)),
    Label('ground', 6, IGNORE, False, (81, 0, 81)),
    Label('road', 7, 0, False, (128, 64, 128)),
    Label('sidewalk', 8, 1, False, (244, 35, 232)),
    Label('parking', 9, IGNORE, False, (250, 170, 160)),
    Label('rail track', 10, IGNORE, False, (230, 150, 140)),
    Label('building', 11, 2, False, (70, 70, 70)),
    Label('wall', 12, 3, False, (102, 102, 156)),
    Label('fence', 13, 4, False, (190, 153, 153)),
    Label('guard rail', 14, IGNORE, False, (180, 165, 180)),
    Label('bridge', 15, IGNORE, False, (150, 100, 100)),
    Label('tunnel', 16, IGNORE, False, (150, 120, 90)),
    Label('pole', 17, 5, False, (153, 153, 153)),
    Label('polegroup', 18, IGNORE, False, (153, 153, 153)),
    Label('traffic light', 19, 6, False, (250, 170, 30)),
    Label('traffic sign', 20, 7, False, (220, 220, 0)),
    Label('vegetation', 21, 8, False, (107, 142, 35)),
    Label('terrain', 22, 9, False, (152, 251, 152)),
    Label('sky', 23, 10, False, (70, 130, 180)),
    Label('person', 24, 11, True, (220, 20, 60)),
    Label('rider', 25, 12, True, (255, 0, 0)),
    Label('car', 26, 13, True, (0, 0, 142)),
    Label('truck', 27, 14, True, (0, 0, 70)),
    Label('bus', 28, 15, True, (0, 60, 100)),
    Label('caravan', 29, IGNORE, True, (0, 0, 90)),
    Label('trailer', 30, IGNORE, True, (0, 0, 110)),
    Label('train', 31, 16, True, (0, 80, 100)),
    Label('motorcycle', 32, 17, True, (0, 0, 230)),
    Label('bicycle', 33, 18, True, (119, 11, 32)),
)

BY_NAME: dict[str, Label] = {label.name: label for label in LABELS}
BY_ID: dict[int, Label] = {label.id: label for label in LABELS}

CLASSES: tuple[str, ...] = tuple(
    label.name
    for label in sorted(LABELS, key=lambda entry: entry.train_id)
    if label.train_id != IGNORE
)
"""The 19 evaluated classes; the position is the train id."""

VEHICLE = 'vehicle'
"""The super-class: satisfied by any member, hallucinated only when no member is there."""

VEHICLE_MEMBERS: tuple[str, ...] = ('car', 'truck', 'bus', 'train', 'caravan', 'trailer')

TWO_WHEELERS: tuple[str, ...] = ('motorcycle', 'bicycle')
"""No members of the super-class, but who calls one a vehicle has made up nothing."""

SCORED: tuple[str, ...] = (*CLASSES, VEHICLE)
"""Every name that a description can be scored on."""

CRITICAL: tuple[str, ...] = (
    'person',
    'rider',
    'bicycle',
    'motorcycle',
    'car',
    'truck',
    'bus',
    'train',
)
"""Classes whose omission is critical (docs/metrics.md)."""

STUFF: tuple[str, ...] = (
    'road',
    'sidewalk',
    'building',
    'wall',
    'fence',
    'pole',
    'vegetation',
    'terrain',
    'sky',
)
"""Classes without outlines: never required."""
STUFF_SHARE = 0.005
"""Share of the picture from which stuff counts as there, where that has to be decided."""


def train_id_table() -> np.ndarray:
    """Return the look-up table, uint8 (256,), from label id to train id (255 = ignored)."""
    table = np.full(256, IGNORE, np.uint8)
    for label in LABELS:
        table[label.id] = label.train_id
    return table


def color_table() -> np.ndarray:
    """Return the look-up table, uint8 (256, 3), from train id to RGB colour (ignored = black)."""
    table = np.zeros((256, 3), np.uint8)
    for index, name in enumerate(CLASSES):
        table[index] = BY_NAME[name].color
    return table


def to_train_ids(labels: np.ndarray) -> np.ndarray:
    """Return train ids, uint8 (H, W), from label ids, uint8 (H, W)."""
    return cv2.LUT(labels, train_id_table())


def to_label_ids(train_ids: np.ndarray) -> np.ndarray:
    """Return label ids, uint8 (H, W), from train ids, uint8 (H, W); no train id: unlabeled."""
    table = np.zeros(256, np.uint8)
    for index, name in enumerate(CLASSES):
        table[index] = BY_NAME[name].id
    return cv2.LUT(train_ids, table)

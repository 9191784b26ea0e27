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
Label maps of Cityscapes as other sources would send them.

The tables are those of CARLA's documentation ("Semantic segmentation camera" of 0.9.15 and of
0.9.13) and of cityscapesScripts, written down here apart from the package's own.
"""

from __future__ import annotations

import numpy as np
from cityscapesscripts.helpers.labels import labels as cityscapes

# Tag: (name of CARLA, name of Cityscapes' label or '' for none, colour).
CARLA = {
    0: ('unlabeled', '', (0, 0, 0)),
    1: ('road', 'road', (128, 64, 128)),
    2: ('sidewalk', 'sidewalk', (244, 35, 232)),
    3: ('building', 'building', (70, 70, 70)),
    4: ('wall', 'wall', (102, 102, 156)),
    5: ('fence', 'fence', (190, 153, 153)),
    6: ('pole', 'pole', (153, 153, 153)),
    7: ('traffic light', 'traffic light', (250, 170, 30)),
    8: ('traffic sign', 'traffic sign', (220, 220, 0)),
    9: ('vegetation', 'vegetation', (107, 142, 35)),
    10: ('terrain', 'terrain', (152, 251, 152)),
    11: ('sky', 'sky', (70, 130, 180)),
    12: ('pedestrian', 'person', (220, 20, 60)),
    13: ('rider', 'rider', (255, 0, 0)),
    14: ('car', 'car', (0, 0, 142)),
    15: ('truck', 'truck', (0, 0, 70)),
    16: ('bus', 'bus', (0, 60, 100)),
    17: ('train', 'train', (0, 80, 100)),
    18: ('motorcycle', 'motorcycle', (0, 0, 230)),
    19: ('bicycle', 'bicycle', (119, 11, 32)),
    20: ('static', 'static', (110, 190, 160)),
    21: ('dynamic', 'dynamic', (170, 120, 50)),
    22: ('other', '', (55, 90, 80)),
    23: ('water', '', (45, 60, 150)),
    24: ('road line', 'road', (157, 234, 50)),
    25: ('ground', 'ground', (81, 0, 81)),
    26: ('bridge', 'bridge', (150, 100, 100)),
    27: ('rail track', 'rail track', (230, 150, 140)),
    28: ('guard rail', 'guard rail', (180, 165, 180)),
}
CARLA_0_9_13 = {
    0: ('unlabeled', '', (0, 0, 0)),
    1: ('building', 'building', (70, 70, 70)),
    2: ('fence', 'fence', (100, 40, 40)),
    3: ('other', '', (55, 90, 80)),
    4: ('pedestrian', 'person', (220, 20, 60)),
    5: ('pole', 'pole', (153, 153, 153)),
    6: ('road line', 'road', (157, 234, 50)),
    7: ('road', 'road', (128, 64, 128)),
    8: ('sidewalk', 'sidewalk', (244, 35, 232)),
    9: ('vegetation', 'vegetation', (107, 142, 35)),
    10: ('vehicle', 'car', (0, 0, 142)),
    11: ('wall', 'wall', (102, 102, 156)),
    12: ('traffic sign', 'traffic sign', (220, 220, 0)),
    13: ('sky', 'sky', (70, 130, 180)),
    14: ('ground', 'ground', (81, 0, 81)),
    15: ('bridge', 'bridge', (150, 100, 100)),
    16: ('rail track', 'rail track', (230, 150, 140)),
    17: ('guard rail', 'guard rail', (180, 165, 180)),
    18: ('traffic light', 'traffic light', (250, 170, 30)),
    19: ('static', 'static', (110, 190, 160)),
    20: ('dynamic', 'dynamic', (170, 120, 50)),
    21: ('water', '', (45, 60, 150)),
    22: ('terrain', 'terrain', (145, 170, 100)),
}
BY_ID = {entry.id: entry for entry in cityscapes if entry.id >= 0}
_OLD = {'rider': 4, **dict.fromkeys(('truck', 'bus', 'train', 'motorcycle', 'bicycle'), 10)}


def tags(labels, old=False):
    """Return the tags of CARLA for label ids: no hood (a camera there sees none), no border."""
    table = CARLA_0_9_13 if old else CARLA
    by_name = {name: tag for tag, (_, name, _) in reversed(table.items()) if name}
    by_name['road'] = 7 if old else 1
    values = np.full(256, 19 if old else 20, np.uint8)
    for label in BY_ID.values():
        if label.name in by_name:
            values[label.id] = by_name[label.name]
        elif old and label.name in _OLD:
            values[label.id] = _OLD[label.name]
    values[[0, 3]] = 0
    values[[1, 2]] = values[7]
    return values[labels]


def palette(tagged, old=False):
    """Return tags in the colours of CARLA, RGB uint8 (H, W, 3)."""
    table = CARLA_0_9_13 if old else CARLA
    return np.array([table.get(tag, table[0])[2] for tag in range(256)], np.uint8)[tagged]


def train_ids(labels):
    values = [BY_ID[value].trainId if value in BY_ID else 255 for value in range(256)]
    return np.array([255 if not 0 <= v < 255 else v for v in values], np.uint8)[labels]


def colors(labels):
    values = [BY_ID[value].color if value in BY_ID else (0, 0, 0) for value in range(256)]
    return np.array(values, np.uint8)[labels]


def every(labels):
    """Return {encoding: map} of label ids, uint8 (H, W), in all that the package knows."""
    return {
        'cityscapes_label_ids': labels,
        'cityscapes_train_ids': train_ids(labels),
        'cityscapes_colors': colors(labels),
        'carla_tags': tags(labels),
        'carla_palette': palette(tags(labels)),
        'carla_tags_0_9_13': tags(labels, old=True),
        'carla_palette_0_9_13': palette(tags(labels, old=True), old=True),
    }

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
The encodings of the package: Cityscapes, and CARLA from 0.9.14 and to 0.9.13.

Sources: cityscapesScripts, helpers/labels.py; carla-simulator/carla, LibCarla/source/carla/image/
CityScapesPalette.h and rpc/ObjectLabel.h of either age. Up to 0.9.9 CARLA had tags 0 to 12 of the
later 22, and other colours for fences and for what is `other`.
"""

from __future__ import annotations

from vlm_misalign_ros.core.labels.classes import (
    BY_NAME,
    IGNORE,
    LABELS,
    TWO_WHEELERS,
    VEHICLE_MEMBERS,
)
from vlm_misalign_ros.core.labels.forms import (
    UNKNOWN,
    ColorEncoding,
    ValueEncoding,
    known_values,
    value_table,
)

Color = tuple[int, int, int]


def _ids(names: dict[int, str]) -> dict[int, int]:
    return {value: BY_NAME[name].id for value, name in names.items()}


_TRAIN = {label.train_id: label.id for label in LABELS if label.train_id != IGNORE}
_LABEL_IDS = {label.id: label.id for label in LABELS}

# Several labels share a colour: black is the hood, too, and the grey of poles that of groups of
# them. Licence plates have the colour of cars.
_CITYSCAPES_COLORS: dict[Color, int] = {
    label.color: label.id for label in LABELS if label.color != (0, 0, 0)
} | {BY_NAME['pole'].color: BY_NAME['pole'].id, (0, 0, 0): UNKNOWN}

# other and water are no label of Cityscapes.
_CARLA: dict[int, int] = {
    0: UNKNOWN,
    **{train + 1: label for train, label in _TRAIN.items()},
    **_ids({20: 'static', 21: 'dynamic', 24: 'road', 25: 'ground', 26: 'bridge'}),
    **_ids({27: 'rail track', 28: 'guard rail'}),
    22: UNKNOWN,
    23: UNKNOWN,
}
_CARLA_COLORS: dict[int, Color] = {
    0: (0, 0, 0),
    **{train + 1: LABELS[label].color for train, label in _TRAIN.items()},
    20: (110, 190, 160),
    21: (170, 120, 50),
    22: (55, 90, 80),
    23: (45, 60, 150),
    24: (157, 234, 50),
    25: (81, 0, 81),
    26: (150, 100, 100),
    27: (230, 150, 140),
    28: (180, 165, 180),
}

# A coarser truth. CARLA's ref_sensors.md of 0.9.13 on the tag of pedestrians: "Humans that walk or
# ride/drive any kind of vehicle"; of vehicles: "Cars, vans, trucks, motorcycles, bikes, buses,
# trains".
_CARLA_0_9_13: dict[int, int] = {
    0: UNKNOWN,
    3: UNKNOWN,
    21: UNKNOWN,
    **_ids({1: 'building', 2: 'fence', 4: 'person', 5: 'pole', 6: 'road', 7: 'road'}),
    **_ids({8: 'sidewalk', 9: 'vegetation', 10: 'car', 11: 'wall', 12: 'traffic sign'}),
    **_ids({13: 'sky', 14: 'ground', 15: 'bridge', 16: 'rail track', 17: 'guard rail'}),
    **_ids({18: 'traffic light', 19: 'static', 20: 'dynamic', 22: 'terrain'}),
}
_CARLA_0_9_13_MERGED: dict[int, tuple[int, ...]] = {
    BY_NAME['person'].id: (BY_NAME['rider'].id,),
    BY_NAME['car'].id: tuple(
        BY_NAME[name].id for name in (*VEHICLE_MEMBERS, *TWO_WHEELERS) if name != 'car'
    ),
}
_CARLA_0_9_13_COLORS: dict[int, Color] = {
    0: (0, 0, 0),
    1: (70, 70, 70),
    2: (100, 40, 40),
    3: (55, 90, 80),
    4: (220, 20, 60),
    5: (153, 153, 153),
    6: (157, 234, 50),
    7: (128, 64, 128),
    8: (244, 35, 232),
    9: (107, 142, 35),
    10: (0, 0, 142),
    11: (102, 102, 156),
    12: (220, 220, 0),
    13: (70, 130, 180),
    14: (81, 0, 81),
    15: (150, 100, 100),
    16: (230, 150, 140),
    17: (180, 165, 180),
    18: (250, 170, 30),
    19: (110, 190, 160),
    20: (170, 120, 50),
    21: (45, 60, 150),
    22: (145, 170, 100),
}
_CARLA_0_9_9_COLORS: dict[int, Color] = {2: (190, 153, 153), 3: (250, 170, 160)}


def _values(
    name: str,
    values: dict[int, int],
    red: bool = False,
    merged: dict[int, tuple[int, ...]] | None = None,
) -> ValueEncoding:
    return ValueEncoding(name, value_table(values), red, known_values(values), merged or {})


def _colors(ids: dict[int, int], *colors: dict[int, Color]) -> dict[Color, int]:
    return {color: ids[tag] for palette in colors for tag, color in palette.items()}


LABEL_IDS = _values('cityscapes_label_ids', _LABEL_IDS)
TRAIN_IDS = _values('cityscapes_train_ids', _TRAIN)
CITYSCAPES_COLORS = ColorEncoding('cityscapes_colors', _CITYSCAPES_COLORS)
CARLA_TAGS = _values('carla_tags', _CARLA, red=True)
CARLA_PALETTE = ColorEncoding('carla_palette', _colors(_CARLA, _CARLA_COLORS))
CARLA_TAGS_0_9_13 = _values('carla_tags_0_9_13', _CARLA_0_9_13, True, _CARLA_0_9_13_MERGED)
CARLA_PALETTE_0_9_13 = ColorEncoding(
    'carla_palette_0_9_13',
    _colors(_CARLA_0_9_13, _CARLA_0_9_13_COLORS, _CARLA_0_9_9_COLORS),
    _CARLA_0_9_13_MERGED,
)

MEANINGS = {
    'auto': 'decided by what the first maps hold, or refused where two fit',
    'cityscapes_label_ids': 'ids 0 to 33, 255 void; one channel',
    'cityscapes_train_ids': 'train ids 0 to 18, 255 void; one channel',
    'cityscapes_colors': "the colours of Cityscapes' *_color.png",
    'carla_tags': 'CARLA from 0.9.14, tags 0 to 28 in one channel or in the red one',
    'carla_palette': 'CARLA from 0.9.14, colours of CityScapesPalette (ros-bridge)',
    'carla_tags_0_9_13': 'CARLA to 0.9.13, tags 0 to 22 in one channel or in the red one',
    'carla_palette_0_9_13': 'CARLA to 0.9.13, colours of CityScapesPalette (ros-bridge)',
}
"""What each of the package's encodings is, in words."""

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
IDD, the India Driving Dataset, in its own folders: Cityscapes' layout with labels of its own.

Source of labels and mapping: AutoNUE/public-code, helpers/anue_labels.py (columns id, level3Id,
csId, csTrainId); of the files: preperation/createLabels.py there, whose output is read. What has
no csId and no csTrainId (255) is no class of Cityscapes, and is put among Cityscapes' labels that
are not evaluated: what lies on the ground to ground, what stands to static, what moves to dynamic.
Non-drivable fallback is terrain, as its csTrainId says. Fallback background (id 34; 255 of csId
and csTrainId, 25 with the sky of level3Id) is what nobody named behind the street: roads, ground,
vehicles and what stands at the roadside have fallbacks of their own, so it may be a building,
vegetation or sky, which are unknown where it is, and not absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vlm_misalign_ros.core.datasets.file_dataset import (
    FileDataset,
    FileEntry,
    Maps,
    read_things,
    refuse_sequences,
    select,
)
from vlm_misalign_ros.core.datasets.folders import folders, names, refused
from vlm_misalign_ros.core.datasets.label_table import LabelTable, of_colors
from vlm_misalign_ros.core.datasets.pictures import PICTURES
from vlm_misalign_ros.core.errors import DatasetError
from vlm_misalign_ros.core.labels.classes import CLASSES, TWO_WHEELERS, VEHICLE_MEMBERS
from vlm_misalign_ros.core.types import NoCamera

LAYOUT = 'idd'
_VEHICLES = (*VEHICLE_MEMBERS, *TWO_WHEELERS)


class _Label(NamedTuple):
    """One label of IDD."""

    id: int
    level3: int
    cityscapes: str
    """The label of Cityscapes that it is taken for."""
    color: tuple[int, int, int]
    """RGB."""


IDD_LABELS: dict[str, _Label] = {
    'road': _Label(0, 0, 'road', (128, 64, 128)),
    'parking': _Label(1, 1, 'parking', (250, 170, 160)),
    'drivable fallback': _Label(2, 1, 'ground', (81, 0, 81)),
    'sidewalk': _Label(3, 2, 'sidewalk', (244, 35, 232)),
    'rail track': _Label(4, 3, 'rail track', (230, 150, 140)),
    'non-drivable fallback': _Label(5, 3, 'terrain', (152, 251, 152)),
    'person': _Label(6, 4, 'person', (220, 20, 60)),
    'animal': _Label(7, 4, 'dynamic', (246, 198, 145)),
    'rider': _Label(8, 5, 'rider', (255, 0, 0)),
    'motorcycle': _Label(9, 6, 'motorcycle', (0, 0, 230)),
    'bicycle': _Label(10, 7, 'bicycle', (119, 11, 32)),
    'autorickshaw': _Label(11, 8, 'dynamic', (255, 204, 54)),
    'car': _Label(12, 9, 'car', (0, 0, 142)),
    'truck': _Label(13, 10, 'truck', (0, 0, 70)),
    'bus': _Label(14, 11, 'bus', (0, 60, 100)),
    'caravan': _Label(15, 12, 'caravan', (0, 0, 90)),
    'trailer': _Label(16, 12, 'trailer', (0, 0, 110)),
    'train': _Label(17, 12, 'train', (0, 80, 100)),
    'vehicle fallback': _Label(18, 12, 'dynamic', (136, 143, 153)),
    'curb': _Label(19, 13, 'ground', (220, 190, 40)),
    'wall': _Label(20, 14, 'wall', (102, 102, 156)),
    'fence': _Label(21, 15, 'fence', (190, 153, 153)),
    'guard rail': _Label(22, 16, 'guard rail', (180, 165, 180)),
    'billboard': _Label(23, 17, 'static', (174, 64, 67)),
    'traffic sign': _Label(24, 18, 'traffic sign', (220, 220, 0)),
    'traffic light': _Label(25, 19, 'traffic light', (250, 170, 30)),
    'pole': _Label(26, 20, 'pole', (153, 153, 153)),
    'polegroup': _Label(27, 20, 'polegroup', (153, 153, 153)),
    'obs-str-bar-fallback': _Label(28, 21, 'static', (169, 187, 214)),
    'building': _Label(29, 22, 'building', (70, 70, 70)),
    'bridge': _Label(30, 23, 'bridge', (150, 100, 100)),
    'tunnel': _Label(31, 23, 'tunnel', (150, 120, 90)),
    'vegetation': _Label(32, 24, 'vegetation', (107, 142, 35)),
    'sky': _Label(33, 25, 'sky', (70, 130, 180)),
    'fallback background': _Label(34, 25, 'static', (169, 187, 214)),
    'unlabeled': _Label(35, 255, 'unlabeled', (0, 0, 0)),
    'ego vehicle': _Label(36, 255, 'ego vehicle', (0, 0, 0)),
    'rectification border': _Label(37, 255, 'rectification border', (0, 0, 0)),
    'out of roi': _Label(38, 255, 'out of roi', (0, 0, 0)),
    'license plate': _Label(39, 255, 'unlabeled', (0, 0, 142)),
}
"""IDD's labels by name. An autorickshaw is no car, but who calls it one has made up nothing."""

_BACKGROUND = ('building', 'vegetation', 'sky')
"""What fallback background may be, by the groups of IDD's labels (level1Id 5 and 6)."""
_STATIC = ('traffic sign', *_BACKGROUND)
_MERGED = (('dynamic', _VEHICLES), ('static', _STATIC))
"""Autorickshaws are called cars and motorcycles, billboards are called signs."""
_NOT_EVALUATED = {entry.cityscapes for entry in IDD_LABELS.values()} - {'unlabeled', *CLASSES}
"""What of Cityscapes' labels IDD has beside the classes: of train ids all of it is 255."""
_LEVEL3: dict[int, str] = {
    **{entry.level3: entry.cityscapes for entry in reversed(IDD_LABELS.values())},
    1: 'ground',
    3: 'ground',
    8: 'dynamic',
    12: 'dynamic',
    20: 'pole',
    23: 'bridge',
    255: 'unlabeled',
}
IDS = LabelTable('IDD ids', {e.id: e.cityscapes for e in IDD_LABELS.values()}, merged=_MERGED)
LEVEL3_IDS = LabelTable(
    'IDD level 3 ids',
    _LEVEL3,
    # At level 3 an animal is a person, whatever else drives a train, and fallback background sky.
    merged=(*_MERGED, ('person', ('dynamic',)), ('sky', ('static', *_BACKGROUND[:-1]))),
)
TRAIN_IDS = LabelTable(
    'IDD csTrainIds',
    {**dict(enumerate(CLASSES)), 255: 'unlabeled'},
    # Of 255 are autorickshaws, guard rails, bridges, billboards and fallback background, too.
    merged=(('unlabeled', tuple(sorted({*_NOT_EVALUATED, *_VEHICLES, *_STATIC}))),),
)
_COLORS = of_colors({name: entry.color for name, entry in IDD_LABELS.items()})
COLORS = LabelTable(
    'IDD colours',
    {},
    {color: IDD_LABELS[name].cityscapes for color, name in _COLORS.items()},
    _MERGED,
)
TABLES = {
    'labelids': IDS,
    'labellevel3ids': LEVEL3_IDS,
    'labelcstrainids': TRAIN_IDS,
    'labelcolors': COLORS,
}
"""How label images are named behind _gtFine_, in lower case, the best first."""
CAMERA = NoCamera('IDD tells of no camera')
_EXPECTED = 'ROOT/leftImg8bit/SPLIT/DRIVE/FRAME_leftImg8bit.png'


def open_idd(
    root: Path, split: str, cities: Sequence[str], limit: int, sequences: bool
) -> FileDataset:
    """Open IDD; a drive takes the place of a city. Errors as FileDataset and `select`."""
    refuse_sequences(LAYOUT, sequences)
    pictures = root / 'leftImg8bit'
    if not pictures.is_dir():
        raise refused(root, LAYOUT, ('leftImg8bit',), _EXPECTED)
    found = [
        entry
        for part in folders(pictures)
        for drive in folders(part)
        for entry in _drive(root, part.name, drive)
    ]
    if not found:
        raise DatasetError(f'{pictures} has no pictures', f'looked for {_EXPECTED}')
    entries = _chosen(root, found, split, cities, limit)
    return FileDataset(root, entries, CAMERA, _read)


def _chosen(
    root: Path, found: Sequence[FileEntry], split: str, cities: Sequence[str], limit: int
) -> list[FileEntry]:
    try:
        return select(found, root, split, cities, limit)
    except DatasetError as error:
        if any((root / 'gtFine').glob('*/*/*_gtFine_polygons.json')) and 'no labels' in error.what:
            raise DatasetError(
                error.what,
                'there are polygons: make label images of them with public-code of AutoNUE, '
                'preperation/createLabels.py --id-type id --instance True',
            ) from error
        raise


def _drive(root: Path, split: str, drive: Path) -> Iterator[FileEntry]:
    """Yield the entries of a drive."""
    truth = root / 'gtFine' / split / drive.name
    # The case of these names differs between the versions of the script that makes them.
    there = {name.lower(): truth / name for name in names(truth)}
    for name in names(drive):
        stem, left, end = name.partition('_leftImg8bit')
        if not left or end.lower() not in PICTURES:
            continue
        begin = f'{stem}_gtFine_'.lower()
        kind = next((kind for kind in TABLES if f'{begin}{kind}.png' in there), 'labelids')
        yield FileEntry(
            f'{drive.name}_{stem}',
            split,
            drive.name,
            drive.name,
            drive / name,
            there.get(f'{begin}{kind}.png'),
            TABLES[kind],
            there.get(f'{begin}instanceids.png') if kind == 'labelids' else None,
        )


def _read(entry: FileEntry) -> Maps:
    """Return the maps of a frame; with the things of its instance image."""
    # id * 1000 + k, and a bare id for a group; road is 0, of which nobody asks.
    return read_things(entry, lambda stored: np.where(stored >= 1000, stored, 0))

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
BDD100K's ten thousand images with segmentation labels, in their own folders.

Sources: bdd100k/bdd100k, doc/source/download.rst and format.rst (folders, bit masks) and
bdd100k/label/label.py (ids and train ids). The panoptic bit masks tell most and come first: they
have the ego vehicle, caravans and trailers, and the things one by one. Train ids follow, with
instances of their own bit masks where there are some; the folders of 2018 (seg/) last. Labels
without a train id are put among Cityscapes' labels that are not evaluated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import msgspec
import numpy as np

from vlm_misalign_ros.core.datasets.cityscapes_index import COLORS, TRAIN_IDS
from vlm_misalign_ros.core.datasets.file_dataset import (
    FileDataset,
    FileEntry,
    Maps,
    read_labels,
    refuse_cities,
    refuse_sequences,
    select,
)
from vlm_misalign_ros.core.datasets.folders import folders, names, refused, shown
from vlm_misalign_ros.core.datasets.label_table import LabelTable
from vlm_misalign_ros.core.datasets.pictures import PICTURES
from vlm_misalign_ros.core.datasets.png import decode
from vlm_misalign_ros.core.errors import DatasetError
from vlm_misalign_ros.core.labels.instances import number
from vlm_misalign_ros.core.types import NoCamera

LAYOUT = 'bdd100k'
PANOPTIC_LABELS: dict[int, str] = {
    0: 'unlabeled',
    1: 'dynamic',
    2: 'ego vehicle',
    3: 'ground',
    4: 'static',
    5: 'parking',
    6: 'rail track',
    7: 'road',
    8: 'sidewalk',
    9: 'bridge',
    10: 'building',
    11: 'fence',
    12: 'bridge',
    13: 'guard rail',
    14: 'tunnel',
    15: 'wall',
    16: 'static',
    17: 'static',
    18: 'static',
    19: 'static',
    20: 'pole',
    21: 'polegroup',
    22: 'polegroup',
    23: 'static',
    24: 'static',
    25: 'traffic light',
    26: 'traffic sign',
    27: 'static',
    28: 'terrain',
    29: 'vegetation',
    30: 'sky',
    31: 'person',
    32: 'rider',
    33: 'bicycle',
    34: 'bus',
    35: 'car',
    36: 'caravan',
    37: 'motorcycle',
    38: 'trailer',
    39: 'train',
    40: 'truck',
}
"""
Cityscapes label by BDD100K's id. A garage (12) and a street light (22) have no train id: they are
put where they make a building, and a pole, no hallucination. 16 to 19, 23, 24 and 27 are banners,
billboards, signs, cones and devices: who calls them traffic signs has made up nothing.
"""
PANOPTIC = LabelTable('BDD100K ids', PANOPTIC_LABELS, merged=(('static', ('traffic sign',)),))
CAMERA = NoCamera('BDD100K tells of no camera')
_CROWD_OR_IGNORED = 0b11
"""Of the second byte of a bit mask: not one thing, or not to be judged."""
_EXPECTED = 'ROOT/images/10k/val/NAME.jpg'


@dataclass(frozen=True)
class _Source:
    """Where label images of one form lie."""

    labels: str
    table: LabelTable
    ending: str = '.png'
    instances: str = ''


_SOURCES = {
    'images/10k': (
        _Source('labels/pan_seg/bitmasks', PANOPTIC, instances='labels/pan_seg/bitmasks'),
        _Source('labels/sem_seg/masks', TRAIN_IDS, instances='labels/ins_seg/bitmasks'),
        _Source('labels/sem_seg/colormaps', COLORS, instances='labels/ins_seg/bitmasks'),
    ),
    'seg/images': (
        _Source('seg/labels', TRAIN_IDS, '_train_id.png'),
        _Source('seg/color_labels', COLORS, '_train_color.png'),
    ),
}
"""By folder of pictures, label images, the best first."""


class _Named(msgspec.Struct):
    name: str = ''
    attributes: dict[str, object] | None = None


def open_bdd100k(
    root: Path, split: str, cities: Sequence[str], limit: int, sequences: bool
) -> FileDataset:
    """Open BDD100K; each picture is a scene by itself. Errors as FileDataset and `select`."""
    refuse_sequences(LAYOUT, sequences)
    refuse_cities(LAYOUT, cities, 'choose by split, or by the conditions in the records')
    pictures = next((name for name in _SOURCES if (root / name).is_dir()), '')
    if not pictures:
        raise refused(root, LAYOUT, tuple(_SOURCES), _EXPECTED)
    sources = _SOURCES[pictures]
    source = next((one for one in sources if (root / one.labels).is_dir()), None)
    if source is None:
        raise DatasetError(
            f'found {pictures} under {root}, but none of '
            + ', '.join(one.labels for one in sources),
            'unpack the labels of panoptic or semantic segmentation into that folder',
        )
    told = _attributes(root, split)
    found = [
        entry
        for part in folders(root / pictures)
        for entry in _part(root, part, source, told.get(part.name, {}))
    ]
    if not found:
        raise DatasetError(
            f'{root / pictures} has no pictures',
            f'there is {shown(path.name for path in folders(root / pictures))}; '
            f'looked for {_EXPECTED}',
        )
    return FileDataset(root, select(found, root, split, (), limit), CAMERA, _read)


def _part(
    root: Path, pictures: Path, source: _Source, told: Mapping[str, tuple[tuple[str, str], ...]]
) -> Iterator[FileEntry]:
    """Yield the entries of a split."""
    labels = root / source.labels / pictures.name
    things = root / source.instances / pictures.name
    there, numbered = names(labels), names(things) if source.instances else set()
    for name in names(pictures):
        stem, end = Path(name).stem, Path(name).suffix
        if end.lower() not in PICTURES:
            continue
        yield FileEntry(
            stem,
            pictures.name,
            '',
            '',
            pictures / name,
            labels / f'{stem}{source.ending}' if f'{stem}{source.ending}' in there else None,
            source.table,
            things / f'{stem}.png' if f'{stem}.png' in numbered else None,
            told.get(stem, ()),
        )


def _read(entry: FileEntry) -> Maps:
    """Return the maps of a frame, of bit masks or of train ids."""
    if entry.instances is None:
        return read_labels(entry)
    bits = decode(entry.instances, cv2.IMREAD_UNCHANGED)
    if bits.ndim != 3 or bits.shape[2] != 4:
        raise DatasetError(
            f'{entry.instances} has {1 if bits.ndim == 2 else bits.shape[2]} channels',
            'a bit mask has four: class, attributes, and a number of two bytes',
        )
    blue, green, red, alpha = (bits[..., channel] for channel in range(4))
    if entry.instances == entry.labels:
        labels = PANOPTIC.translate(entry.labels, np.ascontiguousarray(red))
        maps = Maps(labels, None, PANOPTIC.about, PANOPTIC.tells_hood)
    else:
        maps = read_labels(entry)
    if maps.labels.shape != red.shape:
        return replace(maps, instances=red.astype(np.uint16))
    ids = (blue.astype(np.int32) << 8) + alpha
    ids[green & _CROWD_OR_IGNORED > 0] = 0
    return replace(maps, instances=number(maps.labels, ids))


def _attributes(root: Path, split: str) -> dict[str, dict[str, tuple[tuple[str, str], ...]]]:
    """Return what the labels for detection tell of weather, time and scene, by split and stem."""
    found: dict[str, dict[str, tuple[tuple[str, str], ...]]] = {}
    for part in (split,) if split else ('train', 'val'):
        tried = (f'det_20/det_{part}.json', f'bdd100k_labels_images_{part}.json')
        path = next((p for p in (root / 'labels' / name for name in tried) if p.is_file()), None)
        if path is None:
            continue
        try:
            frames = msgspec.json.decode(path.read_bytes(), type=list[_Named])
        except (OSError, msgspec.MsgspecError) as error:
            raise DatasetError(f'{path} cannot be read: {error}', 'download it again') from error
        found[part] = {
            Path(frame.name).stem: tuple(
                (name, value)
                for name, value in sorted((frame.attributes or {}).items())
                if isinstance(value, str) and value != 'undefined'
            )
            for frame in frames
        }
    return found

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
ACDC, the Adverse Conditions Dataset with Correspondences, in its own folders.

Source of layout and meaning: the README that comes with ACDC (https://acdc.vision.ee.ethz.ch).
Labels are Cityscapes' ids of its 19 classes, or their train ids. What an invalid mask marks (1 in
*_gt_invIds.png) cannot be made out in the adverse picture alone; its annotators looked at the
reference picture. It is taken as not labelled, and the classes in it as not known to be absent;
`FOLDER#invalid` takes its labels as they are, as ACDC's own mIoU does. The splits train_ref and
val_ref are the reference pictures, of the same keys, as far as they are labelled; they are read
where they are named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import msgspec
import numpy as np

from vlm_misalign_ros.core.about import About
from vlm_misalign_ros.core.datasets.cityscapes_index import COLORS, LABEL_IDS, TRAIN_IDS
from vlm_misalign_ros.core.datasets.file_dataset import (
    FileDataset,
    FileEntry,
    Maps,
    read_labels,
    refuse_sequences,
    select,
)
from vlm_misalign_ros.core.datasets.folders import folders, names, refused, shown, split_variant
from vlm_misalign_ros.core.datasets.pictures import PICTURES
from vlm_misalign_ros.core.datasets.png import decode, decode_values
from vlm_misalign_ros.core.errors import DatasetError
from vlm_misalign_ros.core.labels.classes import BY_ID, BY_NAME, CLASSES
from vlm_misalign_ros.core.labels.instances import number
from vlm_misalign_ros.core.types import NoCamera

LAYOUT = 'acdc'
CONDITIONS = ('fog', 'night', 'rain', 'snow')
TABLES = {'labelIds': LABEL_IDS, 'labelTrainIds': TRAIN_IDS, 'labelColor': COLORS}
"""How label images are named, the best first."""
CAMERA = NoCamera('ACDC tells of no camera')
INVALID = 'invalid'
"""The variant in which invalid pixels count by their labels."""
_REF = '_ref'
_EXPECTED = 'ROOT/rgb_anon/fog/val/GOPR0476/GOPR0476_frame_000854_rgb_anon.png'


class _Segment(msgspec.Struct):
    id: int
    iscrowd: int = 0


class _Annotation(msgspec.Struct):
    file_name: str
    segments_info: list[_Segment]


class _Panoptic(msgspec.Struct):
    annotations: list[_Annotation]


Crowds = Mapping[str, frozenset[int]]
"""By name of a panoptic image, the segments that are several things."""


def open_acdc(
    root: Path, split: str, cities: Sequence[str], limit: int, sequences: bool
) -> FileDataset:
    """
    Open ACDC; a condition (fog, night, rain, snow) takes the place of a city.

    Errors as FileDataset and `select`.
    """
    refuse_sequences(LAYOUT, sequences)
    root, variant = split_variant(root)
    if variant not in ('', INVALID):
        raise DatasetError(
            f'there is no variant {variant!r} of acdc',
            f'give {LAYOUT}:{root}#{INVALID} to score invalid pixels by their labels',
        )
    kind = next((name for name in ('rgb_anon', 'rgb') if (root / name).is_dir()), '')
    if not kind:
        raise refused(root, LAYOUT, ('rgb_anon', 'rgb'), _EXPECTED)
    found = _found(root, kind, split)
    if not found:
        raise DatasetError(f'{root / kind} has no pictures', f'looked for {_EXPECTED}')
    if not (root / 'gt').is_dir():
        raise DatasetError(
            f'found {kind} but no gt under {root}', 'unpack gt_trainval.zip into that folder'
        )
    entries = select(found, root, split, cities, limit)
    crowds = _crowds(root, entries)
    return FileDataset(root, entries, CAMERA, _Reader(crowds, variant != INVALID))


def _found(root: Path, kind: str, split: str) -> list[FileEntry]:
    """
    Return the entries of all splits, of the references only where one is named.

    Of the reference pictures only some are labelled: the others are no part of the data set.
    """
    return [
        entry
        for condition in folders(root / kind)
        if condition.name in CONDITIONS
        for part in folders(condition)
        if split or not part.name.endswith(_REF)
        for drive in folders(part)
        for entry in _drive(root, kind, condition.name, part.name, drive)
        if entry.labels or not part.name.endswith(_REF)
    ]


def _drive(root: Path, kind: str, condition: str, split: str, drive: Path) -> Iterator[FileEntry]:
    """Yield the entries of a sequence."""
    reference = _REF if split.endswith(_REF) else ''
    place = Path(condition, split, drive.name)
    there, panoptic = names(root / 'gt' / place), names(root / 'gt_panoptic' / place)
    middle = f'_{kind.replace("rgb", "rgb" + reference, 1)}'
    for name in names(drive):
        end = Path(name).suffix
        if end.lower() not in PICTURES or not name[: -len(end)].endswith(middle):
            continue
        stem = name[: -len(end) - len(middle)]
        found = {label: f'{stem}_gt{reference}_{label}.png' for label in TABLES}
        label = next((label for label in TABLES if found[label] in there), '')
        things = f'{stem}_gt{reference}_panoptic.png'
        yield FileEntry(
            stem,
            split,
            condition,
            drive.name,
            drive / name,
            root / 'gt' / place / found[label] if label else None,
            TABLES[label or 'labelIds'],
            root / 'gt_panoptic' / place / things if things in panoptic else None,
            (('reference_of' if reference else 'condition', condition),),
        )


@dataclass(frozen=True)
class _Reader:
    """Decodes the maps of a frame."""

    crowds: Crowds
    masked: bool
    """Whether what cannot be made out is taken as not labelled."""

    def __call__(self, entry: FileEntry) -> Maps:
        # Of the labels of Cityscapes ACDC has the 19 classes: the hood is one of none.
        maps = replace(read_labels(entry), tells_hood=False)
        if entry.instances is not None:
            maps = replace(maps, instances=self._things(entry.instances, maps.labels))
        invalid = _invalid(entry)
        if invalid is None or not self.masked:
            return maps
        if invalid.shape != maps.labels.shape:
            raise DatasetError(
                f'the invalid mask of {entry.labels} is of another size', 'restore the originals'
            )
        hidden = np.unique(maps.labels[invalid])
        inside = tuple(BY_ID[value].name for value in hidden if BY_ID[value].name in CLASSES)
        labels = np.where(invalid, np.uint8(BY_NAME['unlabeled'].id), maps.labels)
        instances = maps.instances
        if instances is not None:
            instances = np.where(invalid, np.uint16(0), instances)
        merged = (('unlabeled', inside),) if inside else ()
        return Maps(labels, instances, About(maps.about.lacking, merged), False)

    def _things(self, path: Path, labels: np.ndarray) -> np.ndarray:
        """Return Cityscapes instance ids of a panoptic image: its id is R + 256 G + 65536 B."""
        bgr = decode(path, cv2.IMREAD_COLOR).astype(np.int32)
        ids = bgr[..., 2] + 256 * bgr[..., 1] + 65536 * bgr[..., 0]
        if ids.shape != labels.shape:
            return ids.astype(np.uint16)
        ids[np.isin(ids, list(self.crowds[path.name]))] = 0
        return number(labels, ids)


def _invalid(entry: FileEntry) -> np.ndarray | None:
    """Return what cannot be made out in the picture, bool (H, W); None where nothing tells it."""
    if entry.labels is None:
        return None
    stem = entry.labels.name.rpartition('_')[0]
    for suffix in ('_invIds.png', '_invGray.png'):
        path = entry.labels.with_name(stem + suffix)
        if path.is_file():
            return decode_values(path) > 0
    return None


def _crowds(root: Path, entries: Sequence[FileEntry]) -> Crowds:
    """Return which segments of the panoptic images are several things, by their JSON files."""
    found: dict[str, frozenset[int]] = {}
    folder = root / 'gt_panoptic'
    wanted: dict[tuple[str, str], set[str]] = {}
    for entry in entries:
        if entry.instances is not None:
            wanted.setdefault((entry.city, entry.split), set()).add(entry.instances.name)
    for (condition, split), images in sorted(wanted.items()):
        part = split.removesuffix(_REF)
        end = f'{part}_gt_ref_panoptic.json' if split != part else f'{part}_gt_panoptic.json'
        tried = (folder / condition / f'{condition}_{end}', folder / end)
        path = next((path for path in tried if path.is_file()), None)
        if path is None:
            raise DatasetError(
                f'there are panoptic images but no {" or ".join(map(str, tried))}',
                'restore it: it tells which segments are groups; or move gt_panoptic away',
            )
        try:
            told = msgspec.json.decode(path.read_bytes(), type=_Panoptic)
        except (OSError, msgspec.MsgspecError) as error:
            raise DatasetError(f'{path} cannot be read: {error}', 'download it again') from error
        for annotation in told.annotations:
            name = Path(annotation.file_name).name
            found[name] = frozenset(s.id for s in annotation.segments_info if s.iscrowd)
        if untold := sorted(images - found.keys()):
            raise DatasetError(
                f'{path} says nothing of {shown(untold)}',
                'restore it: it tells which segments are groups; or move gt_panoptic away',
            )
    return found

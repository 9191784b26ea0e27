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
KITTI-360, its left perspective camera, in its own folders.

Sources: https://www.cvlibs.net/datasets/kitti-360/documentation.php (folders, formats, heights of
the sensors above the road) and autonomousvision/kitti360Scripts, helpers/labels.py (ids, train
ids), helpers/project.py and devkits/commons/loadCalibration.py (calibration files). Ids 0 to 33
are Cityscapes'; garage, gate and smallpole are building, fence and pole as their train ids say,
the others are put among Cityscapes' labels that are not evaluated. An instance is its label id
times 1000 plus its number, of which 0 says that things are not told apart.

The maps of confidence are not read: KITTI-360's own mIoU weighs pixels by them, ours does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

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
from vlm_misalign_ros.core.datasets.label_table import LabelTable
from vlm_misalign_ros.core.errors import DatasetError
from vlm_misalign_ros.core.labels.classes import LABELS, TWO_WHEELERS, VEHICLE_MEMBERS
from vlm_misalign_ros.core.types import Camera, NoCamera

LAYOUT = 'kitti360'
OWN_LABELS = {
    34: 'building',
    35: 'fence',
    36: 'static',
    37: 'pole',
    38: 'polegroup',
    39: 'static',
    40: 'static',
    41: 'static',
    42: 'bridge',
    43: 'dynamic',
    44: 'static',
}
"""
Cityscapes label of garage, gate, stop, smallpole, lamp, trash bin, vending machine, box and
unknown construction, vehicle and object.
"""
TABLE = LabelTable(
    'KITTI-360 ids',
    {**{label.id: label.name for label in LABELS}, **OWN_LABELS, 255: 'unlabeled'},
    merged=(('dynamic', (*VEHICLE_MEMBERS, *TWO_WHEELERS)), ('static', ('traffic sign',))),
)
HEIGHT = 1.55
"""Metres of the cameras above the road (documentation, sensor locations)."""
RATE = 10.0
"""Hz, nominal, by which the number of a frame is a time: what is 10 s apart is another scene."""
_LISTS = {'train': '2013_05_28_drive_train_frames.txt', 'val': '2013_05_28_drive_val_frames.txt'}
_EXPECTED = 'ROOT/data_2d_raw/2013_05_28_drive_0000_sync/image_00/data_rect/0000000386.png'


def open_kitti360(
    root: Path, split: str, cities: Sequence[str], limit: int, sequences: bool
) -> FileDataset:
    """
    Open the labelled frames of KITTI-360; a drive takes the place of a city.

    Frames are of split train or val as the data set's own lists say, where these are there.
    Errors as FileDataset and `select`, and for a calibration that cannot be read.
    """
    refuse_sequences(LAYOUT, sequences)
    if not (root / 'data_2d_raw').is_dir():
        raise refused(root, LAYOUT, ('data_2d_raw',), _EXPECTED)
    labels = root / 'data_2d_semantics' / 'train'
    if not labels.is_dir():
        raise DatasetError(
            f'found data_2d_raw but no data_2d_semantics/train under {root}',
            'unpack data_2d_semantics.zip into that folder',
        )
    splits = _splits(labels)
    found = [entry for drive in folders(labels) for entry in _drive(root, drive, splits)]
    if not found:
        raise DatasetError(
            f'{labels} has no label images of image_00',
            'looked for DRIVE/image_00/semantic/0000000386.png',
        )
    entries = select(found, root, split, cities, limit)
    return FileDataset(root, entries, read_calibration(root / 'calibration'), _read)


def _splits(labels: Path) -> dict[str, str]:
    """Return {drive/frame: split} by the lists of frames that are there."""
    found: dict[str, str] = {}
    for split, name in _LISTS.items():
        path = labels / name
        if not path.is_file():
            continue
        try:
            lines = path.read_text(encoding='utf-8').splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetError(f'{path} cannot be read: {error}', 'restore it') from error
        for line in lines:
            parts = Path(line.split()[0]).parts if line.strip() else ()
            drive = next((part for part in parts if part.endswith('_sync')), '')
            if drive:
                found[f'{drive}/{Path(parts[-1]).stem}'] = split
    return found


def _drive(root: Path, drive: Path, splits: dict[str, str]) -> Iterator[FileEntry]:
    """Yield the labelled frames of a drive."""
    truth = drive / 'image_00'
    pictures = root / 'data_2d_raw' / drive.name / 'image_00' / 'data_rect'
    there, numbered = names(pictures), names(truth / 'instance')
    for name in sorted(names(truth / 'semantic')):
        stem, _, end = name.partition('.')
        if end != 'png' or not stem.isdecimal():
            continue
        split = splits.get(f'{drive.name}/{stem}', '' if splits else 'train')
        if not split:
            continue
        image = next((n for n in (name, f'{stem}.jpg') if n in there), '')
        if not image:
            raise DatasetError(
                f'{truth / "semantic" / name} has no picture {pictures / name}',
                'unpack data_2d_raw of this drive, or move its labels away',
            )
        yield FileEntry(
            f'{drive.name}_{stem}@{int(stem) / RATE:g}',
            split,
            drive.name,
            drive.name,
            pictures / image,
            truth / 'semantic' / name,
            TABLE,
            truth / 'instance' / name if name in numbered else None,
        )


def _read(entry: FileEntry) -> Maps:
    """Return the maps of a frame; with the things of its instance image."""
    return read_things(entry, lambda stored: np.where(stored % 1000 > 0, stored, 0))


def read_calibration(folder: Path) -> Camera | NoCamera:
    """
    Return the left camera, rectified, of `perspective.txt` and `calib_cam_to_pose.txt`.

    Its tilt is that of its optical axis against the vehicle's, whose z axis points down; its
    height above the road is in neither file (HEIGHT). Without the files nothing is known of it.
    Raises DatasetError for a file that is none of these.
    """
    intrinsics, poses = folder / 'perspective.txt', folder / 'calib_cam_to_pose.txt'
    lacking = [path.name for path in (intrinsics, poses) if not path.is_file()]
    if lacking:
        return NoCamera(f'KITTI-360 without calibration/{" and ".join(lacking)}')
    rows = _rows(intrinsics)
    projection = _matrix(intrinsics, rows, 'P_rect_00', (3, 4))
    right = _matrix(intrinsics, rows, 'P_rect_01', (3, 4))
    size = _matrix(intrinsics, rows, 'S_rect_00', (2,))
    rectified = _matrix(intrinsics, rows, 'R_rect_00', (3, 3))
    mounted = _matrix(poses, _rows(poses), 'image_00', (3, 4))
    axis = mounted[:, :3] @ np.linalg.inv(rectified) @ np.array([0.0, 0.0, 1.0])
    fx, fy = float(projection[0, 0]), float(projection[1, 1])
    cx, cy = float(projection[0, 2]), float(projection[1, 2])
    width, height = int(size[0]), int(size[1])
    if min(fx, fy) <= 0 or not (0 < cx < width and 0 < cy < height):
        raise DatasetError(
            f'{intrinsics} has focal lengths {fx}, {fy} and principal point ({cx}, {cy}) of '
            f'{width} x {height} pixels',
            'restore the file of the data set',
        )
    pitch = math.asin(max(-1.0, min(1.0, float(axis[2] / np.linalg.norm(axis)))))
    baseline = abs(float(right[0, 3])) / fx
    return Camera(width, height, fx, fy, cx, cy, HEIGHT, pitch, baseline)


def _rows(path: Path) -> dict[str, list[float]]:
    """Return the rows `NAME: numbers` of a calibration file."""
    found: dict[str, list[float]] = {}
    try:
        lines = path.read_text(encoding='utf-8').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f'{path} cannot be read: {error}', 'restore it') from error
    for line in lines:
        name, _, rest = line.partition(':')
        try:
            found[name.strip()] = [float(word) for word in rest.split()]
        except ValueError:  # dates and the like
            continue
    return found


def _matrix(
    path: Path, rows: dict[str, list[float]], name: str, shape: tuple[int, ...]
) -> np.ndarray:
    values = np.array(rows.get(name, []), np.float64)
    if values.size != math.prod(shape) or not np.isfinite(values).all():
        raise DatasetError(
            f'{path} has {values.size} numbers for {name}',
            f'expected {math.prod(shape)} finite ones; restore the file of the data set',
        )
    matrix: np.ndarray = values.reshape(shape)
    return matrix

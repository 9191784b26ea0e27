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

"""A bag's camera and ground truth in the layout of Cityscapes, as this package reads it again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vlm_misalign_ros.bags.exporting import Exported, png_bytes
from vlm_misalign_ros.bags.camera_topics import Wanted
from vlm_misalign_ros.bags.frames import BagFrames
from vlm_misalign_ros.bags.whole import refuse_present, whole_folder
from vlm_misalign_ros.core.datasets import DEFAULT, open_dataset
from vlm_misalign_ros.core.errors import DatasetError
from vlm_misalign_ros.core.labels.classes import LABELS
from vlm_misalign_ros.core.types import Camera, Frame

_KEY = re.compile(r'(?P<city>.+)_\d{6}_\d{6}')
_HIGHEST = max(label.id for label in LABELS)


def export_cityscapes(
    path: Path,
    out: Path,
    wanted: Wanted,
    split: str = 'val',
    progress: Callable[[int, int], object] | None = None,
) -> Exported:
    """
    Write leftImg8bit, gtFine (labelIds, instanceIds) and camera of a bag's frames, in one split.

    Frames that camera/source names keep their names; others are BAG_000000_NUMBER. Frames without
    labels, and all of a bag without a topic of labels, go to leftImg8bit_sequence. What was
    written is opened again before it counts. Raises DatasetError for a bag without a camera, and
    for what cannot be read, and leaves nothing then.
    """
    refuse_present(out)
    found = Exported()
    frames = BagFrames(path, wanted)
    if not re.fullmatch(r'[A-Za-z0-9_-]{1,40}', split):
        raise DatasetError(f'split {split[:40]!r} is no folder name', 'give val, train or test')
    with whole_folder(out) as folder:
        stems: set[str] = set()
        for index, entry in enumerate(frames.entries):
            frame = frames.read(index)
            stem = _stem(entry.key, frames.name, index)
            if stem in stems:
                raise DatasetError(f'two frames of bag {path} are called {stem}')
            stems.add(stem)
            _write_frame(folder, split, stem, frame)
            labelled = frame.labels is not None
            found.counts['frames with labels' if labelled else 'frames without labels'] += 1
            if progress is not None:
                progress(index + 1, len(frames))
        for sequences in (False, True):
            if (folder / ('leftImg8bit_sequence' if sequences else 'leftImg8bit')).is_dir():
                open_dataset(f'{DEFAULT}:{folder}', split=split, sequences=sequences)
    if frames.has_depth and frames.entries:
        found.notes.append('depth is not written: Cityscapes has disparity of a stereo camera')
    if frames.doubled:
        found.notes.append(f'{frames.doubled} pictures whose stamp came before were left out')
    if frames.losses:
        found.notes.append(f'lost: {frames.losses}')
    return found


def _stem(key: str, name: str, index: int) -> str:
    """Return the name of a frame's files, CITY_SEQUENCE_FRAME."""
    if _KEY.fullmatch(key) and re.fullmatch(r'[A-Za-z0-9_-]+', key):
        return key
    city = re.sub(r'[^A-Za-z0-9-]+', '-', name).strip('-') or 'bag'
    return f'{city}_{index // 1_000_000:06d}_{index % 1_000_000:06d}'


def _write_frame(folder: Path, split: str, stem: str, frame: Frame) -> None:
    match = _KEY.fullmatch(stem)
    assert match is not None
    city = match['city']
    pictures = 'leftImg8bit_sequence' if frame.labels is None else 'leftImg8bit'
    _write(folder / pictures / split / city / f'{stem}_leftImg8bit.png', png_bytes(frame.image))
    fine = folder / 'gtFine' / split / city
    shape = frame.image.shape[:2]
    if frame.labels is not None:
        _check_size(frame, 'labels', frame.labels, shape)
        _write(fine / f'{stem}_gtFine_labelIds.png', png_bytes(frame.labels))
    if frame.instances is not None and frame.labels is not None:
        _check_size(frame, 'instances', frame.instances, shape)
        if int(frame.instances.max()) >= (_HIGHEST + 1) * 1000:
            raise DatasetError(
                f'instances of frame {frame.key} hold {int(frame.instances.max())}',
                'they are no Cityscapes instance ids: leave that topic out of the bag (bag cut '
                'and merge keep all), or record them as label id * 1000 + k',
            )
        _write(fine / f'{stem}_gtFine_instanceIds.png', png_bytes(frame.instances))
    camera = frame.camera
    if camera is not None and not camera.distortion and (camera.height, camera.width) == shape:
        place = folder / 'camera' / split / city / f'{stem}_camera.json'
        _write(place, (json.dumps(_camera(camera), indent=2) + '\n').encode())


def _check_size(frame: Frame, what: str, array: np.ndarray, shape: tuple[int, int]) -> None:
    if array.shape != shape:
        raise DatasetError(
            f'{what} of frame {frame.key} are {array.shape[1]} x {array.shape[0]}, its picture '
            f'{shape[1]} x {shape[0]} pixels',
            'Cityscapes has both alike',
        )


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _camera(camera: Camera) -> dict[str, dict[str, float]]:
    """Return a camera as Cityscapes' camera files have it."""
    intrinsic = {'fx': camera.fx, 'fy': camera.fy, 'u0': camera.cx, 'v0': camera.cy}
    mounted = {'baseline': camera.baseline, 'pitch': camera.pitch, 'z': camera.mount_height}
    rest = dict.fromkeys(('roll', 'yaw', 'x', 'y'), 0.0)
    return {'intrinsic': intrinsic, 'extrinsic': {**mounted, **rest}}

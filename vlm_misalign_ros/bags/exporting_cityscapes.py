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
from dataclasses import replace
from pathlib import Path

import numpy as np

from vlm_misalign_ros.bags.dataset import BagDataset
from vlm_misalign_ros.bags.exporting import Exported, png_bytes
from vlm_misalign_ros.bags.headers import Headers
from vlm_misalign_ros.bags.reading import open_bag
from vlm_misalign_ros.bags.whole import refuse_present, whole_folder
from vlm_misalign_ros.core.datasets import DEFAULT, open_dataset
from vlm_misalign_ros.core.errors import DatasetError, RecordError
from vlm_misalign_ros.core.labels import inspecting
from vlm_misalign_ros.core.labels.classes import LABELS
from vlm_misalign_ros.core.labels.encodings import AUTO, Encoding, open_encoding
from vlm_misalign_ros.core.labels.instances import AUTO as BY_TYPE
from vlm_misalign_ros.core.labels.instances import Numbered, read_instances
from vlm_misalign_ros.core.labels.maps import read_labels
from vlm_misalign_ros.core.settings.replaying import ReplayParameters
from vlm_misalign_ros.core.types import Camera, Frame, NoCamera, Source
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire.strange import of_strangers
from vlm_misalign_ros.wire.values import source_from_values, values_of

_KEY = re.compile(r'(?P<city>.+)_\d{6}_\d{6}')
_HIGHEST = max(label.id for label in LABELS)
_LOOKED_AT = 8
"""Label maps by which the encoding is found."""


def export_cityscapes(
    path: Path,
    out: Path,
    chosen: ReplayParameters,
    labels: str = AUTO,
    split: str = 'val',
    progress: Callable[[int, int], object] | None = None,
) -> Exported:
    """
    Write leftImg8bit, gtFine (labelIds, instanceIds) and camera of a bag's frames, in one split.

    `chosen` says under which names topics stand, `labels` the encoding of the label maps (auto:
    the one that fits). Frames that camera/source names keep their names, and come once however
    many conditions there were; others are BAG_000000_NUMBER. Frames without labels go to
    leftImg8bit_sequence. What was written is opened again before it counts. Raises DatasetError
    for a bag without a camera, and for what cannot be read, and leaves nothing then.
    """
    refuse_present(out)
    if not re.fullmatch(r'[A-Za-z0-9_-]{1,40}', split):
        raise DatasetError(f'split {split[:40]!r} is no folder name', 'give val, train or test')
    found = Exported()
    frames = BagDataset(path, chosen)
    known = _sources(path, chosen)
    encoding = _encoding(frames, labels)
    with whole_folder(out) as folder:
        stems: set[str] = set()
        for index, entry in enumerate(frames.entries):
            source, told = known.get(entry.stamp, (None, None))
            if source is not None and source.probe:
                continue
            stem = _stem(source.key if source is not None else '', frames.name, index)
            if stem in stems:
                continue
            stems.add(stem)
            frame = _decoded(frames.read(index), encoding)
            _write_frame(folder, split, stem, replace(frame, camera=told or frame.camera))
            labelled = frame.labels is not None
            found.counts['frames with labels' if labelled else 'frames without labels'] += 1
            if progress is not None:
                progress(index + 1, len(frames))
        for sequences in (False, True):
            if (folder / ('leftImg8bit_sequence' if sequences else 'leftImg8bit')).is_dir():
                open_dataset(f'{DEFAULT}:{folder}', split=split, sequences=sequences)
    if frames.has_depth:
        found.notes.append('depth is not written: Cityscapes has disparity of a stereo camera')
    found.notes += frames.faults
    return found


def _sources(
    path: Path, chosen: ReplayParameters
) -> dict[int, tuple[Source | None, Camera | NoCamera | None]]:
    """Return what camera/source tells of frames, by stamp."""
    found: dict[int, tuple[Source | None, Camera | NoCamera | None]] = {}
    space = chosen.recorded_namespace.strip('/')
    name = '/'.join(['', *(part for part in (space, topics.CAMERA_SOURCE) if part)])
    with open_bag(path) as bag:
        if name not in bag.topics:
            return found
        headers = Headers(bag)
        for raw in bag.messages([name]):
            stamp = headers.stamp(raw)
            try:
                if stamp is not None:
                    with of_strangers():
                        told = source_from_values(values_of(bag.decode(raw)))
                    found.setdefault(stamp, told)
            except RecordError:
                continue
    return found


def _encoding(frames: BagDataset, labels: str) -> Encoding | None:
    """Return the encoding of the label maps: as given, or the one that fits; None without maps."""
    places = [index for index, entry in enumerate(frames.entries) if entry.labels]
    if not places:
        return None
    if labels != AUTO:
        return open_encoding(labels)
    step = max(1, len(places) // _LOOKED_AT)
    maps = [frames.read(index).labels for index in places[::step][:_LOOKED_AT]]
    fitting = inspecting.inspect(array for array in maps if array is not None).fitting
    if len(fitting) != 1:
        raise DatasetError(
            f'{" and ".join(fitting) or "no encoding"} fit the label maps of the bag',
            'give --labels, a name of `vlm-misalign list encodings` or a YAML file',
        )
    return open_encoding(fitting[0])


def _decoded(frame: Frame, encoding: Encoding | None) -> Frame:
    """Return a frame as it was recorded with Cityscapes label and instance ids."""
    if frame.labels is None or encoding is None:
        return replace(frame, labels=None, instances=None)
    found = read_labels(encoding, frame.labels)
    if found.problem:
        raise DatasetError(
            f'labels of frame {frame.key}: {found.problem}',
            'give their encoding (--labels), of `vlm-misalign list encodings`',
        )
    instances: np.ndarray | None = None
    if frame.instances is not None:
        try:
            read = read_instances(frame.instances, BY_TYPE, encoding)
        except RecordError as error:
            raise DatasetError(f'frame {frame.key}: {error.what}', error.remedy) from error
        instances = read.resolved(found.labels) if isinstance(read, Numbered) else read
    return replace(frame, labels=found.labels, instances=instances)


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
    camera = frame.known_camera
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

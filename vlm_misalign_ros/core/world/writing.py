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

"""Renders frames of the synthetic world and writes them in the Cityscapes layout."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from vlm_misalign_ros.core.errors import ConfigurationError, DatasetError
from vlm_misalign_ros.core.labels.classes import train_id_table
from vlm_misalign_ros.core.types import Camera, Frame
from vlm_misalign_ros.core.world.cities import CITIES, SPLITS, City
from vlm_misalign_ros.core.world.depth import depth_map
from vlm_misalign_ros.core.world.painting import develop, paint
from vlm_misalign_ros.core.world.street import make_street

PERIOD = 0.1
"""Seconds between the frames of a sequence."""
BASELINE = 0.22
"""Metres between the cameras that the disparity is for (Cityscapes' nominal value)."""
LABELLED = 19
"""Frame of a sequence that Cityscapes labels; here all are, and this one is in leftImg8bit."""


def render_scene(
    seed: int,
    index: int,
    width: int = 1024,
    height: int = 512,
    sequence_length: int = 1,
    cities: Sequence[City] = CITIES,
    eventful: bool = False,
) -> Frame:
    """
    Return frame `index` of the synthetic world of `seed`.

    Every `sequence_length` frames are one street, PERIOD seconds apart, and `cities` take turns.
    The picture is BGR uint8 (H, W, 3), labels uint8 and instances uint16 (H, W); the camera is
    the one it was painted with. On `eventful` streets hazards come and go.
    """
    return _render(seed, index, width, height, sequence_length, tuple(cities), eventful)[0]


def _render(
    seed: int,
    index: int,
    width: int,
    height: int,
    length: int,
    cities: tuple[City, ...],
    eventful: bool,
) -> tuple[Frame, np.ndarray]:
    sequence, step = divmod(index, length)
    street = make_street(seed, sequence, cities, width, height, PERIOD * length, eventful)
    canvas = paint(street, step * PERIOD)
    labels = canvas.labels()
    name = f'{street.city.name}_{sequence:06d}'
    frame = Frame(
        'scenes',
        name,
        f'{name}_{step:06d}',
        develop(canvas, street, (seed, sequence, step, 1)),
        labels,
        canvas.instances(),
        replace(street.camera, baseline=BASELINE),
    )
    return frame, depth_map(canvas, labels)


def cities_of(split: str, names: Sequence[str] = ()) -> tuple[City, ...]:
    """
    Return the cities by name, or those of a split; all for a split that has none of its own.

    Raises ConfigurationError for a city that does not exist.
    """
    known = {city.name: city for city in CITIES}
    for name in names:
        if name not in known:
            raise ConfigurationError(f'there is no city {name!r}', 'known: ' + ', '.join(known))
    return tuple(known[name] for name in names) or SPLITS.get(split, CITIES)


def _camera_file(camera: Camera) -> str:
    return (
        json.dumps(
            {
                'intrinsic': {'fx': camera.fx, 'fy': camera.fy, 'u0': camera.cx, 'v0': camera.cy},
                'extrinsic': {
                    'baseline': BASELINE,
                    'pitch': camera.pitch,
                    'roll': 0.0,
                    'yaw': 0.0,
                    'x': 0.0,
                    'y': 0.0,
                    'z': camera.mount_height,
                },
            },
            indent=2,
        )
        + '\n'
    )


def _write(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _, data = cv2.imencode('.png', array, [cv2.IMWRITE_PNG_COMPRESSION, 2])
    path.write_bytes(data.tobytes())


def _link(source: Path, target: Path) -> None:
    """Let `target` be the same file as `source`, or a copy where links cannot be made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def generate(
    out: Path,
    frames: int,
    seed: int,
    width: int = 1024,
    height: int = 512,
    split: str = 'val',
    sequence_length: int = 1,
    cities: Sequence[str] = (),
    progress: Callable[[int, int], object] | None = None,
    eventful: bool = False,
) -> list[Path]:
    """
    Write so many frames in Cityscapes layout under `out`; return the paths of the pictures.

    Pictures, label, train and instance ids, cameras and disparities, for every frame. Sequences
    longer than one frame go to leftImg8bit_sequence, and frame LABELLED of each (or its last)
    is in leftImg8bit too, as in Cityscapes. Without `cities` the split's own are taken: those
    of train, val and test differ. On `eventful` streets hazards come and
    go. Raises ConfigurationError for sizes that cannot be,
    DatasetError when `out` cannot be written.
    """
    if frames < 1 or sequence_length < 1:
        raise ConfigurationError(
            f'{frames} frames in sequences of {sequence_length} cannot be made', 'give 1 or more'
        )
    if not 64 <= width <= 8192 or not 32 <= height <= 8192:
        raise ConfigurationError(
            f'pictures of {width} x {height} cannot be made',
            'give a width of 64 to 8192 and a height of 32 to 8192 pixels',
        )
    if seed < 0:
        raise ConfigurationError(f'seed {seed} is negative', 'give 0 or more')
    chosen = cities_of(split, cities)
    made = []
    for index in range(frames):
        frame, depth = _render(seed, index, width, height, sequence_length, chosen, eventful)
        try:
            made.append(_save(out, split, frame, depth, sequence_length > 1))
            step, last = index % sequence_length, index == frames - 1
            if sequence_length > 1 and (
                step == min(LABELLED, sequence_length - 1) or last and step < LABELLED
            ):
                relative = made[-1].relative_to(out / 'leftImg8bit_sequence')
                _link(made[-1], out / 'leftImg8bit' / relative)
        except OSError as error:
            raise DatasetError(
                f'{out} cannot be written: {error.strerror}', 'free space or choose another folder'
            ) from error
        if progress is not None:
            progress(index + 1, frames)
    return made


def _save(out: Path, split: str, frame: Frame, depth: np.ndarray, sequence: bool) -> Path:
    city = frame.sequence.rpartition('_')[0]
    assert frame.labels is not None and frame.instances is not None
    assert isinstance(frame.camera, Camera)
    folder = 'leftImg8bit_sequence' if sequence else 'leftImg8bit'
    picture = out / folder / split / city / f'{frame.key}_leftImg8bit.png'
    fine = out / 'gtFine' / split / city / frame.key
    disparity = BASELINE * frame.camera.fx / depth
    stored = np.where(np.isfinite(depth), np.rint(disparity * 256) + 1, 0).clip(0, 65535)
    _write(picture, frame.image)
    _write(fine.with_name(fine.name + '_gtFine_labelIds.png'), frame.labels)
    _write(
        fine.with_name(fine.name + '_gtFine_labelTrainIds.png'),
        cv2.LUT(frame.labels, train_id_table()),
    )
    _write(fine.with_name(fine.name + '_gtFine_instanceIds.png'), frame.instances)
    _write(
        out / 'disparity' / split / city / f'{frame.key}_disparity.png', stored.astype(np.uint16)
    )
    camera = out / 'camera' / split / city / f'{frame.key}_camera.json'
    camera.parent.mkdir(parents=True, exist_ok=True)
    camera.write_text(_camera_file(frame.camera), encoding='utf-8')
    return picture

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

"""Where label maps come from for the verb `labels`: files, folders, bags and live topics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from vlm_misalign_ros.core.errors import DatasetError, MisalignError, RecordError
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire.channels import COMPRESSED_IMAGE, Form
from vlm_misalign_ros.wire.packed import declared
from vlm_misalign_ros.wire.pixels import to_label_pixels

if TYPE_CHECKING:
    from vlm_misalign_ros.bags.reading import Bag

PICTURES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff')
_LABELS = ('labelids', 'labeltrainids', 'gtfine_color', 'gtcoarse_color')
_OTHER = ('leftimg8bit', 'instanceids', 'disparity', 'depth', 'rgb', 'polygon')
_NAMES = ('label', 'seman', 'segment', 'truth')


def is_bag(path: Path) -> bool:
    """Return whether a path is a bag: a file of one, or a folder with such files or metadata."""
    if path.suffix in ('.mcap', '.db3', '.bag') or (path / 'metadata.yaml').is_file():
        return True
    return any(True for ending in ('mcap', 'db3') for _ in path.glob(f'*.{ending}'))


def from_path(path: Path, most: int) -> Iterator[np.ndarray]:
    """
    Yield the maps of a file, or at most `most` of a folder, evenly spread.

    DatasetError for what cannot be read, and for a folder without pictures.
    """
    files = [path] if path.is_file() else _chosen(path)
    picked = np.linspace(0, len(files) - 1, min(most, len(files))).round().astype(int)
    for index in dict.fromkeys(picked.tolist()):
        yield read_picture(files[index])


def _chosen(folder: Path) -> list[Path]:
    """Return the files of a folder that are label maps by their names, else all pictures."""
    if not folder.is_dir():
        raise DatasetError(f'{folder} does not exist', 'give a picture, a folder, a bag, a topic')
    files = sorted(file for file in folder.rglob('*') if file.suffix.lower() in PICTURES)
    for names in _LABELS:
        named = [file for file in files if names in file.stem.lower()]
        if named:
            return named
    found = [file for file in files if not any(n in file.stem.lower() for n in _OTHER)]
    if not found:
        raise DatasetError(
            f'{folder} has no label maps', f'expected {", ".join(PICTURES)}, in any folder below'
        )
    return found


def read_picture(path: Path) -> np.ndarray:
    """
    Return the pixels of a picture: (H, W) of one channel, or RGB (H, W, 3).

    A PNG with a palette of its own is read as its colours. DatasetError names a file that is none.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise DatasetError(f'{path} cannot be read: {error.strerror}') from error
    return _decoded(data, str(path))


def _decoded(data: np.ndarray, name: str) -> np.ndarray:
    pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if pixels is None:
        raise DatasetError(f'{name} is no picture that can be read', 'give a PNG')
    if pixels.dtype == np.uint16 and int(pixels.max()) < 256:
        pixels = pixels.astype(np.uint8)
    return pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[:, :, 2::-1])


def from_message(message: Any, form: str) -> np.ndarray:
    """Return the pixels of a message; RecordError for one that is no picture."""
    if form == Form.IMAGE.value:
        return to_label_pixels(message)
    if form == COMPRESSED_IMAGE:
        data = bytes(message.data)
        declared(memoryview(data))
        return _decoded(np.frombuffer(data, np.uint8), 'a compressed picture')
    raise RecordError(f'{form} is no picture', f'give a topic of {Form.IMAGE.value}')


def from_bag(path: Path, topic: str, most: int) -> tuple[str, Iterator[np.ndarray]]:
    """
    Return (topic, maps) of a bag, at most `most`, evenly spread.

    Without a topic it is ground_truth/labels in whatever namespace, or the only topic of pictures
    that is named like labels. RecordError names the topics that there are.
    """
    from vlm_misalign_ros.bags.reading import open_bag

    bag = open_bag(path)
    try:
        pictures = [
            entry.name
            for entry in bag.topics.values()
            if entry.type in (Form.IMAGE.value, COMPRESSED_IMAGE)
        ]
        name = topic or _labels_among(pictures, path)
        if name not in pictures:
            name = '/' + name.lstrip('/')
        if name not in pictures:
            raise RecordError(
                f'bag {path} has no pictures on {name}',
                'it has pictures on ' + (', '.join(sorted(pictures)) or 'no topic'),
            )
    except BaseException:
        bag.close()
        raise
    return name, _messages(bag, name, most)


def _labels_among(pictures: list[str], path: Path) -> str:
    """Return the topic of labels among those of pictures."""
    exact = [name for name in pictures if name.endswith(topics.TRUTH_LABELS)]
    named = exact or [name for name in pictures if any(n in name.lower() for n in _NAMES)]
    if len(named) != 1:
        raise RecordError(
            f'bag {path} has {len(named)} topics that may be labels',
            'give --topic; pictures are on ' + (', '.join(sorted(pictures)) or 'no topic'),
        )
    return named[0]


def _messages(bag: Bag, topic: str, most: int) -> Iterator[np.ndarray]:
    """Yield maps of a topic, evenly spread; RecordError at the end where some are lost."""
    try:
        count = bag.topics[topic].count
        if count is None:
            count = sum(1 for _ in bag.messages([topic]))
        wanted = set(np.linspace(0, count - 1, min(most, count)).round().astype(int).tolist())
        for index, raw in enumerate(bag.messages([topic])):
            if index in wanted:
                yield from_message(bag.decode(raw), raw.type)
        if told := bag.told():
            raise RecordError(f'bag {bag.path} is damaged: {told}')
    finally:
        bag.close()


def from_topic(topic: str, most: int, timeout: float) -> Iterator[np.ndarray]:
    """
    Yield at most `most` maps of a live topic; MisalignError without ROS or when none comes.

    The types on the topic are those that its publishers have.
    """
    try:
        from vlm_misalign_ros.nodes.listening import receive
    except ImportError as error:
        raise MisalignError(
            f'{topic!r} is no file, and live topics need ROS 2: {error}',
            'source ROS 2 (`vlm-misalign doctor`), or give a picture, a folder or a bag',
        ) from error
    for message, form in receive(topic, (Form.IMAGE.value, COMPRESSED_IMAGE), most, timeout):
        yield from_message(message, form)

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

"""The data set layout `flat`: FOLDER/frames/NAME.png with FOLDER/labels/NAME.png, no cameras."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from vlm_misalign_ros.core.datasets import Dataset
from vlm_misalign_ros.core.datasets.png import decode, read_header, require_color, require_grey
from vlm_misalign_ros.core.errors import DatasetError
from vlm_misalign_ros.core.labels.classes import BY_ID
from vlm_misalign_ros.core.types import Frame

_LAYOUT = 'expected FOLDER/frames/NAME.png with FOLDER/labels/NAME.png'


@dataclass(frozen=True)
class Entry:
    """Where the files of one frame lie."""

    key: str
    sequence: str
    city: str
    image: Path
    labels: Path


class FlatDataset:
    """Frames of one folder by name, checked when it is opened and decoded one at a time."""

    has_depth = False

    def __init__(self, root: Path, entries: Sequence[Entry]) -> None:
        """Hold entries that were checked; use `open_flat`."""
        self.name = root.resolve().name
        self.entries = tuple(entries)

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.entries)

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in order, each decoded when it is asked for."""
        return (self.read(index) for index in range(len(self)))

    def read(self, index: int) -> Frame:
        """
        Decode one frame: image BGR uint8 (H, W, 3), labels label ids, uint8 (H, W).

        Raises DatasetError when a file is damaged or holds an id that does not exist.
        """
        entry = self.entries[index]
        image = decode(entry.image, cv2.IMREAD_COLOR)
        labels = decode(entry.labels, cv2.IMREAD_UNCHANGED)
        if labels.max() not in BY_ID:
            raise DatasetError(
                f'{entry.labels} has the value {labels.max()}',
                f'expected Cityscapes label ids, 0 to {max(BY_ID)}',
            )
        return Frame(self.name, entry.sequence, entry.key, image, labels, None)


def open_flat(
    root: Path, split: str, cities: Sequence[str], limit: int, sequences: bool
) -> Dataset:
    """
    Open the data set in `root`, its frames by name; `limit` keeps the first (0: all).

    Raises DatasetError for a folder or file that is missing, empty, damaged or of another size,
    and for a split, cities or sequences, which this layout does not have.
    """
    if split or cities or sequences:
        raise DatasetError('the layout flat has no splits, cities and sequences', 'leave them out')
    for folder in (root, root / 'frames', root / 'labels'):
        if not folder.is_dir():
            raise DatasetError(f'data set folder {folder} does not exist', _LAYOUT)
    pictures = sorted((root / 'frames').glob('*.png'))[: limit or None]
    if not pictures:
        raise DatasetError(f'{root / "frames"} has no PNG file', _LAYOUT)
    place = root.resolve().name
    entries = [
        Entry(path.stem, place, place, path, root / 'labels' / path.name) for path in pictures
    ]
    for entry in entries:
        _check(entry)
    return FlatDataset(root, entries)


def _check(entry: Entry) -> None:
    """Raise DatasetError for files that will not do, after a look at their headers only."""
    if not entry.labels.exists():
        raise DatasetError(f'{entry.image} has no labels {entry.labels}', _LAYOUT)
    image, labels = read_header(entry.image), read_header(entry.labels)
    require_color(entry.image, image)
    require_grey(entry.labels, labels, 8)
    if labels.size != image.size:
        raise DatasetError(
            f'{entry.labels} is {labels.width} x {labels.height}, its picture '
            f'{image.width} x {image.height} pixels',
            'resize both alike, labels with nearest neighbour',
        )

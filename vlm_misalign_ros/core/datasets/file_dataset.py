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

"""A data set of files in folders: an entry a frame, checked when opened, decoded one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from vlm_misalign_ros.core.about import About
from vlm_misalign_ros.core.datasets.folders import shown
from vlm_misalign_ros.core.datasets.label_table import LabelTable
from vlm_misalign_ros.core.datasets.pictures import picture_size, read_picture
from vlm_misalign_ros.core.datasets.png import decode, read_header, require_grey
from vlm_misalign_ros.core.errors import DatasetError
from vlm_misalign_ros.core.labels.instances import number
from vlm_misalign_ros.core.types import Camera, Frame, NoCamera


@dataclass(frozen=True)
class FileEntry:
    """Where the files of one frame lie."""

    key: str
    split: str
    city: str
    """What `cities` chooses by: a place, or what the layout has in its stead."""
    sequence: str
    image: Path
    labels: Path | None
    table: LabelTable
    """How its label image tells labels."""
    instances: Path | None = None
    recorded: tuple[tuple[str, str], ...] = ()
    """Conditions that the data set names."""


@dataclass(frozen=True)
class Maps:
    """The truth of one frame, as its files tell it."""

    labels: np.ndarray
    """Cityscapes label ids, uint8 (H, W)."""
    instances: np.ndarray | None
    """Cityscapes instance ids, uint16 (H, W)."""
    about: About
    tells_hood: bool


def read_labels(entry: FileEntry) -> Maps:
    """Return the labels of a frame, without instances."""
    if entry.labels is None:
        raise ValueError(f'frame {entry.key} has no labels')
    table = entry.table
    return Maps(table.read(entry.labels), None, table.about, table.tells_hood)


def read_things(entry: FileEntry, things: Callable[[np.ndarray], np.ndarray]) -> Maps:
    """
    Return the labels of a frame, with the things of its instance image where it has one.

    Of that image, grey of 16 bits, only the numbers are taken: `things` returns them, whole
    numbers (H, W), of its values, uint16 (H, W); 0 for what is not told apart. Raises DatasetError
    for a file that is damaged or of another form.
    """
    maps = read_labels(entry)
    if entry.instances is None:
        return maps
    require_grey(entry.instances, read_header(entry.instances), 16)
    stored = decode(entry.instances, cv2.IMREAD_UNCHANGED)
    if stored.shape != maps.labels.shape:
        return replace(maps, instances=stored)
    return replace(maps, instances=number(maps.labels, things(stored)))


class FileDataset:
    """A selection of frames in folders; see Dataset for its members."""

    has_depth = False
    """None of these layouts has depth that is read."""

    def __init__(
        self,
        root: Path,
        entries: Sequence[FileEntry],
        camera: Camera | NoCamera,
        read: Callable[[FileEntry], Maps] = read_labels,
    ) -> None:
        """
        Check every file without decoding it.

        `camera` is that of all frames, for pictures of its own size; `read` decodes the maps.
        DatasetError names the first file that will not do, and frames without labels.
        """
        self.root = root
        self.entries: tuple[FileEntry, ...] = tuple(entries)
        self._camera = camera
        self._read = read
        for entry in self.entries:
            _check(entry)

    @property
    def name(self) -> str:
        """Return the name of the root folder."""
        return self.root.resolve().name

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.entries)

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in order, each decoded when it is asked for."""
        return (self.read(index) for index in range(len(self)))

    def read(self, index: int) -> Frame:
        """Return one frame with Cityscapes label ids; DatasetError when a file is damaged."""
        entry = self.entries[index]
        image = read_picture(entry.image)
        maps = self._read(entry)
        for path, found in ((entry.labels, maps.labels), (entry.instances, maps.instances)):
            if found is not None and found.shape != image.shape[:2]:
                raise _other_size(path, found.shape[::-1], entry.image, image.shape[1::-1])
        return Frame(
            self.name,
            entry.sequence,
            entry.key,
            image,
            maps.labels,
            maps.instances,
            self._camera,
            tells_hood=maps.tells_hood,
            about=replace(maps.about, recorded=entry.recorded),
        )


def _check(entry: FileEntry) -> None:
    """Raise DatasetError for the first file of a frame that is damaged or of another size."""
    size = picture_size(entry.image)
    if entry.labels is not None:
        # One file may hold labels and instances: then it is no plain label image.
        both = entry.labels == entry.instances
        found = picture_size(entry.labels) if both else entry.table.check(entry.labels)
        if found != size:
            raise _other_size(entry.labels, found, entry.image, size)
    if entry.instances is not None and entry.instances != entry.labels:
        found = read_header(entry.instances).size
        if found != size:
            raise _other_size(entry.instances, found, entry.image, size)


def _other_size(
    path: Path | None, found: Sequence[int], image: Path, size: Sequence[int]
) -> DatasetError:
    return DatasetError(
        f'{path} is {found[0]} x {found[1]}, its image {image.name} {size[0]} x {size[1]} pixels',
        'resize both alike (labels with nearest neighbour) or restore the originals',
    )


def select(
    entries: Sequence[FileEntry], root: Path, split: str, cities: Sequence[str], limit: int
) -> list[FileEntry]:
    """
    Return the entries of a selection, in the order of split, city and key.

    DatasetError for a selection that is empty, saying what there is; for frames without labels;
    for two frames of one key.
    """
    if limit < 0:
        raise DatasetError(f'limit {limit} is negative', 'give 0 for all frames')
    found = _chosen(entries, root, split, cities)
    found.sort(key=lambda entry: (entry.split, entry.city, entry.key))
    _refuse_doubles(found)
    found = found[: limit or None]
    bare = [entry for entry in found if entry.labels is None]
    if bare:
        splits = sorted({entry.split for entry in entries})
        raise DatasetError(
            f'{len(bare)} of {len(found)} frames have no labels, the first is {bare[0].image}',
            'choose a split that has them with `split`'
            + (f': there is {shown(splits)}' if len(splits) > 1 else ''),
        )
    return found


def _chosen(
    entries: Sequence[FileEntry], root: Path, split: str, cities: Sequence[str]
) -> list[FileEntry]:
    """Return the entries of a split and of cities; DatasetError for one that is not there."""
    splits = sorted({entry.split for entry in entries})
    if split and split not in splits:
        raise DatasetError(f'{root} has no split {split!r}', f'there is {shown(splits)}')
    found = [entry for entry in entries if not split or entry.split == split]
    there = sorted({entry.city for entry in found})
    for name in cities:
        if name not in there:
            raise DatasetError(
                f'{root} has no city {name!r} in {split or "any split"}',
                f'there is {shown(there)}',
            )
    return [entry for entry in found if not cities or entry.city in cities]


def _refuse_doubles(entries: Sequence[FileEntry]) -> None:
    first: dict[str, FileEntry] = {}
    for entry in entries:
        other = first.setdefault(entry.key, entry)
        if other is not entry:
            raise DatasetError(
                f'{entry.image} has the same name as {other.image}', 'choose one split'
            )


def refuse_sequences(layout: str, sequences: bool) -> None:
    """Raise DatasetError where whole sequences are asked for of a layout that has none."""
    if sequences:
        raise DatasetError(
            f'the layout {layout} has no sequences of unlabelled frames',
            'set sequences to false; only Cityscapes has leftImg8bit_sequence',
        )


def refuse_cities(layout: str, cities: Sequence[str], why: str) -> None:
    """Raise DatasetError where cities are chosen of a layout that has none."""
    if cities:
        raise DatasetError(f'the layout {layout} has no cities to choose', why)

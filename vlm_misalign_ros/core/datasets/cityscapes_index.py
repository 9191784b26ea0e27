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

"""Finds the files of a Cityscapes folder: one entry a frame, sorted, checked without decoding."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlm_misalign_ros.core.datasets.camera_file import read_camera
from vlm_misalign_ros.core.datasets.png import read_header, require_color, require_grey
from vlm_misalign_ros.core.errors import DatasetError

_STEM = re.compile(r'(?P<city>.+)_(?P<sequence>\d{6})_(?P<frame>\d{6})')
_LAYOUT = 'expected ROOT/leftImg8bit/SPLIT/CITY/CITY_000000_000019_leftImg8bit.png'

Cities = Mapping[str, Sequence[Path]]
"""The folders of the cities, by split."""


@dataclass(frozen=True)
class Entry:
    """Where the files of one frame lie; a path is None when the data set has no such file."""

    key: str
    """Unique name, e.g. `aachen_000000_000019`."""
    split: str
    city: str
    sequence: str
    """City and sequence number, e.g. `aachen_000000`."""
    image: Path
    labels: Path | None
    instances: Path | None
    camera: Path | None
    disparity: Path | None

    @property
    def has_train_ids(self) -> bool:
        """Return whether the label map holds train ids, for want of label ids."""
        return self.labels is not None and self.labels.name.endswith('_labelTrainIds.png')


def find_entries(root: Path, split: str, cities: tuple[str, ...], sequences: bool) -> list[Entry]:
    """
    Return the entries of a selection, sorted, without a look into the files.

    Raises DatasetError when the folder or the selection is empty, and for two frames of one name.
    """
    pictures = _pictures(root, sequences)
    present = {folder.name: _folders(folder) for folder in _folders(pictures)}
    chosen = _choose(pictures, present, split, cities)
    entries = [
        entry
        for name, found in chosen.items()
        for city in found
        if not cities or city.name in cities
        for entry in _city(root, name, city)
    ]
    if not entries:
        raise DatasetError(
            f'{pictures} has no frames for split {split or "(all)"} and cities '
            f'{", ".join(cities) or "(all)"}',
            f'there is {_told(present)}; {_LAYOUT}',
        )
    _refuse_doubles(entries)
    return entries


def _pictures(root: Path, sequences: bool) -> Path:
    """Return the folder of the pictures."""
    if not root.is_dir():
        raise DatasetError(f'data set folder {root} does not exist', _LAYOUT)
    pictures = root / ('leftImg8bit_sequence' if sequences else 'leftImg8bit')
    if not pictures.is_dir():
        remedy = f'give the folder that holds {pictures.name}; {_LAYOUT}'
        if sequences and (root / 'leftImg8bit').is_dir():
            remedy = 'set sequences to false to read leftImg8bit'
        raise DatasetError(f'{root} has no folder {pictures.name}', remedy)
    return pictures


def _told(present: Cities) -> str:
    """Return what there is, for messages."""
    lines = (
        f'{name}: {", ".join(city.name for city in found) or "no city"}'
        for name, found in present.items()
    )
    return '; '.join(lines) or 'nothing'


def _choose(pictures: Path, present: Cities, split: str, cities: tuple[str, ...]) -> Cities:
    """Return the splits asked for; DatasetError for a split or city that is not there."""
    if split and split not in present:
        raise DatasetError(f'{pictures} has no split {split!r}', f'there is {_told(present)}')
    chosen = {name: found for name, found in present.items() if not split or name == split}
    names = {city.name for found in chosen.values() for city in found}
    for name in cities:
        if name not in names:
            raise DatasetError(
                f'{pictures} has no city {name!r} in {split or "any split"}',
                f'there is {_told(present)}',
            )
    return chosen


def _refuse_doubles(entries: Sequence[Entry]) -> None:
    first: dict[str, Entry] = {}
    for entry in entries:
        if entry.key in first:
            raise DatasetError(
                f'{entry.image} has the same name as {first[entry.key].image}', 'choose one split'
            )
        first[entry.key] = entry


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(
            path for path in folder.iterdir() if path.is_dir() and not path.name.startswith('.')
        )
    except OSError as error:
        raise DatasetError(
            f'{folder} cannot be listed: {error.strerror}', 'check its permissions'
        ) from error


def _names(folder: Path) -> set[str]:
    try:
        return {path.name for path in folder.iterdir()}
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise DatasetError(
            f'{folder} cannot be listed: {error.strerror}', 'check its permissions'
        ) from error


def _city(root: Path, split: str, pictures: Path) -> Iterator[Entry]:
    """Yield the entries of one city; each folder is listed once, not asked per file."""
    city = pictures.name
    folders = {name: root / name / split / city for name in ('gtFine', 'camera', 'disparity')}
    listed = {name: _names(folder) for name, folder in folders.items()}

    def find(folder: str, stem: str, *suffixes: str) -> Path | None:
        for suffix in suffixes:
            if stem + suffix in listed[folder]:
                return folders[folder] / (stem + suffix)
        return None

    for name in sorted(_names(pictures)):
        if name.startswith('.') or not name.endswith('_leftImg8bit.png'):
            continue
        stem = name[: -len('_leftImg8bit.png')]
        match = _STEM.fullmatch(stem)
        if match is None or match['city'] != city:
            raise DatasetError(
                f'{pictures / name} is not named after its city, sequence and frame',
                f'expected {city}_000000_000019_leftImg8bit.png',
            )
        yield Entry(
            stem,
            split,
            city,
            f'{city}_{match["sequence"]}',
            pictures / name,
            find('gtFine', stem, '_gtFine_labelIds.png', '_gtFine_labelTrainIds.png'),
            find('gtFine', stem, '_gtFine_instanceIds.png'),
            find('camera', stem, '_camera.json'),
            find('disparity', stem, '_disparity.png'),
        )


def require_labels(entries: Sequence[Entry]) -> None:
    """Raise DatasetError when frames have no labels, naming the first."""
    bare = [entry for entry in entries if entry.labels is None]
    if bare:
        raise DatasetError(
            f'{len(bare)} of {len(entries)} frames have no labels, the first is {bare[0].image}',
            f'expected gtFine/{bare[0].split}/{bare[0].city}/{bare[0].key}_gtFine_labelIds.png',
        )


def check_files(entry: Entry) -> None:
    """Raise DatasetError for the first file of a frame that is damaged or of another size."""
    header = read_header(entry.image)
    require_color(entry.image, header)
    for path, depth in ((entry.labels, 8), (entry.instances, 16), (entry.disparity, 16)):
        if path is None:
            continue
        other = read_header(path)
        require_grey(path, other, depth)
        if other.size != header.size:
            raise DatasetError(
                f'{path} is {other.width} x {other.height}, its image '
                f'{header.width} x {header.height} pixels',
                'resize both alike (labels with nearest neighbour) or restore the originals',
            )
    if entry.camera is not None:
        read_camera(entry.camera, header.width, header.height)

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
Finds the files of a Cityscapes folder: one entry a frame, sorted, checked without decoding.

The same index serves what is laid beside Cityscapes: coarse labels, and pictures with fog or rain
rendered into them (cityscapes_kinds).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from re import compile as pattern_of

from vlm_misalign_ros.core.datasets.camera_file import read_camera
from vlm_misalign_ros.core.datasets.folders import folders, names, refused, shown
from vlm_misalign_ros.core.datasets.label_table import LabelTable, of_colors
from vlm_misalign_ros.core.datasets.pictures import PICTURES, picture_size
from vlm_misalign_ros.core.datasets.png import read_header, require_grey
from vlm_misalign_ros.core.errors import DatasetError
from vlm_misalign_ros.core.labels.classes import CLASSES, LABELS

_STEM = pattern_of(r'(?P<city>.+)_(?P<sequence>\d{6})_(?P<frame>\d{6})')
_LEFT = '_leftImg8bit'

Cities = Mapping[str, Sequence[Path]]
"""The folders of the cities, by split."""
Variant = tuple[tuple[str, str], ...]
"""What the name of a picture tells of it, behind the name of its frame."""

LABEL_IDS = LabelTable('cityscapes_label_ids', {label.id: label.name for label in LABELS})
TRAIN_IDS = LabelTable('cityscapes_train_ids', {**dict(enumerate(CLASSES)), 255: 'unlabeled'})
COLORS = LabelTable(
    'cityscapes_colors', {}, of_colors({label.name: label.color for label in LABELS})
)
"""The colours of *_color.png: those of several labels are the first one's, black is unlabeled."""
TABLES = {'_labelIds.png': LABEL_IDS, '_labelTrainIds.png': TRAIN_IDS, '_color.png': COLORS}
"""How label images are named, the best first."""


def plain(text: str) -> Variant | None:
    """Return the variant of a picture of Cityscapes itself, which is none; None for another."""
    return None if text else ()


@dataclass(frozen=True)
class Kind:
    """Which files of a Cityscapes folder are a data set."""

    layout: str = 'cityscapes'
    pictures: str = 'leftImg8bit'
    """Folder of the pictures."""
    truth: str = 'gtFine'
    """Folder of the labels, which is also in their names."""
    variant: Callable[[str], Variant | None] = plain
    """Reads what the name of a picture has behind leftImg8bit; None for one that is left out."""
    recorded: Variant = ()
    """Conditions that all of its pictures have."""

    @property
    def expected(self) -> str:
        """Return the path of a picture, for messages."""
        end = '' if self.variant is plain else '_...'
        return f'ROOT/{self.pictures}/SPLIT/CITY/CITY_000000_000019_leftImg8bit{end}.png'


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
    recorded: Variant = field(default=())
    """Conditions that the data set names."""

    @property
    def table(self) -> LabelTable:
        """Return how the label image tells labels."""
        name = '' if self.labels is None else self.labels.name
        return next((found for end, found in TABLES.items() if name.endswith(end)), LABEL_IDS)


def find_entries(
    root: Path,
    split: str,
    cities: tuple[str, ...],
    sequences: bool,
    kind: Kind = Kind(),  # noqa: B008
) -> list[Entry]:
    """
    Return the entries of a selection, sorted, without a look into the files.

    Raises DatasetError when the folder or the selection is empty, and for two frames of one name.
    """
    pictures = _pictures(root, sequences, kind)
    present = {folder.name: folders(folder) for folder in folders(pictures)}
    chosen = _choose(pictures, present, split, cities)
    entries = [
        entry
        for name, found in chosen.items()
        for city in found
        if not cities or city.name in cities
        for entry in _city(root, name, city, kind)
    ]
    if not entries:
        raise DatasetError(
            f'{pictures} has no frames for split {split or "(all)"} and cities '
            f'{", ".join(cities) or "(all)"}',
            f'there is {_told(present)}; looked for {kind.expected}',
        )
    _refuse_doubles(entries)
    return entries


def _pictures(root: Path, sequences: bool, kind: Kind) -> Path:
    """Return the folder of the pictures."""
    pictures = root / ('leftImg8bit_sequence' if sequences else kind.pictures)
    if pictures.is_dir():
        return pictures
    if sequences and (root / 'leftImg8bit').is_dir():
        raise DatasetError(
            f'{root} has no folder {pictures.name}', 'set sequences to false to read leftImg8bit'
        )
    raise refused(root, kind.layout, (pictures.name,), kind.expected)


def _told(present: Cities) -> str:
    """Return what there is, for messages."""
    lines = (
        f'{name}: {shown(city.name for city in found) if found else "no city"}'
        for name, found in present.items()
    )
    return '; '.join(lines) or 'nothing'


def _choose(pictures: Path, present: Cities, split: str, cities: tuple[str, ...]) -> Cities:
    """Return the splits asked for; DatasetError for a split or city that is not there."""
    if split and split not in present:
        raise DatasetError(f'{pictures} has no split {split!r}', f'there is {_told(present)}')
    chosen = {name: found for name, found in present.items() if not split or name == split}
    there = {city.name for found in chosen.values() for city in found}
    for name in cities:
        if name not in there:
            raise DatasetError(
                f'{pictures} has no city {name!r} in {split or "any split"}',
                f'there is {_told(present)}',
            )
    return chosen


def _refuse_doubles(entries: Sequence[Entry]) -> None:
    first: dict[str, Entry] = {}
    for entry in entries:
        other = first.setdefault(entry.key, entry)
        if other is not entry:
            raise DatasetError(
                f'{entry.image} has the same name as {other.image}', 'choose one split'
            )


def _city(root: Path, split: str, pictures: Path, kind: Kind) -> Iterator[Entry]:
    """Yield the entries of one city; each folder is listed once, not asked per file."""
    city = pictures.name
    places = {name: root / name / split / city for name in (kind.truth, 'camera', 'disparity')}
    present = {name: names(folder) for name, folder in places.items()}

    def find(folder: str, stem: str, *suffixes: str) -> Path | None:
        for suffix in suffixes:
            if stem + suffix in present[folder]:
                return places[folder] / (stem + suffix)
        return None

    for name in sorted(names(pictures)):
        stem, left, rest = name.partition(_LEFT)
        end = Path(name).suffix
        if not left or end.lower() not in PICTURES:
            continue
        variant = kind.variant(rest[: -len(end)])
        if variant is None:
            continue
        match = _STEM.fullmatch(stem)
        if match is None or match['city'] != city:
            raise DatasetError(
                f'{pictures / name} is not named after its city, sequence and frame',
                f'expected {city}_000000_000019_leftImg8bit{rest}',
            )
        truth = kind.truth
        yield Entry(
            stem,
            split,
            city,
            f'{city}_{match["sequence"]}',
            pictures / name,
            find(truth, stem, *(f'_{truth}{suffix}' for suffix in TABLES)),
            find(truth, stem, f'_{truth}_instanceIds.png'),
            find('camera', stem, '_camera.json'),
            find('disparity', stem, '_disparity.png'),
            (*kind.recorded, *variant),
        )


def require_labels(root: Path, entries: Sequence[Entry], kind: Kind = Kind()) -> None:  # noqa: B008
    """Raise DatasetError when frames have no labels, naming the first, and what is there."""
    bare = [entry for entry in entries if entry.labels is None]
    if not bare:
        return
    first, truth = bare[0], kind.truth
    folder = root / truth / first.split / first.city
    told = [f'expected {truth}/{first.split}/{first.city}/{first.key}_{truth}_labelIds.png']
    if not (root / truth).is_dir():
        others = [name for name in ('gtFine', 'gtCoarse') if (root / name).is_dir()]
        told.append(f'found {kind.pictures} but no {truth} under {root}')
        told += [f'there is {name}' for name in others]
        if others == ['gtCoarse'] and kind.pictures == 'leftImg8bit':
            told.append(f'coarse labels are read as cityscapes_coarse:{root}')
        if kind.pictures != 'leftImg8bit':
            told.append(f'put or link {kind.pictures} beside the {truth} of Cityscapes')
    elif f'{first.key}_{truth}_polygons.json' in names(folder):
        told.append(
            'there are polygons: make label images of them with cityscapesscripts, '
            'csCreateTrainIdLabelImgs'
        )
    raise DatasetError(
        f'{len(bare)} of {len(entries)} frames have no labels, the first is {first.image}',
        '; '.join(told),
    )


def check_files(entry: Entry) -> None:
    """Raise DatasetError for the first file of a frame that is damaged or of another size."""
    size = picture_size(entry.image)
    if entry.labels is not None:
        _same_size(entry.labels, entry.table.check(entry.labels), size)
    for path in (entry.instances, entry.disparity):
        if path is not None:
            header = read_header(path)
            require_grey(path, header, 16)
            _same_size(path, header.size, size)
    if entry.camera is not None:
        read_camera(entry.camera, *size)


def _same_size(path: Path, found: tuple[int, int], size: tuple[int, int]) -> None:
    if found != size:
        raise DatasetError(
            f'{path} is {found[0]} x {found[1]}, its image {size[0]} x {size[1]} pixels',
            'resize both alike (labels with nearest neighbour) or restore the originals',
        )

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
Mapillary Vistas, version 1.2 or 2.0 of its labels, in its own folders.

Sources: the README and config_v1.2.json, config_v2.0.json of the data set: label images are
paletted PNGs whose index is the place of a label in the configuration, instances 16-bit PNGs of
256 times that, plus the number of the thing. The configuration in the folder decides; where there
is none, the order that was published does (mapillary_labels).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np

from vlm_misalign_ros.core.datasets.file_dataset import (
    FileDataset,
    FileEntry,
    Maps,
    read_things,
    refuse_cities,
    refuse_sequences,
    select,
)
from vlm_misalign_ros.core.datasets.folders import folders, names, refused, shown, split_variant
from vlm_misalign_ros.core.datasets.label_table import LabelTable
from vlm_misalign_ros.core.datasets.mapillary_labels import CITYSCAPES, V1_2, V2_0
from vlm_misalign_ros.core.datasets.pictures import PICTURES
from vlm_misalign_ros.core.errors import DatasetError
from vlm_misalign_ros.core.labels.classes import TWO_WHEELERS, VEHICLE_MEMBERS
from vlm_misalign_ros.core.types import NoCamera

LAYOUT = 'mapillary'
CAMERA = NoCamera('Mapillary Vistas tells of no camera')
_MERGED = (
    # Groups of vehicles, three-wheelers, boats, wheelchairs; backs of signs; green hills.
    ('dynamic', (*VEHICLE_MEMBERS, *TWO_WHEELERS)),
    ('static', ('traffic sign', 'wall', 'fence')),
    ('ground', ('vegetation',)),
)
"""What labels that Cityscapes does not evaluate may be called without being made up."""
_EXPECTED = 'ROOT/validation/images/NAME.jpg'
_MOST = 256
"""Labels that the values of a label image tell apart."""


@dataclass(frozen=True)
class Version:
    """One version of the labels."""

    name: str
    labels: tuple[str, ...]
    """In the order of their ids."""

    @cached_property
    def table(self) -> LabelTable:
        """Return what its values are in Cityscapes."""
        values = {place: CITYSCAPES[name] for place, name in enumerate(self.labels)}
        return LabelTable(f'Mapillary Vistas {self.name}', values, merged=_MERGED)

    @cached_property
    def grouped(self) -> list[int]:
        """Return the ids of labels whose things are not told apart."""
        return [
            place
            for place, name in enumerate(self.labels)
            if name.endswith('-group')
            # Rails carry one long train in version 1.2, of which nobody says how many it is.
            or (name == 'object--vehicle--on-rails' and self.name == 'v1.2')
        ]

    def folder(self, split: Path, content: str) -> Path:
        """Return where labels or instances lie; 1.2 came without a folder of its own at first."""
        own = split / self.name / content
        return split / content if self.name == 'v1.2' and not own.is_dir() else own


VERSIONS = {'v2.0': Version('v2.0', V2_0), 'v1.2': Version('v1.2', V1_2)}


class _Label(msgspec.Struct):
    name: str


class _Config(msgspec.Struct):
    labels: list[_Label]


def open_mapillary(
    root: Path, split: str, cities: Sequence[str], limit: int, sequences: bool
) -> FileDataset:
    """
    Open Mapillary Vistas; each picture is a scene by itself.

    With labels of both versions in one folder `FOLDER#v1.2` or `FOLDER#v2.0` chooses. Errors as
    FileDataset and `select`.
    """
    refuse_sequences(LAYOUT, sequences)
    refuse_cities(LAYOUT, cities, 'leave them out')
    root, variant = split_variant(root)
    pictures = (
        [part for part in folders(root) if (part / 'images').is_dir()] if root.is_dir() else []
    )
    if not pictures:
        raise refused(root, LAYOUT, ('training/images', 'validation/images'), _EXPECTED)
    version = _version(root, pictures, variant)
    found = [entry for part in pictures for entry in _part(part, version)]
    if not found:
        raise DatasetError(f'{root} has no pictures', f'looked for {_EXPECTED}')
    entries = select(found, root, split, (), limit)
    return FileDataset(root, entries, CAMERA, _Reader(version))


def _version(root: Path, pictures: Sequence[Path], variant: str) -> Version:
    """Return the version that is there, or was chosen; DatasetError for none, or for both."""
    there = [
        name
        for name, version in VERSIONS.items()
        if any(version.folder(part, 'labels').is_dir() for part in pictures)
    ]
    if variant and variant not in there:
        raise DatasetError(
            f'{root} has no labels {variant!r}', f'there is {shown(there)}; known: v1.2, v2.0'
        )
    if not there:
        inside = shown(f'{part.name}/{path.name}' for part in pictures for path in folders(part))
        raise DatasetError(
            f'found pictures but no labels under {root}: {inside}',
            'looked for SPLIT/v2.0/labels, SPLIT/v1.2/labels and SPLIT/labels',
        )
    if len(there) > 1 and not variant:
        raise DatasetError(
            f'{root} has labels {" and ".join(there)}',
            f'choose one: {LAYOUT}:{root}#v2.0 or {LAYOUT}:{root}#v1.2',
        )
    version = VERSIONS[variant or there[0]]
    return _configured(root, version)


def _configured(root: Path, version: Version) -> Version:
    """Return a version with the order of labels that the folder's own configuration has."""
    tried = (f'config_{version.name}.json', 'config.json')
    path = next((root / name for name in tried if (root / name).is_file()), None)
    if path is None:
        return version
    try:
        config = msgspec.json.decode(path.read_bytes(), type=_Config)
    except (OSError, msgspec.MsgspecError) as error:
        raise DatasetError(f'{path} cannot be read: {error}', 'restore it') from error
    labels = tuple(label.name for label in config.labels)
    if len(labels) > _MOST:
        raise DatasetError(f'{path} has {len(labels)} labels', f'a value tells {_MOST} at most')
    unknown = [name for name in labels if name not in CITYSCAPES]
    if unknown:
        raise DatasetError(
            f'{path} has labels that are not known: {shown(unknown)}',
            'Mapillary Vistas 1.2 and 2.0 are read',
        )
    return replace(version, labels=labels)


def _part(part: Path, version: Version) -> Iterator[FileEntry]:
    """Yield the entries of a split."""
    labels, things = version.folder(part, 'labels'), version.folder(part, 'instances')
    there, numbered = names(labels), names(things)
    for name in names(part / 'images'):
        stem, end = Path(name).stem, Path(name).suffix
        if end.lower() not in PICTURES:
            continue
        yield FileEntry(
            stem,
            part.name,
            '',
            '',
            part / 'images' / name,
            labels / f'{stem}.png' if f'{stem}.png' in there else None,
            version.table,
            things / f'{stem}.png' if f'{stem}.png' in numbered else None,
        )


@dataclass(frozen=True)
class _Reader:
    """Decodes the maps of a frame."""

    version: Version

    def __call__(self, entry: FileEntry) -> Maps:
        return read_things(entry, self._things)

    def _things(self, stored: np.ndarray) -> np.ndarray:
        ids = stored.astype(np.int32) + 1
        ids[np.isin(stored >> 8, self.version.grouped)] = 0
        return ids

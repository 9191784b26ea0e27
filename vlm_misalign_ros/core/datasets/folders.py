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
What lies in the folder of a data set, and what a refusal says of it.

Whoever points a folder too high, too low or at another layout is told where what was looked for
lies, and what is there instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from vlm_misalign_ros.core.errors import DatasetError

SIGNS: dict[str, tuple[str, ...]] = {
    'cityscapes': ('leftImg8bit/*/*/*_??????_??????_leftImg8bit.*', 'leftImg8bit'),
    'cityscapes_coarse': ('gtCoarse',),
    'foggy_cityscapes': ('leftImg8bit_foggy*',),
    'rainy_cityscapes': ('leftImg8bit_rain*',),
    'acdc': ('rgb_anon', 'rgb/fog', 'rgb/night', 'rgb/rain', 'rgb/snow'),
    'bdd100k': ('images/10k', 'seg/images'),
    'mapillary': ('training/images', 'validation/images'),
    'kitti360': ('data_2d_raw',),
    'idd': ('gtFine/*/*/*_gtFine_label*[iI]ds.png', 'gtFine/*/*/*_gtFine_polygons.json'),
}
"""By layout, where its pictures or labels lie; any of them tells that layout."""
_NAMED = 8
"""Files and folders that a refusal names."""
_LOOKED_AT = 200
"""Folders below the one given in which it is looked."""
_ABOVE = 4
"""Folders above it."""


def listed(folder: Path) -> list[Path]:
    """Return what lies in a folder, sorted by name; DatasetError where it cannot be listed."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith('.'))
    except OSError as error:
        raise DatasetError(
            f'{folder} cannot be listed: {error.strerror}', 'check its permissions'
        ) from error


def folders(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted by name; DatasetError where it cannot be listed."""
    return [path for path in listed(folder) if path.is_dir()]


def names(folder: Path) -> set[str]:
    """Return the names in a folder, none where it is not there; DatasetError as `listed`."""
    return {path.name for path in listed(folder)} if folder.is_dir() else set()


def split_variant(root: Path) -> tuple[Path, str]:
    """
    Return (folder, variant) of `FOLDER#VARIANT`, which chooses among what one folder holds.

    A folder whose own name has a # is that folder.
    """
    if '#' not in root.name or root.exists():
        return root, ''
    name, _, variant = root.name.rpartition('#')
    return root.with_name(name) if name else root.parent, variant


def shown(found: Iterable[object]) -> str:
    """Return the first of several names, for messages; `nothing` for none."""
    first = [str(one) for one in islice(found, _NAMED + 1)]
    return ', '.join(first[:_NAMED]) + (', ...' if len(first) > _NAMED else '') or 'nothing'


def refused(root: Path, layout: str, wanted: Sequence[str], expected: str) -> DatasetError:
    """
    Return the refusal of a folder without the folders `wanted`, of which any would do.

    It says what there is, and where what was looked for lies, if that is near. `expected` is the
    path of one file of such a data set.
    """
    looked = f'looked for {expected}'
    if not root.exists():
        above = next((path for path in root.parents if path.is_dir()), root.parent)
        return DatasetError(
            f'data set folder {root} does not exist',
            f'{above} has {shown(path.name for path in _quietly(above))}; {looked}',
        )
    if not root.is_dir():
        return DatasetError(f'{root} is no folder', f'give the folder of the data set; {looked}')
    there = [f'{path.name}/' if path.is_dir() else path.name for path in _quietly(root)]
    what = f'{root} has no folder {" or ".join(wanted)}, but {shown(there)}'
    close = nearby(root, wanted)
    if close is not None:
        return DatasetError(what, f'give {layout}:{close}, which has it; {looked}')
    others = [name for name in alike(root) if name != layout]
    if others:
        return DatasetError(
            what, f'it looks like {" or ".join(f"{name}:{root}" for name in others)}; {looked}'
        )
    return DatasetError(what, looked)


def nearby(root: Path, wanted: Sequence[str]) -> Path | None:
    """Return the folder above or below that has one of `wanted`; None for none."""
    root = root.absolute()
    for above in root.parents[:_ABOVE]:
        if any((above / name).is_dir() for name in wanted):
            return above
    for below in islice(_below(root), _LOOKED_AT):
        if any((below / name).is_dir() for name in wanted):
            return below
    return None


def alike(root: Path) -> list[str]:
    """Return the layouts of which a folder has what tells them."""
    found = []
    for name, patterns in SIGNS.items():
        try:
            if any(next(root.glob(pattern), None) is not None for pattern in patterns):
                found.append(name)
        except OSError:  # what cannot be listed tells nothing
            continue
    return found


def _below(root: Path) -> Iterator[Path]:
    """Yield the folders in a folder, then those in these."""
    first = [path for path in _quietly(root) if path.is_dir()]
    yield from first
    for folder in first:
        yield from (path for path in _quietly(folder) if path.is_dir())


def _quietly(folder: Path) -> list[Path]:
    try:
        return listed(folder)
    except DatasetError:
        return []

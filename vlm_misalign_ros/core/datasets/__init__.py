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

"""Frames from disk: a data set is a folder in a layout, and layouts are a registry."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from vlm_misalign_ros.core.datasets.checked import CheckedDataset
from vlm_misalign_ros.core.errors import MAX_REASON, DatasetError
from vlm_misalign_ros.core.registry import Registry
from vlm_misalign_ros.core.types import Frame


class FrameEntry(Protocol):
    """What is known of a frame before it is decoded."""

    @property
    def key(self) -> str:
        """Return the frame's unique name in the data set; it seeds the corruptions."""

    @property
    def sequence(self) -> str:
        """Return the drive or snippet that it belongs to."""

    @property
    def city(self) -> str:
        """Return the place, or whatever calibration and evaluation are kept apart by."""


class Dataset(Protocol):
    """A selection of frames, checked when it is opened and decoded one at a time."""

    @property
    def name(self) -> str:
        """Return the name that records have it by."""

    @property
    def entries(self) -> Sequence[FrameEntry]:
        """Return the frames in order."""

    @property
    def has_depth(self) -> bool:
        """Tell whether every frame comes with depth."""

    def __len__(self) -> int:
        """Return the number of frames."""

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in order, each decoded when it is asked for."""

    def read(self, index: int, /) -> Frame:
        """Return one frame with Cityscapes label ids; DatasetError when its files are damaged."""


class Layout(Protocol):
    """Opens data sets of one folder layout; a function may be one."""

    def __call__(
        self,
        root: Path,
        split: str,
        cities: Sequence[str],
        limit: int,
        sequences: bool,
        /,
        **more: Any,
    ) -> Dataset:
        """
        Open the data set in `root`.

        `split` and `cities` are empty for all there are, `limit` keeps the first frames (0: all),
        `sequences` asks for whole sequences, most of whose frames have no labels. Raises
        DatasetError naming the file or selection that will not do.
        """


_HERE = 'vlm_misalign_ros.core.datasets'
LAYOUTS: Registry[Layout] = Registry(
    'vlm_misalign_ros.datasets',
    'data set layout',
    {
        'cityscapes': f'{_HERE}.cityscapes:CityscapesDataset.open',
        'cityscapes_coarse': f'{_HERE}.cityscapes_kinds:open_coarse',
        'foggy_cityscapes': f'{_HERE}.cityscapes_kinds:open_foggy',
        'rainy_cityscapes': f'{_HERE}.cityscapes_kinds:open_rainy',
        'acdc': f'{_HERE}.acdc:open_acdc',
        'bdd100k': f'{_HERE}.bdd100k:open_bdd100k',
        'mapillary': f'{_HERE}.mapillary:open_mapillary',
        'kitti360': f'{_HERE}.kitti360:open_kitti360',
        'idd': f'{_HERE}.idd:open_idd',
        'bag': 'vlm_misalign_ros.bags.dataset:open_recording',
    },
)
"""Every folder layout by name."""
BAG = 'bag'
"""The layout of a recording, whose maps are as they were recorded."""
DEFAULT = 'cityscapes'
"""The layout of a place that names none."""
MEANINGS = {
    'cityscapes': 'Cityscapes, and scenes in its layout; a FOLDER alone, too',
    'cityscapes_coarse': 'Cityscapes with gtCoarse',
    'foggy_cityscapes': 'Foggy Cityscapes, one density of fog: FOLDER#beta_0.02',
    'rainy_cityscapes': 'RainCityscapes, one rain: FOLDER#alpha_0.02_pattern_1',
    'acdc': 'ACDC: fog, night, rain, snow as cities; splits val, val_ref, ...',
    'bdd100k': 'BDD100K, the 10k images: panoptic or semantic segmentation',
    'mapillary': 'Mapillary Vistas, labels 1.2 or 2.0: FOLDER#v2.0 where both are there',
    'kitti360': 'KITTI-360, left perspective camera; drives as cities',
    'idd': 'IDD, India Driving Dataset, with label images; drives as cities',
    BAG: 'a recording, its maps as they were recorded',
}
"""What each of the package's layouts is, in words."""

_KIND = re.compile(r'([a-z][a-z0-9_]*):(.*)', re.DOTALL)


def split_place(place: str | Path) -> tuple[str, Path]:
    """
    Return (layout, folder) of `LAYOUT:FOLDER`, or of a folder alone, which is Cityscapes.

    Raises DatasetError for a layout that is not known, unless a folder has that very name, and for
    what no folder can be named or nobody may look at.
    """
    match = _KIND.fullmatch(str(place))
    if match is None or _looked_up(place).exists():
        return DEFAULT, _looked_up(place)
    kind, folder = match.groups()
    if kind not in LAYOUTS:
        raise DatasetError(
            f'there is no data set layout {kind!r}, as in {str(place)!r}',
            'known: ' + ', '.join(LAYOUTS.names()),
        )
    return kind, _looked_up(folder)


def _looked_up(place: str | Path) -> Path:
    """Return a place as a path of which it can be asked whether it is there."""
    try:
        found = Path(place).expanduser()
        found.exists()
    except (OSError, RuntimeError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise DatasetError(
            f'there is no looking for the data set {str(place)[:MAX_REASON]!r}: {why}',
            'give LAYOUT:FOLDER, or a folder in Cityscapes layout',
        ) from error
    return found


def open_dataset(
    place: str | Path,
    split: str = '',
    cities: Sequence[str] = (),
    limit: int = 0,
    sequences: bool = False,
    **more: Any,
) -> Dataset:
    """
    Open a data set given as `LAYOUT:FOLDER` or as a folder in Cityscapes layout.

    `more` is for the layout alone. The other arguments and the errors are those of Layout.
    """
    kind, folder = split_place(place)
    opened = LAYOUTS.load(kind)(folder, split, tuple(cities), limit, sequences, **more)
    # The package's own check their files; what a plug-in gives is not believed.
    return opened if kind in LAYOUTS.builtin() else CheckedDataset(opened, kind)

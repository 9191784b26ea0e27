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

"""Reader of the Cityscapes folder layout: frames, label and instance ids, camera, disparity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vlm_misalign_ros.core.about import NOTHING, About
from vlm_misalign_ros.core.datasets.camera_file import read_camera
from vlm_misalign_ros.core.datasets.cityscapes_index import (
    Entry,
    Kind,
    check_files,
    find_entries,
    require_labels,
)
from vlm_misalign_ros.core.datasets.pictures import read_picture
from vlm_misalign_ros.core.datasets.png import decode
from vlm_misalign_ros.core.errors import DatasetError, RecordError
from vlm_misalign_ros.core.files import read_json
from vlm_misalign_ros.core.labels.classes import LABELS
from vlm_misalign_ros.core.types import Camera, Frame

_HIGHEST = max(label.id for label in LABELS)
PSEUDO_LABELS = 'pseudo_labels.json'
"""What a data set whose labels are a model's has in its folder, and says which model."""


class CityscapesDataset:
    """
    A selection of frames in Cityscapes layout, indexed and checked, decoded one at a time.

    Order: split, city, sequence, frame.
    """

    def __init__(self, root: Path, entries: Sequence[Entry], about: About = NOTHING) -> None:
        """
        Hold entries that were checked; use `open` to find and check them.

        `about` is what their labels cannot tell.
        """
        self.root = root
        self._about = about
        self.entries: tuple[Entry, ...] = tuple(entries)

    @classmethod
    def open(
        cls,
        root: str | Path,
        split: str = '',
        cities: Sequence[str] = (),
        limit: int = 0,
        sequences: bool = False,
        kind: Kind = Kind(),  # noqa: B008  (frozen)
        about: About = NOTHING,
    ) -> CityscapesDataset:
        """
        Index a data set and check every selected file without decoding it.

        `split` is a folder such as `val`, or empty for all of them; `cities` likewise; `limit`
        keeps the first frames (0: all). With `sequences` frames come from leftImg8bit_sequence,
        where most have no labels. `kind` says which of its pictures and labels are read, `about`
        what these labels cannot tell. Raises DatasetError when the folder or the selection is
        empty, and for the first file that is missing, truncated or of another size.
        """
        root = Path(root).expanduser()
        if limit < 0:
            raise DatasetError(f'limit {limit} is negative', 'give 0 for all frames')
        entries = find_entries(root, split, tuple(cities), sequences, kind)
        if limit:
            entries = entries[:limit]
        if not sequences:
            require_labels(root, entries, kind)
        for entry in entries:
            check_files(entry)
        return cls(root, entries, about)

    @cached_property
    def pseudo_labels(self) -> dict[str, Any] | None:
        """Return what says which model made its labels; None where they are no model's."""
        if not (self.root / PSEUDO_LABELS).exists():
            return None
        try:
            return read_json(self.root / PSEUDO_LABELS, 'make the pseudo-labels again')
        except RecordError as error:
            raise DatasetError(error.what, error.remedy) from error

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
        """
        Decode one frame.

        The image is BGR uint8 (H, W, 3); labels are label ids, uint8 (H, W); instances uint16
        (H, W). Raises DatasetError when a file is damaged or holds an id that does not exist,
        IndexError when there is no such frame.
        """
        entry = self.entries[index]
        image = read_picture(entry.image)
        height, width = image.shape[:2]
        instances = None
        if entry.instances is not None:
            instances = decode(entry.instances, cv2.IMREAD_UNCHANGED)
            _check_instances(entry.instances, instances)
        camera = None
        if entry.camera is not None:
            camera = read_camera(entry.camera, width, height)
        return Frame(
            self.name,
            entry.sequence,
            entry.key,
            image,
            None if entry.labels is None else entry.table.read(entry.labels),
            instances,
            camera,
            self._depth(entry, camera),
            tells_hood=entry.table.tells_hood,
            about=replace(self._about, recorded=entry.recorded),
        )

    @property
    def has_depth(self) -> bool:
        """Return whether every frame comes with disparity and a stereo camera to read it by."""
        return all(
            entry.disparity is not None
            and entry.camera is not None
            and read_camera(entry.camera).baseline > 0
            for entry in self.entries
        )

    @staticmethod
    def _depth(entry: Entry, camera: Camera | None) -> np.ndarray | None:
        if entry.disparity is None or camera is None or camera.baseline <= 0:
            return None
        stored = decode(entry.disparity, cv2.IMREAD_UNCHANGED)
        depth: np.ndarray = depth_table(camera.baseline * camera.fx)[stored]
        return depth

    def disparity(self, index: int) -> np.ndarray | None:
        """
        Return the disparity of one frame, float32 (H, W), pixels, NaN where it is unknown.

        Stored as 256 d + 1, 0 = unknown (Cityscapes' README). None when the data set has none.
        Depth in metres is baseline * fx / d. Raises DatasetError when the file is damaged.
        """
        path = self.entries[index].disparity
        if path is None:
            return None
        stored = decode(path, cv2.IMREAD_UNCHANGED)
        disparity = (stored.astype(np.float32) - 1) / 256
        disparity[stored == 0] = np.nan
        return disparity


@lru_cache(maxsize=16)
def depth_table(baseline_focal: float) -> np.ndarray:
    """
    Return depth in millimetres, uint16 (65536,), by stored disparity 256 d + 1.

    `baseline_focal` is metres times pixels. 0 stays unknown, disparity 0 and what lies beyond
    65.535 m become 65535, as far as 16 bits reach.
    """
    stored = np.arange(65536, dtype=np.float64)
    with np.errstate(divide='ignore'):
        depth = 1000 * baseline_focal / np.maximum((stored - 1) / 256, 0)
    depth[0] = 0
    table: np.ndarray = np.rint(depth.clip(0, 65535)).astype(np.uint16)
    return table


def _check_instances(path: Path, instances: np.ndarray) -> None:
    highest = int(instances.max(initial=0))
    if highest >= (_HIGHEST + 1) * 1000:
        raise DatasetError(
            f'{path} has the value {highest}',
            f'expected a label id, or label id * 1000 + k, below {(_HIGHEST + 1) * 1000}',
        )

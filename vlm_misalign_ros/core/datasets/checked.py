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

"""Guards a data set that a plug-in opened: what it gives is checked before anything is scored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vlm_misalign_ros.core.errors import DatasetError
from vlm_misalign_ros.core.labels.classes import LABELS
from vlm_misalign_ros.core.types import Frame

if TYPE_CHECKING:
    from vlm_misalign_ros.core.datasets import Dataset, FrameEntry

_HIGHEST = max(label.id for label in LABELS)
_REMEDY = 'mend or uninstall the package that brings the layout (docs/extending.md)'


class CheckedDataset:
    """A data set whose frames are checked as they are read; see Dataset for its members."""

    def __init__(self, dataset: Any, layout: str) -> None:
        """Hold a data set; DatasetError, naming the layout, when it is none or is empty."""
        lacking = [
            name
            for name in ('name', 'entries', 'has_depth', '__len__', 'read')
            if not hasattr(dataset, name)
        ]
        if lacking:
            raise DatasetError(
                f'layout {layout!r} opened a {type(dataset).__name__} without '
                + ', '.join(lacking),
                _REMEDY,
            )
        if not len(dataset) or len(dataset.entries) != len(dataset):
            raise DatasetError(
                f'layout {layout!r} opened {len(dataset)} frames with '
                f'{len(dataset.entries)} entries',
                'choose what has frames; ' + _REMEDY,
            )
        self._dataset: Dataset = dataset
        self._layout = layout

    @property
    def name(self) -> str:
        """Return the name that records have it by."""
        return self._dataset.name

    @property
    def entries(self) -> Sequence[FrameEntry]:
        """Return the frames in order."""
        return self._dataset.entries

    @property
    def has_depth(self) -> bool:
        """Return whether every frame comes with depth."""
        return self._dataset.has_depth

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self._dataset)

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in order, each decoded when it is asked for."""
        return (self.read(index) for index in range(len(self)))

    def read(self, index: int) -> Frame:
        """Return one frame; DatasetError when it is not of the types that Frame has."""
        frame = self._dataset.read(index)
        where = f'frame {self.entries[index].key!r} of layout {self._layout!r}'
        if not isinstance(frame, Frame):
            raise DatasetError(f'{where} is a {type(frame).__name__}', _REMEDY)
        _check(where, frame)
        return frame


def _check(where: str, frame: Frame) -> None:
    """Raise DatasetError for a picture or map of another type or size, and for unknown ids."""
    shape = _shape(where, 'image', frame.image, np.uint8, None)
    for name, array, kind in (
        ('labels', frame.labels, np.uint8),
        ('instances', frame.instances, np.uint16),
        ('depth', frame.depth, np.uint16),
    ):
        if array is not None:
            _shape(where, name, array, kind, shape)
    if frame.labels is not None and int(frame.labels.max()) > _HIGHEST:
        raise DatasetError(
            f'{where} has the label {int(frame.labels.max())}',
            f'expected Cityscapes label ids, 0 to {_HIGHEST}; ' + _REMEDY,
        )
    if frame.instances is not None and int(frame.instances.max()) >= (_HIGHEST + 1) * 1000:
        raise DatasetError(
            f'{where} has the instance {int(frame.instances.max())}',
            'expected label id * 1000 + k; ' + _REMEDY,
        )


def _shape(
    where: str, name: str, array: Any, kind: type, expected: tuple[int, int] | None
) -> tuple[int, int]:
    """Return (H, W) of a map that is of type `kind` and, where given, of the expected size."""
    if not isinstance(array, np.ndarray) or array.dtype != kind:
        found = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise DatasetError(f'{where}: {name} is {found}, not {kind.__name__}', _REMEDY)
    good = array.ndim == 3 and array.shape[2] == 3 if expected is None else array.ndim == 2
    if not good or not array.size or (expected is not None and array.shape != expected):
        raise DatasetError(
            f'{where}: {name} has shape {array.shape}',
            f'expected {expected or "(H, W, 3)"}; ' + _REMEDY,
        )
    return int(array.shape[0]), int(array.shape[1])

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

"""What the values or colours of a data set's label images are in Cityscapes, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from vlm_misalign_ros.core.about import About
from vlm_misalign_ros.core.datasets.png import (
    decode,
    decode_values,
    read_header,
    require_color,
    require_values,
)
from vlm_misalign_ros.core.errors import DatasetError
from vlm_misalign_ros.core.labels.classes import BY_NAME, CLASSES
from vlm_misalign_ros.core.labels.forms import ColorEncoding

Color = tuple[int, int, int]
_NONE = 255
"""Of a table: no label has this value."""
_EGO = BY_NAME['ego vehicle'].name


@dataclass(frozen=True, eq=False)
class LabelTable:
    """One way in which label images of a data set tell labels."""

    name: str
    """What messages call it."""
    values: Mapping[int, str]
    """Cityscapes label by value; none for images that are coded in colours."""
    colors: Mapping[Color, str] = field(default_factory=dict)
    """Cityscapes label by colour, RGB, of images that are coded in colours."""
    merged: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Labels whose pixels may be of other labels, too."""

    @cached_property
    def about(self) -> About:
        """Return what labels read by it cannot tell."""
        given = {*self.values.values(), *self.colors.values()}
        given |= {other for _, others in self.merged for other in others}
        return About(tuple(name for name in CLASSES if name not in given), self.merged)

    @cached_property
    def tells_hood(self) -> bool:
        """Return whether the ego vehicle has a value of its own."""
        return _EGO in (self.values or self.colors).values()

    @cached_property
    def _table(self) -> np.ndarray:
        table = np.full(256, _NONE, np.uint8)
        for value, name in self.values.items():
            table[value] = BY_NAME[name].id
        return table

    @cached_property
    def _encoding(self) -> ColorEncoding:
        ids = {color: BY_NAME[name].id for color, name in self.colors.items()}
        return ColorEncoding(self.name, ids)

    def check(self, path: Path) -> tuple[int, int]:
        """Return (width, height) of a label image; DatasetError for one of another form."""
        header = read_header(path)
        if self.colors:
            require_color(path, header)
        else:
            require_values(path, header)
        return header.size

    def raw(self, path: Path) -> np.ndarray:
        """Return the values of a label image, uint8 (H, W); DatasetError for what has none."""
        pixels = decode_values(path)
        if pixels.dtype != np.uint8:
            raise DatasetError(f'{path} has 16 bits', f'expected 8-bit {self.name}')
        return pixels

    def read(self, path: Path) -> np.ndarray:
        """
        Return Cityscapes label ids, uint8 (H, W), of a label image.

        DatasetError names the first value or the colours that the table does not have.
        """
        if self.colors:
            rgb = np.ascontiguousarray(decode(path, cv2.IMREAD_COLOR)[:, :, ::-1])
            labels, outside = self._encoding.read(rgb)
            if outside.total:
                raise DatasetError(
                    f'{path} has {outside.total} pixels of other colours than {self.name}, such '
                    f'as {next(iter(outside.values))}',
                    'label images must not be resized with interpolation or stored as JPEG',
                )
            return labels
        return self.translate(path, self.raw(path))

    def translate(self, path: Path, values: np.ndarray) -> np.ndarray:
        """Return label ids, uint8 (H, W), of values, uint8 (H, W), of a file."""
        labels = cv2.LUT(values, self._table)
        wrong = labels == _NONE
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            raise DatasetError(
                f'{path} has the value {values[row, column]} at row {row}, column {column}, which '
                f'{self.name} does not have',
                f'expected {_ranges(self.values)}',
            )
        return labels


def _ranges(values: Mapping[int, str]) -> str:
    """Return whole numbers as ranges: `0 to 18, 255`."""
    found: list[tuple[int, int]] = []
    for value in sorted(values):
        if found and value == found[-1][1] + 1:
            found[-1] = found[-1][0], value
        else:
            found.append((value, value))
    return ', '.join(f'{a}' if a == b else f'{a} to {b}' for a, b in found)


def of_colors(labels: Mapping[str, Color]) -> dict[Color, str]:
    """Return {colour: label} of {label: colour}; of one colour the first counts."""
    found: dict[Color, str] = {}
    for name, color in labels.items():
        found.setdefault(color, name)
    return found

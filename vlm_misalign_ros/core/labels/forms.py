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
The two forms that an encoding has: a table of values, or one of colours.

Both tell what a map holds that the table does not have, so that nothing unread passes as empty.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import cv2
import numpy as np

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.labels.classes import BY_NAME
from vlm_misalign_ros.core.labels.shares import histogram

UNKNOWN = 0
"""Label id (unlabeled) of values that an encoding does not have."""
VOID = (0, 255)
"""Values that stand for what is not labelled wherever a table has nothing else for them."""
MOST_VALUES = 8
"""Values outside a table that are kept by name; the most frequent ones."""
EGO_VEHICLE = BY_NAME['ego vehicle'].id


@dataclass(frozen=True)
class Outside:
    """Pixels whose value an encoding's table does not have."""

    values: dict[str, int] = field(default_factory=dict)
    """The most frequent values, MOST_VALUES of them at most, with their pixels."""
    others: int = 0
    """Pixels of further values."""

    @property
    def total(self) -> int:
        """Return all pixels outside the table."""
        return sum(self.values.values()) + self.others

    def __add__(self, other: Outside) -> Outside:
        """Return both; the values of two tables do not overlap."""
        return Outside(self.values | other.values, self.others + other.others)


class Encoding(Protocol):
    """
    One meaning of the values of a label map.

    An encoding may have four members more: `outside(pixels) -> Outside`, without which values that
    it does not have count as unlabeled; `tells_hood`, whether it tells the ego vehicle's hood
    from what is unlabeled (False where it is not there); `gives`, the label ids that it can give
    (all where it is not there); `merged`, label ids of which the pixels may be of other classes,
    too, with those: {26: (27, 28)} where every lorry and bus is a car.
    """

    def decode(self, pixels: np.ndarray, /) -> np.ndarray:
        """
        Return Cityscapes label ids, uint8 (H, W), 0 for what the encoding does not have.

        `pixels` are (H, W) of one channel, or RGB (H, W, 3) whatever order they were sent in.
        Raises RecordError for pixels of a type or shape that the encoding does not have.
        """


@dataclass(frozen=True, eq=False)
class ValueEncoding:
    """Grey values, or those of the red channel, by a table."""

    name: str
    table: np.ndarray
    """Label id by value, uint8 (256,)."""
    red: bool = False
    """Whether the value of a colour picture is in its red channel, where CARLA puts it."""
    known: np.ndarray | None = None
    """Which values the table has, bool (256,); None: those that it gives a label."""
    merged: Mapping[int, Collection[int]] = field(default_factory=dict)
    """Label ids that stand for others, too."""

    @cached_property
    def gives(self) -> frozenset[int]:
        """Return the label ids that it can give."""
        return frozenset(map(int, np.unique(self.table)))

    @cached_property
    def has(self) -> np.ndarray:
        """Return which values are not outside the table, bool (256,); void (0, 255) never is."""
        known = (self.table != UNKNOWN) if self.known is None else self.known.copy()
        known[list(VOID)] = True
        return known

    @cached_property
    def tells_hood(self) -> bool:
        """Return whether the ego vehicle has a value of its own."""
        return bool((self.table == EGO_VEHICLE).any())

    def decode(self, pixels: np.ndarray) -> np.ndarray:
        """Return label ids, uint8 (H, W), by the table; RecordError for a picture in colours."""
        return cv2.LUT(self._plane(pixels), self.table)

    def outside(self, pixels: np.ndarray) -> Outside:
        """Return the pixels whose values the table does not have."""
        return self._others(histogram(self._plane(pixels)))

    def read(self, pixels: np.ndarray) -> tuple[np.ndarray, Outside]:
        """Return what `decode` and `outside` do; values that are label ids are not copied."""
        values = self._plane(pixels)
        counts = histogram(values)
        found = np.flatnonzero(counts)
        same = np.array_equal(self.table[found], found)
        return values if same else cv2.LUT(values, self.table), self._others(counts)

    def _others(self, counts: np.ndarray) -> Outside:
        """Return what is outside the table of pixels by value, int64 (256,)."""
        values = np.flatnonzero(counts * ~self.has)
        return most_frequent(values, counts[values], str)

    def _plane(self, pixels: np.ndarray) -> np.ndarray:
        """Return the values, uint8 (H, W)."""
        if pixels.ndim == 3:
            if not self.red:
                raise RecordError(
                    f'a label image with {pixels.shape[2]} channels is not {self.name}',
                    'publish mono8, or name the encoding of its colours in label_encoding',
                )
            pixels = pixels[:, :, 0]
        if pixels.dtype != np.uint8:
            raise RecordError(
                f'a label image of {pixels.dtype} is not {self.name}', 'publish mono8'
            )
        return np.ascontiguousarray(pixels)


@dataclass(frozen=True, eq=False)
class ColorEncoding:
    """Colours, each of one label."""

    name: str
    labels: Mapping[tuple[int, int, int], int]
    """Label id by RGB."""
    merged: Mapping[int, Collection[int]] = field(default_factory=dict)
    """Label ids that stand for others, too."""

    @cached_property
    def gives(self) -> frozenset[int]:
        """Return the label ids that it can give."""
        return frozenset((UNKNOWN, *self.labels.values()))

    @cached_property
    def _sorted(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (packed colours in ascending order, their label ids)."""
        colors = np.array([r << 16 | g << 8 | b for r, g, b in self.labels], np.uint32)
        ids = np.array(list(self.labels.values()), np.uint8)
        order = np.argsort(colors)
        return colors[order], ids[order]

    @cached_property
    def tells_hood(self) -> bool:
        """Return whether the ego vehicle has a colour of its own."""
        return EGO_VEHICLE in self.labels.values()

    def decode(self, pixels: np.ndarray) -> np.ndarray:
        """Return label ids, uint8 (H, W), by colour; RecordError for a map without colours."""
        return self.read(pixels)[0]

    def outside(self, pixels: np.ndarray) -> Outside:
        """Return the pixels of colours that are none of the encoding's."""
        return self.read(pixels)[1]

    def read(self, pixels: np.ndarray) -> tuple[np.ndarray, Outside]:
        """Return what `decode` and `outside` do, in one pass over the map."""
        packed = self._packed(pixels).ravel()
        # Maps are made of outlines: a colour is looked up once a run, not once a pixel.
        starts = np.flatnonzero(np.diff(packed, prepend=~packed[:1]))
        colors, lengths = packed[starts], np.diff(starts, append=packed.size)
        places, known = self._find(colors)
        ids = self._sorted[1][places]
        ids[~known] = UNKNOWN
        labels: np.ndarray = np.repeat(ids, lengths)
        return labels.reshape(pixels.shape[:2]), self._others(colors[~known], lengths[~known])

    @staticmethod
    def _others(colors: np.ndarray, lengths: np.ndarray) -> Outside:
        """Return colours with the lengths of their runs, the most frequent first."""
        values, which = np.unique(colors, return_inverse=True)
        counts = np.bincount(which, lengths, len(values)).astype(np.int64)
        return most_frequent(values, counts, lambda value: f'#{value:06x}')

    def _find(self, packed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (place of each colour among the known, whether it is known)."""
        colors = self._sorted[0]
        places = np.searchsorted(colors, packed).clip(0, len(colors) - 1)
        return places, colors[places] == packed

    def _packed(self, pixels: np.ndarray) -> np.ndarray:
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
            raise RecordError(
                f'a label image of {pixels.dtype} is not {self.name}: its shape is {pixels.shape}',
                'publish rgb8 or bgr8',
            )
        wide = pixels.astype(np.uint32)
        packed: np.ndarray = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
        return packed


def most_frequent(values: np.ndarray, counts: np.ndarray, name: Callable[[int], str]) -> Outside:
    """Return the most frequent values by name; of equally frequent ones the lower."""
    order = np.argsort(-counts, kind='stable')
    kept = order[:MOST_VALUES]
    return Outside(
        {name(int(values[place])): int(counts[place]) for place in kept},
        int(counts[order[MOST_VALUES:]].sum()),
    )


def value_table(values: Mapping[int, int]) -> np.ndarray:
    """Return the look-up table, uint8 (256,), of {value: label id}."""
    table = np.full(256, UNKNOWN, np.uint8)
    for value, label in values.items():
        table[value] = label
    return table


def known_values(values: Mapping[int, int]) -> np.ndarray:
    """Return which values {value: label id} has, bool (256,)."""
    known = np.zeros(256, bool)
    known[list(values)] = True
    return known

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
Masks as COCO's run-length encoding.

Source: cocoapi, common/maskApi.c (Piotr Dollar, Tsung-Yi Lin 2015): runs of 0 and 1 by turns in
column order, 0 first; from the fourth on each is told less the one before the last; six bits a
character from `0`, of which the lowest five are a digit and the sixth says that more follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage


@dataclass(frozen=True)
class Region:
    """A region of a map."""

    value: int
    area: int
    """Pixels."""
    box: tuple[int, int, int, int]
    """Left, top, width and height."""
    counts: str
    """Its mask, encoded."""


def regions(values: np.ndarray, wanted: Sequence[int]) -> list[Region]:
    """Return the region of each wanted value that a map, whole numbers (H, W), holds."""
    table = np.zeros(int(values.max(initial=0)) + 1, np.int32)
    known = [value for value in wanted if 0 < value < len(table)]
    table[known] = np.arange(1, len(known) + 1)
    numbered = table[values]
    found = []
    for value, place in zip(known, ndimage.find_objects(numbered, len(known)), strict=True):
        if place is None:
            continue
        inside = numbered[place] == table[value]
        rows, columns = place
        found.append(
            Region(
                value,
                int(np.count_nonzero(inside)),
                (columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start),
                encode(runs(inside, rows.start, columns.start, *values.shape)),
            )
        )
    return found


def runs(inside: np.ndarray, top: int, left: int, height: int, width: int) -> list[int]:
    """
    Return the lengths of the runs of a mask, (height, width), in column order, 0 first.

    `inside`, bool (h, w), is the part of it from row `top` and column `left`; the rest is empty.
    """
    padded = np.zeros((inside.shape[1], inside.shape[0] + 2), np.int8)
    padded[:, 1:-1] = inside.T
    steps = np.diff(padded, axis=1)
    begins, ends = (
        (left + columns) * height + top + rows
        for columns, rows in (np.nonzero(steps == 1), np.nonzero(steps == -1))
    )
    # What goes on from the foot of a column to the head of the next is one run.
    whole = begins[1:] != ends[:-1]
    begins = begins[np.append(True, whole)] if len(begins) else begins
    ends = ends[np.append(whole, True)] if len(ends) else ends
    borders = np.stack([begins, ends], axis=1).ravel()
    lengths: list[int] = np.diff(borders, prepend=0, append=height * width).tolist()
    # An empty run at the end is not told.
    return lengths if lengths[-1] or len(lengths) == 1 else lengths[:-1]


def encode(lengths: Sequence[int]) -> str:
    """Return the lengths of runs as COCO writes them."""
    found = []
    for place, length in enumerate(lengths):
        value = length - lengths[place - 2] if place > 2 else length
        more = True
        while more:
            digit = value & 31
            value >>= 5
            more = value != (-1 if digit & 16 else 0)
            found.append(chr(48 + digit + 32 * more))
    return ''.join(found)

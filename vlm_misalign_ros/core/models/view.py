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

"""Which part of a frame reaches a model: measured with marked pictures, whatever crops it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from vlm_misalign_ros.core.errors import ModelError
from vlm_misalign_ros.core.types import WHOLE, View

Encode = Callable[[np.ndarray], Sequence[np.ndarray]]
"""A BGR uint8 (H, W, 3) picture to all that a network is given of it, floating arrays."""
Sides = tuple[int, int, int, int]
"""Pixels at the top, bottom, left and right."""

_REACHES = 0.1
"""
Influence from which on a margin reaches a model: the largest part of any value that it decides.

Where a resampled picture begins, its first value is the mean under a kernel; a margin that ends at
the edge of what is kept has .125 of a triangle, .08 of a cubic and nothing of a box.
"""
_OUTER = 0.01
"""Part of a side that is looked at to see whether the side is there."""
_WHOLE = 0.02
"""Part of a side up to which a loss is none: less than one patch of any encoder."""
_SHAPES = 64
"""Sizes of frames that are remembered."""


def measure(encode: Encode, height: int, width: int) -> View:
    """
    Return the part of a `height` x `width` frame that reaches a model.

    The outer columns or rows of a black picture are painted white, more and more of them, until
    what the network is given changes. Tiles and thumbnails count together: what any of them
    shows is seen. Raises ModelError where black and white are the same to the model.
    """
    black = np.zeros((height, width, 3), np.uint8)
    low = encode(black)
    spans = [
        np.asarray(high, np.float64) - value
        for high, value in zip(encode(np.full_like(black, 255)), low, strict=True)
    ]
    tells = [np.abs(span) > 1e-3 for span in spans]
    if not any(told.any() for told in tells):
        raise ModelError('a black and a white picture are the same to the processor')

    def reaches(side: int, margin: int) -> bool:
        painted = black.copy()
        turned = np.rot90(painted, side)
        turned[:margin] = 255
        for value, base, span, told in zip(encode(painted), low, spans, tells, strict=True):
            if told.any() and float(((value - base)[told] / span[told]).max()) >= _REACHES:
                return True
        return False

    def edge(side: int) -> float:
        length = width if side % 2 else height
        seen, unseen = length, math.ceil(_OUTER * length)
        if reaches(side, unseen):
            return 0.0
        while seen - unseen > 1:
            middle = (seen + unseen) // 2
            if reaches(side, middle):
                seen = middle
            else:
                unseen = middle
        part = unseen / length
        return part if part >= _WHOLE else 0.0

    # np.rot90 by 0 has the top in front, by 1 the right side, by 2 the bottom, by 3 the left one.
    top, right, bottom, left = (edge(side) for side in range(4))
    # Six digits: a millionth of a frame is no pixel, and every record has the same.
    return (round(left, 6), round(top, 6), round(1 - right, 6), round(1 - bottom, 6))


class Shown:
    """How the frames of one model are laid out, and what of each reaches it."""

    def __init__(self, name: str, encode: Encode, native: bool, fill: Sequence[int]) -> None:
        """
        Measure with `encode`; `fill`, BGR, is what is laid around a frame that would be cropped.

        With `native` nothing is laid around, and the view tells what is left.
        """
        self._name = name
        self._encode = encode
        self._native = native
        self._fill = tuple(fill)
        self._known: dict[tuple[int, int], tuple[Sides, View]] = {}

    def fit(self, bgr: np.ndarray) -> tuple[np.ndarray, View]:
        """
        Return a BGR uint8 (H, W, 3) picture as it is to be given, and the part of it that is seen.

        Raises ModelError where the model crops whatever is laid around.
        """
        height, width = bgr.shape[:2]
        if (height, width) not in self._known:
            if len(self._known) >= _SHAPES:
                self._known.pop(next(iter(self._known)))
            self._known[height, width] = self._layout(height, width)
        sides, view = self._known[height, width]
        if any(sides):
            bgr = cv2.copyMakeBorder(
                np.ascontiguousarray(bgr), *sides, cv2.BORDER_CONSTANT, value=self._fill
            )
        return bgr, view

    def _layout(self, height: int, width: int) -> tuple[Sides, View]:
        view = measure(self._encode, height, width)
        if view == WHOLE or self._native:
            return (0, 0, 0, 0), view
        side = max(height, width)
        across, down = view[2] - view[0], view[3] - view[1]
        for rows, columns in (
            (side, side),
            (max(height, round(height / across)), max(width, round(width / down))),
        ):
            below, beside = rows - height, columns - width
            sides = (below // 2, below - below // 2, beside // 2, beside - beside // 2)
            if _holds(measure(self._encode, rows, columns), sides, rows, columns):
                return sides, WHOLE
        raise ModelError(
            f'the processor of model {self._name!r} leaves {across:.0%} of the width and '
            f'{down:.0%} of the height of a frame of {width} x {height}, also of a padded one',
            'use field_of_view: native',
        )


def _holds(seen: View, sides: Sides, rows: int, columns: int) -> bool:
    """Return whether what is seen of a padded picture holds the frame within its `sides`."""
    top, bottom, left, right = sides
    return (
        seen[0] <= left / columns + _WHOLE
        and seen[1] <= top / rows + _WHOLE
        and seen[2] >= 1 - right / columns - _WHOLE
        and seen[3] >= 1 - bottom / rows - _WHOLE
    )

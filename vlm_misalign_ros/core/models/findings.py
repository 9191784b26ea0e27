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

"""What a segmentation found, as a vision-language model can be told of it: words and colours."""

from __future__ import annotations

import re

import numpy as np

from vlm_misalign_ros.core.labels.classes import BY_NAME, CLASSES, color_table
from vlm_misalign_ros.core.types import Segmented

LEAST_SHARE = 0.0005
"""
Share of the picture from which a class is told: about the area from which a thing has to be
mentioned (1,000 of 2048 x 1024 pixels). Less is mostly a mask's frayed edges.
"""
SURE, FAIRLY_SURE = 0.15, 0.4
"""Mean entropies of a class, as parts of the highest, below which its finding is worded so."""
_THIRDS = ('left', 'middle', 'right')
_PART = 0.25
"""Of a class's pixels; a third of the picture with so many is named."""


def in_words(mask: Segmented, uncertainty: bool, pictured: bool) -> str:
    """
    Return what a mask holds, one sentence with class, share and place of each, largest first.

    With `uncertainty` the mean entropy of each class stands beside it, in words and as a number
    from 0 to 1, where it is known. `pictured`: the picture is shown, too.
    """
    found = _found(mask.labels)
    begin = (
        'A segmentation network looked at this picture'
        if pictured
        else 'There is a picture that you do not see. A segmentation network looked at it'
    )
    if not found:
        return f'{begin} and found nothing.'
    told = '; '.join(_one(mask, name, share, uncertainty) for name, share in found)
    scale = ' Entropy goes from 0 (sure) to 1 (a guess).' if uncertainty else ''
    return f'{begin} and found: {told}.{scale}'


def classes_in_words(mask: Segmented) -> tuple[str, ...]:
    """Return the classes that `in_words` names."""
    return tuple(name for name, _ in _found(mask.labels))


_ONE_TOLD = re.compile(r'(?:found: |; )([a-z ]+), [0-9.]+ % of it, ')


def classes_of_words(context: str) -> tuple[str, ...]:
    """Return the classes that words made by `in_words` name, in their order."""
    return tuple(name for name in _ONE_TOLD.findall(context) if name in CLASSES)


def _found(labels: np.ndarray) -> list[tuple[str, float]]:
    counts = np.bincount(labels.ravel(), minlength=256)[: len(CLASSES)]
    shares = [(name, int(n) / labels.size) for name, n in zip(CLASSES, counts, strict=True)]
    told = [entry for entry in shares if entry[1] >= LEAST_SHARE]
    return sorted(told, key=lambda entry: (-entry[1], entry[0]))


def _one(mask: Segmented, name: str, share: float, uncertainty: bool) -> str:
    percent = 100 * share
    size = f'{percent:.0f}' if percent >= 10 else f'{percent:.1f}' if percent >= 0.1 else '0.05'
    told = f'{name}, {size} % of it, {_place(mask.labels, CLASSES.index(name))}'
    return f'{told}, {_certainty(mask.entropies.get(name))}' if uncertainty else told


def _certainty(entropy: float | None) -> str:
    if entropy is None:
        return 'not known how sure'
    words = 'sure' if entropy < SURE else 'fairly sure' if entropy < FAIRLY_SURE else 'unsure'
    return f'{words} (entropy {entropy:.2f})'


def _place(labels: np.ndarray, train_id: int) -> str:
    """Return in which thirds of the width a class lies."""
    columns = np.count_nonzero(labels == train_id, axis=0)
    edges = [round(k * len(columns) / 3) for k in range(4)]
    thirds = [columns[low:high].sum() for low, high in zip(edges, edges[1:], strict=False)]
    named = [name for name, n in zip(_THIRDS, thirds, strict=True) if n >= _PART * columns.sum()]
    if len(named) == len(_THIRDS):
        return 'all over the width'
    return 'on the ' + ' and '.join(named) if named != ['middle'] else 'in the middle'


def in_colours(labels: np.ndarray) -> np.ndarray:
    """Return a mask in Cityscapes' colours, BGR uint8 (H, W, 3); black where there is no class."""
    return np.ascontiguousarray(color_table()[labels][:, :, ::-1])


def over(picture: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return a BGR uint8 (H, W, 3) picture with a mask's colours over it, half and half."""
    mixed: np.ndarray = (picture.astype(np.uint16) + in_colours(labels)) // 2
    return mixed.astype(np.uint8)


def legend() -> str:
    """Return what the colours mean: all of them, so that it tells nothing of the frame."""
    told = ', '.join(f'{name} {BY_NAME[name].color}' for name in CLASSES)
    return f'Its colours (red, green, blue) mean: {told}; black is unknown.'

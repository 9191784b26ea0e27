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
How much of a label map says nothing, and how much of that there may be.

The share is taken of the scene: the ego vehicle's hood and the border that rectification leaves
show none of it, and are left out where the encoding tells them. `out of roi` is left in: it is
what the placeholders of Cityscapes' test split hold, and tells nothing of what is to be seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlm_misalign_ros.core.labels.classes import BY_NAME

SILENT: tuple[str, ...] = ('unlabeled', 'out of roi')
"""Labels that are part of the scene and say nothing of it."""
NO_SCENE: tuple[str, ...] = ('ego vehicle', 'rectification border')
"""Labels that are no part of the scene."""
_NOTHING = [BY_NAME[name].id for name in SILENT]
_NO_SCENE = [BY_NAME[name].id for name in NO_SCENE]

_FEW = 1 / 8
"""Stretches of one value to a pixel up to which they are counted, not pixels."""
NOTHING = np.isin(np.arange(256), [*_NOTHING, *_NO_SCENE])
"""Whether a label id says nothing of the scene, bool (256,)."""


@dataclass(frozen=True)
class Limits:
    """The share of a scene's labels that may say nothing."""

    unlabelled_share: float = 0.2
    """Where hood and border are told from what is unlabelled."""
    unlabelled_share_with_hood: float = 0.3
    """Where they are not."""

    def of(self, tells_hood: bool) -> float:
        """Return the limit of an encoding."""
        return self.unlabelled_share if tells_hood else self.unlabelled_share_with_hood


@dataclass(frozen=True)
class Said:
    """What a map says of the scene."""

    share: float
    """Part of the scene that is unlabelled, 0 to 1; 1 where the picture shows no scene."""
    hood: float
    """Part of the picture that is hood or border, 0 to 1."""
    only: int | None = None
    """The label id that is all there is of the scene; None for several, or none."""


def nothing_said(labels: np.ndarray, counts: np.ndarray | None = None) -> Said:
    """
    Return how much of label ids, uint8 (H, W), says nothing.

    `counts`, int64 (256,), are the pixels by label id, where they are known already.
    """
    counts = histogram(labels) if counts is None else counts
    hood = int(counts[_NO_SCENE].sum())
    scene = labels.size - hood
    nothing = int(counts[_NOTHING].sum())
    found = np.flatnonzero(counts * ~NOTHING)
    return Said(
        nothing / scene if scene else 1.0,
        hood / labels.size if labels.size else 0.0,
        int(found[0]) if len(found) == 1 else None,
    )


def histogram(values: np.ndarray) -> np.ndarray:
    """Return the pixels by value, int64 (256,), of a map, uint8 (H, W)."""
    if not values.size:
        return np.zeros(256, np.int64)
    flat = np.ascontiguousarray(values).reshape(-1)
    # Label maps are made of outlines: their stretches of one value are far fewer than pixels.
    ends = np.flatnonzero(flat[1:] != flat[:-1])
    if ends.size < _FEW * flat.size:
        lengths = np.diff(ends, prepend=-1, append=flat.size - 1)
        return np.bincount(flat[np.append(ends, -1)], lengths, 256).astype(np.int64)
    return np.bincount(flat, minlength=256).astype(np.int64)


def show_share(share: float) -> str:
    """Return a share in words: `31 %`, and `0.04 %` where rounding would leave nothing."""
    percent = 100 * share
    return f'{percent:.0f} %' if percent >= 1 or percent == 0 else f'{percent:.1g} %'

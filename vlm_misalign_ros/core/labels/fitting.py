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
Which encodings a label map can have: those that have its values, and give a road scene.

Tables overlap (7 is road, traffic light or traffic sign), so values alone do not decide. Where a
camera looks along a road, a road is ahead of it and no road above it. A reading under which most
of the road ahead would be sky, sidewalk or traffic lights, or most of what is above it road or
people, is contradicted by the map itself. Nothing finer is asked: what stands, two encodings may
share, and then nobody but the user knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.labels.classes import BY_ID, BY_NAME
from vlm_misalign_ros.core.labels.encodings import AUTO, ENCODINGS, Encoding, name_of
from vlm_misalign_ros.core.labels.forms import Outside
from vlm_misalign_ros.core.labels.maps import read_pixels
from vlm_misalign_ros.core.labels.shares import Limits, nothing_said, show_share

MOST_OUTSIDE = 0.001
"""Share of a map that may lie outside the table of an encoding that fits."""
MOST_CONTRARY = 0.5
"""Share of the road ahead, or of what is above, that may be what cannot be there."""

LEAST_VALUES, LEAST_SHARE = 3, 0.01
"""Values with at least this share that a map needs to say anything of its encoding."""

_AHEAD = (slice(0.65, 0.8), slice(0.25, 0.75))
"""Rows and columns, as parts of the picture, where the road ahead is; hoods lie below."""
_ABOVE = (slice(0.0, 0.15), slice(0.0, 1.0))


def _labels(*names: str) -> np.ndarray:
    chosen = np.zeros(256, bool)
    chosen[[BY_NAME[name].id for name in names]] = True
    return chosen


_NOT_AHEAD = _labels(
    *('unlabeled', 'ego vehicle', 'rectification border', 'out of roi', 'sidewalk', 'building'),
    *('wall', 'bridge', 'tunnel', 'pole', 'polegroup', 'traffic light', 'traffic sign', 'sky'),
)
_NOT_ABOVE = _labels(
    *('ego vehicle', 'road', 'sidewalk', 'parking', 'ground', 'rail track', 'fence'),
    *('guard rail', 'person', 'rider', 'bicycle', 'motorcycle'),
)


@dataclass(frozen=True)
class Fit:
    """How an encoding fits a map."""

    encoding: str
    reasons: tuple[str, ...]
    """Why it does not; none where it does."""
    contrary: bool = False
    """Whether the map has its values and lies as no road scene does."""

    @property
    def fits(self) -> bool:
        """Return whether nothing speaks against it."""
        return not self.reasons


def candidates() -> list[Encoding]:
    """Return the encodings of the package that a map can have."""
    return [ENCODINGS.load(name) for name in ENCODINGS.builtin() if name != AUTO]


def fit(encoding: Encoding, pixels: np.ndarray, limits: Limits = Limits()) -> Fit:  # noqa: B008
    """
    Return how an encoding fits the pixels of a map, or a sample of them.

    `pixels` are those that Encoding.decode takes.
    """
    name = name_of(encoding)
    if not pixels.any():
        return Fit(name, ('every pixel is 0',))
    try:
        labels, outside = read_pixels(encoding, pixels)
    except RecordError as error:
        return Fit(name, (error.what,))
    size = labels.size
    if outside.total > MOST_OUTSIDE * size:
        return Fit(name, (f'it does not have {show_values(outside, size)}',))
    tells_hood = bool(getattr(encoding, 'tells_hood', False))
    said = nothing_said(labels)
    reasons = []
    if said.share > limits.of(tells_hood):
        reasons.append(f'{show_share(said.share)} would be unlabelled')
    contrary = contradiction(labels)
    if contrary:
        reasons.append(contrary)
    return Fit(name, tuple(reasons), bool(contrary))


def fitting(
    pixels: np.ndarray,
    encodings: Iterable[Encoding] | None = None,
    limits: Limits = Limits(),  # noqa: B008
) -> list[str]:
    """Return the names of the encodings that fit a map, or a sample of it."""
    chosen = candidates() if encodings is None else encodings
    return [found.encoding for found in (fit(e, pixels, limits) for e in chosen) if found.fits]


def tells(pixels: np.ndarray) -> bool:
    """Return whether a map has enough values to be a scene at all: LEAST_VALUES of them."""
    flat = pixels.reshape(pixels.shape[0] * pixels.shape[1], -1)
    _, counts = np.unique(flat, axis=0, return_counts=True)
    return int((counts >= LEAST_SHARE * len(flat)).sum()) >= LEAST_VALUES


def contradiction(labels: np.ndarray) -> str:
    """Say what of label ids, uint8 (H, W), lies where it cannot; empty for what may be a scene."""
    for where, words, wrong in (
        (_AHEAD, 'the road ahead', _NOT_AHEAD),
        (_ABOVE, 'what is above', _NOT_ABOVE),
    ):
        part = _cut(labels, where)
        counts = np.bincount(part.ravel(), minlength=256) / part.size
        share = float(counts[wrong].sum())
        if share > MOST_CONTRARY:
            worst = BY_ID[int(np.argmax(np.where(wrong, counts, 0)))].name
            return f'{show_share(share)} of {words} would be {worst} and the like'
    return ''


def _cut(labels: np.ndarray, where: tuple[slice, slice]) -> np.ndarray:
    """Return the part of a map between shares of its height and width, one pixel at least."""
    spans = []
    for span, size in zip(where, labels.shape, strict=True):
        first = min(int(span.start * size), size - 1)
        spans.append(slice(first, max(round(span.stop * size), first + 1)))
    return labels[spans[0], spans[1]]


def show_values(outside: Outside, size: int) -> str:
    """Return values outside a table in words, such as `value 137 (31 %)`."""
    told = [f'{value} ({show_share(count / size)})' for value, count in outside.values.items()]
    shown = told[:4]
    rest = (outside.total - sum(list(outside.values.values())[:4])) / size
    if rest > 0:
        shown.append(f'others ({show_share(rest)})')
    return f'value{"s" if len(told) > 1 else ""} ' + ', '.join(shown)

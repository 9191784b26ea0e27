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

"""A label map as it was read: label ids, and what of it could not be read."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.labels.encodings import DEFAULT, Encoding, decode_labels, name_of
from vlm_misalign_ros.core.labels.forms import (
    UNKNOWN,
    ColorEncoding,
    Outside,
    ValueEncoding,
    most_frequent,
)
from vlm_misalign_ros.core.labels.telling import EVERYTHING, Telling, telling_of

SAMPLE = 20_000
"""Pixels of a map that are kept as they came, about."""
_OURS = (ColorEncoding, ValueEncoding)


@dataclass(frozen=True, eq=False)
class LabelMap:
    """What came as the labels of a frame."""

    labels: np.ndarray
    """Label ids, uint8 (H, W); unlabeled throughout where nothing could be read."""
    encoding: str = DEFAULT
    """The encoding that decoded it."""
    tells_hood: bool = True
    """Whether that tells the ego vehicle's hood from what is unlabeled."""
    outside: Outside = field(default_factory=Outside)
    """Pixels whose value the encoding does not have."""
    sample: np.ndarray | None = None
    """Evenly spread pixels as they came, (h, w) or RGB (h, w, 3); None where nothing came."""
    telling: Telling = EVERYTHING
    """Which classes the encoding tells apart."""
    problem: str = ''
    """Why nothing could be read; empty where it could."""

    @classmethod
    def of(
        cls, labels: LabelMap | np.ndarray, tells_hood: bool = True, telling: Telling = EVERYTHING
    ) -> LabelMap:
        """Return label ids, uint8 (H, W), of a data set as a map; a map stays what it is."""
        if isinstance(labels, LabelMap):
            return labels
        return cls(labels, tells_hood=tells_hood, sample=spread(labels), telling=telling)


def read_pixels(encoding: Encoding, pixels: np.ndarray) -> tuple[np.ndarray, Outside]:
    """
    Return label ids, uint8 (H, W), and what is outside the encoding's table.

    `pixels` are those that Encoding.decode takes. Beyond that, grey that was sent as colours is
    grey, and of sixteen bits those above eight are outside every table of eight. Raises
    RecordError for what the encoding refuses all the same.
    """
    try:
        return _counted(encoding, pixels)
    except RecordError:
        if pixels.ndim == 3 and not (pixels != pixels[:, :, :1]).any():
            return _counted(encoding, np.ascontiguousarray(pixels[:, :, 0]))
        if pixels.dtype != np.uint16 or pixels.ndim != 2:
            raise
    wide = pixels > 255
    labels, outside = _counted(encoding, np.where(wide, 0, pixels).astype(np.uint8))
    values, counts = np.unique(pixels[wide], return_counts=True)
    more = most_frequent(values, counts, str)
    return np.where(wide, np.uint8(UNKNOWN), labels), outside + more


def _counted(encoding: Encoding, pixels: np.ndarray) -> tuple[np.ndarray, Outside]:
    # One of a plug-in's own kind may decode in another way.
    if isinstance(encoding, (ColorEncoding, ValueEncoding)) and type(encoding) in _OURS:
        if encoding.gives <= EVERYTHING.gives:
            return encoding.read(pixels)
    labels = decode_labels(encoding, pixels)
    count = getattr(encoding, 'outside', None)
    return labels, Outside() if count is None else count(pixels)


def read_labels(encoding: Encoding, pixels: np.ndarray) -> LabelMap:
    """
    Return the label map in pixels as `read_pixels` takes them.

    What the encoding refuses is a map that says so: the labels came, and nobody can read them.
    """
    try:
        labels, outside = read_pixels(encoding, pixels)
        telling = telling_of(encoding)
    except RecordError as error:
        empty = np.full(pixels.shape[:2], UNKNOWN, np.uint8)
        return LabelMap(empty, name_of(encoding), False, sample=spread(pixels), problem=str(error))
    tells_hood = bool(getattr(encoding, 'tells_hood', False))
    return LabelMap(labels, name_of(encoding), tells_hood, outside, spread(pixels), telling)


def spread(pixels: np.ndarray, most: int = SAMPLE) -> np.ndarray:
    """Return about `most` evenly spread pixels of a map, all of a smaller one; a view."""
    step = max(1, round((pixels.shape[0] * pixels.shape[1] / most) ** 0.5))
    return pixels[step // 2 :: step, step // 2 :: step]

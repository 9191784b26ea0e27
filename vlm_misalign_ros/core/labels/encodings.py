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
What the values of a label map mean: from any encoding to Cityscapes label ids.

An encoding is a name in the registry, the package's own or a plug-in's, or a YAML file that maps
grey values or colours to names of Cityscapes labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import yaml

from vlm_misalign_ros.core.errors import ConfigurationError, MisalignError, RecordError
from vlm_misalign_ros.core.labels.classes import BY_NAME, IGNORE, LABELS
from vlm_misalign_ros.core.registry import Registry

_HIGHEST = max(label.id for label in LABELS)
UNKNOWN = 0
"""Label id (unlabeled) of values that an encoding does not have."""


class Encoding(Protocol):
    """One meaning of the values of a label map."""

    def decode(self, pixels: np.ndarray, /) -> np.ndarray:
        """
        Return Cityscapes label ids, uint8 (H, W).

        `pixels` are (H, W) of one channel, or RGB (H, W, 3) whatever order they were sent in.
        Raises RecordError for pixels of a type or shape that the encoding does not have.
        """


@dataclass(frozen=True)
class ValueEncoding:
    """Grey values, or those of the red channel, by a table."""

    name: str
    table: np.ndarray
    """Label id by value, uint8 (256,)."""
    red: bool = False
    """Whether the value of a colour picture is in its red channel, where CARLA puts it."""

    def decode(self, pixels: np.ndarray) -> np.ndarray:
        """Return label ids, uint8 (H, W), by the table."""
        if pixels.ndim == 3:
            if not self.red:
                raise RecordError(
                    f'a label image with {pixels.shape[2]} channels is not {self.name}',
                    'publish mono8',
                )
            pixels = pixels[:, :, 0]
        if pixels.dtype != np.uint8:
            raise RecordError(
                f'a label image of {pixels.dtype} is not {self.name}', 'publish mono8'
            )
        return cv2.LUT(np.ascontiguousarray(pixels), self.table)


@dataclass(frozen=True)
class ColorEncoding:
    """Colours, each of one label."""

    name: str
    labels: Mapping[tuple[int, int, int], int]
    """Label id by RGB."""

    def decode(self, pixels: np.ndarray) -> np.ndarray:
        """Return label ids, uint8 (H, W), by colour."""
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
            raise RecordError(
                f'a label image of {pixels.dtype} {pixels.shape} is not {self.name}',
                'publish rgb8 or bgr8',
            )
        packed = pixels.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
        found = np.full(packed.shape, UNKNOWN, np.uint8)
        for (red, green, blue), label in self.labels.items():
            found[packed == red * 65536 + green * 256 + blue] = label
        return found


def _table(values: Mapping[int, int]) -> np.ndarray:
    table = np.full(256, UNKNOWN, np.uint8)
    for value, label in values.items():
        table[value] = label
    return table


_TRAIN = {label.train_id: label.id for label in LABELS if label.train_id != IGNORE}

# static, dynamic, road line, ground, bridge, rail track, guard rail (CARLA >= 0.9.14).
_CARLA_EXTRAS = {20: 4, 21: 5, 24: 7, 25: 6, 26: 15, 27: 10, 28: 14}

LABEL_IDS = ValueEncoding('cityscapes_label_ids', _table({label.id: label.id for label in LABELS}))
TRAIN_IDS = ValueEncoding('cityscapes_train_ids', _table(_TRAIN))
CARLA_TAGS = ValueEncoding(
    'carla_tags',
    _table({**{train + 1: label for train, label in _TRAIN.items()}, **_CARLA_EXTRAS}),
    red=True,
)

_HERE = 'vlm_misalign_ros.core.labels.encodings'
ENCODINGS: Registry[Encoding] = Registry(
    'vlm_misalign_ros.label_encodings',
    'label encoding',
    {
        'cityscapes_label_ids': f'{_HERE}:LABEL_IDS',
        'cityscapes_train_ids': f'{_HERE}:TRAIN_IDS',
        'carla_tags': f'{_HERE}:CARLA_TAGS',
    },
    needs=('decode',),
)
"""Every label encoding by name."""
DEFAULT = 'cityscapes_label_ids'


def decode_labels(encoding: Encoding, pixels: np.ndarray) -> np.ndarray:
    """
    Return label ids, uint8 (H, W), of the pixels that Encoding.decode takes.

    Raises RecordError for what the encoding refuses, and, naming it, for one that fails or gives
    something else.
    """
    name = getattr(encoding, 'name', type(encoding).__name__)
    try:
        labels = encoding.decode(pixels)
    except (MisalignError, MemoryError):
        raise
    except Exception as error:  # a plug-in may fail in any way; the user needs its name
        raise RecordError(
            f'label encoding {name} failed on {pixels.dtype} {pixels.shape}: '
            f'{type(error).__name__}: {error}',
            'mend the package that brings it',
        ) from error
    good = (
        isinstance(labels, np.ndarray)
        and labels.dtype == np.uint8
        and labels.shape == pixels.shape[:2]
    )
    if not good or (labels.size and int(labels.max()) > _HIGHEST):
        raise RecordError(
            f'label encoding {name} gave no label ids, uint8 {pixels.shape[:2]} up to {_HIGHEST}',
            'mend the package that brings it',
        )
    return labels


@lru_cache(maxsize=16)
def open_encoding(text: str) -> Encoding:
    """
    Return the encoding of a name in the registry, or of a YAML file.

    The file has `values: {0: road, ...}` or `colors: {'#804080': road, ...}`, with the names of
    Cityscapes labels. Raises ConfigurationError for a name that is not known and for a file that
    is no such map.
    """
    if text in ENCODINGS:
        return ENCODINGS.load(text)
    if not text.endswith(('.yaml', '.yml')):
        raise ConfigurationError(
            f'there is no label encoding {text!r}',
            f'known: {", ".join(ENCODINGS.names())}; or give a YAML file of your own',
        )
    path = Path(text).expanduser()
    try:
        data = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f'label map {path} cannot be read: {error}') from error
    if not isinstance(data, dict) or len(data.keys() & {'values', 'colors'}) != 1:
        raise ConfigurationError(
            f'label map {path} has neither values nor colors, or both', 'give one of the two'
        )
    if 'values' in data:
        return ValueEncoding(path.name, _table(_read(path, data['values'], _value)), red=True)
    return ColorEncoding(path.name, _read(path, data['colors'], _color))


def _read(path: Path, entries: Any, key: Any) -> dict[Any, int]:
    if not isinstance(entries, dict) or not entries:
        raise ConfigurationError(f'label map {path} maps nothing', 'give {value: label name}')
    found = {}
    for value, name in entries.items():
        if name not in BY_NAME:
            raise ConfigurationError(
                f'label map {path} names the label {name!r}', 'known: ' + ', '.join(BY_NAME)
            )
        try:
            found[key(value)] = BY_NAME[name].id
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                f'label map {path} has the entry {value!r}',
                'expected whole numbers 0 to 255, or colours such as "#804080"',
            ) from error
    return found


def _value(text: Any) -> int:
    if isinstance(text, bool) or not isinstance(text, int) or not 0 <= text <= 255:
        raise ValueError(text)
    return text


def _color(text: Any) -> tuple[int, int, int]:
    if not isinstance(text, str) or len(text) != 7 or text[0] != '#':
        raise ValueError(text)
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)

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

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from vlm_misalign_ros.core.errors import ConfigurationError, MisalignError, RecordError
from vlm_misalign_ros.core.files import sha256_of
from vlm_misalign_ros.core.labels.classes import BY_NAME, LABELS
from vlm_misalign_ros.core.labels.forms import (
    UNKNOWN,
    ColorEncoding,
    Encoding,
    ValueEncoding,
    known_values,
    value_table,
)
from vlm_misalign_ros.core.labels.shares import Limits
from vlm_misalign_ros.core.registry import Registry

__all__ = [
    'AUTO',
    'DEFAULT',
    'ENCODINGS',
    'UNKNOWN',
    'ColorEncoding',
    'Encoding',
    'ValueEncoding',
    'decode_labels',
    'name_of',
    'open_encoding',
    'told_encoding',
]

_HIGHEST = max(label.id for label in LABELS)

_TABLES = 'vlm_misalign_ros.core.labels.tables'
AUTO = 'auto'
ENCODINGS: Registry[Encoding] = Registry(
    'vlm_misalign_ros.label_encodings',
    'label encoding',
    {
        'cityscapes_label_ids': f'{_TABLES}:LABEL_IDS',
        'cityscapes_train_ids': f'{_TABLES}:TRAIN_IDS',
        'cityscapes_colors': f'{_TABLES}:CITYSCAPES_COLORS',
        'carla_tags': f'{_TABLES}:CARLA_TAGS',
        'carla_palette': f'{_TABLES}:CARLA_PALETTE',
        'carla_tags_0_9_13': f'{_TABLES}:CARLA_TAGS_0_9_13',
        'carla_palette_0_9_13': f'{_TABLES}:CARLA_PALETTE_0_9_13',
        AUTO: 'vlm_misalign_ros.core.labels.auto:AutoEncoding',
    },
    needs=('decode',),
)
"""Every label encoding by name."""
DEFAULT = 'cityscapes_label_ids'


def name_of(encoding: Encoding) -> str:
    """Return what an encoding is called; one without a name goes by its type."""
    return str(getattr(encoding, 'name', type(encoding).__name__))


def decode_labels(encoding: Encoding, pixels: np.ndarray) -> np.ndarray:
    """
    Return label ids, uint8 (H, W), of the pixels that Encoding.decode takes.

    Raises RecordError for what the encoding refuses, and, naming it, for one that fails or gives
    something else.
    """
    name = name_of(encoding)
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


def open_encoding(text: str, limits: Limits = Limits()) -> Encoding:  # noqa: B008  (frozen)
    """
    Return the encoding of a name in the registry, or of a YAML file.

    The file has `values: {0: road, ...}` or `colors: {'#804080': road, ...}`, with the names of
    Cityscapes labels, and may have `merged: {car: [truck, bus]}`. An entry of the registry that
    is a class is made anew, so that what it learns of a run stays with that run. Raises
    ConfigurationError for a name that is not known and for a file that is no such map. `limits`
    are for `auto`: what a map that fits may leave unlabelled.
    """
    if text not in ENCODINGS:
        return _open_file(text)
    found = ENCODINGS.load(text)
    if not isinstance(found, type):
        return found
    made: Encoding = found(limits) if text == AUTO else found()
    return made


def told_encoding(text: str) -> dict[str, str]:
    """Return what a manifest says of an encoding: its name and, of a file, its hash."""
    if text in ENCODINGS:
        return {'name': text}
    return {'name': text, 'sha256': sha256_of(Path(text).expanduser())}


@lru_cache(maxsize=16)
def _open_file(text: str) -> Encoding:
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
    merged = _merged(path, data.get('merged', {})) if isinstance(data, dict) else {}
    if not isinstance(data, dict) or len(data.keys() & {'values', 'colors'}) != 1:
        raise ConfigurationError(
            f'label map {path} has neither values nor colors, or both', 'give one of the two'
        )
    if 'colors' in data:
        return ColorEncoding(path.name, _read(path, data['colors'], _color), merged)
    values = _read(path, data['values'], _value)
    return ValueEncoding(path.name, value_table(values), True, known_values(values), merged)


def _merged(path: Path, entries: Any) -> dict[int, tuple[int, ...]]:
    """Return which label ids stand for others, too, as a file says it."""
    found = {}
    for name, others in entries.items() if isinstance(entries, dict) else [(entries, ())]:
        names = [name, *others] if isinstance(others, list) else [name, others]
        wrong = [entry for entry in names if not isinstance(entry, str) or entry not in BY_NAME]
        if wrong:
            raise ConfigurationError(
                f'label map {path} merges {wrong[0]!r}',
                'give `merged: {car: [truck, bus]}`, names of labels: ' + ', '.join(BY_NAME),
            )
        found[BY_NAME[name].id] = tuple(BY_NAME[entry].id for entry in names[1:])
    return found


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

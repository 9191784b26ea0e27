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
The YAML beside an exported network: what it is given, what it answers, what its classes are.

    size: [512, 1024]            # rows and columns, or `any`: as segmentation.input_height says
    mean: [0.485, 0.456, 0.406]  # of value * scale, in the order of the channels
    std: [0.229, 0.224, 0.225]
    scale: 0.00392156862745098
    channels: rgb                # or bgr
    layout: NCHW                 # or NHWC, of input and output
    output: logits               # or probabilities
    name: scores                 # of the output, where there are several
    classes: [road, sidewalk]    # or {index: name}
    label_map: ade20k            # of this package, or {name or index: Cityscapes name or ignore}

What is left out: `scale` is 1 / 255, `mean` 0 and `std` 1, of choices the first, `name` the first
output, `label_map` by the names of the classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite
from pathlib import Path
from typing import Any

import yaml

from vlm_misalign_ros.core.errors import ModelError
from vlm_misalign_ros.core.language.wordfiles import nearest
from vlm_misalign_ros.core.models.label_maps import (
    ClassMap,
    Once,
    by_rows,
    class_map,
    read_rows,
    shipped,
)
from vlm_misalign_ros.core.models.preprocessing import Values

LAYOUTS = ('NCHW', 'NHWC')
OUTPUTS = ('logits', 'probabilities')
CHANNELS = ('rgb', 'bgr')
ANY = 'any'
BESIDE = 'beside the model'
"""Where a label map of the YAML is from: the same on every machine."""
_LONGEST = 1 << 20
_LARGEST = 8192


@dataclass(frozen=True)
class Card:
    """What the YAML says."""

    size: tuple[int, int] | None
    """Rows and columns of the input; None: any."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float
    channels: str
    layout: str
    output: str
    name: str
    classes: dict[int, str]
    label_map: str | dict[Any, Any]

    @property
    def values(self) -> Values:
        """Return what a pixel's value becomes."""
        return Values(self.scale, self.mean, self.std, self.channels == 'bgr')

    def class_map(self, model: str, label_map: str) -> ClassMap:
        """Return what the classes are in Cityscapes; `label_map` goes before the card's own."""
        if label_map or isinstance(self.label_map, str):
            return class_map(self.classes, model, label_map or str(self.label_map))
        rows = read_rows(self.label_map, f'label_map beside {model}')
        return by_rows(self.classes, model, rows, BESIDE)

    def write(self, path: Path) -> None:
        """Write it."""
        plain = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        plain['size'] = ANY if self.size is None else list(self.size)
        plain['mean'], plain['std'] = list(self.mean), list(self.std)
        path.write_text(yaml.safe_dump(plain, sort_keys=False), encoding='utf-8')


def path_of(file: Path) -> Path:
    """Return where the YAML of a network lies: beside it."""
    return file.with_suffix('.yaml')


def read(file: Path) -> Card:
    """Return the card of a network; ModelError names file, key, value and what is expected."""
    path = path_of(file)
    try:
        if path.stat().st_size > _LONGEST:
            raise ModelError(f'{path} is larger than {_LONGEST} bytes', 'it holds a few lines')
        # The loader is a SafeLoader that refuses more.
        data = yaml.load(path.read_text(encoding='utf-8'), Once)  # noqa: S506
    except OSError as error:
        raise ModelError(
            f'{file.name} has no {path.name} beside it ({error.strerror})',
            'write one: size, mean, std, layout, classes (docs/models.md)',
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        raise ModelError(
            f'{path} cannot be read: {" ".join(str(error).split())[:200]}',
            'docs/models.md has one',
        ) from error
    if not isinstance(data, dict):
        raise ModelError(f'{path} is no mapping', 'docs/models.md has one')
    return _Reading(path, data).card()


class _Reading:
    """Reads one card, key by key."""

    def __init__(self, path: Path, data: Mapping[Any, Any]) -> None:
        self._path, self._data = path, data
        known = [entry.name for entry in fields(Card)]
        for key in data:
            if key not in known:
                raise ModelError(f'{path} has the key {key!r}', nearest(key, known))

    def card(self) -> Card:
        return Card(
            size=self._size(),
            mean=self._three('mean', 0.0),
            std=self._three('std', 1.0, positive=True),
            scale=self._number(self._data.get('scale', 1 / 255), 'scale', positive=True),
            channels=self._one_of('channels', CHANNELS),
            layout=self._one_of('layout', LAYOUTS),
            output=self._one_of('output', OUTPUTS),
            name=self._text('name'),
            classes=self._classes(),
            label_map=self._map(),
        )

    def _wrong(self, key: str, expected: str) -> ModelError:
        shown = repr(self._data.get(key))[:80]
        return ModelError(f'{self._path} has {key} {shown}', f'expected {expected}')

    def _number(self, value: Any, key: str, positive: bool = False) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
            raise self._wrong(key, 'a number')
        if positive and value <= 0:
            raise self._wrong(key, 'a number above 0')
        return float(value)

    def _three(self, key: str, plain: float, positive: bool = False) -> tuple[float, ...]:
        given = self._data.get(key, [plain] * 3)
        if not isinstance(given, list) or len(given) != 3:
            raise self._wrong(key, 'three numbers')
        return tuple(self._number(value, key, positive) for value in given)

    def _one_of(self, key: str, allowed: tuple[str, ...]) -> str:
        given = self._data.get(key, allowed[0])
        if given not in allowed:
            raise self._wrong(key, ' or '.join(allowed))
        return str(given)

    def _text(self, key: str) -> str:
        given = self._data.get(key, '')
        if not isinstance(given, str):
            raise self._wrong(key, 'a name')
        return given

    def _size(self) -> tuple[int, int] | None:
        given = self._data.get('size')
        if given == ANY:
            return None
        whole = isinstance(given, list) and len(given) == 2 and all(type(n) is int for n in given)
        if not whole or not all(1 <= length <= _LARGEST for length in given or ()):
            raise self._wrong('size', f'[rows, columns] of 1 to {_LARGEST}, or {ANY}')
        assert isinstance(given, list)
        return given[0], given[1]

    def _classes(self) -> dict[int, str]:
        given = self._data.get('classes')
        rows = dict(enumerate(given)) if isinstance(given, list) else given
        good = isinstance(rows, dict) and all(
            type(key) is int and key >= 0 and isinstance(value, str) for key, value in rows.items()
        )
        if not good or not rows:
            raise self._wrong('classes', 'names in the order of the outputs, or {index: name}')
        return dict(rows)

    def _map(self) -> str | dict[Any, Any]:
        given = self._data.get('label_map', '')
        if isinstance(given, dict) or given == '' or given in shipped():
            found: str | dict[Any, Any] = given
            return found
        raise self._wrong(
            'label_map',
            f'one of {", ".join(shipped())}, or {{name or index: Cityscapes name or ignore}}',
        )

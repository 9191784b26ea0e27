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
From a segmentation model's own classes to Cityscapes train ids: by their names, or by a label map.

A label map is a YAML file {the model's name, or its index: a name of Cityscapes, or `ignore`}.
What stands nowhere is ignored: where such a class wins, the mask says nothing. Names are compared
by their letters and digits alone; of `road, route` the first counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from vlm_misalign_ros.core.errors import ConfigurationError, ModelError
from vlm_misalign_ros.core.files import PACKAGE
from vlm_misalign_ros.core.labels.classes import CLASSES, IGNORE, LABELS
from vlm_misalign_ros.core.language.wordfiles import nearest

DATA = PACKAGE / 'core' / 'models' / 'data'
"""Aliases, and a folder with a file for each label map of this package."""
IGNORED = 'ignore'
NAMES = 'names'
"""The source of a map that is made of the model's names alone."""
_TRAIN_IDS: dict[str, int] = {name: index for index, name in enumerate(CLASSES)} | {
    IGNORED: IGNORE
}
_NOTHING = ('', 'na', 'void', 'unlabeled', 'unlabelled', 'background', 'ignore', 'none')
"""Names of no class at all; so is LABEL_7, by which transformers fills what has no name."""
_MOST = 0.9
"""Share of a model's names that a label map has to have to be taken for the model's."""
_HALF = 0.5
"""Share of a label map's names that the model has to have."""
_LONGEST = 1 << 20
"""Bytes of a label map at most."""
_MOST_CLASSES = 10_000


@dataclass(frozen=True)
class ClassMap:
    """What each class of a model is in Cityscapes."""

    train_ids: tuple[int, ...]
    """By the model's class index; 255 for what Cityscapes does not have."""
    source: str
    """`names`, the name of a label map of this package, or a file."""

    @property
    def known(self) -> tuple[str, ...]:
        """Return the classes that the model can tell, in the order of their train ids."""
        return tuple(CLASSES[index] for index in sorted({*self.train_ids} - {IGNORE}))

    @property
    def lacking(self) -> tuple[str, ...]:
        """Return the classes that it cannot tell, in the order of their train ids."""
        return tuple(name for name in CLASSES if name not in self.known)

    def told(self, model: str) -> str:
        """Return in words what the model can tell, for a log; empty where that is everything."""
        if not self.lacking:
            return ''
        return (
            f'model {model!r} (label map: {self.source}) tells {len(self.known)} of the '
            f'{len(CLASSES)} classes, without {", ".join(self.lacking)}'
        )


def class_map(names: Mapping[Any, Any], model: str, label_map: str = '') -> ClassMap:
    """
    Return what the classes `names`, {index: name}, of a model are in Cityscapes.

    `label_map` is the name of a map of this package, or a file; empty: the map whose names the
    model has, where there is one, else the names of Cityscapes themselves and their aliases.
    Raises ConfigurationError for a map that will not do, ModelError for a model that knows none of
    the classes, or that two maps with different meanings fit.
    """
    own = _own(names, model)
    if not label_map:
        table, source = _found(own, model)
    elif label_map in shipped():
        table, source = _shipped(label_map), label_map
    else:
        return _by_file(own, model, Path(label_map).expanduser())
    found = [_train_id(own.get(index, ''), table) for index in range(_size(own))]
    return _checked(ClassMap(tuple(found), source), own, model)


def check(label_map: str) -> None:
    """Raise ConfigurationError for a `label_map` that is neither a name nor a file to read."""
    if label_map and label_map not in shipped():
        read_file(Path(label_map).expanduser())


def shipped() -> tuple[str, ...]:
    """Return the names of the label maps of this package."""
    return tuple(sorted(path.stem for path in (DATA / 'label_maps').glob('*.yaml')))


def told_of(name: str) -> str:
    """Return in words what models with the classes of a shipped map can tell."""
    known = {train_id for train_id in _shipped(name).values()} - {IGNORE}
    lacking = [entry for index, entry in enumerate(CLASSES) if index not in known]
    text = f'{len(_shipped(name))} names, {len(known)} of the {len(CLASSES)} classes'
    return text + (f', without {", ".join(lacking)}' if lacking else '')


# By names --------------------------------------------------------------------------------------


def _own(names: Mapping[Any, Any], model: str) -> dict[int, str]:
    try:
        own = {int(index): str(name) for index, name in names.items()}
    except (TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f'segmentation model {model} has class names that are none: {error}',
            'id2label of its configuration is {index: name}',
        ) from error
    if own and not 0 <= min(own) <= max(own) < _MOST_CLASSES:
        raise ModelError(
            f'segmentation model {model} has the class indices {min(own)} to {max(own)}',
            f'they begin with 0 and end below {_MOST_CLASSES}',
        )
    return own


def _size(own: Mapping[int, str]) -> int:
    return max(own, default=-1) + 1


def squashed(name: str) -> str:
    """Return the letters and digits of a name, in lower case: that by which names are compared."""
    return ''.join(letter for letter in name.casefold() if letter.isalnum())


def _first(name: str) -> str:
    return squashed(name.replace(';', ',').partition(',')[0])


def _is_nothing(name: str) -> bool:
    plain = squashed(name)
    return plain in _NOTHING or plain.startswith('label') and plain[5:].isdigit()


def _train_id(name: str, table: Mapping[str, int]) -> int:
    plain = squashed(name)
    return table.get(plain, table.get(_first(name), IGNORE))


@lru_cache(maxsize=1)
def _plain() -> dict[str, int]:
    """Return train ids by the names of Cityscapes and their aliases."""
    aliases = yaml.safe_load((DATA / 'class_aliases.yaml').read_text(encoding='utf-8'))
    return {squashed(label.name): label.train_id for label in LABELS} | {
        squashed(alias): _TRAIN_IDS[name] for alias, name in aliases.items()
    }


@lru_cache(maxsize=16)
def _shipped(name: str) -> dict[str, int]:
    path = DATA / 'label_maps' / f'{name}.yaml'
    rows = yaml.safe_load(path.read_text(encoding='utf-8'))
    return {squashed(key): _TRAIN_IDS[value] for key, value in rows.items()}


def _found(own: Mapping[int, str], model: str) -> tuple[dict[str, int], str]:
    """Return the one table that fits the model's names, and its name."""
    names = [name for name in own.values() if not _is_nothing(name)]
    if all(squashed(name) in _plain() for name in names):
        return _plain(), NAMES
    fitting = {
        source: tuple(_train_id(name, _shipped(source)) for name in names)
        for source in shipped()
        if _fits(names, _shipped(source))
    }
    if len(set(fitting.values())) > 1:
        raise ModelError(
            f'the classes of segmentation model {model} may be those of {" or ".join(fitting)}',
            "say which by 'label_map'",
        )
    if not fitting:
        return _plain(), NAMES
    source = next(iter(fitting))
    # What a map does not name may be a class of Cityscapes all the same.
    return {**_plain(), **_shipped(source)}, source


def _fits(names: list[str], table: Mapping[str, int]) -> bool:
    """Return whether a label map has nearly all of a model's names, and many of its own are."""
    keys = [{squashed(name), _first(name)} & table.keys() for name in names]
    kinds = [key for key in table if key not in _NOTHING]
    enough = sum(map(bool, keys)) >= _MOST * len(names)
    return enough and len(set().union(*keys)) >= _HALF * len(kinds)


def _checked(found: ClassMap, own: Mapping[int, str], model: str) -> ClassMap:
    if found.known:
        return found
    shown = ', '.join(repr(name) for name in list(own.values())[:5])
    raise ModelError(
        f'segmentation model {model} does not know a single class of Cityscapes; its own are '
        f'{shown or "not named"}' + (', ...' if len(own) > 5 else ''),
        "give a 'label_map': a file {its name or index: a name of Cityscapes or ignore}, or one "
        'of ' + ', '.join(shipped()),
    )


# By a file -------------------------------------------------------------------------------------


class Once(yaml.SafeLoader):
    """Refuses a key that comes twice: YAML itself lets the last one win."""


def _once(loader: Once, node: yaml.MappingNode) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node)
        if isinstance(key, (str, int)) and key in found:
            raise yaml.YAMLError(f'{key!r} comes twice')
        found[key] = loader.construct_object(value_node)
    return found


Once.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _once)


def read_file(path: Path) -> dict[Any, int]:
    """Return train ids by name or index; ConfigurationError names what is wrong."""
    try:
        if path.stat().st_size > _LONGEST:
            raise ConfigurationError(f'label_map {path} is larger than {_LONGEST} bytes')
        # The loader is a SafeLoader that refuses more.
        rows = yaml.load(path.read_text(encoding='utf-8'), Once)  # noqa: S506
    except OSError as error:
        raise ConfigurationError(
            f'label_map {str(path)!r} cannot be read: {error.strerror}',
            'give a YAML file, or one of ' + ', '.join(shipped()),
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        first = ' '.join(str(error).split())[:200]
        raise ConfigurationError(f'label_map {path} cannot be read: {first}') from error
    return read_rows(rows, f'label_map {path}')


def read_rows(rows: Any, what: str) -> dict[Any, int]:
    """Return train ids by name or index of the plain data of a label map named `what`."""
    if not isinstance(rows, dict) or not rows:
        raise ConfigurationError(
            f'{what} is no mapping', "expected {the model's name or index: Cityscapes name}"
        )
    found: dict[Any, int] = {}
    for key, value in rows.items():
        if isinstance(key, bool) or not isinstance(key, (str, int)):
            raise ConfigurationError(f'{what} has the key {key!r}', 'give a name or an index')
        if not isinstance(value, str) or value not in _TRAIN_IDS:
            raise ConfigurationError(
                f'{what} maps {key!r} to {value!r}', nearest(value, _TRAIN_IDS)
            )
        found[key] = _TRAIN_IDS[value]
    return found


def _by_file(own: Mapping[int, str], model: str, path: Path) -> ClassMap:
    return by_rows(own, model, read_file(path), str(path))


def by_rows(own: Mapping[int, str], model: str, rows: Mapping[Any, int], source: str) -> ClassMap:
    """
    Return what a label map {name or index: train id} makes of a model's classes.

    A class that it does not name goes by its own name. ConfigurationError for a name or an index
    that the model does not have.
    """
    places: dict[str, list[int]] = {}
    for index, name in own.items():
        places.setdefault(squashed(name), []).append(index)
    found = [_train_id(own.get(index, ''), _plain()) for index in range(_size(own))]
    for key, train_id in rows.items():
        hit = [key] if key in own else []
        if isinstance(key, str):
            hit = places.get(squashed(key), [])
        if not hit:
            raise ConfigurationError(
                f'label map {source} names the class {key!r}, which model {model} does not have',
                nearest(key, own.values()),
            )
        for index in hit:
            found[index] = train_id
    return _checked(ClassMap(tuple(found), source), own, model)

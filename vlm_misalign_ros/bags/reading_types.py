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

"""Turns bytes of a bag into messages: by the bag's own definitions, else by those of ROS."""

from __future__ import annotations

from typing import Any

from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore

from vlm_misalign_ros.bags.stored import Definition
from vlm_misalign_ros.core.errors import MAX_REASON, RecordError

_MAX_DEFINITION = 256 << 10
"""Characters: no type of ROS has a tenth of it, and a parser takes long for more."""
_MAX_VALUES = 10_000
"""Values that a message has of each field, sequences apart: code is made for every one of them."""
_RULE = '=' * 80 + '\n'


class Types:
    """The types of a bag, each made when a message of it is first read."""

    def __init__(self) -> None:
        """Begin with those of ROS itself."""
        self._ros = get_typestore(Stores.ROS2_JAZZY)
        self._stores: dict[tuple[str, Definition], Any] = {}
        self.faults: list[str] = []

    def decode(self, data: bytes, kind: str, definition: Definition) -> Any:
        """Return the message in bytes; RecordError where there is none in them."""
        store = self._stores.get((kind, definition))
        if store is None:
            try:
                store = self._store(kind, definition)
            except RecordError as error:
                # Every message is of it, and it is parsed once.
                store = error
            self._stores[kind, definition] = store
        if isinstance(store, RecordError):
            raise RecordError(store.what, store.remedy)
        try:
            return store.deserialize_cdr(memoryview(data), kind)
        except Exception as error:  # bytes of anybody: struct, Unicode, index and value errors
            raise RecordError(
                f'a {kind} cannot be decoded: {type(error).__name__}: {error}'[:MAX_REASON]
            ) from error

    def _store(self, kind: str, definition: Definition) -> Any:
        """Return what knows a type."""
        known = kind in self._ros.fielddefs
        if not definition.text.strip():
            if known:
                return self._ros
            raise RecordError(f'{kind} is no type of ROS, and the bag does not define it')
        try:
            if len(definition.text) > _MAX_DEFINITION:
                raise RecordError(f'its definition has {len(definition.text):,} characters')
            found = _parsed(kind, definition)
            ours = self._ros.fielddefs
            if _values(kind, {**ours, **found}, {}) > _MAX_VALUES:
                raise RecordError(f'a message has more than {_MAX_VALUES:,} values by it')
            if all(name in ours and _alike(ours[name], entry) for name, entry in found.items()):
                return self._ros
            store = get_typestore(Stores.EMPTY)
            # An old recorder left out what every installation had.
            store.register({**{n: e for n, e in ours.items() if n not in found}, **found})
            store.get_msgdef(kind)
            return store
        except Exception as error:  # text of anybody: syntax, key, recursion and type errors
            told = f'the definition of {kind} in the bag cannot be read: {error}'[:MAX_REASON]
            if not known:
                raise RecordError(told) from error
            self.faults.append(f'{told}; that of ROS was taken')
            return self._ros


def _parsed(kind: str, definition: Definition) -> dict[str, Any]:
    """Return the types that a definition has."""
    if definition.encoding == 'ros2msg':
        return dict(get_types_from_msg(definition.text, kind))
    if definition.encoding in ('ros2idl', 'omgidl'):
        if not definition.text.startswith(f'{_RULE}IDL: '):
            return dict(get_types_from_idl(definition.text))
        found: dict[str, Any] = {}
        for part in definition.text.split(_RULE)[1:]:
            found.update(get_types_from_idl(part.partition('\n')[2]))
        return found
    raise RecordError(f'it is written as {definition.encoding[:40]!r}')


def _values(kind: str, types: dict[str, Any], known: dict[str, int]) -> int:
    """Return how many values a type has where each sequence has one; arrays of numbers are one."""
    if kind not in known:
        fields = [held for _, held in types[kind][1]]
        known[kind] = sum(_values_of(node, held, types, known) for node, held in fields)
    return known[kind]


def _values_of(node: Nodetype, held: Any, types: dict[str, Any], known: dict[str, int]) -> int:
    if node is Nodetype.BASE:
        return 1
    if node is Nodetype.NAME:
        return max(1, _values(held, types, known))
    (inner, name), size = held
    one = _values_of(inner, name, types, known)
    plain = inner is Nodetype.BASE and name[0] not in ('string', 'wstring')
    return one if plain or node is Nodetype.SEQUENCE else one * size


def same_fields(kind: str, one: Definition, other: Definition) -> bool:
    """Return whether two texts define a type alike: remarks, blanks and constants aside."""
    if one == other:
        return True
    if max(len(one.text), len(other.text)) > _MAX_DEFINITION:
        return False
    try:
        first, second = _parsed(kind, one), _parsed(kind, other)
    except Exception:  # text of anybody: syntax, key, recursion and type errors
        return False
    # Some writers leave out what every installation has: what both have decides.
    common = first.keys() & second.keys()
    return kind in common and all(_alike(first[name], second[name]) for name in common)


def _alike(ours: Any, theirs: Any) -> bool:
    """Return whether two definitions have the same fields, in the same order."""
    return bool(ours[1] == theirs[1])

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
Parameters as frozen dataclasses: one table for ROS declarations, YAML checks and the docs.

A field made with `parameter()` carries its description and what it allows; `build()` turns a
plain mapping into the typed object and refuses, by name, whatever is not allowed.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, TypeVar

from vlm_misalign_ros.core.errors import ConfigurationError

T = TypeVar('T')


@dataclass(frozen=True)
class Parameter:
    """One row of the table."""

    name: str
    type: type
    """bool, int, float, str, or tuple (of str)."""
    default: Any
    description: str
    minimum: float | None
    maximum: float | None
    choices: tuple[str, ...]
    live: bool
    """May be changed while the node runs."""
    reads: Callable[[Any], Mapping[str, Any]] | None = None
    """Checks a mapping, which travels as JSON; None for what is no mapping."""

    def holds(self, value: float) -> bool:
        """Return whether a number is in the range; NaN is in none."""
        low = -inf if self.minimum is None else self.minimum
        high = inf if self.maximum is None else self.maximum
        return low <= value <= high

    def range(self) -> str:
        """Return the range in words; empty where there is none."""
        if self.minimum is None:
            return '' if self.maximum is None else f'up to {self.maximum:g}'
        if self.maximum is None:
            return f'from {self.minimum:g}'
        return f'{self.minimum:g} to {self.maximum:g}'


def parameter(
    default: Any,
    description: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    live: bool = False,
    reads: Callable[[Any], Mapping[str, Any]] | None = None,
) -> Any:
    """Return a dataclass field that carries a parameter's description and range."""
    metadata = {
        'description': description,
        'minimum': minimum,
        'maximum': maximum,
        'choices': choices,
        'live': live,
        'reads': reads,
    }
    return dataclasses.field(default=default, metadata=metadata)


def table(cls: type) -> Iterator[Parameter]:
    """Yield the parameters of a parameter class, in order."""
    hints = typing.get_type_hints(cls)
    for entry in dataclasses.fields(cls):
        kind = typing.get_origin(hints[entry.name]) or hints[entry.name]
        yield Parameter(entry.name, kind, entry.default, **entry.metadata)


def check(entry: Parameter, value: Any, owner: str) -> Any:
    """
    Return `value` in the parameter's own type.

    Raises ConfigurationError naming the parameter, the value and what is allowed.
    """
    where = f'parameter {entry.name!r} of {owner} is {value!r}'
    if entry.reads is not None:
        found = entry.reads(value)
        return json.dumps(found, sort_keys=True) if found else ''
    if entry.type is tuple:
        return _texts(value, where)
    if entry.type is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, entry.type) or isinstance(value, bool) is not (entry.type is bool):
        raise ConfigurationError(where, f'give a value of type {entry.type.__name__}')
    if entry.choices and value not in entry.choices:
        raise ConfigurationError(where, 'choose one of ' + ', '.join(entry.choices))
    if isinstance(value, (int, float)) and not isinstance(value, bool) and not entry.holds(value):
        raise ConfigurationError(where, f'allowed: {entry.range()}')
    return value


def _texts(value: Any, where: str) -> tuple[str, ...]:
    """Return a list of strings, or one string, as a tuple."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)) or not all(isinstance(v, str) for v in texts):
        raise ConfigurationError(where, 'give a list of strings')
    return tuple(texts)


def build(cls: type[T], values: Mapping[str, Any], owner: str) -> T:
    """
    Return a parameter object made from `values`; what is not given keeps its default.

    Raises ConfigurationError for an unknown name, a wrong type or a value out of range.
    """
    entries = {entry.name: entry for entry in table(cls)}
    for name in values:
        if name not in entries:
            raise ConfigurationError(
                f'{owner} has no parameter {name!r}', 'known: ' + ', '.join(sorted(entries))
            )
    return cls(**{name: check(entries[name], value, owner) for name, value in values.items()})


def to_markdown(cls: type) -> str:
    """Return the parameters of `cls` as a Markdown table, for docs/parameters.md."""
    lines = ['| parameter | type | default | allowed | meaning |', '|---|---|---|---|---|']
    for entry in table(cls):
        kind = 'list of str' if entry.type is tuple else entry.type.__name__
        kind = 'mapping, or JSON' if entry.reads is not None else kind
        default = list(entry.default) if entry.type is tuple else entry.default
        meaning = entry.description + (' (live)' if entry.live else '')
        lines.append(
            f'| `{entry.name}` | {kind} | `{default!r}` | {_allowed(entry)} '
            f'| {meaning.replace("|", "&#124;")} |'
        )
    return '\n'.join(lines) + '\n'


def _allowed(entry: Parameter) -> str:
    if entry.choices:
        return ', '.join(f'`{choice}`' for choice in entry.choices)
    return entry.range()

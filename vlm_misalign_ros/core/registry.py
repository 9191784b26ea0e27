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
Registries: a name becomes the object that knows how, the package's own or a plug-in's.

A plug-in is any installed Python package with entry points in a registry's group; nothing is
imported before it is used.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from importlib import metadata
from typing import Any, Generic, TypeVar, cast

from vlm_misalign_ros.core.errors import ConfigurationError

T = TypeVar('T')

_NAME = re.compile(r'[a-z][a-z0-9_]*')


class Registry(Generic[T]):
    """Names of one kind of thing, and the import path of each."""

    def __init__(
        self, group: str, noun: str, builtin: Mapping[str, str], needs: tuple[str, ...] = ()
    ) -> None:
        """
        Hold the package's own; plug-ins are looked for at the first question.

        `group` is the entry-point group, `noun` what one entry is called in messages, `builtin`
        maps names to `module` or `module:attribute`, `needs` are the attributes that an entry
        has to have.
        """
        self.group = group
        self.noun = noun
        self._builtin = dict(builtin)
        self._needs = needs
        self._loaded: dict[str, T] = {}

    @cached_property
    def _plugins(self) -> dict[str, metadata.EntryPoint]:
        found: dict[str, metadata.EntryPoint] = {}
        for entry in sorted(metadata.entry_points(group=self.group), key=lambda e: e.name):
            if not _NAME.fullmatch(entry.name):
                raise ConfigurationError(
                    f'{entry.value} brings the {self.noun} {entry.name!r}',
                    'a name has lower-case letters, digits and _; rename it, or uninstall it',
                )
            if entry.name in self._builtin or entry.name in found:
                other = found[entry.name].value if entry.name in found else 'this package'
                raise ConfigurationError(
                    f'{entry.value} brings the {self.noun} {entry.name!r}, which {other} has',
                    'rename it in the entry points of its package, or uninstall one of the two',
                )
            found[entry.name] = entry
        return found

    def names(self) -> tuple[str, ...]:
        """Return every name: the package's own in their order, then the plug-ins' by name."""
        return (*self._builtin, *self._plugins)

    def builtin(self) -> tuple[str, ...]:
        """Return the names of the package's own."""
        return tuple(self._builtin)

    def origins(self) -> Iterator[tuple[str, str]]:
        """Yield (name, import path) of every entry."""
        yield from self._builtin.items()
        yield from ((name, entry.value) for name, entry in self._plugins.items())

    def distributions(self, names: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yield (name, distribution and version) of the plug-ins among `names`."""
        for name in dict.fromkeys(names):
            entry = self._plugins.get(name)
            if entry is not None and name not in self._builtin:
                owner = entry.dist
                yield name, f'{owner.name} {owner.version}' if owner else entry.value

    def __contains__(self, name: object) -> bool:
        """Return whether there is an entry of this name."""
        return name in self._builtin or name in self._plugins

    def load(self, name: str) -> T:
        """
        Return the entry, imported when it is first asked for.

        Raises ConfigurationError for an unknown name, naming those that are known, and for a
        plug-in that cannot be imported or lacks what an entry has to have.
        """
        if name not in self._loaded:
            self._loaded[name] = self._import(name)
        return self._loaded[name]

    def _import(self, name: str) -> T:
        if name in self._builtin:
            module, _, attribute = self._builtin[name].partition(':')
            found: Any = importlib.import_module(module)
            for part in attribute.split('.') if attribute else ():
                found = getattr(found, part)
            return cast(T, found)
        if name not in self._plugins:
            raise ConfigurationError(
                f'there is no {self.noun} {name!r}', 'known: ' + ', '.join(self.names())
            )
        entry = self._plugins[name]
        try:
            found = entry.load()
        except (Exception, SystemExit) as error:  # it may fail in any way; name it
            raise ConfigurationError(
                f'the {self.noun} {name!r} cannot be loaded from {entry.value}: {error}',
                'mend or uninstall the package that brings it',
            ) from error
        lacking = [attribute for attribute in self._needs if not hasattr(found, attribute)]
        if lacking:
            raise ConfigurationError(
                f'the {self.noun} {name!r} of {entry.value} has no {", ".join(lacking)}',
                'docs/extending.md says what it needs',
            )
        return cast(T, found)

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

"""Which model and which ask of it a name in the records stands for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

DEFAULT = 'default'
"""The ask of a model that has no named one."""


class Asked:
    """What the configuration of a run says of the names in its records."""

    def __init__(self, manifest: Mapping[str, Any] | None = None) -> None:
        """Read a manifest; what it does not tell, or somebody made something else of, is left."""
        self._known = dict(_told(manifest or {}))

    def of(self, name: str) -> tuple[str, str]:
        """Return model and ask; the name itself and DEFAULT where nothing tells."""
        return self._known.get(name, (name, DEFAULT))


def _told(manifest: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, str]]]:
    configuration = manifest.get('configuration')
    models = configuration.get('vlms') if isinstance(configuration, dict) else None
    for entry in models if isinstance(models, list) else []:
        model = entry.get('name') if isinstance(entry, dict) else None
        if not isinstance(model, str):
            continue
        asks = list(_asks(entry.get('asks')))
        for ask in asks:
            # As settings/asks names them.
            yield (model if len(asks) == 1 else f'{model}_{ask}'), (model, ask)


def _asks(texts: Any) -> Iterator[str]:
    for text in texts if isinstance(texts, list) else []:
        try:
            found = yaml.safe_load(text) if isinstance(text, str) else text
        except (yaml.YAMLError, RecursionError):
            continue
        if isinstance(found, dict):
            yield from (name for name in found if isinstance(name, str))

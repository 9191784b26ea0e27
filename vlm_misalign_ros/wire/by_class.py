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

"""What a segmentation tells beside its mask, by class, as string key/value pairs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.types import Confidence
from vlm_misalign_ros.wire.scalars import loads, share

_ENTROPY = 'entropy/'
"""Before the name of a class: the mean entropy where it is predicted."""
_LACKING = 'lacking'
"""The classes that a model cannot tell, where there are any."""


def classes_to_values(told: Confidence) -> dict[str, str]:
    """Return the pairs of entropies by class, and of the classes that are lacking."""
    return {
        **{_ENTROPY + name: repr(value) for name, value in told.entropies.items()},
        **({_LACKING: json.dumps(told.lacking)} if told.lacking else {}),
    }


def entropies_of(values: Mapping[str, str]) -> dict[str, float]:
    """Return the entropies by class; RecordError for what is no class, or not 0 to 1."""
    found = {}
    for key, value in values.items():
        if key.startswith(_ENTROPY):
            name = key.removeprefix(_ENTROPY)
            if name not in CLASSES:
                raise RecordError(
                    f'message value {key[:80]!r} is of no class', 'allowed: ' + ', '.join(CLASSES)
                )
            found[name] = share(value, key)
    return found


def lacking_of(values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the classes that a model cannot tell; RecordError for what cannot be that."""
    names: Any = loads(values, _LACKING, [])
    if not isinstance(names, list) or not all(name in CLASSES for name in names):
        raise RecordError(
            f'message value {_LACKING!r} is {str(names)[:80]}', 'expected a list of classes'
        )
    found = tuple(name for name in CLASSES if name in names)
    if len(found) != len(names) or len(found) == len(CLASSES):
        raise RecordError(
            f'message value {_LACKING!r} is {str(names)[:80]}', 'expected some classes, each once'
        )
    return found

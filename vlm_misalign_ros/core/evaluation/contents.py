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

"""What a part holds, in short: by it a repetition is told from another content."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from vlm_misalign_ros.core.checksums import checksum

_TIMES = ('latency',)
"""Fields that are no content: a looped recording has the same frame described in other times."""


def content_of(value: Any) -> str:
    """
    Return what a part's value holds, in short; of a picture or mask its `checksum`.

    Arrays within dataclasses, mappings and sequences count to the last pixel. The seconds that a
    model took are no part of what it said.
    """
    if isinstance(value, np.ndarray):
        return checksum(value)
    return f'{zlib.crc32(_spelled(value).encode()):08x}'


def _spelled(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return checksum(value)
    if is_dataclass(value) and not isinstance(value, type):
        names = (entry.name for entry in fields(value) if entry.name not in _TIMES)
        return ','.join(f'{name}={_spelled(getattr(value, name))}' for name in names)
    if isinstance(value, Mapping):
        return ','.join(f'{key!r}:{_spelled(entry)}' for key, entry in sorted(value.items()))
    if isinstance(value, (list, tuple)):
        return '(' + ','.join(map(_spelled, value)) + ')'
    return repr(value)

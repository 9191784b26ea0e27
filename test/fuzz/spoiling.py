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

"""Files as bad disks, killed writers and people with editors leave them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**70), 0.5, 1e308, '', 'nan', 'NaN', '1e400'),
    *([], {}, [None], {'a': {}}, [[[[]]]], 'x' * 100_000, '\u202e', '\x00', '\ud800', 'SCORED'),
    *('scored', 'missing', '5.000000000', '-1.5', 'x:y', 'clean', float('nan'), float('inf')),
)


def _places(found: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value in plain data."""
    entries = found.items() if isinstance(found, dict) else enumerate(found)
    places = []
    for key, value in entries:
        places.append((*path, key))
        if isinstance(value, (dict, list)):
            places.extend(_places(value, (*path, key)))
    return places


def spoil_json(rng: np.random.Generator, data: bytes) -> bytes:
    """Return JSON in which one value is another, gone, there twice, or has another name."""
    found = json.loads(data)
    places = _places(found)
    way = places[rng.integers(len(places))]
    holder = found
    for key in way[:-1]:
        holder = holder[key]
    key = way[-1]
    kind = rng.integers(4)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[f'{key}_'] = holder.pop(key)
    elif kind == 2 and isinstance(holder, list):
        holder.insert(0, holder[key])
    else:
        holder[key] = STRANGE[rng.integers(len(STRANGE))]
    return json.dumps(found).encode('utf-8', 'surrogatepass')


def spoil_bytes(rng: np.random.Generator, data: bytes) -> bytes:
    """Return bytes of which a few are others, lacking, or more."""
    spoilt = bytearray(data)
    kind = rng.integers(6)
    place = int(rng.integers(len(spoilt)))
    if kind == 0:
        spoilt[place] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        length = int(rng.integers(1, 64))
        spoilt[place : place + length] = rng.bytes(length)
    elif kind == 2:
        del spoilt[place:]
    elif kind == 3:
        del spoilt[place : place + int(rng.integers(1, 4096))]
    elif kind == 4:
        spoilt[place:place] = rng.bytes(int(rng.integers(1, 4096)))
    else:
        other = int(rng.integers(len(spoilt)))
        length = int(rng.integers(1, 2048))
        first = spoilt[place : place + length]
        spoilt[place : place + length] = spoilt[other : other + length]
        spoilt[other : other + length] = first
    return bytes(spoilt)


def spoil_lines(rng: np.random.Generator, data: bytes) -> bytes:
    """Return lines of which some are lacking, there twice, elsewhere, or spoilt themselves."""
    lines = data.splitlines(keepends=True)
    place = int(rng.integers(len(lines)))
    kind = rng.integers(7)
    if kind == 0:
        del lines[place]
    elif kind == 1:
        lines.insert(int(rng.integers(len(lines) + 1)), lines[place])
    elif kind == 2:
        rng.shuffle(lines)
    elif kind == 3:
        del lines[place:]
    elif kind == 4:
        lines[place] = spoil_bytes(rng, lines[place])
    elif kind == 5:
        lines[place] = spoil_json(rng, lines[place]) + b'\n'
    else:
        lines[place] = b'[' * 100_000 + b'\n'
    return b''.join(lines)

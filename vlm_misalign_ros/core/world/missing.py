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

"""What is missing from a street: only where a thing is missing can it be made up."""

from __future__ import annotations

import numpy as np

from vlm_misalign_ros.core.world.actors import PARTS
from vlm_misalign_ros.core.world.districts import District

_SHARES = {
    'person': 0.3,
    'rider': 0.2,
    'bicycle': 0.25,
    'motorcycle': 0.3,
    'car': 0.12,
    'truck': 0.3,
    'bus': 0.25,
    'train': 0.2,
    'sign': 0.3,
    'signal': 0.3,
    'tree': 0.12,
    'building': 0.12,
    'sidewalk': 0.12,
    'poles': 0.08,
}
"""Share of streets without a thing."""
_POLES = frozenset(('lamp', 'sign', 'signal', 'pole'))
_GREEN = frozenset(('hedge', 'lawn'))


def draw_missing(rng: np.random.Generator) -> frozenset[str]:
    """Draw what there is none of on a street."""
    return frozenset(name for name, share in _SHARES.items() if rng.random() < share)


def is_missing(label: str, missing: frozenset[str]) -> bool:
    """Return whether an actor cannot be there because it, or a part of it, is missing."""
    return not missing.isdisjoint((label, *PARTS.get(label, ())))


def lots_left(district: District, missing: frozenset[str]) -> dict[str, float]:
    """Return the shares of a district's lots without what is missing; walls where none is left."""
    barred = missing & {'building'} | (_GREEN if 'tree' in missing else frozenset())
    left = {kind: share for kind, share in district.lots.items() if kind not in barred}
    return left or {'wall': 1.0}


def furniture_left(district: District, missing: frozenset[str]) -> dict[str, float]:
    """Return the shares of a district's street furniture without what is missing."""
    barred = missing | (_POLES if 'poles' in missing else frozenset())
    return {kind: share for kind, share in district.furniture.items() if kind not in barred}

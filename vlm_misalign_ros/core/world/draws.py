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

"""Draws that everything on a street is made of: one of several, a colour, places along it."""

from __future__ import annotations

import numpy as np

from vlm_misalign_ros.core.world.canvas import Color


def pick_color(rng: np.random.Generator, choices: tuple[Color, ...]) -> Color:
    """Return one of the colours, a little off."""
    chosen = choices[int(rng.integers(len(choices)))]
    shift = rng.normal(0, 9, 3)
    blue, green, red = (float(min(max(c + s, 8), 245)) for c, s in zip(chosen, shift, strict=True))
    return blue, green, red


def one_of(rng: np.random.Generator, shares: dict[str, float]) -> str:
    """Return one of the names, as often as its share of the sum."""
    weights = np.array(list(shares.values()))
    return list(shares)[int(rng.choice(len(weights), p=weights / weights.sum()))]


def along(
    rng: np.random.Generator, start: float, gap: tuple[float, float], end: float
) -> list[float]:
    """Return places from `start` to `end`, metres, with gaps from the shortest to the longest."""
    places, z = [], start + float(rng.uniform(0, gap[1]))
    while z < end:
        places.append(z)
        z += float(rng.uniform(*gap))
    return places


def either(rng: np.random.Generator) -> int:
    """Return 1 or -1, as often."""
    return 1 if rng.random() < 0.5 else -1

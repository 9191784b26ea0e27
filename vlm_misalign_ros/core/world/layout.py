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

"""How a street is laid out: lanes, curbs, sidewalks, and how much of it comes into view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FAR = 140.0
"""Metres up to which the street is built."""
LANE = 3.5
"""Width of a lane, metres."""
_PARKING = 2.3
"""Width of the parking places along a curb, metres."""


@dataclass(frozen=True)
class Layout:
    """The lanes and edges of one street; the car that looks drives along x = 0."""

    left: float
    right: float
    """X of the curbs, metres."""
    pavement: float
    """Width of the sidewalks, metres."""
    speed: float
    """Of the car that looks, metres a second."""
    ahead: float
    """Metres of street that come into view during the sequence."""
    one_way: bool

    @property
    def parking_left(self) -> bool:
        """Return whether there is room to park at the left curb."""
        return self.left < -1.5 * LANE - 1

    @property
    def parking_right(self) -> bool:
        """Return whether there is room to park at the right curb."""
        return self.right > LANE / 2 + 1


def make_layout(rng: np.random.Generator, seconds: float) -> Layout:
    """Draw the layout of a street on which the car that looks drives for so many seconds."""
    parking = rng.random(2) < 0.7
    right = LANE / 2 + _PARKING * parking[0] + 0.4 * float(rng.random())
    left = -1.5 * LANE - _PARKING * parking[1]
    speed = float(rng.uniform(4, 11))
    return Layout(
        left=left,
        right=right,
        pavement=float(rng.uniform(2.4, 4.6)),
        speed=speed,
        ahead=FAR + speed * seconds,
        one_way=bool(rng.random() < 0.25),
    )

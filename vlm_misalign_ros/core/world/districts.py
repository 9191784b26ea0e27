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

"""The districts of a city: what there is much of in each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class District:
    """What there is much of in a part of a city: the co-occurrence a language model learns."""

    name: str
    vehicles: dict[str, float]
    """Shares of the moving traffic."""
    lots: dict[str, float]
    furniture: dict[str, float]
    people: float
    """Mean number a metre of sidewalk."""
    parked: float
    """Highest share of the parking places taken."""
    bicycles: float
    """Share of two-wheelers among what stands and walks on the sidewalks."""
    tram: float
    crossing: float
    """Share of streets with a zebra crossing."""


DISTRICTS: tuple[District, ...] = (
    District(
        name='centre',
        vehicles={'car': 7, 'bus': 2.5, 'truck': 0.7, 'motorcyclist': 1.2},
        lots={'building': 9, 'wall': 0.5, 'fence': 0.5},
        furniture={'tree': 2, 'lamp': 3, 'sign': 3, 'signal': 3.5, 'bin': 1, 'pole': 1},
        people=0.16,
        parked=0.6,
        bicycles=0.3,
        tram=0.4,
        crossing=0.6,
    ),
    District(
        name='residential',
        vehicles={'car': 9, 'truck': 0.6, 'bus': 0.4, 'motorcyclist': 0.8},
        lots={'building': 5, 'hedge': 2.5, 'fence': 1.5, 'wall': 1, 'lawn': 1.5},
        furniture={'tree': 5, 'lamp': 2.5, 'sign': 2, 'signal': 0.3, 'bin': 1.2, 'pole': 0.5},
        people=0.1,
        parked=0.9,
        bicycles=0.45,
        tram=0.0,
        crossing=0.25,
    ),
    District(
        name='works',
        vehicles={'car': 5, 'truck': 4, 'bus': 0.4, 'motorcyclist': 0.8},
        lots={'building': 3, 'wall': 4, 'fence': 3.5, 'lawn': 1},
        furniture={'tree': 1, 'lamp': 3, 'sign': 3, 'signal': 1, 'bin': 0.5, 'pole': 3},
        people=0.04,
        parked=0.5,
        bicycles=0.25,
        tram=0.08,
        crossing=0.1,
    ),
    District(
        name='parkside',
        vehicles={'car': 7, 'truck': 0.5, 'bus': 1, 'motorcyclist': 1.5},
        lots={'lawn': 5, 'hedge': 2, 'fence': 2, 'building': 1.5},
        furniture={'tree': 7, 'lamp': 2, 'sign': 1.2, 'signal': 0.5, 'bin': 1, 'pole': 0.3},
        people=0.12,
        parked=0.4,
        bicycles=0.5,
        tram=0.12,
        crossing=0.3,
    ),
)

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

"""The cities of the synthetic world: the looks their streets share, and whose split they are."""

from __future__ import annotations

from dataclasses import dataclass

from vlm_misalign_ros.core.world.canvas import Color


@dataclass(frozen=True)
class City:
    """The looks that the streets of one city share."""

    name: str
    walls: tuple[Color, ...]
    roofs: tuple[float, float]
    """Lowest and highest house, metres."""
    gables: float
    """Share of houses with a pitched roof."""
    windows: tuple[float, float]
    """Width and height of a window as parts of its bay and storey."""
    glass: Color
    trees: str
    """`round`, `tall` or `cone`."""
    leaves: Color
    road: Color
    pavement: Color
    marking: Color
    dash: tuple[float, float]
    """Length of a dash of the lane marking, and of dash and gap, metres."""
    cobbles: float
    """Roughness of the road."""


CITIES: tuple[City, ...] = (
    City(
        name='altenmark',
        walls=((120, 150, 190), (150, 175, 205), (95, 115, 165), (175, 190, 200)),
        roofs=(7.0, 14.0),
        gables=0.5,
        windows=(0.5, 0.55),
        glass=(88, 76, 66),
        trees='round',
        leaves=(52, 102, 72),
        road=(84, 82, 80),
        pavement=(142, 140, 138),
        marking=(205, 205, 200),
        dash=(3.0, 9.0),
        cobbles=0.035,
    ),
    City(
        name='brunnhafen',
        walls=((135, 130, 125), (165, 160, 150), (110, 105, 100), (150, 140, 170)),
        roofs=(11.0, 26.0),
        gables=0.1,
        windows=(0.7, 0.6),
        glass=(120, 104, 84),
        trees='tall',
        leaves=(60, 92, 64),
        road=(70, 70, 72),
        pavement=(120, 122, 126),
        marking=(190, 195, 195),
        dash=(6.0, 12.0),
        cobbles=0.025,
    ),
    City(
        name='celnau',
        walls=((70, 85, 130), (85, 105, 160), (62, 70, 105), (120, 130, 150)),
        roofs=(8.0, 17.0),
        gables=0.7,
        windows=(0.42, 0.5),
        glass=(60, 56, 52),
        trees='cone',
        leaves=(44, 84, 50),
        road=(92, 94, 98),
        pavement=(112, 118, 128),
        marking=(215, 215, 215),
        dash=(3.0, 7.5),
        cobbles=0.06,
    ),
    City(
        name='dornfels',
        walls=((190, 200, 215), (170, 190, 220), (200, 205, 205), (150, 195, 215)),
        roofs=(5.0, 11.0),
        gables=0.8,
        windows=(0.38, 0.45),
        glass=(96, 86, 78),
        trees='round',
        leaves=(50, 120, 96),
        road=(104, 102, 98),
        pavement=(158, 158, 154),
        marking=(210, 210, 205),
        dash=(4.0, 10.0),
        cobbles=0.03,
    ),
    City(
        name='eichwerder',
        walls=((140, 160, 175), (110, 140, 150), (160, 150, 140), (95, 120, 170)),
        roofs=(8.0, 20.0),
        gables=0.35,
        windows=(0.55, 0.5),
        glass=(104, 88, 70),
        trees='tall',
        leaves=(58, 108, 84),
        road=(78, 80, 84),
        pavement=(134, 134, 136),
        marking=(200, 205, 210),
        dash=(4.0, 9.0),
        cobbles=0.04,
    ),
    City(
        name='fohrenstadt',
        walls=((150, 140, 150), (128, 160, 200), (90, 110, 150), (180, 185, 190)),
        roofs=(6.0, 18.0),
        gables=0.45,
        windows=(0.48, 0.6),
        glass=(80, 74, 70),
        trees='round',
        leaves=(46, 98, 80),
        road=(88, 86, 88),
        pavement=(126, 130, 132),
        marking=(208, 208, 205),
        dash=(3.5, 8.5),
        cobbles=0.045,
    ),
)
SPLITS: dict[str, tuple[City, ...]] = {'train': CITIES[:4], 'val': CITIES[4:5], 'test': CITIES[5:]}
"""Every split has cities of its own, so that calibration and test see other looks."""

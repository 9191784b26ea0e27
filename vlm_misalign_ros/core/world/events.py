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
What happens on an eventful street: people run across, cars cut in and turn off.

Each event makes a hazard that was not there, and that goes again: without them a sequence is a
hazard from its first frame to its last, or never.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vlm_misalign_ros.core.world.actors import SIZES, Actor, make_actor
from vlm_misalign_ros.core.world.districts import District
from vlm_misalign_ros.core.world.draws import either, one_of
from vlm_misalign_ros.core.world.layout import LANE, Layout
from vlm_misalign_ros.core.world.missing import is_missing

_HALF = 1.5
"""Half of the width of the lane ahead that has to be free, metres."""
_SHARES = {'crosses': 0.5, 'cuts in': 0.25, 'turns off': 0.25}
_CALM = (1.0, 3.0)
"""Seconds between two events, least and most."""
_CHANGE = 2.0
"""Seconds that a change of lane takes."""


def events(
    rng: np.random.Generator,
    district: District,
    layout: Layout,
    missing: frozenset[str],
    seconds: float,
) -> list[Actor]:
    """Draw what happens in so many seconds, one event after the other."""
    vehicles = {
        label: share
        for label, share in district.vehicles.items()
        if label in SIZES and not is_missing(label, missing)
    }
    kinds = {
        kind: share
        for kind, share in _SHARES.items()
        if (not is_missing('person', missing) if kind == 'crosses' else vehicles)
    }
    actors: list[Actor] = []
    time = float(rng.uniform(*_CALM))
    while time < seconds and kinds:
        kind = one_of(rng, kinds)
        if kind == 'crosses':
            actor, lasts = _crosses(rng, layout, time)
        else:
            made = _cuts_in if kind == 'cuts in' else _turns_off
            actor, lasts = made(rng, layout, one_of(rng, vehicles), time)
        actors.append(actor)
        time += lasts + float(rng.uniform(*_CALM))
    return actors


def _crosses(rng: np.random.Generator, layout: Layout, time: float) -> tuple[Actor, float]:
    """Draw a person who is in the lane from `time` on, before the car gets there."""
    # Over before the car has driven 14 m, and so from about 17 m away to 3.
    pace = max(1.1, 2 * _HALF * layout.speed / 14) * float(rng.uniform(1.0, 1.2))
    lasts = 2 * _HALF / pace
    middle = time + lasts / 2
    away = float(rng.uniform(9.5, 10.5))
    side = either(rng)
    start = side * (_HALF + pace * time)
    walker = make_actor(rng, 'person', start, layout.speed * middle + away, -side * pace)
    return walker, lasts


def _cuts_in(
    rng: np.random.Generator, layout: Layout, label: str, time: float
) -> tuple[Actor, float]:
    """Draw a vehicle that overtakes, comes into the lane at about 11 m and draws away."""
    faster = float(rng.uniform(3.0, 5.0))
    ahead = float(rng.uniform(10, 13)) + SIZES[label][0] / 2
    z = ahead - faster * time
    actor = make_actor(rng, label, -LANE, z, LANE / _CHANGE, layout.speed + faster)
    begin = time - _CHANGE / 2
    return replace(actor, sideways=(begin, begin + _CHANGE)), (20 - 11.5) / faster


def _turns_off(
    rng: np.random.Generator, layout: Layout, label: str, time: float
) -> tuple[Actor, float]:
    """Draw a slower vehicle in the lane, which is reached at `time` and changes lanes then."""
    slower = float(rng.uniform(1.8, 3.0))
    lasts = float(rng.uniform(2.0, 3.0))
    z = 20 + SIZES[label][0] / 2 + slower * time
    actor = make_actor(rng, label, 0.0, z, -LANE / _CHANGE, layout.speed - slower)
    begin = time + lasts - _CHANGE / 2
    return replace(actor, sideways=(begin, begin + _CHANGE)), lasts + _CHANGE / 2

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

"""What holds at exactly the limits of hazard and presence."""

import math

import numpy as np
import pytest

from vlm_misalign_ros.core.truth.hazard import Approach, HazardSettings, hazard, sweep
from vlm_misalign_ros.core.truth.inventory import Thing
from vlm_misalign_ros.core.truth.presence import PresenceSettings, is_required
from vlm_misalign_ros.core.types import Hazard

PERSON, CAR = 24, 26
HAZARD, BETWEEN, CLEAR = Hazard.HAZARD, Hazard.INDETERMINATE, Hazard.CLEAR


def below(value):
    return math.nextafter(value, -math.inf)


def above(value):
    return math.nextafter(value, math.inf)


def at(distance, offset=0.0, label=PERSON, measured=True):
    return Approach(label, distance, offset, measured)


# Hazard: by default the corridor is 3 m wide and the stopping distance 20 m ------------------


@pytest.mark.parametrize(
    'distance, expected',
    [(0.0, HAZARD), (below(20.0), HAZARD), (20.0, BETWEEN), (below(30.0), BETWEEN), (30.0, CLEAR)],
)
def test_a_hazard_is_nearer_than_the_stopping_distance_and_clear_begins_at_one_and_a_half(
    distance, expected
):
    assert hazard([at(distance)], HazardSettings()).verdict is expected


@pytest.mark.parametrize('distance, expected', [(below(8.0), HAZARD), (8.0, BETWEEN)])
def test_the_limits_follow_the_stopping_distance(distance, expected):
    settings = HazardSettings(stopping_distance=8.0)
    assert hazard([at(distance)], settings).verdict is expected
    assert hazard([at(below(12.0))], settings).verdict is BETWEEN
    assert hazard([at(12.0)], settings).verdict is CLEAR


@pytest.mark.parametrize(
    'width, offset, expected',
    [(3.0, 1.5, HAZARD), (3.0, above(1.5), CLEAR), (7.0, 3.5, HAZARD), (7.0, above(3.5), CLEAR)],
)
def test_a_foot_on_the_edge_of_the_corridor_is_inside(width, offset, expected):
    settings = HazardSettings(corridor_width=width)
    assert hazard([at(5.0, offset)], settings).verdict is expected


def test_the_corridor_is_three_metres_wide_where_nothing_else_is_said():
    assert hazard([at(5.0, 1.5)], HazardSettings()).verdict is HAZARD
    assert hazard([at(5.0, above(1.5))], HazardSettings()).verdict is CLEAR


def test_the_nearest_thing_inside_is_named_and_of_two_as_near_the_first_label():
    things = [at(9.0, 2.0), at(12.0, label=CAR), at(12.0, measured=False), at(25.0)]
    found = hazard(things, HazardSettings())
    assert (found.nearest, found.nearest_class, found.source) == (12.0, 'person', 'flat ground')
    assert hazard([], HazardSettings()).nearest is None
    assert hazard([at(30.0)], HazardSettings()).nearest is None


def dangers(found):
    return {name for name, verdict in found.items() if verdict is HAZARD}


def test_the_sweep_has_the_same_edges_at_every_width_and_distance():
    names = {
        width: {f'{width} m x {distance} m' for distance in ('15.0', '20.0', '30.0')}
        for width in ('2.00', '3.00', '4.00')
    }
    every = names['2.00'] | names['3.00'] | names['4.00']
    assert set(sweep([], HazardSettings())) == every
    # Half of 2 m, of 3 m and of 4 m.
    assert dangers(sweep([at(5.0, 1.0)], HazardSettings())) == every
    assert dangers(sweep([at(5.0, above(1.0))], HazardSettings())) == every - names['2.00']
    assert dangers(sweep([at(5.0, 1.5)], HazardSettings())) == every - names['2.00']
    assert dangers(sweep([at(5.0, above(1.5))], HazardSettings())) == names['4.00']
    assert dangers(sweep([at(5.0, 2.0)], HazardSettings())) == names['4.00']
    assert dangers(sweep([at(5.0, above(2.0))], HazardSettings())) == set()


def test_the_sweep_has_three_quarters_and_one_and_a_half_of_the_stopping_distance():
    # 15 m is no hazard within 15 m, and 1.5 x 15 m is 22.5 m.
    for distance, expected in ((below(15.0), HAZARD), (15.0, BETWEEN), (22.5, CLEAR)):
        assert sweep([at(distance)], HazardSettings())['3.00 m x 15.0 m'] is expected
    for distance, expected in ((below(30.0), HAZARD), (30.0, BETWEEN), (45.0, CLEAR)):
        assert sweep([at(distance)], HazardSettings())['3.00 m x 30.0 m'] is expected


# Presence: 1000 pixels, 50 rows, 50 m --------------------------------------------------------


def required(area=4000, height=100, depth=None, shape=(1024, 2048), group=False, **chosen):
    thing = Thing(PERSON, area, 200, 200 + height - 1, np.array([7]), group, depth)
    return is_required(thing, shape, PresenceSettings(**chosen))


@pytest.mark.parametrize(
    'thing, expected',
    [
        ({'area': 1000}, True),
        ({'area': 999}, False),
        ({'height': 50}, True),
        ({'height': 49}, False),
        ({'depth': 50.0}, True),
        ({'depth': above(50.0)}, False),
        ({'depth': None}, True),
        ({'group': True}, False),
    ],
)
def test_a_thing_is_required_at_exactly_the_limits(thing, expected):
    assert required(**thing) is expected


@pytest.mark.parametrize(
    'thing, expected',
    [
        # A quarter of the pixels and half of the rows, whatever the shape.
        ({'shape': (512, 1024), 'area': 250}, True),
        ({'shape': (512, 1024), 'area': 249}, False),
        ({'shape': (512, 1024), 'height': 25}, True),
        ({'shape': (512, 1024), 'height': 24}, False),
        # As high and half as wide: half of the pixels, and as many rows.
        ({'shape': (1024, 1024), 'area': 500}, True),
        ({'shape': (1024, 1024), 'area': 499}, False),
        ({'shape': (1024, 1024), 'height': 50}, True),
        ({'shape': (1024, 1024), 'height': 49}, False),
    ],
)
def test_the_limits_are_scaled_to_the_picture(thing, expected):
    assert required(**thing) is expected


def test_the_limits_can_be_chosen_and_all_have_to_be_reached():
    assert required(area=10, minimum_area=10) and not required(area=9, minimum_area=10)
    assert required(height=3, minimum_height=3) and not required(height=2, minimum_height=3)
    assert required(depth=8.0, maximum_distance=8.0)
    assert not required(depth=above(8.0), maximum_distance=8.0)
    assert not required(area=999, height=1000, depth=1.0)
    assert not required(area=10**6, height=49, depth=1.0)

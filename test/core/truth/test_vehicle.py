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

"""The super-class vehicle: what satisfies it, what makes it tolerable (METRICS.md, section 1)."""

import numpy as np
import pytest

from vlm_misalign_ros.core.labels.classes import BY_NAME, VEHICLE
from vlm_misalign_ros.core.truth.hazard import HazardSettings, approaches, hazard
from vlm_misalign_ros.core.truth.inventory import take_inventory
from vlm_misalign_ros.core.truth.presence import PresenceSettings, presence, required
from vlm_misalign_ros.core.types import Camera, Hazard, Presence

MEMBERS = ('car', 'truck', 'bus', 'train', 'caravan', 'trailer')
TWO_WHEELERS = ('motorcycle', 'bicycle')


def inventory(name: str, side: int = 200):
    labels = np.full((1024, 2048), BY_NAME['road'].id, np.uint8)
    instances = np.zeros(labels.shape, np.uint16)
    if name:
        label = BY_NAME[name].id
        labels[700 : 700 + side, 924 : 924 + side] = label
        instances[700 : 700 + side, 924 : 924 + side] = label * 1000
    return take_inventory(labels, instances, None)


def state(name: str, side: int = 200) -> Presence:
    found = inventory(name, side)
    return presence(found, required(found, PresenceSettings()))[VEHICLE]


@pytest.mark.parametrize('name', MEMBERS)
def test_a_member_makes_it_what_it_is_itself(name):
    assert state(name) is Presence.REQUIRED
    assert state(name, side=10) is Presence.TOLERATED


@pytest.mark.parametrize('name', TWO_WHEELERS)
@pytest.mark.parametrize('side', [200, 10])
def test_a_two_wheeler_makes_it_tolerated(name, side):
    assert state(name, side) is Presence.TOLERATED


@pytest.mark.parametrize('name', ['', 'person', 'rider', 'traffic light'])
def test_nothing_else_does(name):
    assert state(name) is Presence.ABSENT


@pytest.mark.parametrize('name', [*MEMBERS, *TWO_WHEELERS, 'person', 'rider'])
def test_all_of_them_are_hazards(name):
    camera = Camera(2048, 1024, 2262.5, 2265.3, 1096.98, 513.137, 1.22, 0.038)
    assert hazard(approaches(inventory(name), camera), HazardSettings()).verdict is Hazard.HAZARD

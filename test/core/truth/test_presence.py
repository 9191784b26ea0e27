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

"""Which things a description has to name, by hand and by a plain definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maps import ID, put, states, street
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.truth.inventory import take_inventory
from vlm_misalign_ros.core.truth.presence import (
    PresenceSettings,
    presence,
    required,
    visible_inventory,
)
from vlm_misalign_ros.core.types import Presence


@pytest.mark.parametrize(
    'rows, columns, expected',
    [
        (50, 20, Presence.REQUIRED),  # exactly 1000 pixels and 50 rows
        (50, 19, Presence.TOLERATED),  # 950 pixels
        (49, 100, Presence.TOLERATED),  # 49 rows
    ],
)
def test_a_person_is_required_from_its_size_on(rows, columns, expected):
    labels, instances = street()
    put(labels, instances, 'person', 0, 600, 700, rows, columns)
    assert states(labels, instances)['person'] is expected


def test_sizes_are_scaled_with_the_picture():
    labels, instances = street(1024, 512)
    put(labels, instances, 'person', 0, 300, 300, 25, 10)
    assert states(labels, instances)['person'] is Presence.REQUIRED
    put(labels, instances, 'car', 0, 300, 600, 24, 40)
    assert states(labels, instances)['car'] is Presence.TOLERATED


def test_pieces_of_one_instance_count_together_and_groups_are_never_required():
    labels, instances = street()
    put(labels, instances, 'car', 3, 600, 100, 25, 20)
    put(labels, instances, 'car', 3, 640, 160, 25, 20)
    assert states(labels, instances)['car'] is Presence.REQUIRED
    labels, instances = street()
    labels[600:800, 100:300] = ID['person']
    instances[600:800, 100:300] = ID['person']
    assert states(labels, instances)['person'] is Presence.TOLERATED
    # Without an instance map the outlines are all there is.
    assert states(labels, None)['person'] is Presence.REQUIRED


def test_vehicle_and_compatible_labels():
    labels, instances = street()
    assert states(labels, instances)['vehicle'] is Presence.ABSENT
    put(labels, instances, 'caravan', 0, 600, 100, 100, 100)
    found = states(labels, instances)
    assert found['vehicle'] is not Presence.ABSENT and found['car'] is Presence.TOLERATED
    assert found['bus'] is Presence.ABSENT
    put(labels, instances, 'rider', 0, 600, 900, 100, 100)
    found = states(labels, instances)
    assert found['rider'] is Presence.REQUIRED and found['person'] is Presence.TOLERATED
    put(labels, instances, 'bus', 0, 600, 1200, 100, 100)
    assert states(labels, instances)['vehicle'] is Presence.REQUIRED


def test_truth_covers_every_scored_name_and_is_empty_for_an_empty_map():
    labels = np.zeros((64, 128), np.uint8)
    found = states(labels, labels.astype(np.uint16))
    assert tuple(found) == SCORED and set(found.values()) == {Presence.ABSENT}


def seen(labels, instances, visible):
    inventory = visible_inventory(labels, instances, None, visible)
    return presence(inventory, required(inventory, PresenceSettings()))


def test_visible_truth_leaves_out_what_an_occluder_covers():
    labels, instances = street()
    put(labels, instances, 'person', 0, 600, 700, 100, 50)
    visible = np.ones(labels.shape, bool)
    visible[:, 690:760] = False
    found = seen(labels, instances, visible)
    assert found['person'] is Presence.ABSENT and found['road'] is not Presence.ABSENT
    visible[600 : 600 + 10] = True
    found = seen(labels, instances, visible)
    assert found['person'] is Presence.TOLERATED


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_things_agree_with_the_plain_definition(seed):
    rng = np.random.default_rng(seed)
    labels, instances = street(96, 64)
    for number in range(int(rng.integers(0, 6))):
        name = str(rng.choice(['person', 'car', 'bus', 'rider']))
        put(
            labels,
            instances,
            name,
            number,
            int(rng.integers(0, 50)),
            int(rng.integers(0, 80)),
            int(rng.integers(1, 30)),
            int(rng.integers(1, 30)),
        )
    inventory = take_inventory(labels, instances)
    found = {(t.label, t.area, t.top, t.bottom) for t in inventory.things}
    assert inventory.pixels.tolist() == np.bincount(labels.ravel(), minlength=256).tolist()
    expected = set()
    for value in np.unique(instances[instances >= 1000]):
        rows = np.nonzero(instances == value)[0]
        expected.add((int(value) // 1000, rows.size, int(rows.min()), int(rows.max())))
    assert found == expected

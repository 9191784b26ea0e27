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

"""The truth of a frame as lines."""

import numpy as np
import pytest

from maps import put, street
from vlm_misalign_ros.core.truth import outlines
from vlm_misalign_ros.core.truth.outlines import MOST_POINTS, Outlined, Outlines
from vlm_misalign_ros.core.truth.read import TruthMaps, TruthSettings, read_truth
from vlm_misalign_ros.core.types import Camera, NoCamera

CAMERA = Camera(2048, 1024, 2000.0, 2000.0, 1024.0, 512.0, mount_height=1.2, pitch=0.0)


def outlined(labels, instances, camera=CAMERA):
    maps = TruthMaps(labels, instances)
    return outlines.outline(read_truth(maps, camera, TruthSettings()), maps)


def test_what_has_to_be_named_is_outlined_and_who_is_in_the_way_comes_first():
    labels, instances = street()
    # The foot at row 751: 1.2 * 2000 / (751.5 - 512) = 10.02 m, in the middle of the corridor.
    put(labels, instances, 'car', 1, 600, 974, 152, 100)
    # Far to the side, and one too small for anybody to have to see it.
    put(labels, instances, 'person', 1, 500, 100, 200, 60)
    put(labels, instances, 'person', 2, 500, 1800, 30, 10)
    found = outlined(labels, instances)
    assert [(thing.name, thing.way, thing.required) for thing in found.things] == [
        ('car', True, True),
        ('person', False, True),
    ]
    assert found.things[0].metres == pytest.approx(10.0)
    (line,) = found.things[0].lines
    xs, ys = np.array(line).T * np.array([[2048], [1024]])
    # A rectangle: its corners are the middles of its outermost pixels.
    assert (xs.min(), xs.max()) == pytest.approx((974.5, 1073.5), abs=0.2)
    assert (ys.min(), ys.max()) == pytest.approx((600.5, 751.5), abs=0.2)


def test_the_corridor_is_as_wide_as_it_is_and_ends_at_the_stopping_distance():
    corridor = np.array(outlined(*street()).corridor) * [2048, 1024]
    # 20 m ahead: row 512 + 2000 * 1.2 / 20, and 1.5 m to each side: 2000 * 1.5 / 20.
    assert corridor[1].tolist() == pytest.approx([1024 - 150, 632], abs=0.2)
    assert corridor[2].tolist() == pytest.approx([1024 + 150, 632], abs=0.2)


def test_without_a_camera_there_is_no_corridor():
    assert outlined(*street(), camera=NoCamera('not calibrated')).corridor == []


def test_a_ragged_thing_has_few_corners_and_its_large_parts_alone():
    labels, instances = street()
    rng = np.random.default_rng(0)
    for column in range(400, 800):
        top = 560 + int(rng.integers(0, 60))
        put(labels, instances, 'bus', 1, top, column, 700 - top, 1)
    put(labels, instances, 'bus', 1, 560, 1500, 2, 2)
    (thing,) = outlined(labels, instances).things
    assert len(thing.lines) == 1 and len(thing.lines[0]) <= MOST_POINTS


def test_outlines_are_read_back_and_what_is_none_is_none():
    found = Outlines([Outlined('car', None, True, False, [[(0.5, 0.25)]])], [])
    assert outlines.decode(outlines.encode(found)) == found
    for data in (b'', b'[]', b'{"things": [{"name": 3}]}', b'\xff'):
        assert outlines.decode(data) is None

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

"""Hazard truth by hand, by projection and by depth."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maps import ID, put, states, street
from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.labels.classes import BY_NAME
from vlm_misalign_ros.core.report.drawing import draw_truth
from vlm_misalign_ros.core.truth.camera import ground_distance, project, scaled
from vlm_misalign_ros.core.truth.hazard import HazardSettings, approaches, hazard, sweep
from vlm_misalign_ros.core.truth.inventory import take_inventory
from vlm_misalign_ros.core.truth.presence import PresenceSettings, presence, required
from vlm_misalign_ros.core.truth.read import TruthSettings
from vlm_misalign_ros.core.types import Camera, Frame, Hazard, Presence

CAMERA = Camera(2048, 1024, 2000.0, 2000.0, 1024.0, 512.0, mount_height=1.2, pitch=0.0)


def test_ground_distance_by_hand():
    # 120 rows below the horizon: Z = 1.2 * 2000 / 120.
    assert ground_distance(CAMERA, 632.0) == pytest.approx(20.0)
    assert ground_distance(CAMERA, 512.0) == math.inf
    assert ground_distance(CAMERA, 100.0) == math.inf
    down = Camera(2048, 1024, 2000.0, 2000.0, 1024.0, 512.0, mount_height=1.2, pitch=0.1)
    # The optical axis meets the road at h / tan(p).
    assert ground_distance(down, 512.0) == pytest.approx(1.2 / math.tan(0.1))


@given(st.floats(2.0, 60.0), st.floats(-0.05, 0.3), st.floats(0.5, 3.0))
def test_ground_distance_inverts_the_projection(distance, pitch, height):
    camera = Camera(2048, 1024, 2100.0, 2050.0, 1000.0, 520.0, height, pitch)
    forward = distance * math.cos(pitch) + height * math.sin(pitch)
    down = height * math.cos(pitch) - distance * math.sin(pitch)
    row = camera.cy + camera.fy * down / forward
    assert ground_distance(camera, row) == pytest.approx(distance, rel=1e-9)


def verdict(name, distance, sideways, camera=CAMERA, width=40, **chosen):
    labels, instances = street(camera.width, camera.height)
    row = round(camera.cy + camera.fy * camera.mount_height / distance - 0.5)
    column = round(camera.cx + camera.fx * sideways / distance)
    put(labels, instances, name, 0, row - 60, column - width // 2, 61, width)
    return hazard(approaches(take_inventory(labels, instances), camera), HazardSettings(**chosen))


@pytest.mark.parametrize(
    'distance, sideways, expected',
    [
        (10, 0, Hazard.HAZARD),
        (19, 0, Hazard.HAZARD),
        (21, 0, Hazard.INDETERMINATE),
        (29, 0, Hazard.INDETERMINATE),
        (31, 0, Hazard.CLEAR),
        (10, 3.0, Hazard.CLEAR),
        (10, -3.0, Hazard.CLEAR),
        (10, 1.55, Hazard.HAZARD),
    ],
)
def test_hazards_by_distance_and_side(distance, sideways, expected):
    found = verdict('person', distance, sideways)
    assert found.verdict is expected
    if expected is not Hazard.CLEAR:
        assert found.nearest == pytest.approx(distance, rel=0.02)
        assert found.nearest_class == 'person'


@pytest.mark.parametrize(
    'offset, distance, pitch', [(0.0, 5.0, 0.0), (1.5, 20.0, 0.04), (-4.0, 60.0, -0.01)]
)
def test_points_are_projected_to_where_their_distance_is_read(offset, distance, pitch):
    camera = Camera(2048, 1024, 2000.0, 2000.0, 1024.0, 512.0, mount_height=1.3, pitch=pitch)
    column, row = project(camera, offset, distance)
    assert ground_distance(camera, row) == pytest.approx(distance)
    depth = distance * math.cos(pitch) + 1.3 * math.sin(pitch)
    assert (column - camera.cx) / camera.fx * depth == pytest.approx(offset)


def test_a_drawing_shows_verdict_corridor_and_states():
    labels, instances = street()
    put(labels, instances, 'car', 1, 560, 960, 120, 120)
    image = np.full((*labels.shape, 3), 90, np.uint8)
    frame = Frame('d', 's', 'k', image, labels, instances, CAMERA)
    drawn, _ = draw_truth(frame, TruthSettings())
    assert drawn.shape[1:] == image.shape[1:] and drawn.shape[0] > image.shape[0]
    changed = (drawn[:1024] != 90).any(axis=2)
    # The corridor is in front of the car, and the sky beside it is left alone.
    assert changed[900, 1024] and not changed[300, 300:1800].any()
    red = drawn[900, 1024]
    assert red[2] > red[1] and red[2] > red[0]
    clear, _ = draw_truth(frame, TruthSettings(hazard=HazardSettings(stopping_distance=3.0)))
    assert (clear[1000, 1024] != drawn[1000, 1024]).any()


def test_only_road_users_are_hazards_and_the_corridor_is_adjustable():
    labels, instances = street()
    labels[700:900, 1000:1050] = ID['pole']
    assert (
        hazard(approaches(take_inventory(labels, instances), CAMERA), HazardSettings()).verdict
        is Hazard.CLEAR
    )
    assert verdict('bicycle', 10, 3.0, corridor_width=7.0).verdict is Hazard.HAZARD
    assert verdict('car', 25, 0, stopping_distance=30.0).verdict is Hazard.HAZARD


def test_the_camera_is_scaled_to_the_map():
    half = scaled(CAMERA, 1024, 512)
    assert (half.fx, half.cx, half.fy, half.cy) == (1000.0, 512.0, 1000.0, 256.0)
    labels, instances = street(1024, 512)
    put(labels, instances, 'car', 0, 300, 480, 77, 60)
    inventory = take_inventory(labels, instances)
    a = hazard(approaches(inventory, half), HazardSettings())
    assert a == hazard(approaches(inventory, CAMERA), HazardSettings())
    assert a.nearest == pytest.approx(1.2 * 1000 / (376.5 - 256), abs=1e-3)


def flat_depth(camera, shape):
    """Return the depth in millimetres of flat ground at every pixel, 0 above the horizon."""
    rows = np.arange(shape[0])
    depth = np.array([ground_distance(camera, row + 0.5) for row in rows])
    depth = np.where(np.isfinite(depth), depth * 1000, 0).clip(0, 65535)
    return np.repeat(depth[:, None], shape[1], 1).astype(np.uint16)


def test_measured_depth_decides_over_flat_ground():
    labels, instances = street()
    put(labels, instances, 'car', 0, 640, 980, 100, 90)
    by_ground = hazard(approaches(take_inventory(labels, instances), CAMERA), HazardSettings())
    assert by_ground.verdict is Hazard.HAZARD and by_ground.source == 'flat ground'
    depth = np.full(labels.shape, 45_000, np.uint16)
    far = take_inventory(labels, instances, depth)
    assert hazard(approaches(far, CAMERA), HazardSettings()).verdict is Hazard.CLEAR
    depth[640:740, 980:1070] = 12_345
    near = hazard(approaches(take_inventory(labels, instances, depth), CAMERA), HazardSettings())
    assert (near.verdict, near.nearest, near.source) == (Hazard.HAZARD, 12.345, 'depth')
    # Where the car's own depth is not known, flat ground has to do.
    depth[640:740, 980:1070] = 0
    unknown = hazard(
        approaches(take_inventory(labels, instances, depth), CAMERA), HazardSettings()
    )
    assert unknown == by_ground


def test_depth_over_flat_ground_agrees_with_the_estimate():
    camera = Camera(2048, 1024, 2000.0, 2000.0, 1024.0, 512.0, mount_height=1.2, pitch=0.0)
    labels, instances = street()
    put(labels, instances, 'person', 0, 600, 1000, 60, 40)
    depth = flat_depth(camera, labels.shape)
    depth[instances == 24000] = depth[659, 0]
    (measured,) = approaches(take_inventory(labels, instances, depth), camera)
    (estimated,) = approaches(take_inventory(labels, instances), camera)
    assert measured.distance == pytest.approx(estimated.distance, rel=1e-3)
    assert measured.offset == pytest.approx(estimated.offset, rel=1e-3)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_a_thing_is_as_far_as_the_near_quarter_of_its_depths(seed):
    rng = np.random.default_rng(seed)
    labels, instances = street(96, 64)
    for number in range(3):
        put(
            labels,
            instances,
            'car',
            number,
            int(rng.integers(0, 40)),
            int(rng.integers(0, 60)),
            int(rng.integers(2, 20)),
            int(rng.integers(2, 30)),
        )
    put(labels, instances, 'traffic sign', 0, 2, 2, 5, 5)
    instances[2:7, 2:7] = ID['traffic sign']
    depth = rng.integers(0, 60_000, labels.shape).astype(np.uint16)
    depth[rng.random(labels.shape) < 0.3] = 0
    inventory = take_inventory(labels, instances, depth)
    expected = []
    for value in [*np.unique(instances[instances >= 1000]), ID['traffic sign']]:
        known = np.sort(depth[(instances == value) & (depth > 0)])
        expected.append(known[int((len(known) - 1) * 0.25)] / 1000 if known.size else None)
    found = sorted(thing.depth or 0.0 for thing in inventory.things)
    assert found == pytest.approx(sorted(value or 0.0 for value in expected))


def test_what_is_farther_than_the_limit_need_not_be_mentioned():
    labels, instances = street()
    put(labels, instances, 'car', 0, 600, 100, 100, 100)
    depth = np.full(labels.shape, 50_000, np.uint16)

    def state(**chosen):
        inventory = take_inventory(labels, instances, depth)
        return presence(inventory, required(inventory, PresenceSettings(**chosen)))['car']

    assert state() is Presence.REQUIRED
    assert state(maximum_distance=49.0) is Presence.TOLERATED
    depth[:] = 0
    assert state(maximum_distance=1.0) is Presence.REQUIRED


def test_the_sweep_holds_the_verdict_itself_and_is_monotonous():
    labels, instances = street()
    put(labels, instances, 'person', 0, 600, 1090, 60, 40)
    things = approaches(take_inventory(labels, instances), CAMERA)
    found = sweep(things, HazardSettings())
    assert len(found) == 9
    assert found['3.00 m x 20.0 m'] is hazard(things, HazardSettings()).verdict
    order = {Hazard.CLEAR: 0, Hazard.INDETERMINATE: 1, Hazard.HAZARD: 2}
    for width in ('2.00', '3.00', '4.00'):
        levels = [order[found[f'{width} m x {d} m']] for d in ('15.0', '20.0', '30.0')]
        assert levels == sorted(levels)


def test_real_frames_give_plausible_truth(sample):
    for frame in open_dataset(sample):
        found = states(frame.labels, frame.instances)
        assert found['road'] is Presence.TOLERATED and found['train'] is Presence.ABSENT
        assert all(
            (found[name] is Presence.ABSENT)
            == (
                not (frame.labels == BY_NAME[name].id).any()
                and not (name == 'person' and (frame.labels == ID['rider']).any())
            )
            for name in ('person', 'bicycle', 'bus', 'motorcycle')
        )

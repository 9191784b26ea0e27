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
The road of the ego corridor, counted by hand.

The camera looks straight ahead from 1.2 m: flat road Z metres away is seen 1.2 * 2000 / Z rows
below row 512, and half of a 3 m corridor is 1.5 * 2000 / Z = 1.25 columns for each of those rows.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maps import ID, put, street
from vlm_misalign_ros.core.report.drawing import draw_truth
from vlm_misalign_ros.core.truth.camera import ground_distance
from vlm_misalign_ros.core.truth.corridor import OBSTACLES, Road, with_hood
from vlm_misalign_ros.core.truth.hazard import Doubt, HazardSettings, approaches, hazard, sweep
from vlm_misalign_ros.core.truth.inventory import take_inventory
from vlm_misalign_ros.core.truth.read import TruthMaps, TruthSettings, read_truth
from vlm_misalign_ros.core.types import Camera, Frame, Hazard

CAMERA = Camera(2048, 1024, 2000.0, 2000.0, 1024.0, 512.0, mount_height=1.2, pitch=0.0)
FIRST = 512 + 120
"""The row of road at 20 m: 1.2 * 2000 / 20 = 120 below the horizon."""


def columns(row, width=3.0):
    """Return the corridor's columns in a row, by hand: |column - 1024| <= width / 2 / Z * f."""
    half = width / 2 * 2000 * (row - 512) / (1.2 * 2000)
    return max(0, math.ceil(1024 - half)), min(2047, math.floor(1024 + half))


def by_hand(width=3.0, distance=20.0):
    """Return the number of the corridor's pixels."""
    first = 512 + math.ceil(1.2 * 2000 / distance)
    return sum(
        right - left + 1 for left, right in (columns(row, width) for row in range(first, 1024))
    )


def road(labels, instances=None, camera=CAMERA, depth=None):
    return Road(take_inventory(labels, instances), camera, depth)


def test_an_empty_street_is_counted_to_the_last_pixel():
    labels, instances = street()
    found = road(labels, instances).within(3.0, 20.0)
    # Row 632 has columns 874 to 1174: 2 * 150 + 1, and each row below 1.25 more on either side.
    assert columns(FIRST) == (874, 1174)
    assert (found.pixels, found.silent, found.obstacles) == (by_hand(), 0, {})
    assert road(labels, instances).within(3.0, 10.0).pixels == by_hand(distance=10.0)
    assert road(labels, instances).within(4.0, 30.0).pixels == by_hand(4.0, 30.0)


def test_what_stands_on_the_road_counts_where_it_hides_the_corridor():
    labels, instances = street()
    # A wall across everything between the rows of 20 m and of 16 m (150 below the horizon).
    labels[FIRST - 60 : 512 + 150] = ID['wall']
    found = road(labels, instances).within(3.0, 20.0)
    wall = sum(columns(row)[1] - columns(row)[0] + 1 for row in range(FIRST, 512 + 150))
    assert found.obstacles == {'wall': wall} and found.pixels == by_hand()
    # Its upper rows are beyond: over them flat road is farther than 20 m.
    assert road(labels, instances).within(3.0, 15.9).obstacles == {}


@pytest.mark.parametrize('name', OBSTACLES)
def test_every_surface_on_which_nobody_drives_is_an_obstacle(name):
    labels, instances = street()
    labels[800:900, 1000:1050] = ID[name]
    assert road(labels, instances).within(3.0, 20.0).obstacles == {name: 5000}


@pytest.mark.parametrize('name', ['road', 'parking', 'rail track', 'ground', 'sky', 'car'])
def test_where_one_may_drive_and_who_drives_is_none(name):
    labels, instances = street()
    labels[800:900, 1000:1050] = ID[name]
    assert road(labels, instances).within(3.0, 20.0).obstacles == {}


def verdict(labels, instances, depth=None, camera=CAMERA, **chosen):
    settings = HazardSettings(**chosen)
    inventory = take_inventory(labels, instances, depth)
    corridor = Road(inventory, camera, depth).within(
        settings.corridor_width, settings.stopping_distance
    )
    return hazard(approaches(inventory, camera), settings, corridor)


def test_one_per_cent_is_clear_and_a_pixel_more_is_not():
    labels, instances = street()
    flat = labels.ravel()
    allowed = by_hand() // 100
    inside = [row * 2048 + column for row in range(900, 940) for column in range(900, 1100)]
    flat[inside[:allowed]] = ID['fence']
    assert verdict(labels, instances).verdict is Hazard.CLEAR
    flat[inside[allowed]] = ID['pole']
    found = verdict(labels, instances)
    assert (found.verdict, found.doubt) == (Hazard.INDETERMINATE, Doubt.OBSTACLES)
    assert verdict(labels, instances, obstacle_share=0.011).verdict is Hazard.CLEAR
    # A person in the way stays a hazard beside a fence.
    put(labels, instances, 'person', 1, 640, 1000, 80, 40)
    assert verdict(labels, instances).verdict is Hazard.HAZARD


def test_a_wall_beside_the_corridor_or_above_its_road_is_none():
    labels, instances = street()
    for row in range(512, 1024):
        left, right = columns(row)
        labels[row, :left] = ID['wall']
        labels[row, right + 1 :] = ID['vegetation']
    labels[512:FIRST] = ID['building']
    found = verdict(labels, instances)
    assert (found.verdict, found.doubt) == (Hazard.CLEAR, None)
    labels[:, 873] = labels[:, 1175] = ID['wall']
    assert verdict(labels, instances, corridor_width=3.1).verdict is Hazard.INDETERMINATE


def test_hood_and_border_are_no_part_of_the_corridor():
    labels, instances = street()
    labels[920:] = ID['ego vehicle']
    labels[1019:] = ID['rectification border']
    labels[640:660, 900:1148] = ID['terrain']
    found = road(labels, instances).within(3.0, 20.0)
    hood = sum(columns(row)[1] - columns(row)[0] + 1 for row in range(920, 1024))
    assert found.pixels == by_hand() - hood and found.obstacles['terrain'] > 0
    assert found.silent == 0


def test_a_corridor_of_which_nothing_is_known_is_not_clear():
    labels, instances = street()
    labels[FIRST:] = 0
    found = verdict(labels, instances)
    assert (found.verdict, found.doubt) == (Hazard.INDETERMINATE, Doubt.UNLABELLED)
    labels[FIRST:] = 255
    assert verdict(labels, instances).doubt is Doubt.UNLABELLED


@pytest.mark.parametrize('name', ['unlabeled', 'out of roi'])
@pytest.mark.parametrize(
    'silent, blocked, expected',
    [
        (0, 0, None),
        (0.0099, 0, None),
        (0.0101, 0, Doubt.UNLABELLED),
        (0.006, 0.005, Doubt.UNLABELLED),
        (0.005, 0.006, Doubt.OBSTACLES),
        (0.004, 0.005, None),
        (0.49, 0, Doubt.UNLABELLED),
    ],
)
def test_unlabelled_and_blocked_are_counted_together(name, silent, blocked, expected):
    """Each share is laid on the corridor's pixels in reading order from its last row."""
    labels, instances = street()
    inside = [
        (row, column)
        for row in range(FIRST, 1024)
        for column in range(columns(row)[0], columns(row)[1] + 1)
    ][::-1]
    assert len(inside) == by_hand()
    first = round(silent * len(inside))
    for number, place in enumerate(inside[: first + round(blocked * len(inside))]):
        labels[place] = ID[name] if number < first else ID['terrain']
    found = verdict(labels, instances)
    assert found.doubt is expected
    assert found.verdict is (Hazard.CLEAR if expected is None else Hazard.INDETERMINATE)


def test_a_hood_that_is_not_told_is_none_of_the_scene():
    labels, instances = street()
    labels[900:] = ID['unlabeled']
    for tells, expected in ((True, Doubt.UNLABELLED), (False, None)):
        maps = TruthMaps(labels, instances, tells_hood=tells)
        assert read_truth(maps, CAMERA, TruthSettings()).hazard.doubt is expected
    # What lies on the road is not the hood, nor is what reaches farther up than one can.
    for rows in (slice(800, 890), slice(700, 1024)):
        labels[rows, 900:1148] = 0
        maps = TruthMaps(labels, instances, tells_hood=False)
        assert read_truth(maps, CAMERA, TruthSettings()).hazard.doubt is Doubt.UNLABELLED
        labels[rows, 900:1148] = ID['road']


def test_the_border_below_a_hood_is_none_of_the_scene_and_what_is_out_of_roi_on_the_road_is():
    labels, instances = street()
    labels[844:] = ID['ego vehicle']
    labels[1019:] = ID['out of roi']
    assert read_truth(TruthMaps(labels, instances), CAMERA, TruthSettings()).hazard.doubt is None
    labels[700:720, 900:1148] = ID['out of roi']
    found = read_truth(TruthMaps(labels, instances), CAMERA, TruthSettings())
    assert found.hazard.doubt is Doubt.UNLABELLED and found.corridor.silent == 20 * 248


@pytest.mark.parametrize('tells', [True, False])
def test_runs_with_the_hood_are_those_of_the_map_with_it(tells):
    rng = np.random.default_rng(5)
    labels = rng.choice(np.array([0, 3, 3, 7, 255], np.uint8), (16, 12)).repeat(2, 1)
    expected = labels.copy()
    reached = [(15, column) for column in range(24)]
    while reached:
        row, column = reached.pop()
        inside = 12 <= row < 16 and 0 <= column < 24
        if inside and expected[row, column] in ((3,) if tells else (0, 3, 255)):
            expected[row, column] = 1
            reached += [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
    found = with_hood(take_inventory(labels, None).runs, labels, tells)
    assert np.array_equal(found.values.repeat(found.lengths).reshape(16, 24), expected)
    assert (expected == 1).any() and found.lengths.min() > 0


def test_a_corridor_that_is_not_in_the_picture_is_not_clear():
    labels, instances = street()
    up = Camera(2048, 1024, 2000.0, 2000.0, 1024.0, 512.0, mount_height=1.2, pitch=-0.3)
    found = verdict(labels, instances, camera=up)
    assert (found.verdict, found.doubt) == (Hazard.INDETERMINATE, Doubt.OUT_OF_VIEW)


def flat_depth():
    depth = np.array([ground_distance(CAMERA, row) for row in range(1024)])
    depth = np.where(np.isfinite(depth), depth * 1000, 0).clip(0, 65535)
    return np.repeat(depth[:, None], 2048, 1).astype(np.uint16)


def test_depth_decides_where_it_is_known():
    labels, instances = street()
    labels[700:760, 1000:1060] = ID['vegetation']
    depth = flat_depth()
    by_ground = road(labels, instances).within(3.0, 20.0)
    assert by_ground.obstacles == {'vegetation': 3600}
    # As far as the road that it hides, or nearer: the same; unknown: the same.
    for value in (depth[700:760, 1000:1060], 3000, 0):
        depth[700:760, 1000:1060] = value
        assert road(labels, instances, depth=depth).within(3.0, 20.0) == by_ground
    # Beyond 20 m (a slope that falls away) it is not in the corridor; half of it is.
    depth[700:730, 1000:1060] = 20_001
    found = road(labels, instances, depth=depth).within(3.0, 20.0)
    assert found.obstacles == {'vegetation': 1800} and found.pixels == by_ground.pixels
    depth[730:760, 1000:1060] = 20_000
    found = road(labels, instances, depth=depth).within(3.0, 20.0)
    assert found.obstacles == {'vegetation': 1800}


def test_depth_tells_how_far_to_the_side_an_obstacle_is():
    labels, instances = street()
    # In the lowest rows half of the corridor is 639 columns, of road 4.7 m away.
    labels[1000:1010, 1500:1510] = ID['pole']
    depth = flat_depth()
    assert road(labels, instances, depth=depth).within(3.0, 20.0).obstacles == {'pole': 100}
    # At 6.3 m column 1500 is 476 / 2000 * 6.3 = 1.4994 m to the side, column 1501 1.5026 m.
    depth[1000:1010, 1500:1510] = 6300
    assert road(labels, instances, depth=depth).within(3.0, 20.0).obstacles == {'pole': 10}


@given(
    st.integers(0, 2**32 - 1),
    st.floats(0.5, 8.0),
    st.floats(2.0, 60.0),
    st.floats(-0.05, 0.3),
    st.booleans(),
)
def test_runs_and_pixels_are_counted_alike(seed, width, distance, pitch, with_depth):
    rng = np.random.default_rng(seed)
    labels = rng.choice(
        np.array([0, 1, 4, 7, 7, 7, 8, 12, 21, 26, 77, 255], np.uint8), (24, 32)
    ).repeat(2, 0)
    depth = rng.integers(0, 30_000, labels.shape).astype(np.uint16) if with_depth else None
    camera = Camera(32, 48, 40.0, 42.0, 15.3, 20.7, 1.3, pitch)
    expected = {'pixels': 0, 'silent': 0}
    for row in range(48):
        flat = ground_distance(camera, row)
        if flat > distance:
            continue
        slope = (row - camera.cy) / camera.fy
        axis = camera.mount_height / (slope * math.cos(pitch) + math.sin(pitch))
        for column in range(32):
            side = abs(column - camera.cx) / camera.fx
            if side * axis > width / 2:
                continue
            label = int(labels[row, column])
            name = {4: 'static', 8: 'sidewalk', 12: 'wall', 21: 'vegetation'}.get(label)
            if label == 1:
                continue
            expected['silent' if label in (0, 77, 255) else 'pixels'] += 1
            if name is None:
                continue
            far = depth[row, column] / 1000 if depth is not None else 0
            ahead = far * (math.cos(pitch) - slope * math.sin(pitch))
            if far and (side * far > width / 2 or ahead > distance):
                continue
            expected[name] = expected.get(name, 0) + 1
    found = road(labels, camera=camera, depth=depth).within(width, distance)
    assert {'pixels': found.pixels, 'silent': found.silent, **found.obstacles} == expected
    assert list(found.obstacles.values()) == sorted(found.obstacles.values(), reverse=True)


# Things of unknown distance ------------------------------------------------------------------


def floating(rows, left=1010, name='person', top=400):
    """Return a street with a person whose foot is above the horizon."""
    labels, instances = street()
    put(labels, instances, name, 1, top, left, rows, 20)
    return labels, instances


def test_a_thing_of_unknown_distance_in_the_corridor_is_not_clear():
    found = verdict(*floating(100))
    assert (found.verdict, found.doubt) == (Hazard.INDETERMINATE, Doubt.UNKNOWN_DISTANCE)
    assert found.nearest is None
    # At 20 m half of 3 m are 150 columns: 1174 is in, 1175 out.
    assert verdict(*floating(100, left=1174)).doubt is Doubt.UNKNOWN_DISTANCE
    assert verdict(*floating(100, left=1175)).verdict is Hazard.CLEAR
    # A measured one is where it was measured.
    labels, instances = floating(100)
    depth = np.full(labels.shape, 45_000, np.uint16)
    assert verdict(labels, instances, depth).verdict is Hazard.CLEAR
    # One that is known to be near is a hazard all the same.
    put(labels, instances, 'car', 2, 600, 1000, 100, 60)
    assert verdict(labels, instances).verdict is Hazard.HAZARD


def test_specks_at_the_horizon_are_far():
    # At 1.5 * 20 m half a metre is 2000 / 30 / 2 = 33.3 rows.
    assert verdict(*floating(33)).verdict is Hazard.CLEAR
    assert verdict(*floating(34)).doubt is Doubt.UNKNOWN_DISTANCE
    # Lights and signs hang where they are seen, whatever is below.
    labels, instances = street()
    labels[400:500, 1010:1030] = ID['traffic sign']
    assert verdict(labels, instances).verdict is Hazard.CLEAR


# The sweep, and what is made of it -----------------------------------------------------------


def test_the_sweep_looks_for_obstacles_in_each_corridor():
    labels, instances = street()
    # A fence all along, 1.2 m to the right: in corridors of 3 m and 4 m, not of 2 m.
    for row in range(513, 1024):
        place = round(1024 + 1.2 * (row - 512) / 1.2)
        labels[row, place : place + 1 + (row - 512) // 20] = ID['fence']
    inventory = take_inventory(labels, instances)
    found = sweep([], HazardSettings(), Road(inventory, CAMERA))
    assert len(found) == 9
    for name, state in found.items():
        wanted = Hazard.CLEAR if name.startswith('2.00') else Hazard.INDETERMINATE
        assert state is wanted, name
    # Behind 16 m a wall is no obstacle to who stops within 15 m.
    labels, instances = street()
    labels[512 : 512 + 150] = ID['wall']
    found = sweep([], HazardSettings(), Road(take_inventory(labels, instances), CAMERA))
    assert {name for name, state in found.items() if state is Hazard.CLEAR} == {
        f'{width} m x 15.0 m' for width in ('2.00', '3.00', '4.00')
    }


def test_presence_does_not_change_by_obstacles_and_the_share_is_a_setting():
    labels, instances = street()
    labels[700:760, 900:1100] = ID['fence']
    put(labels, instances, 'car', 1, 540, 300, 100, 100)
    maps = TruthMaps(labels, instances)
    found = read_truth(maps, CAMERA, TruthSettings())
    loose = read_truth(maps, CAMERA, TruthSettings(hazard=HazardSettings(obstacle_share=1.0)))
    assert found.seen.scene == loose.seen.scene
    assert (found.hazard.verdict, loose.hazard.verdict) == (Hazard.INDETERMINATE, Hazard.CLEAR)
    assert found.sweep() != loose.sweep()
    assert TruthSettings().to_plain()['obstacle_share'] == 0.01


def test_a_drawing_shows_the_obstacles_and_the_reason():
    labels, instances = street()
    image = np.full((*labels.shape, 3), 90, np.uint8)
    frame = Frame('d', 's', 'k', image, labels, instances, CAMERA)
    plain, _ = draw_truth(frame, TruthSettings())
    labels[700:760, 900:1100] = ID['fence']
    drawn, _ = draw_truth(frame, TruthSettings())
    changed = (plain != drawn).any(axis=2)
    # The fence, where it hides the corridor's road, and the words above.
    assert changed[710:750, 910:1090].all() and changed[:70].any()
    beside = replace(frame, labels=np.where(labels == ID['fence'], np.uint8(7), labels))
    assert (draw_truth(beside, TruthSettings())[0] == plain).all()

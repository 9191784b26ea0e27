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

"""Lenses: against OpenCV's projectPoints, and a street drawn through one against it without."""

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_misalign_ros.core.labels.classes import BY_NAME
from vlm_misalign_ros.core.truth.hazard import approaches
from vlm_misalign_ros.core.truth.inventory import take_inventory
from vlm_misalign_ros.core.truth.lens import distorted, flat, reaches, straightened
from vlm_misalign_ros.core.truth.read import TruthMaps, TruthSettings, look_ahead, read_truth
from vlm_misalign_ros.core.types import Camera, Hazard

PINHOLE = Camera(640, 400, 400.0, 410.0, 322.0, 196.0, mount_height=1.4, pitch=0.03)
BARREL = (-0.28, 0.09, 0.001, -0.002, -0.012)
RATIONAL = (0.4, 0.05, 1e-3, -5e-4, 0.01, 0.75, 0.2, 0.03)
PRISM = (*RATIONAL, 1e-3, -2e-4, 5e-4, 1e-4)
LENSES = [BARREL[:4], BARREL, RATIONAL, PRISM]
ROAD, SKY, CAR, WALL = (BY_NAME[name].id for name in ('road', 'sky', 'car', 'wall'))


def seen(lens):
    return replace(PINHOLE, distortion=lens)


def matrix(camera):
    return np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])


@pytest.mark.parametrize('lens', LENSES)
def test_a_point_is_shown_where_opencv_projects_it(lens):
    rng = np.random.default_rng(1)
    points = np.column_stack([rng.uniform(-0.7, 0.7, (50, 2)), np.ones(50)])
    camera = seen(lens)
    nothing = np.zeros(3)
    wanted = cv2.projectPoints(points, nothing, nothing, matrix(camera), np.array(lens))[0][:, 0]
    straight = points[:, :2] * (camera.fx, camera.fy) + (camera.cx, camera.cy)
    found = np.stack(distorted(camera, *straight.T), -1)
    assert np.abs(found - wanted).max() < 1e-9
    back = np.stack(straightened(camera, *wanted.T), -1)
    assert np.abs(back - straight).max() < 0.05


@given(st.floats(0, 640), st.floats(0, 400), st.sampled_from(LENSES))
def test_what_is_straightened_comes_out_where_it_was(column, row, lens):
    camera = seen(lens)
    found = straightened(camera, np.array([column]), np.array([row]))
    again = distorted(camera, *found)
    assert abs(again[0][0] - column) < 0.01 and abs(again[1][0] - row) < 0.01


def test_a_pinhole_bends_nothing():
    columns, rows = np.array([1.0, 600.0]), np.array([3.0, 399.0])
    for found in (straightened(PINHOLE, columns, rows), distorted(PINHOLE, columns, rows)):
        assert np.allclose(found, (columns, rows))


def test_where_a_lens_shows_nothing_there_is_no_point():
    """By r (1 - r2) no point is seen farther out than 2 / (3 sqrt 3) = 0.385 focal lengths."""
    camera = replace(PINHOLE, fx=400.0, fy=400.0, distortion=(-1.0, 0.0, 0.0, 0.0))
    columns = camera.cx + 400 * np.array([0.3, 0.38, 0.39, 0.7])
    found = straightened(camera, columns, np.full(4, camera.cy))[0]
    assert np.isfinite(found).tolist() == [True, True, False, False]
    assert not reaches(camera) and all(reaches(seen(lens)) for lens in LENSES)


def test_maps_are_straightened_as_opencv_does_it():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 34, (400, 640), np.uint8)
    depth = rng.integers(0, 65536, (400, 640), np.uint16)
    camera = seen(BARREL)
    grid = np.meshgrid(np.arange(640.0), np.arange(400.0))
    x, y = (np.rint(g).astype(int) for g in distorted(camera, *(g.ravel() for g in grid)))
    inside = (x >= 0) & (x < 640) & (y >= 0) & (y < 400)
    for array, border in ((labels, 2), (depth, 0)):
        wanted = np.full(array.size, border, array.dtype)
        wanted[inside] = array[y[inside], x[inside]]
        found = flat(array, camera, border)
        assert found.dtype == array.dtype
        # Halves of a pixel may be rounded either way.
        assert (found.ravel() != wanted).mean() < 1e-3


@cache
def rays(camera):
    """Return where the pinhole camera would show each pixel."""
    grid = np.meshgrid(np.arange(640.0), np.arange(400.0))
    return straightened(camera, *(g.ravel() for g in grid))


def street(camera, things):
    """
    Draw boxes that stand on flat road before a camera, through its lens.

    `things` are (label, metres ahead, metres aside, metres wide, metres high).
    """
    columns, rows = rays(camera)
    across, down = (columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy
    horizon = -np.tan(camera.pitch)
    labels = np.where(down > horizon, ROAD, SKY).astype(np.uint8)
    labels[~np.isfinite(down)] = BY_NAME['rectification border'].id
    for label, ahead, aside, wide, high in sorted(things, key=lambda thing: -thing[1]):
        axis = ahead * np.cos(camera.pitch) + camera.mount_height * np.sin(camera.pitch)
        foot = (camera.mount_height / axis - np.sin(camera.pitch)) / np.cos(camera.pitch)
        inside = (np.abs(across * axis - aside) <= wide / 2) & (down <= foot)
        labels[inside & (down >= foot - high / axis)] = label
    return labels.reshape(400, 640)


@pytest.mark.parametrize('ahead, aside', [(8.0, 0.0), (14.0, -1.0), (25.0, 6.0), (10.0, 3.5)])
@pytest.mark.parametrize('lens', [(), *LENSES])
def test_a_car_stands_where_it_stands_whatever_the_lens(lens, ahead, aside):
    camera = seen(lens)
    labels = street(camera, [(CAR, ahead, aside, 1.8, 1.5)])
    (found,) = approaches(take_inventory(labels, None), camera)
    # A row of the picture is so many metres of road there.
    row = ahead**2 / (camera.fy * camera.mount_height)
    assert found.distance == pytest.approx(ahead, abs=2 * row)
    assert found.offset == pytest.approx(max(abs(aside) - 0.9, 0.0), abs=0.1 + ahead / 400)


def test_without_its_lens_a_car_at_the_side_would_be_farther_away():
    """A barrel draws everything nearer to the middle, and so the feet of things higher."""
    strong = seen((-0.32, 0.1, 0.0, 0.0))
    labels = street(strong, [(CAR, 4.0, 2.6, 1.8, 1.5)])
    inventory = take_inventory(labels, None)
    (right,), (wrong,) = approaches(inventory, strong), approaches(inventory, PINHOLE)
    assert right.distance == pytest.approx(4.0, abs=0.15)
    assert right.offset == pytest.approx(1.7, abs=0.1)
    assert wrong.distance > 4.3


@pytest.mark.parametrize('lens', LENSES)
def test_the_verdict_is_that_of_the_street_whatever_the_lens(lens):
    settings = TruthSettings()
    for things, wanted in (
        ([], Hazard.CLEAR),
        ([(CAR, 12.0, 0.0, 1.8, 1.5)], Hazard.HAZARD),
        ([(CAR, 24.0, 0.0, 1.8, 1.5)], Hazard.INDETERMINATE),
        ([(CAR, 12.0, 5.0, 1.8, 1.5)], Hazard.CLEAR),
        ([(WALL, 10.0, 0.0, 3.0, 1.0)], Hazard.INDETERMINATE),
        ([(WALL, 10.0, 6.0, 3.0, 1.0)], Hazard.CLEAR),
    ):
        for camera in (PINHOLE, seen(lens)):
            truth = read_truth(TruthMaps(street(camera, things)), camera, settings)
            assert truth.hazard.verdict is wanted, (things, camera.distortion, truth.hazard)


def test_the_corridor_is_that_of_the_straightened_picture():
    camera = seen(BARREL)
    things = [(WALL, 10.0, 1.0, 1.0, 1.0)]
    bent = TruthMaps(street(camera, things))
    straight = TruthMaps(street(PINHOLE, things))
    found, wanted = (
        look_ahead(take_inventory(maps.labels, None), maps, used, TruthSettings()).corridor
        for maps, used in ((bent, camera), (straight, PINHOLE))
    )
    # What a barrel leaves out at the lower edge is no part of it.
    assert found.obstacles['wall'] == pytest.approx(wanted.obstacles['wall'], rel=0.05)
    assert found.pixels == pytest.approx(wanted.pixels, rel=0.05)


def test_an_occluder_covers_the_straightened_corridor():
    camera = seen(BARREL)
    labels = street(camera, [])
    for shown, wanted in ((True, 0.0), (False, 1.0)):
        maps = TruthMaps(labels, visible=np.full(labels.shape, shown))
        covered, total = read_truth(maps, camera, TruthSettings()).covered
        assert total > 10_000 and covered / total == pytest.approx(wanted, abs=0.001)

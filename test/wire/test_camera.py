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

"""Cameras as camera_info tells them: K or P, lenses, regions, binning, and what is not known."""

import math
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.types import Camera, NoCamera
from vlm_misalign_ros.wire import values as codec
from vlm_misalign_ros.wire.camera import (
    camera_from_info,
    camera_from_plain,
    camera_to_plain,
    is_rectified,
    rectified_by,
)

K = [800.0, 0.0, 645.0, 0.0, 805.0, 355.0, 0.0, 0.0, 1.0]
P = [760.0, 0.0, 640.0, 0.0, 0.0, 760.0, 350.0, 0.0, 0.0, 0.0, 1.0, 0.0]
BARREL = [-0.28, 0.09, 0.001, -0.002, -0.012]
RATIONAL = [0.4, 0.05, 1e-3, -5e-4, 0.01, 0.75, 0.2, 0.03]


def info(**change):
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0, do_rectify=False)
    told = {
        'width': 1280,
        'height': 720,
        'k': K,
        'd': [0.0] * 5,
        'r': list(np.eye(3).ravel()),
        'p': P,
        'distortion_model': 'plumb_bob',
        'binning_x': 0,
        'binning_y': 0,
        'roi': roi,
    }
    return SimpleNamespace(**told | change)


def region(left, top, width, height):
    return SimpleNamespace(
        x_offset=left, y_offset=top, width=width, height=height, do_rectify=False
    )


def test_raw_pictures_go_by_k_and_rectified_ones_by_p():
    raw = camera_from_info(info(d=BARREL), 1.5, 0.02)
    assert raw == Camera(1280, 720, 800, 805, 645, 355, 1.5, 0.02, distortion=tuple(BARREL))
    found = camera_from_info(info(d=BARREL), 1.5, 0.02, rectified=True)
    assert found == Camera(1280, 720, 760, 760, 640, 350, 1.5, 0.02)


@pytest.mark.parametrize(
    'model, lens, kept',
    [
        ('plumb_bob', [0.0] * 5, ()),
        ('plumb_bob', [], ()),
        ('', [], ()),
        ('none', [0.0], ()),
        ('plumb_bob', BARREL[:4], BARREL[:4]),
        ('rational_polynomial', RATIONAL, RATIONAL),
        (
            'rational_polynomial',
            [*RATIONAL, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            [*RATIONAL, *[0.0] * 4],
        ),
    ],
)
def test_lenses_that_are_known_are_kept(model, lens, kept):
    found = camera_from_info(info(distortion_model=model, d=lens), 1.5, 0.0)
    assert found.distortion == tuple(kept)


@pytest.mark.parametrize(
    'model, lens, told',
    [
        ('equidistant', [0.0] * 4, "'equidistant'"),
        ('equidistant', [0.1, 0.0, 0.0, 0.0], "'equidistant'"),
        ('fisheye', [0.1] * 4, "'fisheye'"),
        ('x' * 1000, [0.1] * 4, 'x' * 40),
        ('', BARREL, '5 coefficients'),
        ('plumb_bob', RATIONAL, '8 coefficients'),
        ('plumb_bob', [-3.0, 0.0, 0.0, 0.0, 0.0], 'cannot be undone'),
        ('rational_polynomial', [*RATIONAL, 0.0, 0.0, 0.0, 0.0, 0.1, 0.0], '14 coefficients'),
    ],
)
def test_a_lens_that_is_not_known_makes_the_camera_unknown_by_name(model, lens, told):
    message = info(distortion_model=model, d=lens)
    found = camera_from_info(message, 1.5, 0.0)
    assert isinstance(found, NoCamera) and told in found.reason and len(found.reason) < 300
    # Of a rectified picture nobody needs to know the lens.
    assert isinstance(camera_from_info(message, 1.5, 0.0, rectified=True), Camera)


@pytest.mark.parametrize('change', [{'k': [0.0] * 9}, {'width': 0}, {'height': 0}])
def test_zeros_are_a_camera_that_is_not_calibrated_and_no_identity(change):
    found = camera_from_info(info(**change), 1.5, 0.0)
    assert isinstance(found, NoCamera) and 'not calibrated' in found.reason
    found = camera_from_info(info(p=[0.0] * 12), 1.5, 0.0, rectified=True)
    assert isinstance(found, NoCamera) and found.reason.startswith('P ')


def test_the_picture_is_the_region_of_interest_binned():
    """As a point of the whole sensor at (645, 355) is found: (645 - 200) / 2, (355 - 100) / 4."""
    found = camera_from_info(
        info(roi=region(200, 100, 800, 600), binning_x=2, binning_y=4, d=BARREL), 1.5, 0.0
    )
    assert found == Camera(400, 150, 400, 201.25, 222.5, 63.75, 1.5, 0.0, distortion=tuple(BARREL))
    whole = camera_from_info(info(roi=region(0, 0, 1280, 720), binning_x=1, binning_y=1), 1.5, 0.0)
    assert whole == camera_from_info(info(), 1.5, 0.0)
    for wrong in (
        {'roi': region(1200, 0, 100, 100)},
        {'roi': region(2**32 - 1, 0, 2**32 - 1, 9)},
        {'binning_x': 2000},
    ):
        with pytest.raises(RecordError):
            camera_from_info(info(**wrong), 1.5, 0.0)


def test_a_rotation_turns_the_pitch_of_rectified_pictures():
    """R brings the raw camera's frame into the rectified one's: turned down by 2 degrees."""
    down = math.radians(2)
    turn, _ = cv2.Rodrigues(np.array([down, 0.0, 0.0]))
    axis = turn.T @ (0, 0, 1)
    assert axis[1] == pytest.approx(math.sin(down))
    message = info(r=list(turn.ravel()))
    assert camera_from_info(message, 1.5, 0.1, True).pitch == pytest.approx(0.1 + down)
    assert camera_from_info(message, 1.5, 0.1, False).pitch == 0.1
    assert camera_from_info(info(r=[0.0] * 9), 1.5, 0.1, True).pitch == 0.1


@pytest.mark.parametrize('degrees', [60, 70, 120])
def test_a_focal_length_of_the_wrong_formula_is_refused(degrees):
    """width / (2 tan(v) pi / 360), degrees taken for radians, in some native CARLA servers."""
    fx = 1280 / (2 * math.tan(degrees) * math.pi / 360)
    assert fx > 0
    k = [fx, 0.0, 640.0, 0.0, fx, 360.0, 0.0, 0.0, 1.0]
    with pytest.raises(RecordError, match=r'sees .* degrees'):
        camera_from_info(info(k=k), 1.5, 0.0)


def test_the_negative_one_of_ninety_degrees_is_refused_too():
    fx = 1280 / (2 * math.tan(90) * math.pi / 360)
    with pytest.raises(RecordError, match='fx -'):
        camera_from_info(info(k=[fx, 0.0, 640.0, 0.0, fx, 360.0, 0.0, 0.0, 1.0]), 1.5, 0.0)


@pytest.mark.parametrize(
    'topic, wanted',
    [
        ('/front/image_rect', True),
        ('/front/image_rect_color', True),
        ('/front/image_rect/compressed', True),
        ('/front/rect/image', True),
        ('/front/rectified/image', True),
        ('/front/image_raw', False),
        ('/front/image', False),
        ('/correct/image', False),
        ('/rectangle/image', False),
    ],
)
def test_rectified_pictures_are_told_by_the_name_of_their_topic(topic, wanted):
    assert is_rectified(topic) is wanted is rectified_by('auto', topic)
    assert rectified_by('rectified', topic) and not rectified_by('raw', topic)


@pytest.mark.parametrize('lens', [(), tuple(BARREL)])
def test_a_camera_in_a_message_comes_back_as_it_was(lens):
    camera = Camera(64, 32, 50.0, 50.0, 32.0, 16.0, distortion=lens)
    assert camera_from_plain(camera_to_plain(camera)) == camera
    assert ('distortion' in camera_to_plain(camera)) == bool(lens)


@pytest.mark.parametrize('lens', [[1.0], 'x', ['a'] * 5, [math.nan] * 5, [1e9] * 5, [True] * 5])
def test_a_lens_of_strangers_in_a_message_is_refused(lens):
    plain = camera_to_plain(Camera(64, 32, 50.0, 50.0, 32.0, 16.0))
    with pytest.raises(RecordError):
        camera_from_plain({**plain, 'distortion': lens})


def test_older_sources_without_a_lens_are_read():
    text = '{"width": 64, "height": 32, "fx": 50, "fy": 50, "cx": 32, "cy": 16}'
    found = codec.source_from_values({'index': '0', 'camera': text})
    assert found[1] == Camera(64, 32, 50, 50, 32, 16)

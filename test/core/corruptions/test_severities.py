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

"""What each severity does to a picture, measured on pictures and held against METRICS."""

from functools import cache

import numpy as np
import pytest

from vlm_misalign_ros.core.corruptions import degrade
from vlm_misalign_ros.core.types import Condition

# By severity, 1 to 5. Whoever changes a severity on purpose changes it here and in the docs.
EXPOSURE = (0.30, 0.13, 0.070, 0.053, 0.040)
"""Low light: factor on linear light."""
SHOT = (8.0e-4, 1.8e-3, 3.4e-3, 4.5e-3, 6.0e-3)
"""Low light: variance for each unit of linear light."""
LENGTH = (15, 30, 48, 66, 91)
"""Motion blur: pixels of a picture 2048 wide."""
COVERAGE = (0.04, 0.08, 0.14, 0.22, 0.32)
"""Occlusion: share of the picture."""


def by_severity(literals):
    return pytest.mark.parametrize('severity, expected', list(enumerate(literals, 1)))


# Low light -----------------------------------------------------------------------------------


@cache
def grey(severity, value):
    """Return linear light and read noise of a uniform picture after low light."""
    image = np.full((128, 128, 3), value, np.uint8)
    done = degrade(image, Condition('low_light', severity), 0, 'k')
    return (done.image / 255) ** 2.2, done.applied.parameters['read']


@by_severity(EXPOSURE)
@pytest.mark.parametrize('value', [240, 255])
def test_low_light_leaves_this_share_of_the_light(severity, expected, value):
    light, _ = grey(severity, value)
    # Bright enough that noise is cut off at black nowhere (severity 5: in 2 of 100 values, which
    # lifts the mean by 0.3 %); the standard error of the mean is 0.2 % at most.
    assert light.mean() == pytest.approx(expected * (value / 255) ** 2.2, rel=0.015)


@by_severity(SHOT)
def test_shot_noise_grows_with_the_light_by_this_much(severity, expected):
    light, read = grey(severity, 255)
    # The standard error of the variance is sqrt(2 / 49152) = 0.6 %; what is cut off at black takes
    # 2 % of it at severity 5.
    variance = expected * EXPOSURE[severity - 1] + read
    assert light.var() == pytest.approx(variance, rel=0.035)
    # Nearly all of it is shot noise: the number above does not come from the read noise.
    assert read < 0.4 * variance


# Motion blur ---------------------------------------------------------------------------------


@by_severity(LENGTH)
def test_blur_is_as_long_as_it_says_and_scales_with_the_width(severity, expected):
    for width in (2048, 1024):
        image = np.zeros((16, width, 3), np.uint8)
        drawn = degrade(image, Condition('motion_blur', severity), 0, 'k').applied.parameters
        assert drawn['length_px'] == pytest.approx(expected * width / 2048, rel=1e-12)


@by_severity(LENGTH)
def test_a_point_of_light_is_drawn_out_to_that_length(severity, expected):
    image = np.zeros((129, 2048, 3), np.uint8)
    image[64, 1024] = 255
    found = []
    for key in range(12):
        done = degrade(image, Condition('motion_blur', severity), 0, str(key)).image[..., 0]
        rows, columns = np.nonzero(done)
        # From the first pixel to the last, and one pixel more along the longer axis.
        down, across = np.ptp(rows), np.ptp(columns)
        found.append(np.hypot(down, across) * (1 + 1 / max(down, across)))
    # The points of a line are a product of small odd factors (27 or 33 for 30), which evens out
    # over directions to some 5 %.
    assert np.mean(found) == pytest.approx(expected, rel=0.1)


# Occlusion -----------------------------------------------------------------------------------


@by_severity(COVERAGE)
def test_occlusion_covers_this_share_of_the_picture(severity, expected):
    image = np.full((192, 384, 3), 128, np.uint8)
    shares = []
    for key in range(6):
        done = degrade(image, Condition('occlusion', severity), 0, str(key))
        assert done.applied.parameters['coverage_target'] == pytest.approx(expected, rel=1e-12)
        shares.append(np.count_nonzero(done.occluder) / done.occluder.size)
    assert np.mean(shares) == pytest.approx(expected, rel=0.03)

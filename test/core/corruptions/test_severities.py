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

from vlm_misalign_ros.core.corruptions import (
    degrade,
    degrade_at,
    low_light,
    motion_blur,
    occlusion,
)
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.types import Condition

# By severity, 1 to 5. Whoever changes a severity on purpose changes it here and in the docs.
EXPOSURE = (0.36, 0.30, 0.20, 0.15, 0.12)
"""Low light: factor on linear light."""
SHOT = (6.67e-4, 8.0e-4, 1.2e-3, 1.6e-3, 2.0e-3)
"""Low light: variance for each unit of linear light, at a width of 2048."""
LENGTH = (6, 9, 15, 24, 34)
"""Motion blur: pixels of a picture 2048 wide."""
COVERAGE = (0.02, 0.04, 0.11, 0.25, 0.39)
"""Occlusion: share of the picture."""


def by_severity(literals):
    return pytest.mark.parametrize('severity, expected', list(enumerate(literals, 1)))


# Low light -----------------------------------------------------------------------------------


@cache
def grey(severity, value):
    """Return linear light and read noise of a uniform picture after low light."""
    image = np.full((16, 2048, 3), value, np.uint8)
    done = degrade(image, Condition('low_light', severity), 0, 'k')
    return (done.image / 255) ** 2.2, done.applied.parameters['read']


@by_severity(EXPOSURE)
@pytest.mark.parametrize('value', [240, 255])
def test_low_light_leaves_this_share_of_the_light(severity, expected, value):
    light, _ = grey(severity, value)
    # Bright enough that noise is cut off at black nowhere; the standard error of the mean is
    # 0.1 % at most. Neighbouring severities are 20 % apart.
    assert light.mean() == pytest.approx(expected * (value / 255) ** 2.2, rel=0.01)


@by_severity(SHOT)
def test_shot_noise_grows_with_the_light_by_this_much(severity, expected):
    light, read = grey(severity, 255)
    # The standard error of the variance is sqrt(2 / 98304) = 0.5 %; rounding to 8 bits adds to it.
    step = 2.2 * light.mean() ** (1 - 1 / 2.2) / 255
    variance = expected * EXPOSURE[severity - 1] + read + step**2 / 12
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
    for key in range(24):
        made = degrade(image, Condition('motion_blur', severity), 0, str(key))
        done = made.image[..., 0]
        rows, columns = np.nonzero(done)
        angle = np.radians(made.applied.parameters['angle_deg'])
        # The mean length of a uniform line with this spread: variance L^2 / 12, and that of a
        # pixel's own width comes on top where points are whole pixels.
        weights = done[rows, columns].astype(float)
        x, y = columns - 1024, rows - 64
        spread = np.average(x * x + y * y, weights=weights)
        slant = max(abs(np.cos(angle)), abs(np.sin(angle)))
        found.append(np.sqrt(12 * spread + 1 / slant**2))
    # A digital line's points are rounded to pixels across it, and its two ends to whole ones along
    # it: 6 % of the shortest. Neighbouring severities are 40 % apart.
    assert np.mean(found) == pytest.approx(expected, rel=0.07)


# Occlusion -----------------------------------------------------------------------------------


@by_severity(COVERAGE)
def test_occlusion_covers_this_share_of_the_picture(severity, expected):
    image = np.full((96, 192, 3), 128, np.uint8)
    shares = []
    for key in range(100):
        done = degrade(image, Condition('occlusion', severity), 0, str(key))
        assert done.applied.parameters['coverage_target'] == pytest.approx(expected, rel=1e-12)
        shares.append(np.count_nonzero(done.occluder) / done.occluder.size)
        assert done.applied.parameters['coverage'] == shares[-1]
    # The standard deviation over frames is 0.001; neighbouring severities are far apart.
    assert np.mean(shares) == pytest.approx(expected, abs=0.001)
    assert np.std(shares) < 0.0015


# Where the severities come from ----------------------------------------------------------------

AIMS = (0.95, 0.90, 0.80, 0.65, 0.50)
"""Share of its clean mIoU that a good segmentation model should keep at severity 1 to 5."""

NETWORKS = ('ESPNet', 'ESPNetv2', 'DiCENet')
KEPT_BLURRED = {
    7: (0.89, 0.95, 0.94),
    11: (0.88, 0.80, 0.85),
    15: (0.84, 0.73, 0.80),
    19: (0.77, 0.67, 0.75),
    23: (0.69, 0.64, 0.67),
    27: (0.59, 0.58, 0.62),
    31: (0.51, 0.53, 0.61),
    39: (0.40, 0.42, 0.48),
    48: (0.34, 0.32, 0.35),
}
"""Share of its clean mIoU that each network keeps, by length of the line at a width of 2048."""
KEPT_DARK = {
    0.60: (0.98, 0.99, 0.99),
    0.45: (0.99, 0.98, 1.04),
    0.30: (0.81, 0.93, 1.00),
    0.22: (0.66, 0.92, 0.92),
    0.18: (0.57, 0.85, 0.87),
    0.13: (0.41, 0.60, 0.68),
    0.10: (0.27, 0.37, 0.52),
    0.07: (0.16, 0.18, 0.30),
}
"""The same by exposure."""
KEPT_COVERED = {
    0.0: (1.0, 1.0, 1.0),
    0.04: (0.89, 0.86, 0.92),
    0.08: (0.86, 0.81),
    0.14: (0.77, 0.73, 0.80),
    0.32: (0.59, 0.56),
}
"""The same by the share of the picture that is covered; DiCENet was not run at all of them."""


def kept(measured, value):
    """Return the mean share kept, linear between what was measured and beyond its ends."""
    places = sorted(measured)
    means = [np.mean(measured[place]) for place in places]
    after = min(max(int(np.searchsorted(places, value)), 1), len(places) - 1)
    slope = (means[after] - means[after - 1]) / (places[after] - places[after - 1])
    return means[after - 1] + slope * (value - places[after - 1])


@pytest.mark.parametrize(
    'measured, scale, said',
    [
        (KEPT_BLURRED, motion_blur.LENGTHS, (0.95, 0.885, 0.79, 0.65, 0.51)),
        (KEPT_DARK, low_light.EXPOSURES, (0.95, 0.91, 0.80, 0.64, 0.50)),
        (KEPT_COVERED, occlusion.COVERAGES, (0.945, 0.89, 0.80, 0.65, 0.50)),
    ],
)
def test_real_networks_keep_about_what_the_severities_aim_at(measured, scale, said):
    found = [kept(measured, scale.at(severity)) for severity in range(1, 6)]
    # Whole pixels, hundredths: .02 is less than half of what lies between two aims.
    assert found == pytest.approx(AIMS, abs=0.02)
    # docs/corruptions.md says these.
    assert found == pytest.approx(said, abs=0.006)


# Between the severities ------------------------------------------------------------------------


@pytest.mark.parametrize(
    'scale, values',
    [
        (motion_blur.LENGTHS, (0, *LENGTH)),
        (low_light.EXPOSURES, (1, *EXPOSURE)),
        (occlusion.COVERAGES, (0, *COVERAGE)),
    ],
)
def test_between_two_severities_the_parameter_is_linear(scale, values):
    assert [scale.at(k) for k in range(6)] == list(values)
    for severity in (0.25, 1.5, 4.9):
        assert scale.at(severity) == pytest.approx(np.interp(severity, range(6), values))
    assert scale.range == (0.0, len(scale.values) - 1)
    steps = np.diff(scale.values)
    assert np.all(steps > 0) or np.all(steps < 0)


@pytest.mark.parametrize('severity', [-0.01, 9.01, np.nan, np.inf])
def test_a_severity_off_the_scale_is_refused(severity):
    with pytest.raises(ConfigurationError, match='allowed: 0 to 9'):
        motion_blur.LENGTHS.at(severity)
    with pytest.raises(ConfigurationError, match='allowed: 0 to 8'):
        degrade_at(np.zeros((16, 16, 3), np.uint8), Condition('occlusion', 1), severity, 0, 'k')

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

"""Low light: exposure loss, shot noise and read noise in linear light, then gamma and 8 bits."""

from __future__ import annotations

from math import exp, log
from statistics import NormalDist

import cv2
import numpy as np

from vlm_misalign_ros.core.corruptions.registry import Effect
from vlm_misalign_ros.core.corruptions.scale import Scale

covers = False

options = ('keep_lamps',)
"""Settings that `apply` takes by name."""

GAMMA = 2.2
"""Exponent that approximates the sRGB curve."""

EXPOSURES = Scale((1.0, 0.36, 0.30, 0.20, 0.15, 0.12, 0.085, 0.060, 0.042, 0.030, 0.021))
"""
Exposure, the factor on linear light, by severity from 0.

1 to 5: where three public Cityscapes networks kept about 95, 90, 80, 65 and 50 % of their clean
mIoU on real frames, by linear interpolation of their mean share between the exposures measured
(.60 .45 .30 .22 .18 .13 .10 .07), which gives .361, .287, .201, .152 and .119. The shares are in
docs/corruptions.md. Beyond 5 each is 1 / sqrt(2) of the one before.
"""
severity_range = EXPOSURES.range

SHOT = 2.4e-4
"""
Variance of the shot noise for each unit of linear light at exposure 1, at a width of WIDTH.

At other exposures it is SHOT / exposure: the light has fallen to exposure ** 2, and the camera's
gain brings back 1 / exposure (half of it in stops), and the noise of fewer photons with it.
"""

WIDTH = 2048
"""
Width in pixels of the sensor whose noise this is.

A pixel of a picture half as wide is the mean of four of the sensor's, so the variances scale with
the square of the width. At WIDTH the shot noise of every severity is within the range that Brooks
et al. draw from, 1e-4 to 1.2e-2.
"""

READ_SLOPE, READ_OFFSET, READ_SIGMA = 2.18, 1.20, 0.26
"""
log(read) = slope * log(shot) + offset + N(0, sigma), of the variances at WIDTH.

Brooks et al. 2019, 'Unprocessing Images for Learned Raw Denoising', who fit it to the cameras of
the Darmstadt Noise Dataset.
"""

LAMP = 0.9
"""Luminance in linear light from which a pixel is a lamp, where lamps are kept."""
_LUMINANCE = (722, 7152, 2126)
"""Weights of blue, green and red in it, ten-thousandths (ITU-R BT.709)."""

QUANTILES = 256
"""Entries of the noise table for each pixel value: one for each random byte."""

_STRIP_VALUES = 1 << 17
"""Values looked up at once: index and result stay in a core's second-level cache."""


def shot_noise(exposure: float) -> float:
    """Return the variance of the shot noise for each unit of linear light, at WIDTH."""
    return SHOT / exposure


def noise_table(exposure: float, shot: float, read: float) -> np.ndarray:
    """
    Return uint8 (256, QUANTILES): the degraded value for a pixel value and a noise quantile.

    Linear light I = exposure * (value / 255) ** GAMMA gets Gaussian noise of variance
    shot * I + read (Brooks et al. 2019, eq. 3), is clipped to [0, 1], raised to 1 / GAMMA and
    rounded. The quantiles lie at the middles of equal probabilities, scaled to unit variance.
    """
    normal = NormalDist()
    noise = np.array([normal.inv_cdf((k + 0.5) / QUANTILES) for k in range(QUANTILES)])
    noise /= noise.std()
    light = exposure * (np.arange(256) / 255) ** GAMMA
    noisy = light[:, None] + np.sqrt(shot * light + read)[:, None] * noise[None, :]
    table: np.ndarray = np.rint(255 * np.clip(noisy, 0, 1) ** (1 / GAMMA)).astype(np.uint8)
    return table


def apply(
    image: np.ndarray, severity: float, rng: np.random.Generator, keep_lamps: bool = False
) -> Effect:
    """
    Darken BGR uint8 (H, W, 3) and add noise, independent for each pixel and channel.

    With `keep_lamps`, pixels whose luminance is above LAMP stay as they are. The effect's
    parameters are `exposure` (factor on linear light), `shot` (variance per unit of linear light)
    and `read` (variance, linear light squared), both of a pixel of this picture, and with
    `keep_lamps` `lamps` (the share of the pixels that stayed).
    """
    exposure = EXPOSURES.at(severity)
    shot = shot_noise(exposure)
    read = exp(READ_SLOPE * log(shot) + READ_OFFSET + READ_SIGMA * float(rng.standard_normal()))
    pixel = (image.shape[1] / WIDTH) ** 2
    used = {'exposure': exposure, 'shot': shot * pixel, 'read': read * pixel}
    noisy = _look_up(noise_table(exposure, used['shot'], used['read']), image, rng)
    if keep_lamps:
        lamps = lamp_pixels(image)
        noisy[lamps] = image[lamps]
        used['lamps'] = np.count_nonzero(lamps) / lamps.size
    return Effect(noisy, used)


def lamp_pixels(image: np.ndarray) -> np.ndarray:
    """Return where the luminance of BGR uint8 (H, W, 3) is above LAMP, bool (H, W)."""
    light = [round(65535 * (value / 255) ** GAMMA) for value in range(256)]
    blue, green, red = (
        np.array([weight * entry for entry in light], np.int64) for weight in _LUMINANCE
    )
    least = LAMP * 65535 * sum(_LUMINANCE)
    # Few pixels are green enough to be a lamp at all; the sum is made for these alone.
    others = int(blue[-1] + red[-1])
    found = image[..., 1] >= int(np.searchsorted(green, least - others))
    b, g, r = image[found].T
    found[found] = blue[b] + green[g] + red[r] > least
    return found


def _look_up(table: np.ndarray, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return table[value, random byte] for every value of `image`, uint8, in the same shape."""
    values = np.ascontiguousarray(image).reshape(image.shape[0], -1)
    raw = rng.bit_generator.random_raw((values.size + 7) // 8)
    chance = raw.astype('<u8', copy=False).view(np.uint8)[: values.size].reshape(values.shape)
    result = np.empty(values.shape, np.uint8)
    flat = table.reshape(-1)
    rows = max(1, _STRIP_VALUES // values.shape[1])
    for top in range(0, values.shape[0], rows):
        part = slice(top, top + rows)
        # The byte pair (chance, value) read as one little-endian number is the flat index.
        pairs = cv2.merge((chance[part], values[part]))
        index = pairs.view('<u2')[..., 0]
        np.take(flat, index, out=result[part], mode='wrap')
    return result.reshape(image.shape)

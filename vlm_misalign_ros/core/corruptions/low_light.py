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

from dataclasses import dataclass
from math import exp, log
from statistics import NormalDist

import cv2
import numpy as np

from vlm_misalign_ros.core.corruptions.registry import Effect

covers = False

GAMMA = 2.2
"""Exponent that approximates the sRGB curve."""

READ_SLOPE, READ_OFFSET, READ_SIGMA = 2.18, 1.20, 0.26
"""log(read) = slope * log(shot) + offset + N(0, sigma): Brooks et al. 2019, 'Unprocessing'."""

QUANTILES = 256
"""Entries of the noise table for each pixel value: one for each random byte."""

_STRIP_VALUES = 1 << 17
"""Values looked up at once: index and result stay in a core's second-level cache."""


@dataclass(frozen=True)
class Level:
    """One severity: `exposure` scales linear light; `shot` is the variance per unit of light."""

    exposure: float
    shot: float


LEVELS: tuple[Level, ...] = (
    Level(0.30, 8.0e-4),
    Level(0.13, 1.8e-3),
    Level(0.070, 3.4e-3),
    Level(0.053, 4.5e-3),
    Level(0.040, 6.0e-3),
)
"""
By severity 1-5. `shot` grows as the light falls, as a camera's gain does, and stays inside the
range that Brooks et al. give, 1e-4 to 1.2e-2. What each costs a segmentation model, and how
they were chosen, is in docs/miniatures.md.
"""


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


def apply(image: np.ndarray, severity: int, rng: np.random.Generator) -> Effect:
    """
    Darken BGR uint8 (H, W, 3) and add noise, independent for each pixel and channel.

    The effect's parameters are `exposure` (factor on linear light), `shot` (variance per unit
    of linear light) and `read` (variance, linear light squared).
    """
    level = LEVELS[severity - 1]
    read = exp(
        READ_SLOPE * log(level.shot) + READ_OFFSET + READ_SIGMA * float(rng.standard_normal())
    )
    table = noise_table(level.exposure, level.shot, read)
    noisy = _look_up(table, image, rng)
    return Effect(noisy, {'exposure': level.exposure, 'shot': level.shot, 'read': read})


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

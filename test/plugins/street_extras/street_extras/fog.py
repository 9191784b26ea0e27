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

"""The corruption `fog`: with distance the scene fades into the light of the air."""

from __future__ import annotations

from math import log

import cv2
import numpy as np

from vlm_misalign_ros.core.corruptions import Effect
from vlm_misalign_ros.core.truth.camera import ground_distance, nominal_camera

covers = False

BETAS = (0.005, 0.01, 0.02, 0.04, 0.08)
"""
Extinction per metre, by severity 1-5.

The first three are those of Foggy Cityscapes (Sakaridis et al. 2018); a contrast of 5 % is left
at 600, 300, 150, 75 and 37 m.
"""
severity_range = (1, 5)
AIRLIGHT = (0.55, 0.75)
"""The light of the air, of linear light 0 to 1: least and greatest, drawn for each frame."""
PATCHES = 0.25
"""Standard deviation of the logarithm of the density: fog is never even."""
FARTHEST = 50.0
"""Metres taken for all that stands above the road, whose distance no row tells."""
GAMMA = 2.2
"""Exponent that approximates the sRGB curve: light adds up in linear light only."""


def apply(image: np.ndarray, severity: float, rng: np.random.Generator) -> Effect:
    """
    Lay fog over BGR uint8 (H, W, 3) by Koschmieder's law, I = J t + A (1 - t), t = exp(-beta d).

    The effect's parameters are `beta` (per metre), `visibility` (metres to a contrast of 5 %)
    and `airlight` (linear light).
    """
    beta = float(np.interp(severity, range(1, 6), BETAS))
    # What is drawn is the same at every severity: the same fog, only thicker.
    airlight = float(rng.uniform(*AIRLIGHT))
    density = np.exp(PATCHES * _patches(image.shape[:2], rng))
    passed = np.exp(-beta * density * _distances(image.shape[:2])[:, None])[:, :, None]
    light = ((np.arange(256) / 255) ** GAMMA).astype(np.float32)[image]
    fogged = light * passed + airlight * (1 - passed)
    return Effect(
        np.rint(255 * fogged ** (1 / GAMMA)).astype(np.uint8),
        {'beta': beta, 'visibility': -log(0.05) / beta, 'airlight': airlight},
    )


def _distances(shape: tuple[int, ...]) -> np.ndarray:
    """Return the metres to what each row shows, float32 (H,): flat road as far as there is."""
    camera = nominal_camera(shape, height=1.22, pitch=0.038)
    metres = [min(ground_distance(camera, row + 0.5), FARTHEST) for row in range(shape[0])]
    return np.array(metres, np.float32)


def _patches(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return smooth noise, float32 (H, W), about normal."""
    coarse = rng.standard_normal((4, 8), dtype=np.float32)
    return cv2.resize(coarse, shape[1::-1], interpolation=cv2.INTER_CUBIC)

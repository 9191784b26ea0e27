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

"""Augmentation of training pictures: geometry shared with their maps, then light and lens."""

from __future__ import annotations

import cv2
import numpy as np


def photometric(
    picture: np.ndarray, rng: np.random.Generator, strength: float = 1.0
) -> np.ndarray:
    """
    Return BGR uint8 (H, W, 3) with another brightness, contrast, gamma and colour balance.

    `strength` scales how far; at 1 gamma goes from 0.7 to 1.4.
    """
    gamma = float(np.exp(strength * rng.uniform(-0.36, 0.36)))
    gains = (1 + strength * rng.uniform(-0.2, 0.2)) * (1 + strength * rng.normal(0, 0.04, 3))
    shift = strength * rng.uniform(-18, 18)
    values = np.arange(256, dtype=np.float32) / 255
    tables = [np.clip(255 * values**gamma * gain + shift, 0, 255) for gain in gains]
    table = np.stack(tables, 1).astype(np.uint8)[None]
    changed: np.ndarray = cv2.LUT(picture, table)
    return changed


def weaken(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """
    Return the picture as a worse camera gives it: some blurred, some darkened, some noisy.

    For the segmentation model only, which is to hold out under moderate degradation. Isotropic
    blur and plain darkening: not the corruptions that are evaluated.
    """
    kind = rng.random()
    if kind < 0.25:
        return cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.4, 2.2)))
    if kind < 0.5:
        factor = float(np.exp(rng.uniform(np.log(0.25), 0)))
        table = np.clip(np.arange(256) * factor, 0, 255).astype(np.uint8)
        picture = cv2.LUT(picture, table)
    if kind < 0.65:
        noise = rng.normal(0, rng.uniform(1, 8), picture.shape).astype(np.float32)
        return cv2.add(picture, noise, dtype=cv2.CV_8U)
    return picture


def normalised(pictures: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Return float32 RGB (N, 3, H, W), (value / 255 - mean) / std, of BGR uint8 (N, H, W, 3)."""
    rgb = pictures[..., ::-1].astype(np.float32) / 255
    return np.ascontiguousarray(((rgb - mean) / std).transpose(0, 3, 1, 2), np.float32)


IMAGENET = (
    np.array((0.485, 0.456, 0.406), np.float32),
    np.array((0.229, 0.224, 0.225), np.float32),
)
"""Mean and deviation, RGB, that SegFormer's processor takes."""
HALF = (np.array((0.5, 0.5, 0.5), np.float32), np.array((0.5, 0.5, 0.5), np.float32))

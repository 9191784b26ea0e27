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

"""Median time of each corruption, and its ratio to the plain way and to a copy of the frame."""

from __future__ import annotations

import argparse
from functools import partial

import cv2
import numpy as np
from timing import median_ms

from vlm_misalign_ros.core.corruptions import (
    SEVERITIES,
    degrade,
    low_light,
    motion_blur,
    occlusion,
)
from vlm_misalign_ros.core.types import Condition


def picture(height: int, width: int) -> np.ndarray:
    """Return smooth structure with some noise, BGR uint8 (height, width, 3)."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (height // 32, width // 32, 3)).astype(np.float32)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth + rng.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8)


def poisson_low_light(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Degrade by drawing photons and read noise for each value: the plain way."""
    exposure = low_light.EXPOSURES.at(severity)
    shot = low_light.shot_noise(exposure) * (image.shape[1] / low_light.WIDTH) ** 2
    light = exposure * (image / 255.0) ** low_light.GAMMA
    noisy = rng.poisson(light / shot) * shot
    noisy = noisy + rng.normal(0.0, 1e-3, image.shape)
    return np.rint(255 * np.clip(noisy, 0, 1) ** (1 / low_light.GAMMA)).astype(np.uint8)


def cover_afresh(image: np.ndarray, coverage: float, kind: occlusion.Kind) -> None:
    """Occlude with a generator of its own, as each frame does."""
    occlusion.cover(image, coverage, kind, np.random.Generator(np.random.PCG64(0)))


def report(name: str, took: float, copy: float, plain: float | None = None) -> None:
    against = f'{plain:9.2f}  {plain / took:8.1f} x' if plain is not None else f'{"-":>9}'
    print(f'{name:<22}{took:8.2f}  {took / copy:8.1f} x  {against}')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--height', type=int, default=1024)
    parser.add_argument('--width', type=int, default=2048)
    parser.add_argument('--repeats', type=int, default=15)
    options = parser.parse_args()
    image = picture(options.height, options.width)
    repeats = options.repeats
    copy = median_ms(image.copy, repeats)
    print(
        f'{options.width}x{options.height}, OpenCV {cv2.__version__}, numpy {np.__version__}, '
        f'{cv2.getNumThreads()} threads; copy {copy:.2f} ms'
    )
    print(f'{"":<22}{"ms":>8}  {"of copy":>10}  {"plain ms":>9}  {"speed-up":>10}')

    for severity in SEVERITIES:
        condition = Condition('motion_blur', severity)
        drawn = degrade(image, condition, 0, 'k').applied.parameters
        kernel = motion_blur.line(drawn['angle_deg'], drawn['length_px']).kernel()
        took = median_ms(partial(degrade, image, condition, 0, 'k'), repeats)
        dense = median_ms(partial(cv2.filter2D, image, -1, kernel), repeats)
        report(condition.name, took, copy, dense)
    for severity in SEVERITIES:
        condition = Condition('low_light', severity)
        took = median_ms(partial(degrade, image, condition, 0, 'k'), repeats)
        rng = np.random.default_rng(0)
        plain = median_ms(partial(poisson_low_light, image, severity, rng), 3)
        report(condition.name, took, copy, plain)
    for kind in occlusion.Kind:
        for severity in SEVERITIES:
            coverage = occlusion.COVERAGES.at(severity)
            took = median_ms(partial(cover_afresh, image, coverage, kind), repeats)
            report(f'occlusion:{severity} {kind.name.lower()}', took, copy)


if __name__ == '__main__':
    main()

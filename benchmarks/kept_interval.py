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
Simulates how often the interval of the share of mIoU kept holds the truth, and how wide it is.

    python benchmarks/kept_interval.py

A scene has each of 19 classes with a chance of its own, on a lognormal area. Of its pixels a beta
share is hit when clean, and of these a share falls under the corruption, whose logit varies by
scene, class and both. What is missed is taken for another class. The truth is the share over
10,000 scenes.
"""

from __future__ import annotations

import argparse

import numpy as np

from vlm_misalign_ros.core.evaluation.severities import kept_interval
from vlm_misalign_ros.core.metrics.confusion import miou


class World:
    """A population of scenes, by (spread between scenes, mean share of the hits kept)."""

    def __init__(self, rng: np.random.Generator, spread: float, keep: float) -> None:
        self.rng, self.spread = rng, spread
        self.there = rng.uniform(0.15, 1, 19)
        self.area = rng.normal(8, 1.5, 19)
        self.hit = rng.uniform(0.5, 0.98, 19)
        self.logit = np.log(keep / (1 - keep)) + 0.7 * rng.standard_normal(19)

    def scenes(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return clean and degraded confusion matrices by scene, int64 (scenes, 19, 20)."""
        rng, size = self.rng, (count, 19)
        areas = np.exp(self.area + rng.standard_normal(size)).astype(int)
        areas *= rng.uniform(size=size) < self.there
        clean = rng.binomial(areas, rng.beta(8 * self.hit, 8 * (1 - self.hit), size))
        shift = self.spread * (rng.standard_normal((count, 1)) + 0.5 * rng.standard_normal(size))
        left = rng.binomial(clean, 1 / (1 + np.exp(-self.logit - shift)))
        return self._matrices(areas, clean), self._matrices(areas, left)

    def _matrices(self, areas: np.ndarray, hits: np.ndarray) -> np.ndarray:
        found = np.zeros((len(areas), 19, 20), np.int64)
        rows = np.arange(19)
        found[:, rows, rows] = hits
        found[:, rows, (rows + 7) % 19] += areas - hits
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--repeats', type=int, default=400)
    options = parser.parse_args()
    print('| scenes | kept | spread | coverage | mean width |\n|---|---|---|---|---|')
    for count in (8, 24, 100):
        for keep in (0.95, 0.7):
            for spread in (0.3, 1.0):
                world = World(np.random.default_rng(count), spread, keep)
                clean, left = world.scenes(10_000)
                truth = miou(left.sum(axis=0)) / miou(clean.sum(axis=0))
                repeats = options.repeats if count < 100 else options.repeats // 2
                found = [kept_interval(*world.scenes(count)) for _ in range(repeats)]
                held = np.mean([low <= truth <= high for _, low, high in found])
                width = np.mean([high - low for _, low, high in found])
                print(
                    f'| {count} | {truth:.2f} | {spread} | {held:.3f} | {width:.3f} |', flush=True
                )


if __name__ == '__main__':
    main()

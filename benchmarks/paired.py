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
Simulated coverage and width of the interval of a difference between two runs.

    python benchmarks/paired.py [REPEATS]

The model: a scene has 1 to 5 answers, each wrong in the first run with a chance that is drawn for
the scene (beta, so that answers of a scene correlate by `within`). In the second run right answers
turn wrong and wrong ones right, with chances drawn for the scene likewise, so that a share of all
answers changes both ways and the rate moves by `change`. Printed is the table of docs/verdict.md:
the least coverage over the changes and the shares that turn, and the mean width, beside Korn and
Graubard's of the rate itself.
"""

from __future__ import annotations

import sys
from itertools import product

import numpy as np

from vlm_misalign_ros.core.metrics.intervals import korn_graubard
from vlm_misalign_ros.core.metrics.paired import difference

SCENES, RATES, WITHIN = (8, 24, 100), (0.02, 0.1, 0.3), (0.0, 1 / 3, 0.8)
CHANGES, TURNING = (0.0, 0.02, 0.1), (0.0, 0.02, 0.5)
"""Change of the rate; share of the wrong answers that turn right, as many turn wrong."""


def chances(
    rng: np.random.Generator, mean: float, within: float, scenes: int
) -> np.ndarray | float:
    if not within or not 0 < mean < 1:
        return mean
    size = (1 - within) / within
    return rng.beta(mean * size, (1 - mean) * size, scenes)


def simulate(
    rng: np.random.Generator,
    scenes: int,
    rate: float,
    within: float,
    change: float,
    turning: float,
) -> tuple[bool, float, float]:
    answers = rng.integers(1, 6, scenes)
    first = rng.binomial(answers, chances(rng, rate, within, scenes))
    broken = (turning * rate + change) / (1 - rate)
    healed = rng.binomial(first, chances(rng, turning, within, scenes))
    second = first - healed + rng.binomial(answers - first, chances(rng, broken, within, scenes))
    found = difference((first, answers), (second, answers))
    own = korn_graubard(second, answers)
    return found.low <= change <= found.high, found.high - found.low, own.high - own.low


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    rng = np.random.default_rng(0)
    print('| scenes | rate | within a scene | coverage, least | mean width | of the rate itself |')
    print('|---|---|---|---|---|---|')
    for scenes, rate, within in product(SCENES, RATES, WITHIN):
        least, widths, own = 1.0, [], []
        for change, turning in product(CHANGES, TURNING):
            found = [simulate(rng, scenes, rate, within, change, turning) for _ in range(repeats)]
            covered, width, beside = np.mean(found, axis=0)
            least = min(least, covered)
            widths.append(width)
            own.append(beside)
        print(
            f'| {scenes} | {rate:.2f} | {within:.2f} | {least:.3f} | {np.mean(widths):.3f} '
            f'| {np.mean(own):.3f} |'
        )


if __name__ == '__main__':
    main()

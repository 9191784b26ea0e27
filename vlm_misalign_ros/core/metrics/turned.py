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
Answers that turned: right in one run and wrong in the other, with the exact test of McNemar.

The unit is the independent scene: one of which more answers turned wrong than right is harmed, the
other way round repaired. If the runs did not differ each of these would be as likely, whatever
hangs together within a scene, so that harmed ~ B(harmed + repaired, 1/2): the sign test. With one
answer a scene it is McNemar's (1947) in its exact form.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np

from vlm_misalign_ros.core.metrics.scenes import scene_sums


@dataclass(frozen=True)
class Turned:
    """What became of the answers of one run in another."""

    pairs: int
    """Answers that both gave."""
    scenes: int
    harm: int
    """Answers that were right and are wrong."""
    repair: int
    """Answers that were wrong and are right."""
    harmed: int
    """Scenes with more harm than repair."""
    repaired: int
    """Scenes with more repair than harm."""
    p: float
    """Of the two-sided exact test on these scenes; NaN without any pair."""


def turned(before: np.ndarray, after: np.ndarray, places: np.ndarray) -> Turned:
    """
    Return how answers turned, and whether more scenes one way than chance would have it.

    `before` and `after`, bool (N,), say whether the same answer is wrong in the first and in the
    second run; `places`, int64 (N,), number their scenes from 0.
    """
    harm, repair = after & ~before, before & ~after
    net = scene_sums(places, harm.astype(np.int64) - repair)
    harmed, repaired = int((net > 0).sum()), int((net < 0).sum())
    return Turned(
        len(places),
        len(np.unique(places)),
        int(harm.sum()),
        int(repair.sum()),
        harmed,
        repaired,
        mcnemar(harmed, repaired) if len(places) else nan,
    )


def mcnemar(one: int, other: int) -> float:
    """
    Return the two-sided p value of McNemar's exact test on discordant pairs; 1 without any.

    Twice the smaller tail of B(one + other, 1/2), 1 at most, as scipy.stats.binomtest has it.
    """
    total = one + other
    tail = ways = 1
    for k in range(min(one, other)):
        # From one binomial coefficient to the next, in whole numbers however many pairs there are.
        ways = ways * (total - k) // (k + 1)
        tail += ways
    return min(1.0, tail / (1 << total) * 2)

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
Resampling whole scenes: answers to one scene are not independent.

Scenes are drawn with replacement (the cluster bootstrap, Cameron, Gelbach and Miller 2008) as
weights on sums by scene, never as rows. It tells how much of the spread between conditions is
the noise of few scenes (metrics/correlation). Its percentiles are no intervals here: of few
scenes they cover too little (docs/metrics.md).
"""

from __future__ import annotations

import numpy as np

from vlm_misalign_ros.core.metrics.statistics import SEED

RESAMPLES = 1000
MOST = 1000
"""More scenes are drawn in so many groups, which have the same spread of a total."""
_BLOCK = 1_000_000
"""Weights drawn at once."""


def resampled(sums: np.ndarray, resamples: int = RESAMPLES, seed: int = SEED) -> np.ndarray:
    """
    Return totals over resampled scenes, float64 (resamples, K), of sums by scene, (scenes, K).

    More than MOST scenes are dealt into MOST groups first, in turn.
    """
    scenes = len(sums)
    if scenes > MOST:
        grouped = np.zeros((MOST, sums.shape[1]))
        np.add.at(grouped, np.arange(scenes) % MOST, sums)
        sums = grouped
    sums = np.asarray(sums, np.float64)
    rng = np.random.default_rng((seed, len(sums)))
    share = np.full(len(sums), 1 / len(sums))
    step = max(1, _BLOCK // len(sums))
    return np.concatenate(
        [
            rng.multinomial(len(sums), share, size=min(step, resamples - start)) @ sums
            for start in range(0, resamples, step)
        ]
    )

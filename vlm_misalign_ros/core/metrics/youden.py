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

"""From which value on two kinds are told best (Youden 1950)."""

from __future__ import annotations

import numpy as np


def youden_threshold(chances: np.ndarray, positives: np.ndarray) -> float:
    """
    Return the threshold at which sensitivity + specificity is highest.

    It lies half-way between two neighbouring scores; of equally good ones the highest is taken,
    which asserts least.
    """
    order = np.argsort(chances, kind='stable')
    values, truth = np.asarray(chances, np.float64)[order], np.asarray(positives, bool)[order]
    cuts = np.flatnonzero(np.diff(values)) + 1
    yes, no = int(truth.sum()), int((~truth).sum())
    below_yes = np.concatenate([[0], np.cumsum(truth)])
    places = np.concatenate([[0], cuts, [len(values)]])
    # Whole numbers, so that what is equally good is equal.
    quality = (yes - below_yes[places]) * no + (places - below_yes[places]) * yes
    place = places[len(places) - 1 - int(np.argmax(quality[::-1]))]
    if place == 0:
        return 0.0
    if place == len(values):
        return 1.0
    return float((values[place - 1] + values[place]) / 2)

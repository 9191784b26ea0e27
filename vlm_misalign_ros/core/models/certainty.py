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

"""How sure a segmentation is: entropy and highest probability, over the picture and by class."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from vlm_misalign_ros.core.labels.classes import CLASSES

_LEAST = 1e-12
_LEAST_WEIGHT = 1e-9


@dataclass(frozen=True)
class Certainty:
    """How sure a model is of one picture, at the size of its class scores."""

    entropy: float
    """Mean over the pixels, 0 to 1 (of log C, C the classes that are told apart), six digits."""
    confidence: float
    """Mean over the pixels of the highest class probability, six digits."""
    plane: np.ndarray
    """Entropy of each pixel as a part of log C, float32 (h, w)."""


def certainty(scores: torch.Tensor, weights: bool, kinds: torch.Tensor | None = None) -> Certainty:
    """
    Return how sure class scores (C, h, w) are.

    Logits become probabilities by softmax; with `weights` the scores are sums over queries of
    class and mask, which are weights already and are normalised. `kinds`, int64 (C,) from 0 on,
    tells classes that mean the same: their probabilities are added up before entropy and the
    highest are taken. One class alone is certain.
    """
    if weights:
        positive = scores.clamp(min=_LEAST_WEIGHT)
        chances = positive / positive.sum(0, keepdim=True)
    else:
        chances = scores.softmax(0)
    if kinds is not None:
        summed = chances.new_zeros((int(kinds.max()) + 1, *chances.shape[1:]))
        chances = summed.index_add_(0, kinds.to(chances.device), chances)
    most = np.log(max(2, len(chances)))
    sums = -(chances * chances.clamp(min=_LEAST).log()).sum(0)
    return Certainty(
        _six(float(sums.mean() / most)),
        _six(float(chances.amax(0).mean())),
        np.asarray((sums / most).cpu().numpy(), np.float32),
    )


def entropies(labels: np.ndarray, plane: np.ndarray) -> dict[str, float]:
    """
    Return the mean entropy over the pixels predicted as each class that was, six digits.

    `labels` are train ids, uint8 (H, W); `plane` is the entropy of each pixel, float32 (h, w), 0
    to 1, brought to the size of the labels as the class scores are: linearly.
    """
    size = (labels.shape[1], labels.shape[0])
    large = cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR)
    flat = labels.ravel()
    pixels = np.bincount(flat, minlength=len(CLASSES))
    sums = np.bincount(flat, large.ravel(), minlength=len(CLASSES))
    return {
        name: _six(sums[index] / pixels[index])
        for index, name in enumerate(CLASSES)
        if pixels[index]
    }


def _six(value: float) -> float:
    """Return six digits within 0 and 1: the same in every record."""
    return min(1.0, max(0.0, round(float(value), 6)))

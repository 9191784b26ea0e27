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

"""From a model's class scores to the mask of a picture: train ids, and how sure the model is."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch.nn.functional import interpolate, max_pool2d

from vlm_misalign_ros.core.errors import FrameError, ModelError
from vlm_misalign_ros.core.labels.classes import IGNORE
from vlm_misalign_ros.core.models.certainty import certainty, entropies
from vlm_misalign_ros.core.models.label_maps import ClassMap
from vlm_misalign_ros.core.types import Segmented

_MARGIN = 1e-6
"""Of the range of the scores: what rounding may do to an interpolated one."""


class Masker:
    """Makes masks of scores by what a model's classes are in Cityscapes."""

    def __init__(self, model: str, classes: ClassMap) -> None:
        """Keep the classes of the model that the string `model` names."""
        self._model = model
        self.classes = classes
        self._train_ids = np.array(classes.train_ids, np.uint8)
        # What is left out: a class apart, as those that the model can tell are.
        told = sorted({*classes.train_ids})
        kinds = [told.index(train_id) for train_id in classes.train_ids]
        self._kinds = None if len(told) == len(kinds) else torch.tensor(kinds)

    def mask(self, scores: torch.Tensor, size: tuple[int, int], weights: bool) -> Segmented:
        """
        Return the mask of a picture of `size` (H, W) from its class scores (C, h, w).

        Scores are brought to the picture's size before the best class is chosen; where that is
        none of Cityscapes the mask says nothing (255). `weights` is as for `certainty`. Raises
        FrameError for scores that are not finite or tell no class from another, ModelError for
        another number of classes than the model has names.
        """
        if len(scores) != len(self._train_ids):
            raise ModelError(
                f'model {self._model!r} gives {len(scores)} class scores and names '
                f'{len(self._train_ids)} classes',
                'its class names have to be those of its outputs',
            )
        scores = scores.float()
        low, high = (float(value) for value in scores.aminmax())
        if not np.isfinite(high - low) or low == high:
            raise FrameError(
                f'model {self._model!r} gave class scores that are not finite or all the same '
                f'({low} to {high})'
            )
        sure = certainty(scores, weights, self._kinds)
        chosen = rivals(scores, (high - low) * _MARGIN)
        train_ids = self._train_ids[chosen.cpu().numpy()]
        if scores.is_cuda:
            labels = train_ids[best_of(scores[chosen], size).cpu().numpy()]
        else:
            labels = self._best(scores[chosen].numpy(), train_ids, size)
        return Segmented(
            labels,
            sure.entropy,
            sure.confidence,
            entropies(labels, sure.plane),
            self.classes.lacking,
        )

    @staticmethod
    def _best(planes: np.ndarray, train_ids: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        best, labels = None, np.full(size, IGNORE, np.uint8)
        for train_id, plane in zip(train_ids, planes, strict=True):
            large = cv2.resize(plane, size[::-1], interpolation=cv2.INTER_LINEAR)
            if best is None:
                best = large
                labels[:] = train_id
                continue
            better = cv2.compare(large, best, cv2.CMP_GT)
            labels[better > 0] = train_id
            np.maximum(best, large, out=best)
        return labels


def best_of(planes: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """
    Return which of planes of scores (C, h, w) is the highest at `size` (H, W), int16 (H, W).

    It is told where the planes are, so that two bytes a pixel come back from a GPU. Interpolated
    as by `cv2.resize`, but for rounding; of equal ones the first.
    """
    found = torch.zeros(size, dtype=torch.int16, device=planes.device)
    best = None
    for number, plane in enumerate(planes):
        large = interpolate(plane[None, None], size, mode='bilinear', align_corners=False)[0, 0]
        if best is None:
            best = large
            continue
        found = torch.where(large > best, number, found)
        best = torch.maximum(best, large)
    return found


def rivals(scores: torch.Tensor, margin: float = 0.0) -> torch.Tensor:
    """
    Return the classes of scores (C, h, w) that may be the best somewhere between the pixels.

    An interpolated score lies between the lowest and the highest of the four about it. So a class
    whose highest is nowhere as high as the best of the lowest can be left out, and the mask is the
    same: of 150 classes a street has 20.
    """
    if min(scores.shape[1:]) < 2:
        return torch.arange(len(scores))
    highest = max_pool2d(scores[None], 2, 1)[0]
    lowest = -max_pool2d(-scores[None], 2, 1)[0]
    beaten = lowest.amax(0, keepdim=True) - margin
    return torch.nonzero((highest >= beaten).flatten(1).any(1)).flatten()

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

"""Trains the miniature SegFormer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from vlm_misalign_ros.core.labels.classes import CLASSES, IGNORE
from vlm_misalign_ros.training.augment import IMAGENET, normalised, photometric, weaken
from vlm_misalign_ros.training.loop import Recipe, fit
from vlm_misalign_ros.training.samples import LARGE, open_samples

CROP = (256, 512)
RECIPE = Recipe(steps=4650, batch=8, rate=1.2e-3, weight_decay=0.02, warmup=300)


def build() -> Any:
    """Return the untrained model: 1.43 million parameters."""
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    names = dict(enumerate(CLASSES))
    return SegformerForSemanticSegmentation(
        SegformerConfig(
            depths=[2, 2, 2, 2],
            hidden_sizes=[24, 48, 96, 160],
            num_attention_heads=[1, 2, 3, 5],
            decoder_hidden_size=96,
            drop_path_rate=0.02,
            classifier_dropout_prob=0.0,
            hidden_dropout_prob=0.0,
            id2label=names,
            label2id={name: index for index, name in names.items()},
        )
    )


def class_weights(labels: np.ndarray) -> torch.Tensor:
    """Return float32 (19,), higher for rare classes: one over the root of their share."""
    counts = np.bincount(labels.ravel(), minlength=256)[: len(CLASSES)].astype(np.float64)
    weights = (counts / counts.sum() + 1e-4) ** -0.5
    return torch.tensor(weights / weights.mean(), dtype=torch.float32).clamp(0.2, 3.0)


class Batches:
    """Draws random crops of random scale, flipped, with their label maps."""

    def __init__(self, folder: Path) -> None:
        """Open the training split under `folder`."""
        self._samples = open_samples(folder, 'train')
        self.weights = class_weights(self._samples.labels[::40])

    def __call__(self, rng: np.random.Generator, batch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return RGB float32 (B, 3, 256, 512) and train ids int64 (B, 256, 512)."""
        pictures = np.empty((batch, *CROP, 3), np.uint8)
        maps = np.empty((batch, *CROP), np.uint8)
        for number, index in enumerate(rng.integers(0, len(self._samples), batch)):
            picture, labels = self._samples.large[index], self._samples.labels[index]
            scale = float(rng.uniform(CROP[0] / LARGE[0], 1.15))
            size = (max(round(LARGE[1] * scale), CROP[1]), max(round(LARGE[0] * scale), CROP[0]))
            picture = cv2.resize(
                picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            )
            labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
            top = int(rng.integers(size[1] - CROP[0] + 1))
            left = int(rng.integers(size[0] - CROP[1] + 1))
            part = np.s_[top : top + CROP[0], left : left + CROP[1]]
            picture, labels = picture[part], labels[part]
            if rng.random() < 0.5:
                picture, labels = picture[:, ::-1], labels[:, ::-1]
            picture = photometric(np.ascontiguousarray(picture), rng)
            pictures[number], maps[number] = weaken(picture, rng), labels
        return normalised(pictures, *IMAGENET), maps.astype(np.int64)


def train(folder: Path, out: Path, work: Path, seed: int, recipe: Recipe = RECIPE) -> None:
    """Train on `folder` and save the model with its processor in half precision to `out`."""
    from transformers import SegformerImageProcessor

    torch.manual_seed(seed)
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    batches = Batches(folder)
    weights = batches.weights.to(device)

    def loss(model: nn.Module, rng: np.random.Generator, batch: int) -> torch.Tensor:
        pictures, maps = batches(rng, batch)
        logits = model(pixel_values=torch.from_numpy(pictures).to(device)).logits
        large = functional.interpolate(
            logits, scale_factor=2, mode='bilinear', align_corners=False
        )
        # Every second pixel: the loss at full size costs as much as the model.
        truth = torch.from_numpy(maps[:, ::2, ::2].copy()).to(device)
        return functional.cross_entropy(large, truth, weights, ignore_index=IGNORE)

    model = fit(build().to(device), loss, recipe, work / 'segformer.pt', seed, 'segformer')
    model.half().save_pretrained(out)  # type: ignore[operator]
    SegformerImageProcessor(size={'height': LARGE[0], 'width': LARGE[1]}).save_pretrained(out)

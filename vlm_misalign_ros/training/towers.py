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
Trains the vision towers of the miniature vision-language models.

A tower learns which classes are where, cell by cell, and which are there at all, from the maximum
over its cells; language is put on top of it afterwards. Dense truth is what makes a small
convolutional network learn this in an hour on a CPU.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from vlm_misalign_ros.core.labels.classes import CLASSES, SCORED, STUFF, STUFF_SHARE
from vlm_misalign_ros.core.types import Hazard, Presence
from vlm_misalign_ros.training import segmentation
from vlm_misalign_ros.training.augment import HALF, IMAGENET, normalised, photometric
from vlm_misalign_ros.training.loop import Recipe, fit
from vlm_misalign_ros.training.samples import CELLS, LARGE, SMALL, STATES, VERDICTS, open_samples

STRIDE = 32
COARSE = (192, 384)
"""Size of the pictures in the first stage, which sees more of them."""
RECIPES = {
    'regnetx': (
        Recipe(steps=6000, batch=16, rate=2e-3, warmup=300),
        Recipe(steps=2400, batch=16, rate=6e-4, warmup=100),
    ),
    'regnety': (
        Recipe(steps=1500, batch=16, rate=2e-3, warmup=200),
        Recipe(steps=2700, batch=16, rate=1.5e-3, warmup=50),
    ),
    'mit': (
        Recipe(steps=250, batch=16, rate=8e-4, warmup=50),
        Recipe(steps=3700, batch=16, rate=1e-3, warmup=50),
    ),
}
"""Two stages by tower; `mit` starts from the trained SegFormer."""


class Tower(nn.Module):
    """A trunk (picture to feature map at stride 32) with the heads that teach it."""

    def __init__(self, trunk: nn.Module, channels: int) -> None:
        """Add the heads."""
        super().__init__()
        self.trunk = trunk
        self.cells = nn.Conv2d(channels, len(CLASSES), 1)
        self.presence = nn.Linear(channels, len(SCORED) + 1)

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the feature map (B, C, H / 32, W / 32)."""
        seen: Any = self.trunk(pixels)
        if isinstance(seen, torch.Tensor):
            return seen
        size = pixels.shape[2] // STRIDE, pixels.shape[3] // STRIDE
        found: torch.Tensor = seen.last_hidden_state.transpose(1, 2).unflatten(2, size)
        return found

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits of classes in cells (B, 19, h, w), and of presence and hazard (B, 21)."""
        features = self.features(pixels)
        return self.cells(features), self.presence(features.amax((2, 3)))


def regnet(name: str) -> Tower:
    """Return an untrained tower over a timm RegNet, e.g. `regnetx_002`."""
    import timm

    trunk = timm.create_model(name, num_classes=0, global_pool='')
    return Tower(trunk, int(trunk.num_features))  # type: ignore[arg-type]


def mit() -> Tower:
    """Return an untrained tower over SegFormer's encoder (Mix Transformer)."""
    from transformers import SegformerModel

    config = mit_config()
    return Tower(SegformerModel(config), config.hidden_sizes[-1])


def mit_config() -> Any:
    """Return the configuration of SegFormer's encoder with a sequence of cells as output."""
    config = segmentation.build().config
    config.reshape_last_stage = False
    # What PaliGemma asks of a vision tower.
    config.hidden_size, config.image_size, config.patch_size = config.hidden_sizes[-1], 384, 32
    return config


def start_from(tower: Tower, segformer: Path) -> None:
    """
    Give the trunk of a `mit` tower the weights of the encoder of a trained SegFormer.

    The first layer is changed so that it takes pictures normalised as those of all towers.
    """
    from transformers import SegformerForSemanticSegmentation

    trained: Any = SegformerForSemanticSegmentation.from_pretrained(
        segformer, local_files_only=True
    ).float()
    tower.trunk.load_state_dict(trained.segformer.state_dict())
    trunk: Any = tower.trunk
    first = trunk.get_submodule(
        next(name for name, module in trunk.named_modules() if isinstance(module, nn.Conv2d))
    )
    (mean, deviation), (middle, spread) = (
        (torch.from_numpy(array) for array in pair) for pair in (IMAGENET, HALF)
    )
    with torch.no_grad():
        shift = ((middle - mean) / deviation)[None, :, None, None]
        first.bias += (first.weight * shift).sum((1, 2, 3))
        first.weight *= (spread / deviation)[None, :, None, None]


KINDS = {
    'regnetx': lambda: regnet('regnetx_002'),
    'regnety': lambda: regnet('regnety_002'),
    'mit': mit,
}
"""Towers by name."""


def presence_targets(
    states: np.ndarray, cells: np.ndarray, hazards: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """
    Return targets and weights, float32 (B, 21), of presence by labels.SCORED and of hazard.

    REQUIRED is 1, ABSENT 0; of TOLERATED only stuff over a share of the picture counts, as 1,
    and everything between has no weight.
    """
    targets = np.zeros((len(states), len(SCORED) + 1), np.float32)
    weights = np.zeros_like(targets)
    required, absent = STATES.index(Presence.REQUIRED), STATES.index(Presence.ABSENT)
    targets[:, :-1] = states == required
    weights[:, :-1] = (states == required) | (states == absent)
    share = cells.astype(np.float32).sum((1, 2)) / (LARGE[0] * LARGE[1])
    large = np.zeros((len(states), len(SCORED)), bool)
    large[:, : len(CLASSES)] = share >= STUFF_SHARE
    stuff = large & (states != absent) & np.isin(SCORED, STUFF)
    targets[:, :-1][stuff] = 1
    weights[:, :-1][stuff] = 1
    targets[:, -1] = hazards == VERDICTS.index(Hazard.HAZARD)
    weights[:, -1] = hazards != VERDICTS.index(Hazard.INDETERMINATE)
    return targets, weights


def cell_targets(cells: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """
    Return how much each class is in each cell, float32 (B, 19, h, w), 0 to 1.

    `cells` are pixel counts (B, 24, 48, 19); `size` is that of the feature map. A fiftieth of a
    cell is enough to count as there.
    """
    rows, columns = CELLS[0] // size[0], CELLS[1] // size[1]
    grid = (
        cells.astype(np.float32)
        .reshape(len(cells), size[0], rows, size[1], columns, cells.shape[-1])
        .sum((2, 4))
    )
    enough = LARGE[0] // size[0] * (LARGE[1] // size[1]) / 50
    found: np.ndarray = (grid / enough).clip(0, 1).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(found)


class Batches:
    """Draws pictures of one size, flipped and re-lit, with their truth."""

    def __init__(self, folder: Path, size: tuple[int, int], split: str = 'train') -> None:
        """Open a split under `folder`; pictures come at `size` (H, W)."""
        self.samples = open_samples(folder, split)
        self._size = size

    def pictures(
        self, indices: np.ndarray, rng: np.random.Generator | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return pixels float32 (B, 3, H, W) and which are flipped, bool (B); None: as is."""
        found = np.empty((len(indices), *self._size, 3), np.uint8)
        flipped = np.zeros(len(indices), bool)
        for number, index in enumerate(indices):
            picture = np.asarray(self.samples.small[index])
            if self._size != SMALL:
                picture = cv2.resize(picture, self._size[::-1], interpolation=cv2.INTER_AREA)
            if rng is not None:
                flipped[number] = rng.random() < 0.5
                if flipped[number]:
                    picture = picture[:, ::-1]
                picture = photometric(np.ascontiguousarray(picture), rng, 0.6)
            found[number] = picture
        return normalised(found, *HALF), flipped

    def __call__(self, rng: np.random.Generator, batch: int) -> tuple[np.ndarray, ...]:
        """Return pixels, cell targets, presence targets and their weights."""
        indices = rng.integers(0, len(self.samples), batch)
        pixels, flipped = self.pictures(indices, rng)
        cells = np.stack([self.samples.cells[i] for i in indices])
        targets, weights = presence_targets(
            np.stack([self.samples.states[i] for i in indices]),
            cells,
            np.stack([self.samples.hazards[i] for i in indices]),
        )
        cells[flipped] = cells[flipped, :, ::-1]
        size = self._size[0] // STRIDE, self._size[1] // STRIDE
        return pixels, cell_targets(cells, size), targets, weights


def train(
    kind: str,
    folder: Path,
    work: Path,
    seed: int,
    recipes: tuple[Recipe, Recipe] | None = None,
    segformer: Path | None = None,
) -> Tower:
    """
    Train a tower in two stages, small pictures first; return it.

    With the folder of a trained SegFormer a `mit` tower starts from its encoder.
    """
    recipes = recipes or RECIPES[kind]
    torch.manual_seed(seed)
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    made = KINDS[kind]()
    if segformer is not None:
        start_from(made, segformer)
    tower: nn.Module = made.to(device)
    for number, (size, recipe) in enumerate(zip((COARSE, SMALL), recipes, strict=True)):
        batches = Batches(folder, size)

        def loss(
            model: nn.Module, rng: np.random.Generator, batch: int, draw: Batches = batches
        ) -> torch.Tensor:
            pixels, cells, targets, weights = (
                torch.from_numpy(array).to(device) for array in draw(rng, batch)
            )
            if device.type == 'cpu':
                pixels = pixels.contiguous(memory_format=torch.channels_last)
            found, presence = model(pixels)
            dense = functional.binary_cross_entropy_with_logits(found, cells)
            whole = (
                functional.binary_cross_entropy_with_logits(
                    presence, targets, weights, reduction='sum'
                )
                / weights.sum()
            )
            return 2 * dense + whole

        if device.type == 'cpu' and kind != 'mit':
            tower = tower.to(memory_format=torch.channels_last)
        tower = fit(
            tower,
            loss,
            recipe,
            work / f'{kind}-{number}.pt',
            seed + number,
            f'{kind} {size[0]} x {size[1]}',
        )
    assert isinstance(tower, Tower)
    return tower


@torch.no_grad()
def examine(tower: Tower, folder: Path, split: str = 'val', frames: int = 400) -> dict[str, float]:
    """Return the AUROC of REQUIRED against ABSENT by class, and of hazard, on a split."""
    from scipy.stats import mannwhitneyu

    batches = Batches(folder, SMALL, split)
    count = min(frames, len(batches.samples))
    device = next(tower.parameters()).device
    scores = []
    for start in range(0, count, 16):
        pixels, _ = batches.pictures(np.arange(start, min(start + 16, count)), None)
        scores.append(tower(torch.from_numpy(pixels).to(device))[1].cpu().numpy())
    found = np.concatenate(scores)
    targets, weights = presence_targets(
        np.asarray(batches.samples.states[:count]),
        np.asarray(batches.samples.cells[:count]),
        np.asarray(batches.samples.hazards[:count]),
    )
    result = {}
    for number, name in enumerate((*SCORED, 'hazard')):
        yes = found[(targets[:, number] == 1) & (weights[:, number] == 1), number]
        no = found[(targets[:, number] == 0) & (weights[:, number] == 1), number]
        if len(yes) >= 20 and len(no) >= 20:
            result[name] = float(mannwhitneyu(yes, no).statistic) / (len(yes) * len(no))
    return result

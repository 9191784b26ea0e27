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

"""The training loop: seeded, resumable, with a moving average of the weights."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from vlm_misalign_ros.core.errors import RecordError

SAVE_EVERY = 300.0
"""Seconds between two checkpoints."""


@dataclass(frozen=True)
class Recipe:
    """How long and how fast a model learns."""

    steps: int
    batch: int
    rate: float
    """Highest learning rate."""
    weight_decay: float = 0.02
    warmup: int = 200
    average: float = 0.999
    """Decay of the moving average of the weights."""
    clip: float = 1.0
    """Highest norm of the gradient."""

    def part(self, share: float) -> Recipe:
        """Return the recipe with a share of its steps, at least one."""
        return replace(
            self,
            steps=max(round(self.steps * share), 1),
            warmup=max(round(self.warmup * share), 1),
        )

    def rate_at(self, step: int) -> float:
        """Return the learning rate: linear warm-up, then half a cosine to a hundredth."""
        if step < self.warmup:
            return self.rate * (step + 1) / self.warmup
        share = (step - self.warmup) / max(self.steps - self.warmup, 1)
        return self.rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(share, 1.0))))


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return the parameters in two groups: biases and norms do not decay."""
    learned = [p for p in model.parameters() if p.requires_grad]
    return [
        {'params': [p for p in learned if p.ndim > 1], 'weight_decay': weight_decay},
        {'params': [p for p in learned if p.ndim <= 1], 'weight_decay': 0.0},
    ]


def fit(
    model: nn.Module,
    loss: Callable[[nn.Module, np.random.Generator, int], torch.Tensor],
    recipe: Recipe,
    checkpoint: Path,
    seed: int,
    name: str = 'train',
    after: Callable[[int, nn.Module], None] | None = None,
) -> nn.Module:
    """
    Train `model` and return the copy with averaged weights.

    `loss(model, rng, batch)` draws a batch with `rng`, which depends on seed and step alone, so a
    run that was cut off goes on from `checkpoint` as if it had not been. `after(steps, averaged)`
    is called once each step is done; what was cut off calls it again for steps behind the
    checkpoint. Raises RecordError when the checkpoint cannot be written.
    """
    averaged = copy.deepcopy(model).eval()
    optimizer = torch.optim.AdamW(_groups(model, recipe.weight_decay), lr=recipe.rate)
    start, history = 0, 0.0
    if checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True, map_location='cpu')
        model.load_state_dict(state['model'])
        averaged.load_state_dict(state['averaged'])
        optimizer.load_state_dict(state['optimizer'])
        start, history = int(state['step']), float(state['loss'])
    model.train()
    saved = time.monotonic()
    with tqdm(
        total=recipe.steps,
        initial=start,
        desc=name,
        unit='step',
        mininterval=5.0,
        dynamic_ncols=True,
    ) as bar:
        for step in range(start, recipe.steps):
            for group in optimizer.param_groups:
                group['lr'] = recipe.rate_at(step)
            value = loss(model, np.random.default_rng((seed, step)), recipe.batch)
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
            optimizer.step()
            # A young average follows quickly.
            _average(averaged, model, min(recipe.average, (step + 1) / (step + 10)))
            history = value.item() if step == 0 else 0.99 * history + 0.01 * value.item()
            bar.set_postfix(loss=f'{history:.4f}', refresh=False)
            bar.update()
            if after is not None:
                after(step + 1, averaged)
            if time.monotonic() - saved > SAVE_EVERY:
                _save(checkpoint, model, averaged, optimizer, step + 1, history)
                saved = time.monotonic()
    _save(checkpoint, model, averaged, optimizer, recipe.steps, history)
    return averaged


@torch.no_grad()
def _average(averaged: nn.Module, model: nn.Module, decay: float) -> None:
    for mean, value in zip(_tensors(averaged), _tensors(model), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)


def _tensors(model: nn.Module) -> Iterable[torch.Tensor]:
    return model.state_dict().values()


def _save(
    path: Path,
    model: nn.Module,
    averaged: nn.Module,
    optimizer: torch.optim.Optimizer,
    step: int,
    loss: float,
) -> None:
    partial = path.with_name(path.name + '.part')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(
            {
                'model': model.state_dict(),
                'averaged': averaged.state_dict(),
                'optimizer': optimizer.state_dict(),
                'step': step,
                'loss': loss,
            },
            partial,
        )
        partial.replace(path)
    except OSError as error:
        raise RecordError(
            f'{path} cannot be written: {error.strerror}',
            'free space; training goes on from the last checkpoint',
        ) from error

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
Trains `temporal`: a miniature that is shown a picture, or an earlier one and then it.

It starts from `miniature:llava`, whose vision tower stays as it is, and learns to answer with what
is true of the last picture. Where that one hides something which the earlier one shows, what the
earlier one is worth is for it to find out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from vlm_misalign_ros.training.generative import answer_loss
from vlm_misalign_ros.training.grounded import drawn_prompt, open_start, question
from vlm_misalign_ros.training.loop import Recipe, fit
from vlm_misalign_ros.training.moments import (
    NOW,
    NOW_WORSE,
    PAST,
    PAST_WORSE,
    SHOWN,
    STREETS,
    Moments,
    make_moments,
)

NAME = 'temporal'
RECIPE = Recipe(steps=300, batch=12, rate=6e-4, weight_decay=0.05, warmup=50, average=0.99)
SHARES: Mapping[tuple[int, ...], float] = {
    (NOW,): 0.15,
    (NOW_WORSE,): 0.15,
    (PAST, NOW): 0.1,
    (PAST, NOW_WORSE): 0.3,
    (PAST_WORSE, NOW): 0.15,
    (PAST_WORSE, NOW_WORSE): 0.15,
}
"""How often it is shown which pictures."""
PROMPTS = {'default': 0.65, 'json': 0.1, 'safety': 0.25}


class Exercises:
    """Questions and answers about every street as token ids."""

    def __init__(self, moments: Moments, processor: Any) -> None:
        """Keep what is learnt from; `draw` tokenises."""
        self._moments = moments
        self._processor = processor
        self._end = processor.tokenizer.eos_token_id

    def draw(
        self, rng: np.random.Generator, batch: int
    ) -> tuple[np.ndarray, list[int], list[list[int]]]:
        """Return features float32 (B, pictures, TOKENS, C), one question, and B answers."""
        ways = list(SHARES)
        shown = ways[int(rng.choice(len(ways), p=list(SHARES.values())))]
        asked, prompt = drawn_prompt(rng, PROMPTS)
        indices = rng.integers(0, len(self._moments.answers), batch)
        left = SHOWN[shown]
        # A decoder goes on from the question's last word.
        texts = [' ' + self._moments.answers[index][left][asked] for index in indices]
        ids = self._processor.tokenizer(texts, add_special_tokens=False).input_ids
        seen = self._moments.seen[indices][:, list(shown)].astype(np.float32)
        answers = [[*row, self._end] for row in ids]
        return seen, question(self._processor, prompt, len(shown)), answers


def train(
    out: Path, work: Path, seed: int, recipe: Recipe = RECIPE, threads: int = 1, share: float = 1.0
) -> None:
    """Train the language side on what `make_moments` keeps in `work`; save the model to `out`."""
    streets = max(round(STREETS * share), 2)
    with tqdm(total=streets, unit='street', desc='moments', mininterval=5) as bar:
        # Of another seed or number they are others, and a trial's are none to go on from.
        place = work / f'moments-{seed}-{streets}'
        moments = make_moments(place, seed, streets, threads, bar.update)
    torch.manual_seed(seed)
    model, processor = open_start()
    model.model.vision_tower.requires_grad_(False)
    exercises = Exercises(moments, processor)

    def loss(model: nn.Module, rng: np.random.Generator, batch: int) -> torch.Tensor:
        seen, asked, answers = exercises.draw(rng, batch)
        return answer_loss(model, torch.from_numpy(seen).flatten(1, 2), asked, answers)

    trained: Any = fit(model, loss, recipe, work / f'{NAME}.pt', seed, NAME)
    out.mkdir(parents=True, exist_ok=True)
    trained.half().save_pretrained(out)
    processor.save_pretrained(out)

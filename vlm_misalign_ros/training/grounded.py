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
Trains `grounded`: a miniature that is shown a picture, told what perception found in it, or both.

It starts from `miniature:llava`, whose vision tower stays as it is, and learns to answer with what
is true of the picture, whichever of the two it was given: words that perception got wrong are
followed by answers that are right, so what the words are worth is for it to find out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.language.prompts import generative_prompt
from vlm_misalign_ros.core.models.factory import parse
from vlm_misalign_ros.training.generative import IGNORED, TOKENS, padded
from vlm_misalign_ros.training.grounding import SCENES, START, Grounds, make_grounds
from vlm_misalign_ros.training.loop import Recipe, fit

NAME = 'grounded'
RECIPES = (
    Recipe(steps=1000, batch=16, rate=1.2e-3, weight_decay=0.05, warmup=50, average=0.99),
    Recipe(steps=1500, batch=16, rate=8e-4, weight_decay=0.05, warmup=50, average=0.995),
)
"""How it learns to read words, then what to make of words and picture together."""
CONTEXT = 1024
"""Tokens that it can read: what perception found takes more of them than llava has room for."""
LEAST_TOLD = 20
"""Pictures in which a phrase of perception's words has to come to get a token of its own."""
SHARES = (
    {'image': 0.2, 'objects': 0.8},
    {'image': 0.25, 'image+objects': 0.25, 'image+objects+uncertainty': 0.3, 'objects': 0.2},
)
"""How often it is asked with each input: words alone first, or the picture makes it deaf."""
PROMPTS = {'default': 0.55, 'json': 0.2, 'safety': 0.25}
OTHER_WORDS = (
    'Should we keep driving? Answer yes or no.',
    'Is the road in front of us safe? Answer yes or no.',
    'Can we proceed? Answer yes or no.',
    'Is it all right for this car to move on? Answer yes or no.',
    'Is driving ahead free of danger? Answer yes or no.',
)
"""The safety question in other words; none is among the paraphrases that models are asked."""

_PARTS = re.compile(
    r'((?:found:|;) (?:' + '|'.join(sorted(CLASSES, key=len, reverse=True)) + r'), |\d+\.\d+|\d\d)'
)
"""What changes from picture to picture in perception's words: classes and numbers."""


def phrases(told: Sequence[str], answers: Iterable[str]) -> list[str]:
    """
    Return what perception's words repeat and no answer has, in alphabetical order.

    Each class as it is found, each number, and what stands between them.
    """
    counts = Counter(part for text in told for part in set(_PARTS.split(text)))
    said = '\n'.join(dict.fromkeys(answers))
    often = (part for part, n in counts.items() if n >= LEAST_TOLD and len(part) > 1)
    return sorted(part for part in often if part not in said)


def extend(model: Any, processor: Any, more: Sequence[str]) -> None:
    """
    Give each phrase a token of its own, which begins as the mean of those that it stands for.

    What holds none of the phrases is read as before.
    """
    from tokenizers import AddedToken

    tokenizer = processor.tokenizer
    parts = [tokenizer(text, add_special_tokens=False).input_ids for text in more]
    tokenizer.add_tokens([AddedToken(text, normalized=False, special=False) for text in more])
    tokenizer.model_max_length = CONTEXT
    table = model.get_input_embeddings().weight.detach().clone()
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    with torch.no_grad():
        found = model.get_input_embeddings().weight
        for place, ids in enumerate(parts):
            found[len(table) + place] = table[ids].mean(0)
    model.config.text_config.max_position_embeddings = CONTEXT


def question(processor: Any, words: str, pictures: int) -> list[int]:
    """Return the token ids of a question, as at inference: places of its pictures, then words."""
    content = [{'type': 'image'}] * pictures + [{'type': 'text', 'text': words}]
    text = processor.apply_chat_template(
        [{'role': 'user', 'content': content}], tokenize=False, add_generation_prompt=True
    )
    text = text.replace(processor.image_token, processor.image_token * TOKENS)
    ids: list[int] = processor.tokenizer(text).input_ids
    return ids


def drawn_prompt(rng: np.random.Generator, shares: Mapping[str, float]) -> tuple[str, str]:
    """Return which prompt is asked, and its text; half of `safety` is in other words."""
    asked = str(rng.choice(list(shares), p=list(shares.values())))
    if asked == 'safety' and rng.random() < 0.5:
        return asked, OTHER_WORDS[int(rng.integers(len(OTHER_WORDS)))]
    return asked, generative_prompt(asked)


class Exercises:
    """Questions and answers about every picture as token ids."""

    def __init__(self, grounds: Grounds, processor: Any, shares: Mapping[str, float]) -> None:
        """Keep what is learnt from, and how often with which input; `draw` tokenises."""
        self._grounds = grounds
        self._shares = shares
        self._processor = processor
        self._end = processor.tokenizer.eos_token_id

    def draw(
        self, rng: np.random.Generator, batch: int
    ) -> tuple[np.ndarray | None, list[list[int]], list[list[int]]]:
        """
        Return features float32 (B, TOKENS, C), questions and answers of one input and prompt.

        The features are None where the words stand alone.
        """
        kind = str(rng.choice(list(self._shares), p=list(self._shares.values())))
        asked, prompt = drawn_prompt(rng, PROMPTS)
        indices = rng.integers(0, len(self._grounds.told), batch)
        pictured = kind != 'objects'
        tokenizer = self._processor.tokenizer
        questions, answers = [], []
        for index in indices:
            told = self._grounds.told[index].get(kind, '')
            words = f'{told}\n{prompt}' if told else prompt
            questions.append(question(self._processor, words, int(pictured)))
            # A decoder goes on from the question's last word.
            text = ' ' + self._grounds.answers[index][asked]
            ids = tokenizer(text, add_special_tokens=False).input_ids
            answers.append([*ids, self._end])
        seen = self._grounds.seen[indices].astype(np.float32) if pictured else None
        return seen, questions, answers


def grounded_loss(
    model: Any, seen: torch.Tensor | None, questions: list[list[int]], answers: list[list[int]]
) -> torch.Tensor:
    """Return the loss on the answers; `seen` are features (B, TOKENS, C), None for no picture."""
    inner = model.model
    rows = [[*asked, *said] for asked, said in zip(questions, answers, strict=True)]
    tokens = padded(rows, 0)[:, :-1]
    masked = [
        [*[IGNORED] * len(asked), *said] for asked, said in zip(questions, answers, strict=True)
    ]
    labels = padded(masked, IGNORED)[:, 1:]
    embedded = inner.get_input_embeddings()(tokens)
    if seen is not None:
        place = questions[0].index(model.config.image_token_index)
        projected = inner.multi_modal_projector(seen).to(embedded.dtype)
        embedded = torch.cat([embedded[:, :place], projected, embedded[:, place + TOKENS :]], 1)
    hidden = inner.language_model(inputs_embeds=embedded).last_hidden_state
    # Only the places of answers are worth the large last layer.
    scored = labels != IGNORED
    logits = model.lm_head(hidden[scored])
    return functional.cross_entropy(logits.float(), labels[scored])


def open_start() -> tuple[Any, Any]:
    """Return the model that it starts from, in single precision, and its processor."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    folder = str(parse(START).directory)
    model: Any = AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True)
    return model.float(), AutoProcessor.from_pretrained(folder, local_files_only=True)


def train(
    out: Path,
    work: Path,
    seed: int,
    recipes: Sequence[Recipe] = RECIPES,
    threads: int = 1,
    share: float = 1.0,
) -> None:
    """Train the language side on what `make_grounds` keeps in `work`; save the model to `out`."""
    scenes = max(round(SCENES * share), 2)
    with tqdm(total=scenes, unit='scene', desc='grounds', mininterval=5) as bar:
        # Of another seed or number they are others, and a trial's are none to go on from.
        place = work / f'grounds-{seed}-{scenes}'
        grounds = make_grounds(place, seed, scenes, threads, bar.update)
    torch.manual_seed(seed)
    model, processor = open_start()
    told = [text for entry in grounds.told for text in entry.values()]
    said = [text for entry in grounds.answers for text in entry.values()]
    extend(model, processor, phrases(told, said))
    model.model.vision_tower.requires_grad_(False)
    for number, (recipe, shares) in enumerate(zip(recipes, SHARES, strict=True)):
        exercises = Exercises(grounds, processor, shares)

        def loss(
            model: nn.Module,
            rng: np.random.Generator,
            batch: int,
            draw: Callable[..., Any] = exercises.draw,
        ) -> torch.Tensor:
            seen, questions, answers = draw(rng, batch)
            shown = None if seen is None else torch.from_numpy(seen)
            with torch.autocast('cpu', torch.bfloat16):
                return grounded_loss(model, shown, questions, answers)

        place = work / f'{NAME}-{number}.pt'
        model = fit(model, loss, recipe, place, seed + number, f'{NAME} {number + 1}')
    out.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(out)
    processor.save_pretrained(out)

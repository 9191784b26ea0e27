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
Trains the miniature generative models in transformers' formats.

`llava`: a decoder that reads projected cells before the question (FastVLM, of the LLaVA family),
with a chat template. `paligemma`: a prefix language model, which sees picture and question both
ways, with a plain prompt (PaliGemma), over SegFormer's encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from vlm_misalign_ros.core.language.prompts import generative_prompt
from vlm_misalign_ros.training.captions import (
    Scene,
    as_json,
    caption,
    narrate,
    read_scene,
    yes_or_no,
)
from vlm_misalign_ros.training.features import VARIANTS
from vlm_misalign_ros.training.loop import Recipe, fit
from vlm_misalign_ros.training.samples import SMALL, open_samples
from vlm_misalign_ros.training.tokenizer import train_tokenizer
from vlm_misalign_ros.training.towers import STRIDE, Tower, mit_config

CELLS = SMALL[0] // STRIDE, SMALL[1] // STRIDE
TOKENS = CELLS[0] * CELLS[1]
WIDTH = 192
RECIPES = {
    'llava': Recipe(steps=4000, batch=16, rate=1.5e-3, weight_decay=0.05, warmup=300),
    'paligemma': Recipe(steps=4500, batch=16, rate=1.5e-3, weight_decay=0.05, warmup=200),
}
IGNORED = -100

_CHAT = (
    "{% for message in messages %}{% if message['role'] == 'user' %}USER: "
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>\n"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}{% endfor %}"
    '{% if add_generation_prompt %} ASSISTANT:{% endif %}'
)


@dataclass(frozen=True)
class Task:
    """A question, what answers it, and how often it is put."""

    prompt: str
    answer: Callable[[Scene], str]
    share: float


TASKS: dict[str, tuple[Task, ...]] = {
    'llava': (
        Task('default', narrate, 0.7),
        Task('json', as_json, 0.15),
        Task('safety', yes_or_no, 0.15),
    ),
    'paligemma': (Task('default', caption, 0.8), Task('safety', yes_or_no, 0.2)),
}
TOWERS = {'llava': 'regnetx', 'paligemma': 'mit'}


def build_llava(tokenizer: Any) -> tuple[Any, Any]:
    """Return an untrained FastVLM and its processor."""
    from transformers import (
        CLIPImageProcessor,
        FastVlmConfig,
        FastVlmForConditionalGeneration,
        GenerationConfig,
        LlamaConfig,
        LlavaProcessor,
        TimmWrapperConfig,
    )

    more: dict[str, Any] = {'hidden_size': 368, 'num_labels': 1}
    vision = TimmWrapperConfig(architecture='regnetx_002', do_pooling=False, **more)
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=640,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        tie_word_embeddings=True,
    )
    model = FastVlmForConditionalGeneration(
        FastVlmConfig(
            vision_config=vision,
            text_config=text,
            image_token_index=tokenizer.image_token_id,
            image_seq_length=TOKENS,
            tie_word_embeddings=True,
        )
    )
    model.generation_config = GenerationConfig(bos_token_id=1, eos_token_id=2, pad_token_id=0)
    processor = LlavaProcessor(
        _images(CLIPImageProcessor),
        tokenizer,
        patch_size=STRIDE,
        vision_feature_select_strategy='full',
        num_additional_image_tokens=0,
        image_token='<image>',
        chat_template=_CHAT,
    )
    return model, processor


def build_paligemma(tokenizer: Any) -> tuple[Any, Any]:
    """Return an untrained PaliGemma and its processor."""
    from transformers import (
        CLIPImageProcessor,
        GemmaConfig,
        GenerationConfig,
        PaliGemmaConfig,
        PaliGemmaForConditionalGeneration,
        PaliGemmaProcessor,
    )

    text = GemmaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=WIDTH // 4,
        max_position_embeddings=640,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    model = PaliGemmaForConditionalGeneration(
        PaliGemmaConfig(
            vision_config=mit_config(),
            text_config=text,
            projection_dim=WIDTH,
            hidden_size=WIDTH,
            image_token_index=tokenizer.image_token_id,
            vocab_size=len(tokenizer),
        )
    )
    model.generation_config = GenerationConfig(bos_token_id=1, eos_token_id=2, pad_token_id=0)
    processor = PaliGemmaProcessor(_images(CLIPImageProcessor, image_seq_length=TOKENS), tokenizer)
    return model, processor


def _images(kind: Any, **more: Any) -> Any:
    return kind(
        size={'height': SMALL[0], 'width': SMALL[1]},
        do_center_crop=False,
        do_resize=True,
        resample=2,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
        **more,
    )


BUILD = {'llava': build_llava, 'paligemma': build_paligemma}


def ask(processor: Any, prompt: str) -> list[int]:
    """Return the token ids of a question with the places of the image, as at inference."""
    from PIL import Image

    text = prompt
    if getattr(processor, 'chat_template', None):
        text = processor.apply_chat_template(
            [{'role': 'user', 'content': [{'type': 'image'}, {'type': 'text', 'text': prompt}]}],
            tokenize=False,
            add_generation_prompt=True,
        )
    blank = Image.new('RGB', SMALL[::-1])
    ids: list[int] = processor(images=blank, text=text, return_tensors='pt').input_ids[0].tolist()
    return ids


class Exercises:
    """Questions and answers of every training frame as token ids."""

    def __init__(self, name: str, folder: Path, tokenizer: Any, processor: Any) -> None:
        """Write and tokenise every answer once."""
        samples = open_samples(folder, 'train')
        scenes = [read_scene(samples, index) for index in range(len(samples))]
        self.tasks = TASKS[name]
        self.questions = [ask(processor, generative_prompt(task.prompt)) for task in self.tasks]
        self.answers = []
        for task in self.tasks:
            # A decoder goes on from the question's last word.
            space = ' ' if name == 'llava' else ''
            texts = [space + task.answer(scene) for scene in scenes]
            self.answers.append(
                [
                    ids + [tokenizer.eos_token_id]
                    for ids in tokenizer(texts, add_special_tokens=False).input_ids
                ]
            )

    def draw(self, rng: np.random.Generator) -> int:
        """Return the number of the task of a batch."""
        shares = np.array([task.share for task in self.tasks])
        return int(rng.choice(len(shares), p=shares / shares.sum()))


def padded(rows: Sequence[Sequence[int]], fill: int) -> torch.Tensor:
    """Return rows of token ids, int64 (B, longest), filled up behind."""
    length = max(map(len, rows))
    return torch.tensor([[*row, *[fill] * (length - len(row))] for row in rows])


def answer_loss(
    model: Any, seen: torch.Tensor, question: list[int], answers: list[list[int]]
) -> torch.Tensor:
    """
    Return the loss on the answers to one question, the mean over their tokens.

    `seen` are features (B, N, C) for the N places of pictures in the question, in its order.
    """
    inner = model.model
    given = torch.tensor(question, device=seen.device)
    answer = padded(answers, 0).to(seen.device)
    labels = padded(answers, IGNORED).to(seen.device)
    tokens = torch.cat([given.expand(len(answers), -1), answer[:, :-1]], 1)
    embedded = inner.get_input_embeddings()(tokens)
    places = (given == model.config.image_token_index).nonzero()[:, 0]
    projected = inner.multi_modal_projector(seen).to(embedded.dtype)
    embedded = embedded.index_copy(1, places, projected)
    if model.config.model_type == 'paligemma':
        # The question is seen both ways, the answer from behind.
        kinds = torch.ones_like(tokens)
        kinds[:, : len(question)] = 0
        hidden = inner(inputs_embeds=embedded, token_type_ids=kinds).last_hidden_state
    else:
        hidden = inner.language_model(inputs_embeds=embedded).last_hidden_state
    logits = model.lm_head(hidden[:, len(question) - 1 :])
    return functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)


def corpus(folder: Path) -> list[str]:
    """Return the texts from which the tokenizers learn."""
    samples = open_samples(folder, 'train')
    scenes = [read_scene(samples, index) for index in range(0, len(samples), 5)]
    prompts = [generative_prompt(name) for name in ('default', 'json', 'safety')] * 40
    return [
        *prompts,
        *['yes', 'no'] * 40,
        *(answer(scene) for scene in scenes for answer in (narrate, caption, as_json)),
    ]


def train(
    name: str,
    tower: Tower,
    features: np.ndarray,
    folder: Path,
    out: Path,
    work: Path,
    seed: int,
    recipe: Recipe,
) -> None:
    """Train the language side of model `name` on a tower's features and save it to `out`."""
    torch.manual_seed(seed)
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    tokenizer = train_tokenizer(corpus(folder))
    model, processor = BUILD[name](tokenizer)
    put_tower(name, model, tower)
    vision = model.model.vision_tower
    vision.requires_grad_(False)
    model = model.to(device)
    exercises = Exercises(name, folder, tokenizer, processor)
    count = features.shape[1]

    def loss(model: nn.Module, rng: np.random.Generator, batch: int) -> torch.Tensor:
        task = exercises.draw(rng)
        indices = rng.integers(0, count, batch)
        variants = rng.integers(0, VARIANTS, batch)
        seen = np.stack([features[v, i] for v, i in zip(variants, indices, strict=True)])
        answers = [exercises.answers[task][index] for index in indices]
        return answer_loss(
            model,
            torch.from_numpy(seen.astype(np.float32)).to(device),
            exercises.questions[task],
            answers,
        )

    trained: Any = fit(model, loss, recipe, work / f'{name}.pt', seed, name)
    out.mkdir(parents=True, exist_ok=True)
    trained.half().save_pretrained(out)
    processor.save_pretrained(out)


def put_tower(name: str, model: Any, tower: Tower) -> None:
    """Give the model the trained tower."""
    inside = model.model.vision_tower
    if name == 'llava':
        inside = inside.timm_model
    inside.load_state_dict(tower.trunk.state_dict())

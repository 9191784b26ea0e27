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

"""Trains the miniature contrastive models: a CLIP and a SigLIP in open_clip's format."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.language.prompts import contrastive_prompts
from vlm_misalign_ros.training.captions import caption, narrate, read_scene
from vlm_misalign_ros.training.features import VARIANTS
from vlm_misalign_ros.training.loop import Recipe, fit
from vlm_misalign_ros.training.samples import SMALL, Samples, open_samples
from vlm_misalign_ros.training.tokenizer import train_tokenizer
from vlm_misalign_ros.training.towers import Tower, presence_targets

CONTEXT = 48
RECIPES = {
    'clip': Recipe(steps=2000, batch=192, rate=1e-3, weight_decay=0.05, warmup=200),
    'siglip': Recipe(steps=2000, batch=192, rate=1e-3, weight_decay=0.05, warmup=200),
}


@dataclass(frozen=True)
class Kind:
    """What distinguishes the two models."""

    tower: str
    trunk: str
    """timm's name of the trunk."""
    bias: bool
    """Sigmoid with a bias (SigLIP), else softmax (CLIP)."""


KINDS = {
    'clip': Kind('regnetx', 'regnetx_002', False),
    'siglip': Kind('regnety', 'regnety_002', True),
}

_SYNONYMS: dict[str, tuple[str, ...]] = {
    'road': ('a road', 'a street', 'asphalt'),
    'sidewalk': ('a sidewalk', 'a pavement'),
    'building': ('a building', 'buildings', 'houses'),
    'wall': ('a wall',),
    'fence': ('a fence',),
    'pole': ('a pole', 'poles', 'a lamp post'),
    'traffic light': ('a traffic light', 'traffic lights', 'a traffic signal'),
    'traffic sign': ('a traffic sign', 'a road sign'),
    'vegetation': ('trees', 'vegetation'),
    'terrain': ('grass', 'terrain'),
    'sky': ('the sky',),
    'person': ('a pedestrian', 'a person', 'people', 'pedestrians'),
    'rider': ('a cyclist riding', 'a rider', 'somebody riding'),
    'car': ('a car', 'cars'),
    'truck': ('a truck', 'a lorry', 'trucks'),
    'bus': ('a bus', 'buses'),
    'train': ('a tram', 'a train', 'trams'),
    'motorcycle': ('a motorcycle', 'a motorbike'),
    'bicycle': ('a bicycle', 'a bike', 'bicycles'),
}
_TEMPLATES = ('{}.', 'a picture of {}.', 'there is {}.', 'a road with {}.', 'a view of {}.')
_NEUTRAL = ('a view.', 'an image.', 'a road.', 'a picture of a street.')
_SAFE = ('the lane ahead is clear.', 'it is safe to proceed.', 'the way is free.')
_UNSAFE = ('it is not safe to proceed.', 'somebody is in our way.', 'the lane ahead is blocked.')


def model_config(kind: Kind, vocabulary: int) -> dict[str, Any]:
    """Return open_clip's model configuration."""
    config: dict[str, Any] = {
        'embed_dim': 128,
        'vision_cfg': {
            'timm_model_name': kind.trunk,
            'timm_model_pretrained': False,
            'timm_pool': 'max',
            'timm_proj': 'mlp',
            'image_size': list(SMALL),
        },
        'text_cfg': {
            'context_length': CONTEXT,
            'vocab_size': vocabulary,
            'width': 128,
            'heads': 4,
            'layers': 2,
            'hf_tokenizer_name': 'local',
            'pool_type': 'eos',
            'eos_id': 2,
            'pad_id': 0,
        },
        'custom_text': True,
    }
    if kind.bias:
        config['init_logit_bias'] = -4.0
        config['init_logit_scale'] = float(np.log(10.0))
    return config


class Texts:
    """Draws prompts and captions as token ids."""

    def __init__(self, samples: Samples, tokenizer: Any) -> None:
        """Tokenise the captions of every frame once."""
        self._tokenizer = tokenizer
        prompts = contrastive_prompts('default')
        self._templates = (*prompts.templates, *_TEMPLATES)
        self._classes = [(prompts.classes[name], *_SYNONYMS[name]) for name in CLASSES]
        self._others = (
            (*prompts.neutral, *_NEUTRAL),
            (*prompts.safe, *_SAFE),
            (*prompts.unsafe, *_UNSAFE),
        )
        scenes = [read_scene(samples, index) for index in range(len(samples))]
        self.captions = self.tokens([caption(scene) for scene in scenes])

    def tokens(self, texts: Sequence[str]) -> torch.Tensor:
        """Return token ids int64 (N, CONTEXT)."""
        found: torch.Tensor = self._tokenizer(
            list(texts),
            return_tensors='pt',
            max_length=CONTEXT,
            padding='max_length',
            truncation=True,
        ).input_ids
        return found

    def prompts(self, rng: np.random.Generator) -> torch.Tensor:
        """Return one prompt of each class, then neutral, safe and unsafe: (22, CONTEXT)."""
        texts = []
        for words in self._classes:
            template = self._templates[int(rng.integers(len(self._templates)))]
            texts.append(template.format(words[int(rng.integers(len(words)))]))
        texts += [words[int(rng.integers(len(words)))] for words in self._others]
        return self.tokens(texts)


def corpus(samples: Samples) -> list[str]:
    """Return the texts from which the tokenizers learn."""
    prompts = contrastive_prompts('default')
    scenes = [read_scene(samples, index) for index in range(0, len(samples), 7)]
    fixed = [
        template.format(word)
        for template in (*prompts.templates, *_TEMPLATES)
        for words in _SYNONYMS.values()
        for word in words
    ]
    fixed += [*prompts.neutral, *prompts.safe, *prompts.unsafe, *_NEUTRAL, *_SAFE, *_UNSAFE]
    return [
        *fixed * 4,
        *(caption(scene) for scene in scenes),
        *(narrate(scene) for scene in scenes),
    ]


class _Head(nn.Module):
    """The parts that learn: projection of pooled features, text tower, scale and bias."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.project = model.visual.head
        self.text = model.text
        self.scale = model.logit_scale
        if getattr(model, 'logit_bias', None) is not None:
            self.bias = model.logit_bias

    def images(self, pooled: torch.Tensor) -> torch.Tensor:
        return functional.normalize(self.project(pooled), dim=-1)

    def texts(self, tokens: torch.Tensor) -> torch.Tensor:
        return functional.normalize(self.text(tokens), dim=-1)


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
    import open_clip

    kind = KINDS[name]
    torch.manual_seed(seed)
    samples = open_samples(folder, 'train')
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = train_tokenizer(corpus(samples), context=CONTEXT, ends=True)
    tokenizer.save_pretrained(out)
    config = model_config(kind, len(tokenizer))
    (out / 'open_clip_config.json').write_text(
        json.dumps(
            {
                'model_cfg': config,
                'preprocess_cfg': {
                    'mean': [0.5] * 3,
                    'std': [0.5] * 3,
                    'interpolation': 'bilinear',
                    'resize_mode': 'squash',
                },
            },
            indent=2,
        )
        + '\n'
    )
    arguments = dict(config)
    arguments.pop('custom_text')
    model: Any = open_clip.CustomTextCLIP(**arguments)
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    head: nn.Module = _Head(model).to(device)
    texts = Texts(samples, tokenizer)
    pooled = torch.from_numpy(
        np.stack(
            [
                np.stack([features[variant, index].max(0) for index in range(len(samples))])
                for variant in range(VARIANTS)
            ]
        ).astype(np.float32)
    )
    targets, weights = (
        torch.from_numpy(array)
        for array in presence_targets(
            np.asarray(samples.states), np.asarray(samples.cells), np.asarray(samples.hazards)
        )
    )
    # The super-class has no prompt of its own.
    kept = [*range(len(CLASSES)), targets.shape[1] - 1]
    targets, weights = targets[:, kept], weights[:, kept]

    def loss(head: Any, rng: np.random.Generator, batch: int) -> torch.Tensor:
        indices = torch.from_numpy(rng.integers(0, len(samples), batch))
        variants = torch.from_numpy(rng.integers(0, VARIANTS, batch))
        images = head.images(pooled[variants, indices].to(device))
        prompts = head.texts(texts.prompts(rng).to(device))
        spoken = head.texts(texts.captions[indices].to(device))
        scale = head.scale.exp().clamp(max=100)
        similar = images @ prompts.T
        judged = scale * (similar[:, -1] - similar[:, -2])
        classes = similar[:, : len(CLASSES)]
        if kind.bias:
            logits = scale * classes + head.bias
            pairs = scale * images @ spoken.T + head.bias
            same = _same(texts.captions[indices]).to(device)
            matched = functional.binary_cross_entropy_with_logits(pairs, same)
        else:
            logits = scale * (classes - similar[:, len(CLASSES) : len(CLASSES) + 1])
            pairs = scale * images @ spoken.T
            same = _same(texts.captions[indices]).to(device)
            share = same / same.sum(1, keepdim=True)
            matched = (
                functional.cross_entropy(pairs, share) + functional.cross_entropy(pairs.T, share.T)
            ) / 20
        given = torch.cat([logits, judged[:, None]], 1)
        wanted, weight = targets[indices].to(device), weights[indices].to(device)
        present = (
            functional.binary_cross_entropy_with_logits(given, wanted, weight, reduction='sum')
            / weight.sum()
        )
        return present + matched

    trained = fit(head, loss, recipe, work / f'{name}.pt', seed, name)
    _save(model, trained, tower, out)


def _same(tokens: torch.Tensor) -> torch.Tensor:
    """Return which captions are the same, float32 (B, B)."""
    return (tokens[:, None] == tokens[None]).all(-1).float()


def _save(model: Any, head: Any, tower: Tower, out: Path) -> None:
    from safetensors.torch import save_file

    state = {f'visual.head.{name}': value for name, value in head.project.state_dict().items()}
    state |= {f'text.{name}': value for name, value in head.text.state_dict().items()}
    state['logit_scale'] = head.scale.data
    if hasattr(head, 'bias'):
        state['logit_bias'] = head.bias.data
    state |= {f'visual.trunk.{name}': value for name, value in tower.trunk.state_dict().items()}
    model.load_state_dict(state)
    half = {
        name: (value.half() if value.is_floating_point() and value.ndim else value)
        .cpu()
        .contiguous()
        for name, value in model.state_dict().items()
    }
    save_file(half, out / 'open_clip_model.safetensors')

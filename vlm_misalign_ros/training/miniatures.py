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

"""Trains a miniature by name: its tower, what the tower sees, the language on top."""

from __future__ import annotations

from pathlib import Path

import torch

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.training import (
    contrastive,
    features,
    generative,
    grounded,
    segmentation,
    temporal,
    towers,
)

MINIATURES: tuple[str, ...] = (
    'segformer',
    *contrastive.KINDS,
    *generative.TOWERS,
    grounded.NAME,
    temporal.NAME,
)
"""Names of the models that are trained and shipped."""


def train(
    name: str,
    data: Path,
    out: Path,
    work: Path,
    seed: int = 0,
    threads: int = 1,
    share: float = 1.0,
) -> Path:
    """
    Train miniature `name` on the samples under `data`; return its folder, `out`/NAME.

    Checkpoints in `work` let a training that was cut off go on, and let models share a tower.
    `share` is the part of the recipes' steps that is trained, to try things out.
    """
    if name not in MINIATURES:
        raise ConfigurationError(
            f'there is no miniature {name!r}', 'known: ' + ', '.join(MINIATURES)
        )
    torch.set_num_threads(threads)
    work.mkdir(parents=True, exist_ok=True)
    place = out / name
    if name == 'segformer':
        segmentation.train(data, place, work, seed, segmentation.RECIPE.part(share))
    elif name == grounded.NAME:
        parts = [recipe.part(share) for recipe in grounded.RECIPES]
        grounded.train(place, work, seed, parts, threads, share)
    elif name == temporal.NAME:
        temporal.train(place, work, seed, temporal.RECIPE.part(share), threads, share)
    else:
        kind = (
            contrastive.KINDS[name].tower if name in contrastive.KINDS else generative.TOWERS[name]
        )
        first, second = towers.RECIPES[kind]
        start = out / 'segformer' if kind == 'mit' else None
        if start is not None and not (start / 'config.json').is_file():
            raise ConfigurationError(
                f'miniature {name!r} starts from the encoder of a trained segformer, '
                f'and {start} holds none',
                'train segformer first',
            )
        tower = towers.train(
            kind, data, work, seed, (first.part(share), second.part(share)), start
        )
        seen = features.tower_features(tower, data, work / f'features-{kind}.npy')
        language = contrastive if name in contrastive.KINDS else generative
        language.train(
            name, tower, seen, data, place, work, seed, language.RECIPES[name].part(share)
        )
    for path in place.rglob('*'):
        if path.is_file():
            path.chmod(0o644)
    return place

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
What `grounded` learns from: streets, clean and through a worse camera, as two models see them.

Of every picture are kept what the vision tower of `miniature:llava` makes of it, in words what
`miniature:segformer` finds in it, and what is true of it. The streets are of the training cities,
but none that either model was trained on: what perception misses and makes up has to be what it
misses and makes up of strange pictures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from vlm_misalign_ros.core.labels.classes import BY_ID, CLASSES, SCORED, to_train_ids
from vlm_misalign_ros.core.models import findings
from vlm_misalign_ros.core.models.factory import load_segmentation, parse
from vlm_misalign_ros.core.truth.hazard import Doubt, HazardResult
from vlm_misalign_ros.core.truth.inventory import Inventory
from vlm_misalign_ros.core.truth.presence import visible_inventory
from vlm_misalign_ros.core.truth.read import Truth, TruthMaps, TruthSettings, read_truth
from vlm_misalign_ros.core.types import Hazard, Presence
from vlm_misalign_ros.core.world import SPLITS, render_scene
from vlm_misalign_ros.training.augment import HALF, normalised, photometric
from vlm_misalign_ros.training.captions import (
    LEAST_STUFF,
    TRACE,
    Scene,
    as_json,
    narrate,
    yes_or_no,
)
from vlm_misalign_ros.training.kept import make_kept, unreadable
from vlm_misalign_ros.training.samples import RENDERED, SMALL

START = 'miniature:llava'
"""Whose tower sees the pictures, and whose language `grounded` starts from."""
PERCEPTION = 'miniature:segformer'
SEED_STEP = 2
"""What is added to the seed of the other models' streets, so that these are others."""
SCENES = 1800
VARIANTS = 2
"""Every street as it is in other light, and through a worse camera."""
HIDDEN = 0.25
"""Part of the way ahead that is covered where nobody can judge it any more."""
INPUTS = ('image', 'image+objects', 'image+objects+uncertainty', 'objects')
"""What is learnt to be asked with; the words of each but the first are kept."""
PROMPTS = ('default', 'json', 'safety')


@dataclass(frozen=True)
class Grounds:
    """The pictures that are learnt from, M of them."""

    seen: np.ndarray
    """What the tower sees, float16 (M, cells, channels)."""
    told: list[dict[str, str]]
    """What perception found in words, by input."""
    answers: list[dict[str, str]]
    """What is to be answered, by prompt."""


def worse_camera(
    picture: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray | None]:
    """
    Return the picture, BGR uint8 (H, W, 3), blurred, dark, noisy or partly covered.

    Beside it stands what is left to see, bool (H, W); None for all. Isotropic blur, plain
    darkening, independent noise and soft rectangles: not the corruptions that are evaluated, but
    as strong, so that perception errs and says how sure it is.
    """
    kind = rng.random()
    scale = picture.shape[1] / 1024
    if kind < 0.3:
        return cv2.GaussianBlur(picture, (0, 0), scale * float(rng.uniform(0.8, 7.0))), None
    if kind < 0.65:
        return _dark(picture, rng), None
    return _covered(picture, rng)


def _dark(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    factor = float(np.exp(rng.uniform(np.log(0.05), 0)))
    noise = rng.normal(0, rng.uniform(1, 10), picture.shape).astype(np.float32)
    made: np.ndarray = cv2.add((picture * factor).astype(np.float32), noise)
    return made.clip(0, 255).astype(np.uint8)


def _covered(
    picture: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray | None]:
    height, width = picture.shape[:2]
    cover = np.zeros((height, width), np.uint8)
    for _ in range(int(rng.integers(1, 7))):
        middle = float(rng.uniform(0, width)), float(rng.uniform(0, height))
        sides = float(rng.uniform(0.05, 0.4)) * width, float(rng.uniform(0.1, 0.5)) * height
        corners = cv2.boxPoints((middle, sides, float(rng.uniform(0, 180))))
        cv2.fillPoly(cover, [corners.astype(np.int32)], 255)
    soft = cv2.GaussianBlur(cover, (0, 0), width / 250)[:, :, None].astype(np.float32) / 255
    colour = rng.uniform(10, 160) + rng.uniform(-15, 15, 3)
    grain = rng.normal(0, 6, (height, width, 1))
    made = picture * (1 - soft) + (colour + grain).astype(np.float32) * soft
    return made.clip(0, 255).astype(np.uint8), soft[:, :, 0] < 0.5


def scene_left(truth: Truth, maps: TruthMaps) -> Scene:
    """Return what there is to say of a frame by what is left to see of it."""
    inventory, states, verdict = _left(truth, maps)
    height, width = inventory.shape
    counts = Counter(BY_ID[thing.label].name for thing in inventory.things)
    low, high = (area * height * width / (2048 * 1024) for area in TRACE)
    own = _pixels(maps)

    def named(state: Presence) -> frozenset[str]:
        return frozenset(name for name in SCORED if states[name] is state)

    covered, corridor = truth.covered or (0, 1)
    hidden = verdict.doubt in (Doubt.HIDDEN, Doubt.COVERED) and covered >= HIDDEN * corridor
    return Scene(
        named(Presence.REQUIRED),
        named(Presence.ABSENT),
        frozenset(name for name in SCORED if counts[name] >= 3),
        frozenset(name for name, n in own.items() if n >= LEAST_STUFF * height * width),
        frozenset(
            name
            for name, n in own.items()
            if low <= n <= high and states[name] is Presence.TOLERATED
        ),
        verdict.verdict,
        (verdict.nearest_class or '') if verdict.verdict is Hazard.HAZARD else '',
        hidden=hidden,
    )


def _left(truth: Truth, maps: TruthMaps) -> tuple[Inventory, Mapping[str, Presence], HazardResult]:
    """Return inventory, states and verdict by what is left to see."""
    if maps.visible is None or truth.seen.visible is None or truth.visible_hazard is None:
        return truth.seen.inventory, truth.seen.scene, truth.hazard
    inventory = visible_inventory(maps.labels, maps.instances, maps.depth, maps.visible)
    return inventory, truth.seen.visible, truth.visible_hazard


def _pixels(maps: TruthMaps) -> dict[str, int]:
    """Return how many pixels of each class are left to see."""
    ids = to_train_ids(maps.labels)
    if maps.visible is not None:
        ids = np.where(maps.visible, ids, np.uint8(255))
    counts = np.bincount(ids.ravel(), minlength=256)[: len(CLASSES)]
    return dict(zip(CLASSES, counts.tolist(), strict=True))


@cache
def open_tower() -> Any:
    """Return the vision tower of the model that it starts from; once in a process."""
    from transformers import AutoModelForImageTextToText

    torch.set_num_threads(1)
    whole: Any = AutoModelForImageTextToText.from_pretrained(
        str(parse(START).directory), local_files_only=True
    )
    return whole.model.vision_tower.timm_model.float().eval()


@torch.no_grad()
def seen_by(tower: Any, pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Return what a tower sees, float16 (N, cells, channels), of BGR uint8 (H, W, 3) each."""
    small = [cv2.resize(entry, SMALL[::-1], interpolation=cv2.INTER_AREA) for entry in pictures]
    seen = tower.forward_features(torch.from_numpy(normalised(np.stack(small), *HALF)))
    found: np.ndarray = seen.flatten(2).transpose(1, 2).numpy().astype(np.float16)
    return found


@cache
def _perception() -> Any:
    return load_segmentation(PERCEPTION, input_height=384, threads=1, device='cpu')


def _of_one(seed: int, index: int) -> tuple[np.ndarray, list[dict[str, dict[str, str]]]]:
    """Return what is kept of one street: features (VARIANTS, cells, channels), and words."""
    tower, perception = open_tower(), _perception()
    frame = render_scene(seed, index, RENDERED[1], RENDERED[0], cities=SPLITS['train'])
    rng = np.random.default_rng((seed, index))
    pictures: list[tuple[np.ndarray, np.ndarray | None]] = [
        (photometric(frame.image, rng, 0.6), None),
        worse_camera(photometric(frame.image, rng, 0.6), rng),
    ]
    kept = []
    for picture, visible in pictures:
        mask = perception.segment(picture)
        maps = replace(TruthMaps.of(frame), visible=visible)
        scene = scene_left(read_truth(maps, frame.camera, TruthSettings()), maps)
        told = {
            'image+objects': findings.in_words(mask, uncertainty=False, pictured=True),
            'image+objects+uncertainty': findings.in_words(mask, uncertainty=True, pictured=True),
            'objects': findings.in_words(mask, uncertainty=False, pictured=False),
        }
        kept.append({'told': told, 'answers': answers_of(scene)})
    return seen_by(tower, [picture for picture, _ in pictures]), kept


def answers_of(scene: Scene) -> dict[str, str]:
    """Return what is to be answered about a scene, by prompt."""
    return {'default': narrate(scene), 'json': as_json(scene), 'safety': yes_or_no(scene)}


def make_grounds(
    folder: Path,
    seed: int,
    scenes: int = SCENES,
    workers: int = 1,
    progress: Callable[[int], object] | None = None,
) -> Grounds:
    """
    Return what is learnt from, made in `folder` where it is not there; goes on where it was cut.

    DatasetError for files that cannot be read.
    """
    seen, kept = make_kept(_of_one, folder, seed + SEED_STEP, scenes, workers, progress)
    try:
        return Grounds(seen, *([entry[of] for entry in kept] for of in ('told', 'answers')))
    except (KeyError, TypeError) as error:
        raise unreadable(folder, error) from error

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
What `temporal` learns from: streets at two moments, each clean and through a worse camera.

Of every picture is kept what the vision tower of `miniature:llava` makes of it, and of every way
to show them what is true of the later moment, as far as any of the pictures shown leaves it to
see. The streets are of the training cities, and of none that other miniatures were trained on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vlm_misalign_ros.core.truth.read import TruthMaps, TruthSettings, read_truth
from vlm_misalign_ros.core.world import SPLITS, render_scene
from vlm_misalign_ros.training.augment import photometric
from vlm_misalign_ros.training.grounding import (
    answers_of,
    open_tower,
    scene_left,
    seen_by,
    worse_camera,
)
from vlm_misalign_ros.training.kept import make_kept
from vlm_misalign_ros.training.samples import RENDERED

SEED_STEP = 3
"""What is added to the seed of the other models' streets, so that these are others."""
STREETS = 350
LENGTH = 8
"""Frames of a street, a tenth of a second apart."""
APART = (2, 3, 4)
"""Frames from the earlier moment to the later."""
PAST, PAST_WORSE, NOW, NOW_WORSE = range(4)
"""The pictures of a street, as they stand in `Moments.seen`."""
SHOWN = {
    (NOW,): 'all',
    (NOW_WORSE,): 'left',
    (PAST, NOW): 'all',
    (PAST, NOW_WORSE): 'all',
    (PAST_WORSE, NOW): 'all',
    (PAST_WORSE, NOW_WORSE): 'either',
}
"""
The ways to show them, oldest first, and of what is left to see the answers then are.

Pixels of the earlier picture stand for those of the later one: what moves, or comes, in between
is neglected.
"""


@dataclass(frozen=True)
class Moments:
    """The streets that are learnt from, N of them."""

    seen: np.ndarray
    """What the tower sees of the four pictures, float16 (N, 4, cells, channels)."""
    answers: list[dict[str, dict[str, str]]]
    """What is to be answered, by what is left to see (a value of SHOWN) and prompt."""


def _of_one(seed: int, index: int) -> tuple[np.ndarray, list[dict[str, dict[str, str]]]]:
    """Return what is kept of one street: features (1, 4, cells, channels), and its answers."""
    rng = np.random.default_rng((seed, index))
    later = int(rng.integers(max(APART), LENGTH))
    earlier = later - int(rng.choice(APART))
    before, frame = (
        render_scene(
            seed,
            index * LENGTH + step,
            RENDERED[1],
            RENDERED[0],
            LENGTH,
            SPLITS['train'],
            eventful=bool(index % 2),
        )
        for step in (earlier, later)
    )
    # One camera: both moments are in the same light.
    light = int(rng.integers(2**31))
    past, now = (
        photometric(entry.image, np.random.default_rng(light), 0.6) for entry in (before, frame)
    )
    past_worse, past_left = worse_camera(past, rng)
    now_worse, left = worse_camera(now, rng)
    either = None if left is None or past_left is None else left | past_left
    answers: dict[str, dict[str, str]] = {}
    for name, visible in (('all', None), ('left', left), ('either', either)):
        if visible is None and name != 'all':
            answers[name] = answers['all']
            continue
        maps = replace(TruthMaps.of(frame), visible=visible)
        truth = read_truth(maps, frame.camera, TruthSettings())
        answers[name] = answers_of(scene_left(truth, maps))
    return seen_by(open_tower(), (past, past_worse, now, now_worse))[None], [answers]


def make_moments(
    folder: Path,
    seed: int,
    streets: int = STREETS,
    workers: int = 1,
    progress: Callable[[int], object] | None = None,
) -> Moments:
    """
    Return what is learnt from, made in `folder` where it is not there; goes on where it was cut.

    DatasetError for files that cannot be read.
    """
    return Moments(*make_kept(_of_one, folder, seed + SEED_STEP, streets, workers, progress))

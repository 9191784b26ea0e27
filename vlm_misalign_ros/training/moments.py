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

import json
import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from vlm_misalign_ros.core.errors import DatasetError
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
"""The ways to show them, oldest first, and of what is left to see the answers then are."""
CHUNK = 25


@dataclass(frozen=True)
class Moments:
    """The streets that are learnt from, N of them."""

    seen: np.ndarray
    """What the tower sees of the four pictures, float16 (N, 4, cells, channels)."""
    answers: list[dict[str, dict[str, str]]]
    """What is to be answered, by what is left to see (a value of SHOWN) and prompt."""


def _of_one(seed: int, index: int) -> tuple[np.ndarray, dict[str, dict[str, str]]]:
    """Return what is kept of one street: features (4, cells, channels), and answers."""
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
    return seen_by(open_tower(), (past, past_worse, now, now_worse)), answers


def _fill(job: tuple[Path, int, int, int]) -> int:
    folder, seed, start, stop = job
    made = [_of_one(seed, index) for index in range(start, stop)]
    np.save(folder / f'{start:06d}.npy', np.stack([seen for seen, _ in made]))
    partial = folder / f'{start:06d}.part'
    partial.write_text(json.dumps([answers for _, answers in made]))
    partial.replace(folder / f'{start:06d}.json')
    return stop - start


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
    folder.mkdir(parents=True, exist_ok=True)
    starts = range(0, streets, CHUNK)
    jobs = [
        (folder, seed + SEED_STEP, start, min(start + CHUNK, streets))
        for start in starts
        if not (folder / f'{start:06d}.json').is_file()
    ]
    if progress is not None:
        progress(streets - sum(stop - start for *_, start, stop in jobs))
    if jobs:
        context = multiprocessing.get_context('spawn')
        with context.Pool(workers, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
            for count in pool.imap_unordered(_fill, jobs):
                if progress is not None:
                    progress(count)
    seen, answers = [], []
    for start in starts:
        try:
            seen.append(np.load(folder / f'{start:06d}.npy'))
            answers += json.loads((folder / f'{start:06d}.json').read_text())
        except (OSError, ValueError) as error:
            raise DatasetError(
                f'{folder}/{start:06d}.npy and .json cannot be read: {error}',
                'remove the folder and train again',
            ) from error
    return Moments(np.concatenate(seen), answers)

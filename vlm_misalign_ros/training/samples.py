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

"""Training data: frames of the synthetic world with what the models have to learn, on disk."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vlm_misalign_ros.core.errors import ConfigurationError, DatasetError
from vlm_misalign_ros.core.labels.classes import BY_ID, CLASSES, SCORED, to_train_ids
from vlm_misalign_ros.core.truth.read import TruthMaps, TruthSettings, read_truth, trust_of
from vlm_misalign_ros.core.types import Hazard, Presence
from vlm_misalign_ros.core.world import SPLITS, render_scene

RENDERED = (512, 1024)
LARGE = (384, 768)
"""Size of the pictures for segmentation."""
SMALL = (256, 512)
"""Size of the pictures for the vision-language models."""
CELLS = (24, 48)
"""Grid over which the share of each class is kept, 16 x 16 pixels of LARGE a cell."""
STATES = (Presence.ABSENT, Presence.TOLERATED, Presence.REQUIRED)
VERDICTS = (Hazard.CLEAR, Hazard.INDETERMINATE, Hazard.HAZARD)
CHUNK = 50

_ARRAYS: dict[str, tuple[type, tuple[int, ...]]] = {
    'large': (np.uint8, (*LARGE, 3)),
    'labels': (np.uint8, LARGE),
    'small': (np.uint8, (*SMALL, 3)),
    'cells': (np.uint8, (*CELLS, len(CLASSES))),
    'states': (np.uint8, (len(SCORED),)),
    'things': (np.uint8, (len(SCORED),)),
    'hazards': (np.uint8, ()),
    'nearest': (np.int16, ()),
    'distance': (np.float32, ()),
}


@dataclass(frozen=True)
class Samples:
    """
    The frames of one split as arrays over the same N.

    `large` BGR uint8 (N, 384, 768, 3) and `labels` train ids (N, 384, 768); `small` BGR uint8
    (N, 256, 512, 3); `cells` uint8 (N, 24, 48, 19), pixels of each class, 255 at most; `states`
    index into STATES (N, 20) by labels.SCORED; `things` how many countable ones, 255 at most;
    `hazards` index into VERDICTS (N); `nearest` index into SCORED of who is nearest in the
    corridor, -1 for nobody; `distance` of it in metres.
    """

    large: np.ndarray
    labels: np.ndarray
    small: np.ndarray
    cells: np.ndarray
    states: np.ndarray
    things: np.ndarray
    hazards: np.ndarray
    nearest: np.ndarray
    distance: np.ndarray

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.states)


def open_samples(folder: Path, split: str, writable: bool = False) -> Samples:
    """Open what `make_samples` wrote, mapped into memory; DatasetError when it is not there."""
    arrays = {}
    for name in _ARRAYS:
        path = folder / split / f'{name}.npy'
        try:
            arrays[name] = np.load(path, mmap_mode='r+' if writable else 'r')
        except (OSError, ValueError) as error:
            raise DatasetError(
                f'training data {path} cannot be read: {error}',
                'make it with: vlm-misalign train samples',
            ) from error
    return Samples(**arrays)


def make_samples(
    folder: Path,
    split: str,
    frames: int,
    seed: int,
    workers: int = 1,
    progress: Callable[[int], object] | None = None,
) -> None:
    """
    Render `frames` frames of a split's cities into `folder`/SPLIT; goes on where it was cut off.

    Raises ConfigurationError when the folder holds other frames.
    """
    if split not in SPLITS:
        raise ConfigurationError(f'there is no split {split!r}', 'known: ' + ', '.join(SPLITS))
    place = folder / split
    wanted = {'frames': frames, 'seed': seed}
    recipe = place / 'samples.json'
    if recipe.is_file():
        if json.loads(recipe.read_text()) != wanted:
            raise ConfigurationError(
                f'{place} holds other samples: {recipe.read_text()}', 'give another folder'
            )
    else:
        place.mkdir(parents=True, exist_ok=True)
        for name, (kind, shape) in _ARRAYS.items():
            np.lib.format.open_memmap(
                place / f'{name}.npy', 'w+', dtype=kind, shape=(frames, *shape)
            ).flush()
        recipe.write_text(json.dumps(wanted))
    jobs = [
        (folder, split, seed, start, min(start + CHUNK, frames))
        for start in range(0, frames, CHUNK)
        if not (place / f'done-{start}').exists()
    ]
    if progress is not None:
        progress(frames - sum(stop - start for *_, start, stop in jobs))
    context = multiprocessing.get_context('spawn')
    with context.Pool(workers, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        for count in pool.imap_unordered(_fill, jobs):
            if progress is not None:
                progress(count)


def _fill(job: tuple[Path, str, int, int, int]) -> int:
    folder, split, seed, start, stop = job
    samples = open_samples(folder, split, writable=True)
    for index in range(start, stop):
        frame = render_scene(seed, index, RENDERED[1], RENDERED[0], cities=SPLITS[split])
        trust = trust_of(frame, TruthSettings())
        if not trust.scorable:
            raise DatasetError(f'scene {index} of seed {seed} cannot be learnt: {trust.reason}')
        maps = TruthMaps.of(frame)
        truth = read_truth(maps, frame.camera, TruthSettings())
        ids = cv2.resize(to_train_ids(maps.labels), LARGE[::-1], interpolation=cv2.INTER_NEAREST)
        samples.large[index] = cv2.resize(frame.image, LARGE[::-1], interpolation=cv2.INTER_AREA)
        samples.small[index] = cv2.resize(frame.image, SMALL[::-1], interpolation=cv2.INTER_AREA)
        samples.labels[index] = ids
        samples.cells[index] = cell_counts(ids)
        samples.states[index] = [STATES.index(truth.seen.scene[name]) for name in SCORED]
        names = {name: number for number, name in enumerate(SCORED)}
        counts = np.zeros(len(SCORED), np.int64)
        for thing in truth.seen.inventory.things:
            name = BY_ID[thing.label].name
            if name in names:
                counts[names[name]] += 1
        samples.things[index] = counts.clip(0, 255)
        samples.hazards[index] = VERDICTS.index(truth.hazard.verdict)
        samples.nearest[index] = names.get(truth.hazard.nearest_class or '', -1)
        samples.distance[index] = truth.hazard.nearest or 0.0
    (folder / split / f'done-{start}').touch()
    return stop - start


def cell_counts(train_ids: np.ndarray) -> np.ndarray:
    """Return the pixels of each class in each cell, uint8 (24, 48, 19), of LARGE train ids."""
    rows, columns = LARGE[0] // CELLS[0], LARGE[1] // CELLS[1]
    grid = train_ids.reshape(CELLS[0], rows, CELLS[1], columns).transpose(0, 2, 1, 3)
    flat = grid.reshape(CELLS[0] * CELLS[1], rows * columns).astype(np.int64)
    offset = np.arange(len(flat))[:, None] * 256
    counts = np.bincount((flat + offset).ravel(), minlength=len(flat) * 256)
    found: np.ndarray = counts.reshape(*CELLS, 256)[..., : len(CLASSES)].clip(0, 255)
    return found.astype(np.uint8)

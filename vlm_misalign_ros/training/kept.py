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

"""Keeps what is made of streets, chunk by chunk, so that it goes on where it was cut."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vlm_misalign_ros.core.errors import DatasetError

CHUNK = 25
"""Streets whose features and words are in one pair of files."""

Make = Callable[[int, int], tuple[np.ndarray, list[Any]]]
"""Of seed and number of a street: features, (n, ...), and as many entries for JSON."""


def _fill(job: tuple[Make, Path, int, int, int]) -> int:
    make, folder, seed, start, stop = job
    made = [make(seed, index) for index in range(start, stop)]
    np.save(folder / f'{start:06d}.npy', np.concatenate([seen for seen, _ in made]))
    partial = folder / f'{start:06d}.part'
    partial.write_text(json.dumps([entry for _, entries in made for entry in entries]))
    partial.replace(folder / f'{start:06d}.json')
    return stop - start


def make_kept(
    make: Make,
    folder: Path,
    seed: int,
    streets: int,
    workers: int = 1,
    progress: Callable[[int], object] | None = None,
) -> tuple[np.ndarray, list[Any]]:
    """
    Return features, (N, ...), and N entries of `streets` streets, in their order.

    They are made in `folder` where they are not there. `make` is called in other processes, and
    has to be a function of a module; `progress` is told how many streets are done more.
    DatasetError for files that cannot be read or do not belong together.
    """
    folder.mkdir(parents=True, exist_ok=True)
    starts = range(0, streets, CHUNK)
    jobs = [
        (make, folder, seed, start, min(start + CHUNK, streets))
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
    seen: list[np.ndarray] = []
    entries: list[Any] = []
    for start in starts:
        try:
            seen.append(np.load(folder / f'{start:06d}.npy'))
            found = json.loads((folder / f'{start:06d}.json').read_text())
            if len(found) != len(seen[-1]):
                raise ValueError(f'{len(seen[-1])} features and {len(found)} entries')
        except (OSError, TypeError, ValueError) as error:
            raise unreadable(folder, f'{start:06d}.npy and .json: {error}') from error
        entries += found
    return np.concatenate(seen), entries


def unreadable(folder: Path, what: object) -> DatasetError:
    """Return the error of a folder whose files are not what was written."""
    return DatasetError(f'{folder} cannot be read: {what}', 'remove the folder and train again')

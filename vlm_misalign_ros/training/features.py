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

"""What a trained tower sees of the training pictures, computed once and kept on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from vlm_misalign_ros.training.samples import SMALL
from vlm_misalign_ros.training.towers import STRIDE, Batches, Tower

VARIANTS = 2
"""As it is, and flipped with other light."""
BLOCK = 25


@torch.no_grad()
def tower_features(tower: Tower, folder: Path, path: Path, split: str = 'train') -> np.ndarray:
    """
    Return features float16 (VARIANTS, N, h * w, C) of a split's pictures, mapped from `path`.

    They are computed where the file is not there, or not yet whole.
    """
    batches = Batches(folder, SMALL, split)
    channels = tower.cells.in_channels
    shape = (VARIANTS, len(batches.samples), SMALL[0] // STRIDE * (SMALL[1] // STRIDE), channels)
    if not path.is_file():
        np.lib.format.open_memmap(path, 'w+', dtype=np.float16, shape=shape).flush()
    found = np.load(path, mmap_mode='r+')
    mark = path.with_suffix('.done')
    start = int(mark.read_text()) if mark.is_file() else 0
    device = next(tower.parameters()).device
    tower.eval()
    with tqdm(total=shape[1], initial=start, desc=f'features {path.stem}', mininterval=5) as bar:
        for first in range(start, shape[1], BLOCK):
            indices = np.arange(first, min(first + BLOCK, shape[1]))
            for variant in range(VARIANTS):
                pixels = _variant(batches, indices, variant)
                seen = tower.features(torch.from_numpy(pixels).to(device))
                found[variant, indices] = seen.flatten(2).transpose(1, 2).cpu().numpy()
            mark.write_text(str(int(indices[-1]) + 1))
            bar.update(len(indices))
    whole: np.ndarray = np.load(path, mmap_mode='r')
    return whole


def _variant(batches: Batches, indices: np.ndarray, variant: int) -> np.ndarray:
    rng = np.random.default_rng((variant, int(indices[0]))) if variant else None
    pixels, flipped = batches.pictures(indices, rng)
    if rng is not None:
        pixels[flipped] = pixels[flipped, :, :, ::-1]
    return np.ascontiguousarray(pixels[..., ::-1]) if variant % 2 else pixels

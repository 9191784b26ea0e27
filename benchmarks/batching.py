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
Whether pictures could be put to the miniatures several at a time without any answer changing.

For a segmentation and a contrastive model: which share of its outputs has other bits in a batch of
2 or 4 pictures than one by one, by how much, how often another entry is the largest, and what the
batch saves.

    python benchmarks/batching.py
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import torch

from vlm_misalign_ros.core.files import PACKAGE
from vlm_misalign_ros.core.world import render_scene

Network = Callable[[torch.Tensor], torch.Tensor]
PICTURES = 4
MINIATURES = PACKAGE / 'miniatures'


def batch(width: int, height: int) -> torch.Tensor:
    """Return pictures of streets, float32 (PICTURES, 3, height, width), about -1 to 1."""
    scenes = [render_scene(3, number, 512, 256).image for number in range(PICTURES)]
    sized = np.stack([cv2.resize(scene, (width, height)) for scene in scenes])
    return torch.from_numpy(sized.astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2).contiguous()


def segformer(device: str) -> tuple[Network, torch.Tensor]:
    """Return the segmentation's logits, (N, classes, h, w), as a function of pictures."""
    from transformers import SegformerForSemanticSegmentation

    model = (
        SegformerForSemanticSegmentation.from_pretrained(MINIATURES / 'segformer').float().eval()
    )
    model = model.to(device)
    return lambda pictures: model(pixel_values=pictures).logits, batch(768, 384).to(device)


def clip(device: str) -> tuple[Network, torch.Tensor]:
    """Return the embeddings, (N, D), of a contrastive model."""
    import open_clip

    model = open_clip.create_model(f'local-dir:{MINIATURES / "clip"}').float().eval()
    size = model.visual.image_size
    height, width = (size, size) if isinstance(size, int) else size
    return model.to(device).encode_image, batch(width, height).to(device)


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Return the seconds that something takes, after it was done once: of processor, or GPU."""
    now = time.process_time
    if torch.cuda.is_initialized():
        now = _when_done
    work()
    begin = now()
    for _ in range(repeats):
        work()
    return (now() - begin) / repeats


def _when_done() -> float:
    torch.cuda.synchronize()
    return time.perf_counter()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--repeats', type=int, default=3)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    for make in (segformer, clip):
        network, pictures = make(chosen.device)

        def by(size: int, network: Network = network, x: torch.Tensor = pictures) -> torch.Tensor:
            return torch.cat([network(x[at : at + size]) for at in range(0, len(x), size)])

        with torch.inference_mode():
            single = by(1)
            alone = seconds(partial(by, 1), chosen.repeats)
            for size in (2, PICTURES):
                found = by(size)
                apart = (found - single).abs()
                likeliest = found.argmax(1) != single.argmax(1)
                took = seconds(partial(by, size), chosen.repeats)
                share = (apart > 0).double().mean()
                print(
                    f'{make.__name__:10} batch of {size}: '
                    f'{share:.1%} of the values differ, by {apart.max():.1e} '
                    f'at most (largest {single.abs().max():.1f}); likeliest differs in '
                    f'{likeliest.double().mean():.1e}; {took / alone:.2f} of the time',
                    flush=True,
                )


if __name__ == '__main__':
    main()

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
What reading a mask costs, at 2048 x 1024 on one core.

    python benchmarks/mask_reader.py [FRAMES]

Masks are those that miniature:segformer predicts of clean synthetic scenes and of dark, blurred
and covered ones, and the true ones. Printed are medians over the frames, in milliseconds: all of
it, and the parts, which are the inventory (parts and shares) and the judgement of the corridor.
"""

from __future__ import annotations

import sys

import numpy as np
from timing import median_ms

from vlm_misalign_ros.core.corruptions import degrade
from vlm_misalign_ros.core.corruptions.conditions import parse_conditions
from vlm_misalign_ros.core.labels.classes import to_train_ids
from vlm_misalign_ros.core.models.factory import load_segmentation
from vlm_misalign_ros.core.models.mask_reader import MaskReader
from vlm_misalign_ros.core.models.mask_reading import Mask, Reading, judged
from vlm_misalign_ros.core.world import cities_of, render_scene

CONDITIONS = ('clean', 'low_light:5', 'motion_blur:5', 'occlusion:5')


def timed(mask: np.ndarray) -> tuple[float, float, float]:
    """Return milliseconds of everything, of the inventory and of the judgement."""
    reader, reading = MaskReader('mask_reader'), Reading()
    taken = Mask.of(mask)
    return (
        median_ms(lambda: reader.read(mask), 15),
        median_ms(lambda: Mask.of(mask).areas(), 15),
        median_ms(lambda: judged(taken, None, reading), 15),
    )


def main() -> None:
    frames = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    segmentation = load_segmentation('miniature:segformer', input_height=384)
    found: dict[str, list[tuple[float, float, float]]] = {}
    for number in range(frames):
        frame = render_scene(11, number, 2048, 1024, cities=cities_of('test'))
        assert frame.labels is not None
        found.setdefault('true mask', []).append(timed(to_train_ids(frame.labels)))
        for condition in parse_conditions(list(CONDITIONS)):
            picture = degrade(frame.image, condition, 0, frame.key).image
            mask = segmentation.segment(picture).labels
            found.setdefault(condition.name, []).append(timed(mask))
    print('| mask of | all | inventory | judgement |')
    print('|---|---|---|---|')
    for name, rows in found.items():
        print(f'| {name} |', ' | '.join(f'{value:.1f}' for value in np.median(rows, axis=0)), '|')


if __name__ == '__main__':
    main()

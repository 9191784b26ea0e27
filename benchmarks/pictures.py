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
Makes docs/pictures/conditions.jpg: one scene, clean and under three corruptions of severity 3.

    python benchmarks/pictures.py
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from vlm_misalign_ros.core.corruptions import degrade, parse_conditions
from vlm_misalign_ros.core.world import cities_of, render_scene

OUT = Path(__file__).resolve().parents[1] / 'docs' / 'pictures' / 'conditions.jpg'
SEED, NUMBER = 77, 4
CONDITIONS = ('clean', 'motion_blur:3', 'low_light:3', 'occlusion:3')
SIZE = (640, 320)


def main() -> None:
    frame = render_scene(SEED, NUMBER, 1024, 512, cities=cities_of('test'))
    cells = []
    for condition in parse_conditions(CONDITIONS):
        made = degrade(np.ascontiguousarray(frame.image), condition, 0, frame.key).image
        cell = cv2.resize(made, SIZE, interpolation=cv2.INTER_AREA)
        cell[:27, :151] = 255
        cv2.putText(
            cell, condition.name, (8, 19), cv2.FONT_HERSHEY_DUPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA
        )
        cells.append(cell)
    sheet = np.vstack([np.hstack(cells[:2]), np.hstack(cells[2:])])
    cv2.imwrite(str(OUT), sheet, [cv2.IMWRITE_JPEG_QUALITY, 92])


if __name__ == '__main__':
    main()

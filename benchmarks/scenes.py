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

"""Time of a synthetic frame by size, drawn and written, and the memory that it takes."""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from pathlib import Path

import cv2

from vlm_misalign_ros.core.world import generate, render_scene


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--frames', type=int, default=24)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    print(f'{"size":<14}{"drawn":>10}{"frames/s":>10}{"with PNG files":>16}{"peak memory":>14}')
    for width, height in ((512, 256), (1024, 512), (2048, 1024)):
        render_scene(0, 0, width, height)
        times = []
        for index in range(arguments.frames):
            start = time.perf_counter()
            render_scene(1, index, width, height)
            times.append(time.perf_counter() - start)
        drawn = statistics.median(times)
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            generate(Path(folder), arguments.frames, seed=1, width=width, height=height)
            written = (time.perf_counter() - start) / arguments.frames
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f'{f"{width} x {height}":<14}{1e3 * drawn:>7.0f} ms{1 / drawn:>10.1f}'
            f'{1e3 * written:>13.0f} ms{peak:>10.0f} MiB'
        )


if __name__ == '__main__':
    main()

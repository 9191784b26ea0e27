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

"""How the benchmarks take times."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from vlm_misalign_ros.app.progress import Records


def median_ms(function: Callable[[], object], repeats: int) -> float:
    """Return the median time of a call in milliseconds, after one call to warm up."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def frame_rate(process: subprocess.Popen[bytes], path: Path) -> float | None:
    """Wait for the end of a run; return frames a second from its first to its last, of records."""
    records = Records(path)
    looks: list[tuple[float, int]] = []
    ended = False
    while not ended:
        # What was written before the end is looked at once more.
        ended = process.poll() is not None
        now, count = time.monotonic(), records.read()[1]
        if count and (not looks or count > looks[-1][1]):
            looks.append((now, count))
        if not ended:
            time.sleep(0.01)
    if len(looks) < 2:
        return None
    (began, first), (end, last) = looks[0], looks[-1]
    return (last - first) / (end - began)

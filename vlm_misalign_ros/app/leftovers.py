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
Shared memory that killed processes have left behind.

Fast DDS gives each process a segment of 64 MB in /dev/shm and removes it as the process ends;
where one is killed the segment stays until the machine starts again.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from contextlib import suppress
from pathlib import Path

SHARED = Path('/dev/shm')
SETTLED = 5.0
"""Seconds after which a segment that nobody holds is nobody's; before, it may be in the making."""
_LOCK = re.compile(r'(fastdds|fastrtps)_[0-9a-f]{16}_el')


def sweep(folder: Path = SHARED) -> int:
    """
    Remove the segments of processes that are gone; return how many there were.

    A process holds a lock (flock) on the file `..._el` of each of its segments for as long as it
    lives, which is how `fastdds shm clean` tells, too. Segments that are held, are younger than
    SETTLED, or belong to somebody else are left alone.
    """
    removed = 0
    with suppress(OSError):
        for name in sorted(os.listdir(folder)):
            if _LOCK.fullmatch(name) and _remove(folder / name):
                removed += 1
    return removed


def _remove(lock: Path) -> bool:
    try:
        if time.time() - lock.stat().st_mtime < SETTLED:
            return False
        held = os.open(lock, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.with_name(lock.name.removesuffix('_el')).unlink(missing_ok=True)
        lock.unlink()
    except OSError:
        return False
    finally:
        os.close(held)
    return True

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

"""The environment every process of a run gets: transport, allocator, discovery, threads."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Mapping

from vlm_misalign_ros.core.settings.resources import config_path

PARENT = 'VLM_MISALIGN_PARENT'
"""Names the process that a node was started by for a run, and must not outlive."""

ALLOCATOR = {
    'MALLOC_MMAP_THRESHOLD_': '1073741824',
    'MALLOC_TRIM_THRESHOLD_': '2147483648',
    'MALLOC_TOP_PAD_': '67108864',
}
"""glibc keeps frame-sized buffers instead of giving each back to the kernel."""

_MALLOPT = {'MALLOC_TRIM_THRESHOLD_': -1, 'MALLOC_TOP_PAD_': -2, 'MALLOC_MMAP_THRESHOLD_': -3}
"""The same settings as parameters of glibc's mallopt, for a process that has begun."""


def profile_variable(base: Mapping[str, str] = os.environ) -> str:
    """
    Return the name of the variable that Fast DDS reads its profile from.

    Before version 3 (Humble to Jazzy) it was FASTRTPS_..., of which later ones warn.
    """
    older = base.get('ROS_DISTRO', '') in ('humble', 'iron', 'jazzy')
    return f'{"FASTRTPS" if older else "FASTDDS"}_DEFAULT_PROFILES_FILE'


def process_environment(base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """
    Return what to add to `base` for the processes of a run; what the user set stays.

    Discovery stays on this machine unless ROS_AUTOMATIC_DISCOVERY_RANGE (or, on Humble,
    ROS_LOCALHOST_ONLY) is set; the Fast DDS profile widens the shared-memory segment, which is
    smaller than one frame by default.
    """
    profile = str(config_path('fastdds.xml'))
    wanted = {
        **ALLOCATOR,
        profile_variable(base): profile,
        'OMP_NUM_THREADS': '1',
        'TOKENIZERS_PARALLELISM': 'false',
        'PYTHONUNBUFFERED': '1',
    }
    if not base.get('ROS_LOCALHOST_ONLY'):
        wanted['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    return {key: value for key, value in wanted.items() if not base.get(key)}


def child_environment(base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """
    Return what to add to `base` for the processes that this one starts and ends.

    They end when it is gone (`nodes/lifeline.py`), and say where they crashed.
    """
    return {**process_environment(base), PARENT: str(os.getpid()), 'PYTHONFAULTHANDLER': '1'}


def prepare_process() -> None:
    """
    Give this process what `process_environment` gives a child: for nodes of `ros2 run`.

    Has to come before rclpy.init and before torch is loaded. glibc reads MALLOC_* only as a
    process begins, so the allocator is told by mallopt(3) instead.
    """
    wanted = process_environment()
    if platform.libc_ver()[0] == 'glibc':
        mallopt = ctypes.CDLL(None).mallopt
        for name, number in _MALLOPT.items():
            if name in wanted:
                mallopt(number, int(wanted[name]))
    os.environ.update(wanted)

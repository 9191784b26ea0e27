"""The environment every process of a run gets: transport, allocator, discovery, threads."""

from __future__ import annotations

import os
from collections.abc import Mapping

from vlm_misalign_ros.resources import config_path

ALLOCATOR = {
    'MALLOC_MMAP_THRESHOLD_': '1073741824',
    'MALLOC_TRIM_THRESHOLD_': '2147483648',
    'MALLOC_TOP_PAD_': '67108864',
}
"""glibc keeps frame-sized buffers instead of giving each back to the kernel."""

PROFILE_VARIABLE = 'FASTDDS_DEFAULT_PROFILES_FILE'
_PROFILE_VARIABLE = dict.fromkeys(
    ('humble', 'iron', 'jazzy'), 'FASTRTPS_DEFAULT_PROFILES_FILE')
"""Fast DDS before version 3 reads the older name; later ones warn of it."""


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
        _PROFILE_VARIABLE.get(base.get('ROS_DISTRO', ''), PROFILE_VARIABLE): profile,
        'OMP_NUM_THREADS': '1',
        'TOKENIZERS_PARALLELISM': 'false',
        'PYTHONUNBUFFERED': '1',
    }
    if not base.get('ROS_LOCALHOST_ONLY'):
        wanted['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    return {key: value for key, value in wanted.items() if not base.get(key)}

"""What every test shares: a DDS domain of its own, and where the real sample frames lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Before rclpy is imported anywhere: stay on this machine and out of other people's graphs.
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
os.environ['ROS_DOMAIN_ID'] = str(100 + os.getpid() % 100)
os.environ.setdefault('OMP_NUM_THREADS', '1')


@pytest.fixture(scope='session')
def sample() -> Path:
    """Return the folder of the three real Cityscapes frames; skip where it is absent."""
    default = Path(__file__).resolve().parents[2] / 'shared' / 'data' / 'cityscapes_sample'
    folder = Path(os.environ.get('VLM_MISALIGN_SAMPLE', default))
    if not (folder / 'leftImg8bit').is_dir():
        pytest.skip(f'no Cityscapes sample in {folder} (its licence forbids shipping it); '
                    'set VLM_MISALIGN_SAMPLE')
    return folder

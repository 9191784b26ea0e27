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

"""What every test shares: a DDS domain of its own, and where the real sample frames lie."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

# Before rclpy is imported anywhere: stay on this machine and out of other people's graphs. Domains
# up to 101 have ports that every operating system leaves free; one that is set is kept.
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 101))
os.environ.setdefault('OMP_NUM_THREADS', '1')

# A machine that is busy is no reason to fail.
settings.register_profile('vlm_misalign_ros', deadline=None)
settings.register_profile('check', deadline=None, max_examples=25)
settings.load_profile('vlm_misalign_ros')


@pytest.fixture(scope='session')
def sample() -> Path:
    """Return the folder of the three real Cityscapes frames; skip where it is absent."""
    default = Path(__file__).resolve().parents[2] / 'shared' / 'data' / 'cityscapes_sample'
    folder = Path(os.environ.get('VLM_MISALIGN_SAMPLE', default))
    if not (folder / 'leftImg8bit').is_dir():
        pytest.skip(
            f'no Cityscapes sample in {folder} (its licence forbids shipping it); '
            'set VLM_MISALIGN_SAMPLE'
        )
    return folder


@pytest.fixture(scope='session')
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return {name: folder} of small untrained checkpoints; tests copy before they spoil."""
    from vlm_misalign_ros.core.models.untrained import create_untrained

    return create_untrained(tmp_path_factory.mktemp('checkpoints'), seed=0)


@pytest.fixture(scope='session')
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of six small synthetic frames in Cityscapes layout."""
    from vlm_misalign_ros.core.world import generate

    out = tmp_path_factory.mktemp('data') / 'scenes'
    generate(out, 6, seed=3, width=256, height=128)
    return out


@pytest.fixture(scope='session')
def drive(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the frames of `scenes` as one sequence, so that they are shown with each other."""
    folder = tmp_path_factory.mktemp('drive') / 'scenes'
    for path in scenes.rglob('*_00000?_000000_*'):
        name = re.sub(r'_00000(\d)_000000_', r'_000000_00000\1_', path.name)
        out = folder / path.parent.relative_to(scenes) / name
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, out)
    return folder

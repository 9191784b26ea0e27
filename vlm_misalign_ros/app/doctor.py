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

"""`vlm-misalign doctor`: what this machine has and lacks, with the remedy for each."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from importlib import metadata
from pathlib import Path

from vlm_misalign_ros.core.errors import ExitCode, MisalignError
from vlm_misalign_ros.wire.environment import ALLOCATOR, process_environment, profile_variable


class Level(str, Enum):
    """How bad a finding is."""

    OK = 'ok'
    NOTE = 'note'
    BAD = 'BAD'


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report."""

    item: str
    level: Level
    text: str
    remedy: str = ''


def version_of(distribution: str) -> str:
    """Return the installed version of a distribution, or an empty string."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ''


def _interpreter() -> Iterator[Finding]:
    text = f'Python {platform.python_version()} at {sys.executable}'
    good = sys.version_info >= (3, 10)
    yield Finding(
        'interpreter',
        Level.OK if good else Level.BAD,
        text,
        '' if good else 'use Python 3.10 or newer',
    )


def _ros() -> Iterator[Finding]:
    distro = os.environ.get('ROS_DISTRO', '')
    wheel = version_of('ros-rclpy')
    if importlib.util.find_spec('rclpy') is None:
        remedy = (
            f'source /opt/ros/{distro}/setup.bash with the Python it was built for'
            if distro
            else "pip install 'vlm_misalign_ros[ros]', or install ROS 2"
        )
        yield Finding('ROS 2', Level.BAD, 'rclpy does not import', remedy)
        return
    try:
        rclpy = importlib.import_module('rclpy')
    except ImportError as error:
        remedy = 'use the interpreter that this ROS 2 was built for'
        yield Finding('ROS 2', Level.BAD, f'rclpy does not load: {error}', remedy)
        return
    where = Path(rclpy.__file__ or '').parent
    origin = f'wheels from the package index ({wheel})' if wheel else f'system, {distro or where}'
    yield Finding('ROS 2', Level.OK, f'rclpy from {origin}')
    if wheel and (distro or os.environ.get('AMENT_PREFIX_PATH', '').startswith('/opt/ros')):
        mixed = f'ros-* wheels beside ROS_DISTRO={distro!r}'
        remedy = 'uninstall the ros-* wheels or open a shell without ROS 2'
        yield Finding('ROS 2 mix', Level.BAD, mixed, remedy)
    yield from _middleware()


def _middleware() -> Iterator[Finding]:
    try:
        from rclpy.utilities import get_rmw_implementation_identifier

        rmw = get_rmw_implementation_identifier()
    except Exception as error:
        remedy = 'install rmw_fastrtps_cpp, or unset RMW_IMPLEMENTATION'
        yield Finding('RMW', Level.BAD, f'does not load: {error}', remedy)
        return
    if 'fastrtps' in rmw:
        yield Finding('RMW', Level.OK, rmw)
    else:
        remedy = (
            'the shipped transport profile is for Fast DDS; give this RMW shared memory for '
            '6 MB frames yourself'
        )
        yield Finding('RMW', Level.NOTE, rmw, remedy)
    for name in ('launch_ros', 'ros2cli'):
        if importlib.util.find_spec(name) is not None:
            yield Finding(name, Level.OK, 'imports')
        else:
            remedy = (
                '`ros2 launch` needs a ROS 2 installation; `vlm-misalign run` starts the same '
                'graph'
            )
            yield Finding(name, Level.NOTE, 'not here', remedy)


def _transport() -> Iterator[Finding]:
    try:
        name = profile_variable()
        profile = process_environment({'ROS_DISTRO': os.environ.get('ROS_DISTRO', '')})[name]
    except MisalignError as error:
        yield Finding('transport profile', Level.BAD, str(error))
        return
    own = os.environ.get(name)
    yield Finding(
        'transport profile',
        Level.OK,
        f'{own or profile} ({"yours" if own else "set for the processes of a run"})',
    )
    if not own:
        yield Finding(
            'this shell',
            Level.NOTE,
            f'has no {name}',
            'this package sets it for its own nodes; for yours, such as a camera '
            f'driver: export {name}={profile} '
            + ' '.join(f'{key}={value}' for key, value in ALLOCATOR.items()),
        )
    libc = platform.libc_ver()[0]
    yield Finding(
        'allocator',
        Level.OK if libc == 'glibc' else Level.NOTE,
        f'{libc or "unknown libc"}; MALLOC_* set for the processes of a run',
        '' if libc == 'glibc' else 'MALLOC_* tuning works with glibc only',
    )
    span = os.environ.get('ROS_AUTOMATIC_DISCOVERY_RANGE', '')
    yield Finding(
        'discovery',
        Level.OK if span in ('', 'LOCALHOST') else Level.NOTE,
        f'{span or "LOCALHOST (set for the processes of a run)"}, '
        f'domain {os.environ.get("ROS_DOMAIN_ID", "0")}',
        '' if span in ('', 'LOCALHOST') else 'the graph is visible beyond this machine',
    )
    shm = Path('/dev/shm')
    if shm.is_dir():
        free = shutil.disk_usage(shm).free / 2**20
        stale = len(list(shm.glob('fastdds*')) + list(shm.glob('fastrtps*')))
        good = free > 512
        yield Finding(
            '/dev/shm',
            Level.OK if good else Level.BAD,
            f'{free:.0f} MB free, {stale} Fast DDS segments',
            ''
            if good
            else 'each process needs 64 MB; in a container raise '
            '--shm-size, or remove stale fastdds* files',
        )


def _libraries() -> Iterator[Finding]:
    numpy = version_of('numpy')
    cv2 = importlib.util.find_spec('cv2') is not None
    yield Finding(
        'NumPy',
        Level.OK if numpy else Level.BAD,
        numpy or 'missing',
        '' if numpy else 'pip install numpy',
    )
    if cv2:
        yield Finding('OpenCV', Level.OK, importlib.import_module('cv2').__version__)
    else:
        yield Finding('OpenCV', Level.BAD, 'missing', 'pip install opencv-python-headless')
    if importlib.util.find_spec('cv_bridge') is None:
        yield Finding(
            'cv_bridge',
            Level.NOTE,
            'not here',
            'needed only for encodings such as Bayer and YUV; comes with ROS 2',
        )
    else:
        # A cv_bridge built for another NumPy ABI can crash the interpreter: try it apart.
        code = (
            'import numpy as np; from cv_bridge import CvBridge; '
            "CvBridge().cv2_to_imgmsg(np.zeros((2, 2, 3), np.uint8), 'bgr8')"
        )
        done = subprocess.run(
            [sys.executable, '-c', code], capture_output=True, text=True, timeout=60
        )
        lines = done.stderr.strip().splitlines()
        good = done.returncode == 0
        yield Finding(
            'cv_bridge',
            Level.OK if good else Level.BAD,
            'converts' if good else (lines or ['crashed'])[-1],
            '' if good else "it was built for NumPy 1: pip install 'numpy<2'",
        )


def _models() -> Iterator[Finding]:
    for name in ('torch', 'torchvision', 'transformers', 'open_clip_torch'):
        version = version_of(name)
        yield Finding(
            name,
            Level.OK if version else Level.BAD,
            version or 'missing',
            '' if version else f'pip install {name}',
        )
    try:
        torch = importlib.import_module('torch')
    except (ImportError, OSError) as error:
        yield Finding(
            'device',
            Level.BAD,
            f'torch does not load: {error}',
            'install torch and torchvision of one release and build',
        )
        return
    if torch.cuda.is_available():
        yield Finding('device', Level.OK, f'cuda: {torch.cuda.get_device_name(0)}')
    else:
        yield Finding(
            'device',
            Level.NOTE,
            f'cpu, {os.cpu_count()} cores',
            'large models want a GPU; device: auto takes one where torch sees it',
        )
    try:
        importlib.import_module('torchvision')
    except (ImportError, RuntimeError, OSError) as error:
        yield Finding(
            'torchvision',
            Level.BAD,
            f'does not fit this torch: {error}',
            'install torch and torchvision of one release and build',
        )


def examine() -> list[Finding]:
    """Return all findings, in order."""
    return [*_interpreter(), *_ros(), *_transport(), *_libraries(), *_models()]


def main() -> int:
    """Print the findings; return ERROR when something that a run needs is missing."""
    findings = examine()
    width = max(len(finding.item) for finding in findings)
    for finding in findings:
        print(f'{finding.level.value:>4}  {finding.item:<{width}}  {finding.text}')
        if finding.remedy:
            print(f'{"":>4}  {"":<{width}}  -> {finding.remedy}')
    bad = sum(finding.level is Level.BAD for finding in findings)
    print(f'\n{bad} problem{"s" * (bad > 1)}' if bad else '\nready')
    return ExitCode.ERROR if bad else ExitCode.PASS

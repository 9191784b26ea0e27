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

"""What every process of a run gets, and the doctor that checks it."""

import json
import os
import platform
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from vlm_misalign_ros.app import doctor
from vlm_misalign_ros.core.errors import ExitCode
from vlm_misalign_ros.wire.environment import ALLOCATOR, process_environment


def test_what_the_user_has_set_stays():
    mine = {
        'FASTDDS_DEFAULT_PROFILES_FILE': '/mine.xml',
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET',
    }
    added = process_environment(mine)
    assert not set(added) & set(mine) and added['MALLOC_TRIM_THRESHOLD_']
    assert process_environment({})['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
    assert 'ROS_AUTOMATIC_DISCOVERY_RANGE' not in process_environment({'ROS_LOCALHOST_ONLY': '0'})


@pytest.mark.parametrize(
    'distro, name',
    [
        ('', 'FASTDDS_DEFAULT_PROFILES_FILE'),
        ('kilted', 'FASTDDS_DEFAULT_PROFILES_FILE'),
        ('jazzy', 'FASTRTPS_DEFAULT_PROFILES_FILE'),
        ('humble', 'FASTRTPS_DEFAULT_PROFILES_FILE'),
    ],
)
def test_the_profile_is_named_as_the_distro_reads_it_and_holds_a_frame(distro, name):
    path = process_environment({'ROS_DISTRO': distro})[name]
    space = '{http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles}'
    (size,) = ElementTree.parse(path).iter(f'{space}segment_size')
    assert int(size.text) >= 4 * 2048 * 1024 * 3


PAGE_FAULTS = """
import json, os, resource, sys
if sys.argv[1] == 'prepared':
    from vlm_misalign_ros.wire.environment import prepare_process
    prepare_process()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    held = [b'x' * 6_291_456 for _ in range(10)]
    del held
print(json.dumps({
    'faults': resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before,
    'profile': os.environ.get('FASTDDS_DEFAULT_PROFILES_FILE', '')}))
"""


@pytest.mark.heavy
@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='mallopt is glibc')
def test_a_process_prepares_itself_when_nobody_else_did():
    plain = {
        key: value
        for key, value in os.environ.items()
        if key not in (*ALLOCATOR, 'FASTDDS_DEFAULT_PROFILES_FILE')
    }

    def run(how):
        return json.loads(
            subprocess.run(
                [sys.executable, '-c', PAGE_FAULTS, how],
                env=plain,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )

    before, after = run('plain'), run('prepared')
    # Ten frames of 1,536 pages are faulted in twenty times, but for what glibc keeps; or once.
    assert before['faults'] > 5 * after['faults'] and after['faults'] < 20_000
    assert not before['profile'] and Path(after['profile']).is_file()


def test_the_doctor_finds_this_machine_ready_and_says_where_ros_comes_from(capsys):
    assert doctor.main() == 0
    text = capsys.readouterr().out
    for item in (
        'interpreter',
        'ROS 2',
        'RMW',
        'transport profile',
        'allocator',
        'discovery',
        'NumPy',
        'OpenCV',
        'cv_bridge',
        'torch',
        'device',
        'ready',
    ):
        assert item in text
    assert 'wheels from the package index' in text or 'system' in text


def test_the_doctor_names_what_is_missing_and_the_remedy(monkeypatch, capsys):
    find = doctor.importlib.util.find_spec
    monkeypatch.setattr(
        doctor.importlib.util,
        'find_spec',
        lambda name: None if name in ('rclpy', 'cv2') else find(name),
    )
    version = doctor.version_of
    monkeypatch.setattr(
        doctor, 'version_of', lambda name: '' if name == 'transformers' else version(name)
    )
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'SUBNET')
    assert doctor.main() == ExitCode.ERROR
    text = capsys.readouterr().out
    assert 'rclpy does not import' in text and 'install ROS 2' in text
    assert 'pip install opencv-python-headless' in text and 'pip install transformers' in text
    assert 'visible beyond this machine' in text and '3 problems' in text

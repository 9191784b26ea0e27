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
"""Shared memory of killed processes: given back, and no other."""

import fcntl
import os

import pytest

from vlm_misalign_ros.app.leftovers import sweep

pytest.importorskip('fcntl')


@pytest.fixture
def segment(tmp_path):
    def make(name, age=60.0):
        for path in (tmp_path / name, tmp_path / f'{name}_el'):
            path.write_bytes(b'')
            past = path.stat().st_mtime - age
            os.utime(path, (past, past))
        return tmp_path / f'{name}_el'

    return make


def test_a_segment_that_nobody_holds_is_removed(segment, tmp_path):
    segment('fastdds_0123456789abcdef')
    segment('fastrtps_fedcba9876543210')
    assert sweep(tmp_path) == 2 and not any(tmp_path.iterdir())


def test_a_segment_of_a_process_that_lives_is_left_alone(segment, tmp_path):
    with open(segment('fastdds_0123456789abcdef')) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert sweep(tmp_path) == 0
    assert len(list(tmp_path.iterdir())) == 2
    assert sweep(tmp_path) == 1


def test_one_in_the_making_and_what_is_no_segment_are_left_alone(segment, tmp_path):
    segment('fastdds_0123456789abcdef', age=0.0)
    segment('fastdds_port7000')
    segment('sem.fastdds_port7000_mutex')
    segment('psm_0123456789abcdef')
    assert sweep(tmp_path) == 0 and len(list(tmp_path.iterdir())) == 8


def test_where_there_is_no_shared_memory_nothing_happens(tmp_path):
    assert sweep(tmp_path / 'none') == 0

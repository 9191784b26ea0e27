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

"""Folders get their name once all that is in them is on the disk."""

import errno
import os

import pytest

from vlm_misalign_ros.core.files import name_folder


def test_all_is_on_the_disk_before_a_folder_has_its_name(tmp_path, monkeypatch):
    making, name = tmp_path / '.making', tmp_path / 'shard'
    (making / 'pictures').mkdir(parents=True)
    (making / 'records.jsonl').write_text('{}')
    (making / 'pictures' / '1.png').write_bytes(b'1')
    (making / 'pictures' / 'elsewhere').symlink_to(tmp_path / 'nothing')
    done = []
    real = os.fsync

    def fsync(file):
        done.append((os.readlink(f'/proc/self/fd/{file}'), name.exists()))
        real(file)

    monkeypatch.setattr(os, 'fsync', fsync)
    name_folder(making, name)
    inside = ('', '/pictures', '/pictures/1.png', '/records.jsonl')
    assert sorted(done[:-1]) == [(f'{making}{path}', False) for path in inside]
    assert done[-1] == (str(tmp_path), True)


def test_what_the_disk_refuses_gets_no_name(tmp_path, monkeypatch):
    def full(file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    making, name = tmp_path / '.making', tmp_path / 'shard'
    making.mkdir()
    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match='No space'):
        name_folder(making, name)
    assert making.is_dir() and not name.exists()


def test_a_file_system_that_syncs_no_folders_is_no_fault(tmp_path, monkeypatch):
    def folders_not(file):
        if os.path.isdir(f'/proc/self/fd/{file}'):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    making, name = tmp_path / '.making', tmp_path / 'shard'
    making.mkdir()
    (making / 'file').write_text('1')
    monkeypatch.setattr(os, 'fsync', folders_not)
    name_folder(making, name)
    assert (name / 'file').read_text() == '1'

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


"""What a manifest says of the source tree, and that asking for it leaves the tree alone."""

import os
import subprocess

from vlm_misalign_ros.core.records import manifest

IDENTITY = ('-c', 'user.name=a', '-c', 'user.email=a@example.org')


def test_the_revision_tells_changes_and_never_writes_to_the_repository(tmp_path, monkeypatch):
    def git(*words):
        command = ['git', *IDENTITY, '-C', str(tmp_path), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    source = tmp_path / 'package' / 'module.py'
    source.parent.mkdir()
    source.write_text('1')
    git('init', '-q')
    git('add', '.')
    git('commit', '-qm', 'one')
    monkeypatch.setattr(manifest, 'PACKAGE', source.parent)
    # A file that is touched is looked at anew, and git would keep what it saw in its index: a
    # process that is killed at that moment leaves a lock, and no commit is possible any more.
    os.utime(source, (1_000_000_000, 1_000_000_000))
    index = (tmp_path / '.git' / 'index').read_bytes()
    head = git('rev-parse', 'HEAD')
    assert manifest._revision() == head
    assert (tmp_path / '.git' / 'index').read_bytes() == index
    source.write_text('2')
    assert manifest._revision() == f'{head}+'

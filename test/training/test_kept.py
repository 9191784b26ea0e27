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

"""What is kept of streets: the same however it was cut, and only what belongs together."""

import json

import numpy as np
import pytest

from vlm_misalign_ros.core.errors import DatasetError
from vlm_misalign_ros.training.kept import CHUNK, _fill, make_kept


def two_of_each(seed, index):
    """Return two rows and two entries of a street, which say whose they are."""
    rows = np.array([[seed, index, which] for which in range(2)])
    return rows, rows.tolist()


@pytest.fixture
def folder(tmp_path):
    """Return a folder with all of CHUNK + 3 streets; the last chunk was there first."""
    for start in (CHUNK, 0):
        _fill((two_of_each, tmp_path, 7, start, min(start + CHUNK, CHUNK + 3)))
    return tmp_path


def test_features_and_entries_are_those_of_their_streets_in_order(folder):
    done = []
    seen, entries = make_kept(two_of_each, folder, 7, CHUNK + 3, progress=done.append)
    assert seen.tolist() == entries
    assert entries == [[7, index, which] for index in range(CHUNK + 3) for which in range(2)]
    assert done == [CHUNK + 3]


@pytest.mark.parametrize('text', ['', '{', '[]', '[1, 2, 3]', '7'])
def test_entries_that_do_not_belong_to_the_features_are_refused(folder, text):
    (folder / f'{CHUNK:06d}.json').write_text(text)
    with pytest.raises(DatasetError, match=rf'{CHUNK:06d}.*remove the folder'):
        make_kept(two_of_each, folder, 7, CHUNK + 3)


def test_features_that_are_cut_off_are_refused(folder):
    path = folder / '000000.npy'
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(DatasetError, match=r'000000.*remove the folder'):
        make_kept(two_of_each, folder, 7, CHUNK + 3)
    assert len(json.loads((folder / '000000.json').read_text())) == 2 * CHUNK

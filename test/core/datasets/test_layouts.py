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

"""Which reader a data set is opened with."""

from pathlib import Path

import pytest

from vlm_misalign_ros.core.datasets import open_dataset, split_place
from vlm_misalign_ros.core.errors import DatasetError


def test_a_place_names_its_layout_or_is_cityscapes(scenes, tmp_path, monkeypatch):
    assert split_place('cityscapes:/data/c') == ('cityscapes', Path('/data/c'))
    assert split_place('/data/c') == ('cityscapes', Path('/data/c'))
    assert len(open_dataset(f'cityscapes:{scenes}')) == len(open_dataset(scenes)) == 6
    # A folder of that very name is a folder.
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'kitti:x').mkdir()
    assert split_place('kitti:x') == ('cityscapes', Path('kitti:x'))


def test_an_unknown_layout_is_refused_with_the_known_ones():
    with pytest.raises(DatasetError, match="no data set layout 'kitti'.*known: cityscapes"):
        open_dataset('kitti:/data')

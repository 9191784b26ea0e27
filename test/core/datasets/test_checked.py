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

"""What a layout of a plug-in gives is checked before anything is scored with it."""

from dataclasses import replace

import numpy as np
import pytest

from vlm_misalign_ros.core.datasets.checked import CheckedDataset
from vlm_misalign_ros.core.errors import DatasetError
from vlm_misalign_ros.core.types import Frame

FRAME = Frame(
    'd',
    's',
    'k',
    np.zeros((4, 6, 3), np.uint8),
    np.zeros((4, 6), np.uint8),
    np.zeros((4, 6), np.uint16),
    None,
    np.zeros((4, 6), np.uint16),
)


class Entry:
    key, sequence, city = 'k', 's', 'c'


class Data:
    name, has_depth = 'd', True

    def __init__(self, frame=FRAME, entries=1):
        self.frame, self.entries = frame, [Entry()] * entries

    def __len__(self):
        return 1

    def read(self, index):
        return self.frame


def test_a_good_one_comes_through_as_it_is():
    data = CheckedDataset(Data(), 'mine')
    assert (data.name, data.has_depth, len(data)) == ('d', True, 1)
    assert [frame is FRAME for frame in data] == [True]


@pytest.mark.parametrize(
    ('change', 'told'),
    [
        ({'image': np.zeros((4, 6), np.uint8)}, 'image has shape'),
        ({'image': np.zeros((4, 6, 3), np.float32)}, 'image is float32'),
        ({'labels': np.zeros((4, 6), np.int64)}, 'labels is int64'),
        ({'labels': np.zeros((4, 5), np.uint8)}, 'labels has shape'),
        ({'labels': np.full((4, 6), 34, np.uint8)}, 'the label 34'),
        ({'labels': [[0]]}, 'labels is list'),
        ({'instances': np.zeros((4, 6), np.int32)}, 'instances is int32'),
        ({'instances': np.full((4, 6), 34000, np.uint16)}, 'the instance 34000'),
        ({'depth': np.zeros((4, 6), np.float32)}, 'depth is float32'),
        ({'depth': np.zeros((0, 6), np.uint16)}, 'depth has shape'),
    ],
)
def test_a_frame_of_another_kind_is_named(change, told):
    data = CheckedDataset(Data(replace(FRAME, **change)), 'mine')
    with pytest.raises(DatasetError, match=told) as caught:
        data.read(0)
    assert "'k' of layout 'mine'" in str(caught.value)


def test_what_is_no_frame_is_named():
    with pytest.raises(DatasetError, match='is a dict'):
        CheckedDataset(Data({}), 'mine').read(0)


@pytest.mark.parametrize('opened', [[], {}, None, Data(entries=0), Data(entries=2)])
def test_what_is_no_data_set_is_named(opened):
    with pytest.raises(DatasetError, match="layout 'mine' opened"):
        CheckedDataset(opened, 'mine')

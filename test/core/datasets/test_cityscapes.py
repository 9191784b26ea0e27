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

"""The reader of the Cityscapes layout: what it finds, and what it refuses in which words."""

import json
import shutil

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.datasets.cityscapes import CityscapesDataset
from vlm_misalign_ros.core.datasets.png import decode, read_header
from vlm_misalign_ros.core.errors import DatasetError
from vlm_misalign_ros.core.world import generate


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """Return a small generated data set; tests copy it before they spoil it."""
    out = tmp_path_factory.mktemp('made') / 'scenes'
    generate(out, 6, seed=3, width=128, height=64, cities=['altenmark', 'brunnhafen'])
    return out


@pytest.fixture
def scenes(made, tmp_path):
    return shutil.copytree(made, tmp_path / 'scenes')


def files(scenes, name):
    folder = {'leftImg8bit': 'leftImg8bit', 'camera': 'camera', 'disparity': 'disparity'}.get(
        name.split('.')[0], 'gtFine'
    )
    return sorted((scenes / folder).rglob(f'*_{name}'))


def test_frames_come_in_order_and_decoded(made):
    dataset = open_dataset(made)
    keys = [entry.key for entry in dataset.entries]
    assert keys == sorted(keys) and len(dataset) == 6 and dataset.name == 'scenes'
    frame = dataset.read(0)
    assert (frame.image.shape, frame.image.dtype) == ((64, 128, 3), np.uint8)
    assert (frame.labels.shape, frame.labels.dtype) == ((64, 128), np.uint8)
    assert (frame.instances.shape, frame.instances.dtype) == ((64, 128), np.uint16)
    assert frame.camera.width == 128 and frame.camera.mount_height > 1
    disparity = dataset.disparity(0)
    assert disparity.dtype == np.float32 and np.nanmin(disparity) >= 0
    assert np.isnan(disparity[frame.labels == 23]).all()


def test_selections(made):
    cities = sorted({entry.city for entry in open_dataset(made).entries})
    one = open_dataset(made, split='val', cities=(cities[0],), limit=1)
    assert [entry.city for entry in one.entries] == [cities[0]]


@pytest.mark.parametrize(
    'chosen, words',
    [
        ({'split': 'test'}, "no split 'test'.*val"),
        ({'cities': ('atlantis',)}, "no city 'atlantis'"),
        ({'limit': -1}, 'limit -1'),
        ({'sequences': True}, 'leftImg8bit_sequence.*set sequences to false'),
    ],
)
def test_an_empty_selection_is_named(made, chosen, words):
    with pytest.raises(DatasetError, match=words):
        open_dataset(made, **chosen)


def test_a_missing_folder_and_an_empty_one(tmp_path):
    with pytest.raises(DatasetError, match='does not exist'):
        open_dataset(tmp_path / 'nowhere')
    with pytest.raises(DatasetError, match='no folder leftImg8bit'):
        open_dataset(tmp_path)
    (tmp_path / 'leftImg8bit' / 'val' / 'aachen').mkdir(parents=True)
    with pytest.raises(DatasetError, match='no frames'):
        open_dataset(tmp_path)


def test_an_image_without_labels_is_named(scenes):
    for path in (
        *files(scenes, 'gtFine_labelIds.png')[2:3],
        *files(scenes, 'gtFine_labelTrainIds.png')[2:3],
    ):
        path.unlink()
    with pytest.raises(DatasetError, match=r'1 of 6 frames have no labels.*_gtFine_labelIds'):
        open_dataset(scenes)


def test_train_ids_stand_in_for_label_ids(scenes):
    before = open_dataset(scenes).read(1).labels
    for path in files(scenes, 'gtFine_labelIds.png'):
        path.unlink()
    after = open_dataset(scenes).read(1).labels
    evaluated = after > 0
    assert evaluated.any() and (after[evaluated] == before[evaluated]).all()


@pytest.mark.parametrize(
    'name', ['leftImg8bit.png', 'gtFine_labelIds.png', 'gtFine_instanceIds.png', 'disparity.png']
)
@pytest.mark.parametrize('left', [0, 5, 20, 0.5, -1])
def test_a_truncated_png_is_refused_before_the_run(scenes, name, left):
    path = files(scenes, name)[1]
    data = path.read_bytes()
    path.write_bytes(data[: int(left * len(data)) if isinstance(left, float) else left])
    with pytest.raises(DatasetError, match=path.name):
        open_dataset(scenes)


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_png_never_passes_for_whole(made, tmp_path_factory, data):
    original = files(made, 'gtFine_labelIds.png')[0].read_bytes()
    place = data.draw(st.integers(8, len(original) - 1))
    path = tmp_path_factory.mktemp('png') / 'a.png'
    path.write_bytes(
        original[:place]
        + bytes([original[place] ^ data.draw(st.integers(1, 255))])
        + original[place + 1 :]
    )
    with pytest.raises(DatasetError, match='a.png'):
        read_header(path)
        decode(path, cv2.IMREAD_UNCHANGED)


def test_a_label_map_of_another_size_is_named(scenes):
    path = files(scenes, 'gtFine_labelIds.png')[0]
    cv2.imwrite(str(path), np.zeros((32, 64), np.uint8))
    with pytest.raises(DatasetError, match='is 64 x 32, its image 128 x 64'):
        open_dataset(scenes)


@pytest.mark.parametrize(
    'name, pixels, words',
    [
        ('gtFine_labelIds.png', np.zeros((64, 128, 3), np.uint8), 'expected 8-bit grey'),
        ('gtFine_labelIds.png', np.zeros((64, 128), np.uint16), 'expected 8-bit grey'),
        ('gtFine_instanceIds.png', np.zeros((64, 128), np.uint8), 'expected 16-bit grey'),
        ('leftImg8bit.png', np.zeros((64, 128, 3), np.uint16), 'expected an 8-bit colour'),
    ],
)
def test_pictures_of_another_kind_are_named(scenes, name, pixels, words):
    cv2.imwrite(str(files(scenes, name)[0]), pixels)
    with pytest.raises(DatasetError, match=words):
        open_dataset(scenes)


@pytest.mark.parametrize(
    'name, value, words',
    [
        ('gtFine_labelIds.png', 200, 'value 200 at row 7, column 9'),
        ('gtFine_instanceIds.png', 60000, 'value 60000'),
    ],
)
def test_ids_that_do_not_exist_are_named(scenes, name, value, words):
    path = files(scenes, name)[0]
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    pixels[7, 9] = value
    cv2.imwrite(str(path), pixels)
    with pytest.raises(DatasetError, match=words):
        open_dataset(scenes).read(0)


@pytest.mark.parametrize(
    'change, words',
    [
        ('{', 'no camera file'),
        ('[]', 'no camera file'),
        ('{"intrinsic": {}}', 'no camera file'),
        ({'intrinsic': {'fx': 0.0}}, 'focal lengths above 0'),
        ({'extrinsic': {'z': float('nan')}}, 'finite'),
        ({'intrinsic': {'u0': 1000.0}}, 'principal point'),
    ],
)
def test_camera_files_are_checked(scenes, change, words):
    path = files(scenes, 'camera.json')[0]
    if isinstance(change, dict):
        data = json.loads(path.read_text())
        for section, values in change.items():
            data[section].update(values)
        change = json.dumps(data)
    path.write_text(change)
    with pytest.raises(DatasetError, match=words):
        open_dataset(scenes)


def test_names_outside_the_convention_are_refused(scenes):
    path = files(scenes, 'leftImg8bit.png')[0]
    shutil.copy(path, path.with_name('holiday_leftImg8bit.png'))
    with pytest.raises(DatasetError, match='holiday_leftImg8bit.png is not named after'):
        open_dataset(scenes)


def test_one_frame_in_two_splits_is_refused(scenes):
    shutil.copytree(scenes / 'leftImg8bit' / 'val', scenes / 'leftImg8bit' / 'train')
    with pytest.raises(DatasetError, match='same name.*choose one split'):
        open_dataset(scenes)


def test_sequences_may_lack_labels(scenes):
    shutil.move(scenes / 'leftImg8bit', scenes / 'leftImg8bit_sequence')
    files(scenes, 'gtFine_labelIds.png')[0].unlink()
    files(scenes, 'gtFine_labelTrainIds.png')[0].unlink()
    dataset = open_dataset(scenes, sequences=True)
    assert [frame.labels is None for frame in dataset] == [True] + 5 * [False]


def test_the_real_sample_opens_as_it_is(sample):
    dataset = CityscapesDataset.open(sample)
    assert len(dataset) == 3
    for frame in dataset:
        assert frame.image.shape == (1024, 2048, 3) and frame.labels.max() <= 33
        assert set(np.unique(frame.instances // 1000)) <= {0, *range(24, 34)}

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

"""Label maps of every encoding become Cityscapes label ids, in whatever order they were sent."""

from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from cityscapesscripts.helpers.labels import labels as cityscapes

from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
from vlm_misalign_ros.core.labels.classes import to_train_ids
from vlm_misalign_ros.core.labels.encodings import ENCODINGS, open_encoding
from vlm_misalign_ros.wire.pixels import to_label_pixels

IDS = np.array([[entry.id for entry in cityscapes if 0 <= entry.id]], np.uint8)
EVALUATED = [entry for entry in cityscapes if 0 <= entry.trainId < 255]


def decoded(name, *values):
    return open_encoding(name).decode(np.array([values], np.uint8)).tolist()[0]


def test_label_ids_stay_and_what_is_none_is_unlabeled():
    assert np.array_equal(open_encoding('cityscapes_label_ids').decode(IDS), IDS)
    assert decoded('cityscapes_label_ids', 34, 200, 255) == [0, 0, 0]


def test_train_ids_are_those_of_cityscapesscripts():
    values = [entry.trainId for entry in EVALUATED]
    assert decoded('cityscapes_train_ids', *values, 255, 19) == [
        *(entry.id for entry in EVALUATED),
        0,
        0,
    ]
    there_and_back = to_train_ids(np.array([[entry.id for entry in EVALUATED]], np.uint8))
    assert there_and_back.tolist()[0] == values


# CARLA's documentation, "Semantic segmentation camera", from 0.9.14: tag and Cityscapes' name.
CARLA = {
    1: 'road', 2: 'sidewalk', 3: 'building', 4: 'wall', 5: 'fence', 6: 'pole',
    7: 'traffic light', 8: 'traffic sign', 9: 'vegetation', 10: 'terrain', 11: 'sky',
    12: 'person', 13: 'rider', 14: 'car', 15: 'truck', 16: 'bus', 17: 'train',
    18: 'motorcycle', 19: 'bicycle', 20: 'static', 21: 'dynamic', 24: 'road', 25: 'ground',
    26: 'bridge', 27: 'rail track', 28: 'guard rail',
}  # fmt: skip


@pytest.mark.parametrize('tag, name', CARLA.items())
def test_each_carla_tag_is_its_class(tag, name):
    assert decoded('carla_tags', tag) == [next(e.id for e in cityscapes if e.name == name)]


def test_carla_tags_that_are_no_class_of_cityscapes_are_unlabeled():
    assert decoded('carla_tags', 0, 22, 23, 29, 255) == [0] * 5


@pytest.mark.parametrize('encoding, red', [('bgr8', 2), ('bgra8', 2), ('rgb8', 0), ('rgba8', 0)])
def test_the_tag_is_in_the_red_channel_whatever_the_order(encoding, red):
    pixels = np.full((1, 2, 4 if 'a' in encoding else 3), 9, np.uint8)
    pixels[0, :, red] = 14, 1
    message = SimpleNamespace(
        encoding=encoding,
        height=1,
        width=2,
        step=pixels.strides[0],
        data=pixels.tobytes(),
        is_bigendian=0,
    )
    found = open_encoding('carla_tags').decode(to_label_pixels(message))
    assert found.tolist() == [[26, 7]]


def test_pictures_and_deep_maps_are_refused_where_the_encoding_has_none():
    with pytest.raises(RecordError, match='3 channels is not cityscapes_label_ids'):
        open_encoding('cityscapes_label_ids').decode(np.zeros((2, 2, 3), np.uint8))
    for name in ENCODINGS.builtin():
        with pytest.raises(RecordError, match=f'uint16 is not {name}'):
            open_encoding(name).decode(np.zeros((2, 2), np.uint16))


def test_a_file_maps_values_or_colours(tmp_path):
    values = tmp_path / 'mine.yaml'
    values.write_text(yaml.safe_dump({'values': {3: 'road', 200: 'person'}}))
    assert decoded(str(values), 3, 200, 4) == [7, 24, 0]
    colors = tmp_path / 'colors.yml'
    colors.write_text(yaml.safe_dump({'colors': {'#804080': 'road', '#DC143C': 'person'}}))
    picture = np.array([[[128, 64, 128], [220, 20, 60], [1, 2, 3]]], np.uint8)
    assert open_encoding(str(colors)).decode(picture).tolist() == [[7, 24, 0]]
    with pytest.raises(RecordError, match='is not colors.yml'):
        open_encoding(str(colors)).decode(np.zeros((2, 2), np.uint8))


@pytest.mark.parametrize(
    'content, words',
    [
        ('[1]', 'neither values nor colors'),
        ('{values: {1: road}, colors: {}}', 'neither values nor colors, or both'),
        ('values: {}', 'maps nothing'),
        ('values: {1: dragon}', "names the label 'dragon'"),
        ('values: {256: road}', 'has the entry 256'),
        ('values: {true: road}', 'has the entry True'),
        ('colors: {"804080": road}', "has the entry '804080'"),
        ('colors: {"#80408g": road}', "has the entry '#80408g'"),
        ('a: [', 'cannot be read'),
    ],
)
def test_a_wrong_label_map_is_named(tmp_path, content, words):
    path = tmp_path / 'map.yaml'
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=words):
        open_encoding(str(path))


def test_an_unknown_encoding_is_refused_with_the_known_ones():
    with pytest.raises(ConfigurationError, match="no label encoding 'kitti'.*carla_tags.*YAML"):
        open_encoding('kitti')
    with pytest.raises(ConfigurationError, match='cannot be read'):
        open_encoding('/no/where.yaml')

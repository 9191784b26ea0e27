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
import recoded
import yaml
from cityscapesscripts.helpers.labels import labels as cityscapes

from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
from vlm_misalign_ros.core.labels.classes import to_train_ids
from vlm_misalign_ros.core.labels.encodings import ENCODINGS, ColorEncoding, open_encoding
from vlm_misalign_ros.core.labels.maps import read_labels
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


@pytest.mark.parametrize('tag, row', recoded.CARLA_0_9_13.items())
def test_each_tag_of_carla_to_0_9_13_is_its_class(tag, row):
    name, label = row[0], row[1]
    expected = next(e.id for e in cityscapes if e.name == (label or 'unlabeled'))
    assert decoded('carla_tags_0_9_13', tag) == [expected], name


@pytest.mark.parametrize(
    'palette, tags, table',
    [
        ('carla_palette', 'carla_tags', recoded.CARLA),
        ('carla_palette_0_9_13', 'carla_tags_0_9_13', recoded.CARLA_0_9_13),
    ],
)
def test_each_colour_of_carlas_palettes_is_the_class_of_its_tag(palette, tags, table):
    drawn = np.array([[color for _, _, color in table.values()]], np.uint8)
    assert open_encoding(palette).decode(drawn).tolist()[0] == decoded(tags, *table)
    assert open_encoding(palette).outside(drawn).total == 0


def test_the_first_palette_of_carla_had_other_fences():
    """13 colours up to 0.9.9, of which those of fence and other were changed."""
    drawn = np.array([[(190, 153, 153), (250, 170, 160)]], np.uint8)
    assert open_encoding('carla_palette_0_9_13').decode(drawn).tolist() == [[13, 0]]


def test_colours_of_cityscapes_are_the_labels_that_have_them():
    """Black is no label; a pole group has the colour of a pole, a licence plate that of a car."""
    shared = {'polegroup': 'pole', 'license plate': 'car'}
    drawn = np.array([[entry.color for entry in cityscapes]], np.uint8)
    expected = [
        0
        if entry.color == (0, 0, 0)
        else next(e.id for e in cityscapes if e.name == shared.get(entry.name, entry.name))
        for entry in cityscapes
    ]
    assert open_encoding('cityscapes_colors').decode(drawn).tolist()[0] == expected


def test_values_outside_the_table_are_counted_the_most_frequent_by_name():
    encoding = open_encoding('carla_tags')
    values = np.array([[14, 137, 137, 137, 200, 200, 30, 255]], np.uint8)
    found = encoding.outside(values)
    assert found.values == {'137': 3, '200': 2, '30': 1}
    assert (found.others, found.total) == (0, 6)
    many = encoding.outside(np.arange(256, dtype=np.uint8)[None])
    # 29 to 254 are none of its tags: eight are named, the others counted.
    assert (len(many.values), many.others, many.total) == (8, 226 - 8, 226)
    assert open_encoding('carla_palette').outside(
        np.array([[(0, 0, 142), (1, 2, 3), (1, 2, 3)]], np.uint8)
    ).values == {'#010203': 2}


def test_void_is_no_value_outside_the_table():
    for name, values in (('cityscapes_label_ids', (0, 33, 255)), ('cityscapes_train_ids', (255,))):
        assert open_encoding(name).outside(np.array([values], np.uint8)).total == 0
    assert open_encoding('cityscapes_label_ids').outside(np.full((1, 1), 34, np.uint8)).total == 1
    assert open_encoding('cityscapes_train_ids').outside(np.full((1, 1), 19, np.uint8)).total == 1


def test_only_the_ids_of_cityscapes_tell_the_hood():
    told = {
        name for name in ENCODINGS.builtin() if getattr(open_encoding(name), 'tells_hood', False)
    }
    assert told == {'cityscapes_label_ids'}


def test_a_file_tells_the_hood_where_it_names_it(tmp_path):
    path = tmp_path / 'mine.yaml'
    path.write_text(yaml.safe_dump({'values': {1: 'ego vehicle', 3: 'road'}}))
    encoding = open_encoding(str(path))
    assert encoding.tells_hood
    assert encoding.outside(np.array([[0, 1, 3, 4]], np.uint8)).values == {'4': 1}


def test_values_beyond_eight_bits_are_outside_every_table():
    """Instance ids that were sent as labels."""
    wide = np.array([[26, 26001, 24000, 99]], np.uint16)
    found = read_labels(open_encoding('cityscapes_label_ids'), wide)
    assert found.labels.tolist() == [[26, 0, 0, 0]] and not found.problem
    assert found.outside.values == {'24000': 1, '26001': 1, '99': 1}


def test_grey_that_was_sent_as_colours_is_grey():
    grey = np.array([[[7] * 3, [26] * 3]], np.uint8)
    found = read_labels(open_encoding('cityscapes_label_ids'), grey)
    assert found.labels.tolist() == [[7, 26]] and not found.problem


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


def test_colours_are_read_in_one_pass_and_what_is_no_label_is_still_refused(monkeypatch):
    packed = []
    pack = ColorEncoding._packed
    monkeypatch.setattr(
        ColorEncoding, '_packed', lambda self, pixels: packed.append(1) or pack(self, pixels)
    )
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[0], pixels[1] = (128, 64, 128), (9, 9, 9)
    found = read_labels(ColorEncoding('mine', {(128, 64, 128): 7}), pixels)
    assert found.labels[:2].tolist() == [[7] * 4, [0] * 4] and len(packed) == 1
    assert found.outside.values == {'#000000': 8, '#090909': 4}
    pixels[0] = (1, 2, 3)
    refused = read_labels(ColorEncoding('mine', {(1, 2, 3): 99}), pixels)
    assert 'gave no label ids' in refused.problem

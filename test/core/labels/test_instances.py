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

"""Instance maps of simulators: CARLA's instance camera, and objects that are numbered alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.holding import hold
from vlm_misalign_ros.core.evaluation.join import Joined
from vlm_misalign_ros.core.evaluation.parts import INSTANCES, LABELS
from vlm_misalign_ros.core.labels.classes import BY_NAME
from vlm_misalign_ros.core.labels.classes import LABELS as TABLE
from vlm_misalign_ros.core.labels.encodings import open_encoding
from vlm_misalign_ros.core.labels.instances import (
    MOST,
    Numbered,
    from_carla,
    number,
    read_instances,
)
from vlm_misalign_ros.core.records.schema import Closing
from vlm_misalign_ros.core.truth.inventory import take_inventory
from vlm_misalign_ros.core.truth.read import TruthSettings
from vlm_misalign_ros.core.truth.trust import Fault

CAR, PERSON, ROAD, SKY = (BY_NAME[name].id for name in ('car', 'person', 'road', 'sky'))
THINGS = {label.id for label in TABLE if label.has_instances}
TAGS = open_encoding('carla_tags')


def test_a_picture_of_carlas_instance_camera_by_hand():
    """Tags: 1 road, 11 sky, 12 person, 14 car. Objects by green + 256 blue: 7, 263, 519."""
    rgb = np.array(
        [
            [[11, 5, 0], [11, 5, 0], [14, 7, 2], [14, 7, 2]],
            [[14, 7, 0], [12, 7, 0], [14, 7, 1], [12, 0, 0]],
            [[1, 9, 9], [12, 7, 0], [14, 7, 0], [0, 3, 3]],
        ],
        np.uint8,
    )
    car, person = 1000 * CAR, 1000 * PERSON
    assert from_carla(rgb).tolist() == [
        [SKY, SKY, car + 2, car + 2],
        [car, person, car + 1, PERSON],
        [ROAD, person, car, 0],
    ]
    assert TAGS.decode(rgb).tolist() == [
        [SKY, SKY, CAR, CAR],
        [CAR, PERSON, CAR, PERSON],
        [ROAD, PERSON, CAR, 0],
    ]


def test_the_older_tags_go_with_the_older_encoding():
    """Of CARLA to 0.9.13 tag 10 is a vehicle and 4 a pedestrian; from 0.9.14 terrain and wall."""
    rgb = np.array([[[10, 1, 0], [4, 2, 0]]], np.uint8)
    for name in ('carla_tags_0_9_13', 'carla_palette_0_9_13'):
        found = read_instances(rgb, 'auto', open_encoding(name))
        assert found.tolist() == [[1000 * CAR, 1000 * PERSON]]
    newer = read_instances(rgb, 'auto', open_encoding('carla_palette'))
    assert newer.tolist() == [[BY_NAME['terrain'].id, BY_NAME['wall'].id]]


def panoptic(values, numbers):
    """Return RGB as gz-sensors, segmentation_camera.md, has it: number in [0] + 256 [1]."""
    wide = np.asarray(numbers)
    return np.dstack([wide & 255, wide >> 8, np.asarray(values)]).astype(np.uint8)


class LastChannel:
    """A plug-in for a world where 3 is a car, 8 the road; it takes Gazebo's colours alone."""

    def decode(self, pixels):
        values = pixels[:, :, 2]
        return np.where(values == 3, CAR, np.where(values == 8, ROAD, 0)).astype(np.uint8)


@pytest.fixture
def grey(tmp_path):
    (tmp_path / 'grey.yaml').write_text('values: {3: car, 8: road}')
    return open_encoding(str(tmp_path / 'grey.yaml'))


def test_gazebos_labels_mean_what_the_runs_own_table_says(grey):
    """By CARLA's tags 3 is a building, 8 a traffic sign, and 26 and 7 are bridge and light."""
    numbers = [[0, 5, 5, 261]]
    wanted = [[ROAD, 1000 * CAR, 1000 * CAR, 1000 * CAR + 1]]
    for own in (grey, LastChannel()):
        found = read_instances(panoptic([[8, 3, 3, 3]], numbers), 'gazebo', own)
        assert found.tolist() == wanted
    ids = panoptic([[ROAD, CAR, CAR, CAR]], numbers)
    assert read_instances(ids, 'gazebo', open_encoding('cityscapes_label_ids')).tolist() == wanted
    tags = panoptic([[1, 14, 14, 14]], numbers)
    assert read_instances(tags, 'gazebo', TAGS).tolist() == wanted


def test_auto_reads_gazebos_labels_once_it_is_decided_and_learns_nothing_of_them():
    auto = open_encoding('auto')
    labels, ids = street()
    pixels = panoptic(labels, ids & 0xFFFF)
    with pytest.raises(RecordError, match='label encoding auto is not decided yet'):
        read_instances(pixels, 'gazebo', auto)
    assert auto.name == 'auto'
    assert np.array_equal(auto.decode(labels), labels) and auto.name == 'cityscapes_label_ids'
    found = read_instances(pixels, 'gazebo', auto)
    assert np.array_equal(found, number(labels, ids & 0xFFFF))


@pytest.mark.parametrize('name', ['carla_palette', 'cityscapes_colors'])
def test_gazebos_labels_are_not_read_by_colours(name):
    pixels = panoptic([[ROAD, CAR]], [[0, 1]])
    with pytest.raises(RecordError, match=f'label encoding {name} is one of colours.*a table of'):
        read_instances(pixels, 'gazebo', open_encoding(name))


@st.composite
def numbered(draw):
    shape = draw(st.tuples(st.integers(1, 8), st.integers(1, 8)))
    labels = draw(arrays(np.uint8, shape, elements=st.sampled_from([0, 7, 11, 24, 26, 33])))
    ids = draw(arrays(np.int32, shape, elements=st.integers(-2, 4)))
    return labels, ids


@given(numbered())
def test_pixels_are_of_one_instance_where_label_and_number_are_the_same(made):
    labels, ids = made
    found = number(labels, ids)
    thing = np.isin(labels, list(THINGS)) & (ids != 0)
    assert np.array_equal(found[~thing], labels[~thing])
    pairs = set(map(tuple, np.stack([labels[thing], ids[thing], found[thing]], -1).tolist()))
    assert len(pairs) == len({pair[:2] for pair in pairs}) == len({pair[2] for pair in pairs})
    assert all(instance // 1000 == label for label, _, instance in pairs)
    for label in THINGS:
        counts = sorted(instance % 1000 for of, _, instance in pairs if of == label)
        assert counts == list(range(len(counts)))


def test_more_instances_than_ids_have_room_for_are_a_group():
    labels = np.full((1, MOST + 50), CAR, np.uint8)
    found = number(labels, np.arange(1, MOST + 51, dtype=np.int32)[None])
    assert found[0, :MOST].tolist() == list(range(1000 * CAR, 1000 * CAR + MOST))
    assert (found[0, MOST:] == CAR).all()


def test_the_things_of_a_frame_are_those_of_the_camera():
    """Two cars side by side, and one behind a post that parts it: three outlines, two things."""
    rgb = np.zeros((8, 12, 3), np.uint8)
    rgb[..., 0] = 1
    rgb[2:6, 1:4] = (14, 200, 3)
    rgb[2:6, 4:10] = (14, 201, 3)
    rgb[:, 7] = (6, 0, 0)
    things = take_inventory(TAGS.decode(rgb), from_carla(rgb)).things
    assert [(thing.label, thing.area) for thing in things] == [(CAR, 12), (CAR, 20)]


@pytest.mark.parametrize(
    'pixels, how, told',
    [
        (np.zeros((2, 2), np.uint8), 'auto', 'publish mono16, the colours'),
        (np.zeros((2, 2), np.float32), 'auto', 'float32 in one channel'),
        (np.zeros((2, 2), np.float32), 'ids', 'publish whole numbers'),
        (np.zeros((2, 2, 3), np.uint16), 'auto', 'uint16 in colours'),
        (np.zeros((2, 2, 3), np.uint8), 'cityscapes', 'instance_encoding is cityscapes'),
        (np.zeros((2, 2, 3), np.uint8), 'ids', 'instance_encoding is ids'),
        (np.zeros((2, 2), np.uint16), 'carla', 'publish the instance camera as it is'),
        (np.zeros((2, 2), np.int32), 'cityscapes', 'mono16 with label id'),
    ],
)
def test_a_map_of_another_form_is_refused_by_name(pixels, how, told):
    with pytest.raises(RecordError, match=told):
        read_instances(pixels, how, TAGS)


@pytest.mark.parametrize('kind, how', [(np.int32, 'auto'), (np.uint16, 'ids'), (np.uint8, 'ids')])
def test_objects_that_are_numbered_alone_are_told_by_the_labels(kind, how):
    found = read_instances(np.array([[0, 3], [3, 9]], kind), how, TAGS)
    assert isinstance(found, Numbered)
    labels = np.array([[ROAD, CAR], [CAR, PERSON]], np.uint8)
    assert found.resolved(labels).tolist() == [[ROAD, 1000 * CAR], [1000 * CAR, 1000 * PERSON]]
    assert found.resolved(np.zeros((3, 3), np.uint8)).shape == (2, 2)


def held(labels, instances):
    parts = {LABELS: labels, INSTANCES: instances}
    return hold(Joined(10**9, parts, (), Closing.COMPLETE), None, None, (), TruthSettings())


def street():
    """Road below, sky above, two cars that touch."""
    labels = np.full((64, 128), ROAD, np.uint8)
    labels[:24] = SKY
    labels[30:44, 40:80] = CAR
    ids = np.zeros(labels.shape, np.int32)
    ids[30:44, 40:60], ids[30:44, 60:80] = 5, 70001
    return labels, ids


def test_a_frame_with_numbered_objects_has_their_things():
    labels, ids = street()
    found = held(labels, Numbered(ids))
    assert [thing.number for thing in found.truth.seen.inventory.things] == [26000, 26001]
    small = held(labels, Numbered(ids[:32]))
    assert small.trust.fault is Fault.SIZE


def test_a_palette_taken_for_the_instance_camera_is_found_out():
    """Its reds are other tags: the map of instances contradicts that of labels."""
    labels, _ = street()
    palette = open_encoding('carla_palette')
    colors = np.zeros((256, 3), np.uint8)
    for color, label in palette.labels.items():
        colors[label] = color
    found = held(labels, read_instances(colors[labels], 'auto', palette))
    assert found.trust.fault is Fault.INSTANCES

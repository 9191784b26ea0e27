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

"""Bags as data sets, and data sets as bags."""

import numpy as np
import pytest
from recoded import tags

from bagged import (
    FRONT,
    INFO,
    SEMANTIC,
    bag_of,
    camera_bag,
    image_message,
    info_message,
    packed_message,
    picture,
    time_of,
    values_message,
)
from golden import replaying
from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.bags.analyse import analyse
from vlm_misalign_ros.bags.camera_topics import Wanted
from vlm_misalign_ros.bags.reading import open_bag
from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.errors import DatasetError, RecordError
from vlm_misalign_ros.core.evaluation.replaying import schedule
from vlm_misalign_ros.core.types import Condition
from vlm_misalign_ros.wire.values import source_to_values


def alike(one, other):
    assert one.key == other.key and one.sequence == other.sequence
    assert one.camera == other.camera and one.tells_hood == other.tells_hood
    for name in ('image', 'labels', 'instances', 'depth'):
        a, b = getattr(one, name), getattr(other, name)
        assert (a is None) == (b is None), name
        assert a is None or a.dtype == b.dtype and np.array_equal(a, b), name


@pytest.fixture(scope='module')
def streets():
    return open_dataset(replaying.SCENES)


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    """Return the four scenes as a bag."""
    out = tmp_path_factory.mktemp('written') / 'bag'
    assert main(['bag', 'from-cityscapes', str(replaying.SCENES), str(out), '--rate', '4']) == 0
    return out


def test_a_data_set_comes_back_from_its_bag_to_the_last_pixel(written, streets):
    found = open_dataset(f'bag:{written}')
    assert len(found) == len(streets) and found.has_depth == streets.has_depth
    for one, other in zip(found, streets, strict=True):
        alike(one, other)
    with open_bag(written) as bag:
        arrivals = [raw.arrival for raw in bag.messages(['/camera/image_raw'])]
    assert arrivals == [1_000_000_000 + n * 250_000_000 for n in range(len(streets))]


def test_frames_are_read_in_any_order(written, streets):
    found = open_dataset(f'bag:{written}')
    for index in (3, 0, 1, 1, 3, 2):
        alike(found.read(index), streets.read(index))
    assert len(open_dataset(f'bag:{written}', limit=2)) == 2


def test_the_bag_of_a_data_set_is_one_that_analyse_takes(written, tmp_path):
    """It has no answers, which is what is told, and no fault of the bag."""
    with pytest.raises(RecordError, match='the bag has no answers of'):
        analyse(written, tmp_path / 'out', replaying.parameters())


@pytest.fixture(scope='module')
def strange(tmp_path_factory, streets):
    """Return somebody's bag: JPEG, other names, CARLA's tags, labels that come first."""
    rows = []
    for index, frame in enumerate(streets):
        stamp = time_of(index)
        rows += [
            (SEMANTIC, image_message(tags(frame.labels), stamp, 'mono8'), stamp - 9),
            (INFO, info_message(frame.camera, stamp), stamp),
            (f'{FRONT}/compressed', packed_message(frame.image, stamp, 'png'), stamp + 9),
            ('/depth/image', image_message(picture(index), stamp, 'bgr8'), stamp + 10),
        ]
    return bag_of(tmp_path_factory.mktemp('strange') / 'drive', rows)


def test_topics_of_other_names_are_taken_by_rules(strange, streets):
    rules = f'camera/image_raw={FRONT}&ground_truth/labels={SEMANTIC}&camera/camera_info={INFO}'
    found = open_dataset(f'bag:{strange}?{rules}')
    for index, (one, other) in enumerate(zip(found, streets, strict=True)):
        assert np.array_equal(one.image, other.image)
        # What CARLA's tags cannot tell is what its table says it is.
        assert np.array_equal(tags(one.labels), tags(other.labels))
        assert one.camera.fx == other.camera.fx
        assert one.key == f'drive@170000000{index // 10}.{index % 10}00000000'
        assert (one.sequence, one.instances, one.depth) == ('drive', None, None)


def test_the_encoding_of_labels_is_found_or_given(strange):
    rules = f'camera/image_raw={FRONT}&ground_truth/labels={SEMANTIC}'
    by_itself = open_dataset(f'bag:{strange}?{rules}')
    given = open_dataset(f'bag:{strange}?{rules}&labels=carla_tags')
    for one, other in zip(by_itself, given, strict=True):
        assert np.array_equal(one.labels, other.labels)
    wrong = open_dataset(f'bag:{strange}?{rules}&labels=cityscapes_colors')
    with pytest.raises(DatasetError, match='give their encoding: bag:'):
        wrong.read(0)


def test_the_only_camera_of_a_bag_is_taken(tmp_path):
    found = open_dataset(f'bag:{camera_bag(tmp_path / "drive", 3)}')
    assert [frame.labels for frame in found] == [None] * 3
    assert np.array_equal(found.read(2).image, picture(2))


@pytest.mark.parametrize(
    'text, words',
    [
        ('{bag}', 'no topic camera/image_raw, and not just one'),
        ('{bag}?camera/image_raw=/nowhere', 'has no topic /nowhere. it has pictures on /a'),
        ('{bag}?camera/picture=/a', "'camera/picture=/a' in .* known: labels, namespace"),
        ('{bag}?labels=', "'labels=' in"),
        ('{bag}/none', 'does not exist'),
    ],
)
def test_a_place_that_will_not_do_is_told_in_a_line(text, words, tmp_path):
    rows = [(name, image_message(picture(1), 1, 'bgr8'), 1) for name in ('/a', '/b')]
    bag = bag_of(tmp_path / 'bag', rows)
    with pytest.raises(DatasetError, match=words):
        open_dataset('bag:' + text.format(bag=bag))


def test_splits_and_cities_are_none_of_a_bags(written):
    for choice in ({'split': 'val'}, {'cities': ['ulm']}):
        with pytest.raises(DatasetError, match='leave split and cities empty'):
            open_dataset(f'bag:{written}', **choice)


def test_a_path_with_a_question_mark_is_a_path(tmp_path):
    path = camera_bag(tmp_path / 'why?labels=x', 2)
    assert Wanted.parse(str(path)) == (path, Wanted())


def test_of_doubled_stamps_the_first_picture_counts(tmp_path):
    rows = [
        (FRONT, image_message(picture(k), time_of(n), 'bgr8'), time_of(k))
        for k, n in enumerate((0, 1, 1, 2))
    ]
    found = open_dataset(f'bag:{bag_of(tmp_path / "bag", rows)}')
    assert [np.array_equal(f.image, picture(k)) for f, k in zip(found, (0, 1, 3), strict=True)]
    assert found.doubled == 1


def test_of_a_run_over_several_conditions_each_frame_comes_once(tmp_path, streets):
    """A lockstep bag has every frame once a condition, each time with a stamp of its own."""
    rows = []
    conditions = [Condition('clean'), Condition('low_light', 3)]
    for position, source in schedule(streets, conditions):
        frame, stamp = streets.read(position), time_of(source.index)
        told = values_message(source_to_values(source, frame.camera), stamp)
        rows.append(('/camera/source', told, stamp))
        rows.append(('/camera/image_raw', image_message(frame.image, stamp, 'bgr8'), stamp))
    found = open_dataset(f'bag:{bag_of(tmp_path / "bag", rows)}')
    assert [frame.key for frame in found] == [entry.key for entry in streets.entries]
    assert found.read(1).camera == streets.read(1).camera


def test_a_rate_that_cannot_be_leaves_nothing(tmp_path, capsys):
    words = ['bag', 'from-cityscapes', str(replaying.SCENES), str(tmp_path / 'out')]
    for rate in ('0', '-1', 'nan', '1e9'):
        assert main([*words, '--rate', rate]) == 2
    assert list(tmp_path.iterdir()) == []

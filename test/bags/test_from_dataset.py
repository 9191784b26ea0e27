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

"""A data set as a bag, which is read again to the last pixel."""

import numpy as np
import pytest
import relaid

from golden import replaying
from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.bags.analyse import analyse
from vlm_misalign_ros.bags.reading import open_bag
from vlm_misalign_ros.bags.writer import BagWriter
from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.labels.telling import EVERYTHING, Telling
from vlm_misalign_ros.core.truth.read import TruthMaps, TruthSettings, read_truth
from vlm_misalign_ros.core.types import NoCamera
from vlm_misalign_ros.wire.values import source_from_values, values_of

SOURCE = '/camera/source'


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
        for name in ('image', 'labels', 'instances', 'depth'):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name
        assert (one.camera.fx, one.camera.cy) == (other.camera.fx, other.camera.cy)


@pytest.mark.parametrize('name', ['idd', 'bdd100k'])
def test_what_labels_cannot_tell_comes_back(name, scenes, tmp_path):
    dataset = open_dataset(f'{name}:{getattr(relaid, name)(scenes, tmp_path / "data")}')
    words = ['bag', 'from-cityscapes', f'{name}:{tmp_path / "data"}', str(tmp_path / 'bag')]
    assert main(words) == 0
    found = open_dataset(f'bag:{tmp_path / "bag"}')
    for one, other in zip(found, dataset, strict=True):
        assert Telling.of(one.about) == Telling.of(other.about) != EVERYTHING
        assert one.tells_hood == other.tells_hood
        truths = [
            read_truth(TruthMaps.of(frame), NoCamera('x'), TruthSettings()).seen
            for frame in (one, other)
        ]
        assert truths[0].scene == truths[1].scene


def rewritten(bag, out, change, kind=''):
    """Return a bag whose camera/source are what `change(number, data)` yields, of type `kind`."""
    writer = BagWriter(out)
    with open_bag(bag) as source:
        for name, topic in source.topics.items():
            writer.add_topic(name, kind if kind and name == SOURCE else topic.type)
        number = 0
        for raw in source.messages():
            for data in change(number, raw.data) if raw.topic == SOURCE else (raw.data,):
                writer.write(raw.topic, data, raw.arrival)
            number += raw.topic == SOURCE
    writer.close()
    return open_dataset(f'bag:{out}')


@pytest.mark.parametrize(
    ('change', 'lost'),
    [
        (lambda number, data: () if number == 1 else (data,), [1]),
        (lambda number, data: (data.replace(b'index', b'idnex'),), [0, 1, 2, 3]),
        (lambda number, data: (data, data.replace(b'index', b'idnex')), [0, 1, 2, 3]),
        (lambda number, data: (data, data), []),
    ],
    ids=['lost', 'none can be read', 'two that differ', 'two that are one'],
)
def test_of_a_picture_whose_source_is_lost_nobody_knows_what_labels_tell(
    written, tmp_path, change, lost
):
    found = rewritten(written, tmp_path / 'bag', change)
    assert [number for number, frame in enumerate(found) if frame.labels is None] == lost
    told = f'{len(lost)} pictures have no camera/source'
    assert any(told in fault for fault in found.faults) == bool(lost)


def test_a_topic_of_that_name_and_another_type_says_nothing_of_labels(written, tmp_path):
    found = rewritten(
        written, tmp_path / 'bag', lambda _, data: (data,), 'geometry_msgs/msg/PointStamped'
    )
    assert all(frame.labels is not None for frame in found)


def test_frames_come_at_the_rate_and_tell_their_names(written, streets):
    with open_bag(written) as bag:
        arrivals = [raw.arrival for raw in bag.messages(['/camera/image_raw'])]
        told = [
            source_from_values(values_of(bag.decode(raw)))
            for raw in bag.messages(['/camera/source'])
        ]
    assert arrivals == [1_000_000_000 + n * 250_000_000 for n in range(len(streets))]
    assert [source.key for source, _ in told] == [entry.key for entry in streets.entries]
    assert [camera for _, camera in told] == [frame.camera for frame in streets]


def test_the_bag_of_a_data_set_is_one_that_analyse_takes(written, tmp_path):
    """It has no answers, which is what is told, and no fault of the bag."""
    with pytest.raises(RecordError, match='the bag has no answers of'):
        analyse(written, tmp_path / 'out', replaying.parameters())


def test_topics_stand_in_a_namespace(tmp_path):
    words = ['bag', 'from-cityscapes', str(replaying.SCENES), str(tmp_path / 'bag')]
    assert main([*words, '--namespace', '/car/front/', '--limit', '1']) == 0
    with open_bag(tmp_path / 'bag') as bag:
        assert '/car/front/camera/image_raw' in bag.topics and len(bag.topics) == 6


def test_a_rate_that_cannot_be_leaves_nothing(tmp_path, capsys):
    words = ['bag', 'from-cityscapes', str(replaying.SCENES), str(tmp_path / 'out')]
    for rate in ('0', '-1', 'nan', '1e9'):
        assert main([*words, '--rate', rate]) == 2
    assert list(tmp_path.iterdir()) == []

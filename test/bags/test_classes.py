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

"""Masks of a bag without their confidence: what the run that recorded them knew of its model."""

import json

import pytest
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

from golden import replaying
from vlm_misalign_ros.bags.analyse import analyse
from vlm_misalign_ros.bags.writer import BagWriter
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.records.schema import FrameRecord, Status
from vlm_misalign_ros.core.records.store import RECORDS, read_records
from vlm_misalign_ros.wire import topics

pytestmark = pytest.mark.heavy

STORE = get_typestore(Stores.ROS2_JAZZY)
LOST = CLASSES.index('road')
KNOWN = [name for name in CLASSES if name != 'road']


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """Return a bag, and the masks of its records."""
    folder = tmp_path_factory.mktemp('bag')
    bag = replaying.write_bag(folder / 'raw', live=True)
    return bag, masks(bag, folder / 'out')


@pytest.fixture
def without(whole, tmp_path):
    """Return the bag as a recorder writes it whose `confidence` is false."""
    bag = BagWriter(tmp_path / 'bag', 'none')
    with AnyReader([whole[0]], default_typestore=STORE) as reader:
        kept = [
            entry
            for entry in reader.connections
            if entry.topic.removeprefix('/') != topics.SEGMENTATION_CONFIDENCE
        ]
        assert len(kept) < len(reader.connections)
        for connection in kept:
            bag.add_topic(connection.topic, connection.msgtype)
        for connection, stamp, raw in reader.messages(connections=kept):
            bag.write(connection.topic, raw, stamp)
    bag.close()
    return tmp_path / 'bag'


def masks(bag, out, **chosen):
    analyse(bag, out, replaying.parameters(**chosen))
    records = read_records(out / RECORDS)
    return [record.segmentation for record in records if isinstance(record, FrameRecord)]


def told_alone(mask):
    return [cell for cell in mask.cells if cell[0] != LOST]


@pytest.mark.parametrize('told_by', ['manifest', 'setting'])
def test_they_are_scored_over_the_classes_that_its_model_could_tell(
    whole, without, tmp_path, told_by
):
    chosen = {}
    if told_by == 'manifest':
        models = {'segmentation': {'classes': KNOWN, 'lacking': ['road']}}
        (tmp_path / 'manifest.json').write_text(json.dumps({'models': models}))
    else:
        chosen = {'segmentation_classes': KNOWN}
    found = masks(without, tmp_path / 'out', **chosen)
    scored = [mask for mask in found if mask.status is Status.SCORED]
    assert scored and [mask.status for mask in found] == [mask.status for mask in whole[1]]
    assert all(mask.lacking == ('road',) for mask in scored)
    assert [mask.cells for mask in found] == [told_alone(mask) for mask in whole[1]]
    assert [mask.cells for mask in found] != [mask.cells for mask in whole[1]]
    settings = json.loads((tmp_path / 'out' / 'manifest.json').read_text())['configuration']
    assert settings['segmentation_classes'] == KNOWN


@pytest.mark.parametrize(
    'manifest', [None, '{', '[]', '{"models": []}', '{"models": {"segmentation": {"classes": 1}}}']
)
def test_where_nothing_told_that_they_are_not_scored(whole, without, tmp_path, manifest):
    if manifest is not None:
        (tmp_path / 'manifest.json').write_text(manifest)
    found = masks(without, tmp_path / 'out')
    assert len(found) == len(whole[1]) and not any(mask.cells for mask in found)
    lost = {mask.status for mask, other in zip(found, whole[1], strict=True) if other.cells}
    assert lost == {Status.UNSCORABLE}

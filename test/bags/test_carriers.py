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

"""A bag whose pictures and maps are compressed, or under other names, gives the same records."""

import pytest
from recorded import rewritten

from golden import replaying
from vlm_misalign_ros.bags.analyse import analyse
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.records.account import AccountingRecord
from vlm_misalign_ros.core.records.schema import FrameRecord
from vlm_misalign_ros.core.records.store import RECORDS, read_records
from vlm_misalign_ros.wire import topics

pytestmark = pytest.mark.heavy


@pytest.fixture(scope='module')
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp('bag')
    bag = replaying.write_bag(folder / 'raw', live=True)
    return bag, frames_of(bag, folder / 'out')


def frames_of(bag, out, **chosen):
    analyse(bag, out, replaying.parameters(), **chosen)
    return [record for record in read_records(out / RECORDS) if isinstance(record, FrameRecord)]


MAPS = (topics.TRUTH_LABELS, topics.TRUTH_INSTANCES)


def test_maps_in_png_and_under_other_names_give_the_same_records(recorded, tmp_path):
    bag, wanted = recorded
    names = {topics.TRUTH_LABELS: '/carla/tags', topics.CAMERA_INFO: '/carla/camera_info'}
    forms = dict.fromkeys(MAPS, 'png')
    other = rewritten(bag, tmp_path / 'other', forms, names)
    found = frames_of(other, tmp_path / 'out', remap=names)
    assert len(found) > 2 and found == wanted
    with pytest.raises(RecordError, match='no topic ground_truth/labels; it has .*carla/tags'):
        analyse(other, tmp_path / 'again', replaying.parameters())


def test_the_degraded_picture_is_taken_from_png_and_from_no_jpeg(recorded, tmp_path):
    """By its checksum answers are told from those to another picture; JPEG changes it."""
    bag, wanted = recorded
    for form in ('png', 'jpeg'):
        other = rewritten(bag, tmp_path / form, {topics.DEGRADED_IMAGE: form}, {})
        found = frames_of(other, tmp_path / f'{form}_out')
        assert [frame.models for frame in found] == [frame.models for frame in wanted]
        told = [frame.image for frame in found]
        assert told == [frame.image for frame in wanted]


def test_labels_in_jpeg_are_refused_and_counted(recorded, tmp_path):
    bag, wanted = recorded
    other = rewritten(bag, tmp_path / 'other', {topics.TRUTH_LABELS: 'jpeg'}, {})
    verdict = analyse(other, tmp_path / 'out', replaying.parameters())
    records = list(read_records(tmp_path / 'out' / RECORDS))
    (total,) = [record for record in records if isinstance(record, AccountingRecord)]
    assert total.frames['malformed'] == len(wanted)
    assert any('a label map came as JPEG' in note for note in verdict.notes)
    assert all(frame.truth is None for frame in records if isinstance(frame, FrameRecord))

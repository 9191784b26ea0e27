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

"""The same messages give the same records, live and from a bag, whatever is wrong with them."""

from dataclasses import replace

import numpy as np
import pytest

from golden.replaying import _STORE, image_message, values_message
from maps import plain
from vlm_misalign_ros.bags.analyse import analyse, monitor_parameters
from vlm_misalign_ros.bags.writer import BagWriter
from vlm_misalign_ros.core.checksums import checksum
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.records.account import AccountingRecord, DoubledRecord
from vlm_misalign_ros.core.records.schema import FrameRecord
from vlm_misalign_ros.core.records.store import RECORDS, comparable, read_records
from vlm_misalign_ros.core.settings.nodes import EvaluationParameters
from vlm_misalign_ros.core.types import (
    Applied,
    Condition,
    Confidence,
    Description,
    Judgement,
    Kind,
    Mention,
)
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire import values as codec

SECOND = 1_000_000_000
MS = 1_000_000
TOPICS = {
    'condition': topics.DEGRADED_CONDITION,
    'labels': topics.TRUTH_LABELS,
    'segmentation': topics.SEGMENTATION_LABELS,
    'confidence': topics.SEGMENTATION_CONFIDENCE,
    'vlm:m': topics.vlm_description('m'),
}


def stream(offset):
    """Return (stamp, part, value) of 30 pictures at 10 Hz, with all that can go wrong."""
    rng = np.random.default_rng(3)
    found = []
    for number in range(30):
        stamp = 50 * SECOND + number * SECOND // 10
        image = f'64x32:{number:08x}'
        mask = rng.integers(0, 19, (32, 64)).astype(np.uint8)
        labels = plain()
        answer = Description(
            'm',
            Kind.CONTRASTIVE,
            '',
            {'car': Mention.ASSERTED},
            judgement=Judgement.SAFE,
            image=image,
        )
        if number == 9:
            answer = replace(answer, image='64x32:ffffffff')
        frame = [
            (stamp, 'condition', Applied(Condition(), number, image=image)),
            (stamp + offset, 'labels', labels),
            (stamp, 'segmentation', mask),
            (stamp, 'confidence', Confidence(0.5, 0.5, image, checksum(mask))),
            (stamp, 'vlm:m', answer),
        ]
        if number == 12:
            frame.pop(1)
        found += [frame[place] for place in rng.permutation(len(frame))]
        if number == 5:
            found.append((stamp, 'vlm:m', replace(answer, judgement=Judgement.UNSAFE)))
        if number == 6:
            found.append((stamp, 'condition', Applied(Condition('low_light', 3), 1)))
        if number == 7:
            found += [entry for entry in frame if entry[1] == 'segmentation']
        if number == 8:
            found.append((stamp + 40 * MS, 'labels', labels))
    return found


def message(part, value, stamp):
    if part in ('labels', 'segmentation'):
        return image_message(value, stamp, 'mono8')
    convert = {
        'condition': codec.applied_to_values,
        'confidence': codec.confidence_to_values,
        'vlm:m': codec.description_to_values,
    }[part]
    return values_message(convert(value), stamp)


@pytest.mark.parametrize('offset, slop', [(0, 0.0), (3 * MS, 0.0), (3 * MS, 0.005)])
def test_a_stream_gives_the_same_records_live_and_from_a_bag(tmp_path, offset, slop):
    chosen = EvaluationParameters(
        models=('m',), source=False, instances=False, pictures=0, slop=slop
    )
    live = Session(
        replace(monitor_parameters(chosen, tmp_path / 'live'), deadline=5.0), log=lambda text: None
    )
    bag = BagWriter(tmp_path / 'bag')
    for topic, kind in (
        (topics.DEGRADED_CONDITION, 'diagnostic_msgs/msg/DiagnosticArray'),
        (topics.TRUTH_LABELS, 'sensor_msgs/msg/Image'),
        (topics.SEGMENTATION_LABELS, 'sensor_msgs/msg/Image'),
        (topics.SEGMENTATION_CONFIDENCE, 'diagnostic_msgs/msg/DiagnosticArray'),
        (topics.vlm_description('m'), 'diagnostic_msgs/msg/DiagnosticArray'),
    ):
        bag.add_topic('/' + topic, kind)
    for number, (stamp, part, value) in enumerate(stream(offset)):
        live.expire(number / 50)
        live.add(stamp, part, value, number / 50, f'/{TOPICS[part]} of a node')
        sent = message(part, value, stamp)
        data = bytes(_STORE.serialize_cdr(sent, sent.__msgtype__))
        bag.write('/' + TOPICS[part], data, (number + 1) * MS)
    live.end(9.0)
    bag.close()
    verdict = analyse(tmp_path / 'bag', tmp_path / 'offline', chosen)
    assert verdict.exit_code == 3
    one, other = (list(read_records(tmp_path / way / RECORDS)) for way in ('live', 'offline'))

    def frames(records):
        # Why a frame was closed depends on a clock, which a bag has not.
        return {
            r.stamp: {**comparable(r), 'closed': None}
            for r in records
            if isinstance(r, FrameRecord)
        }

    assert frames(one) == frames(other) and len(frames(one)) == 30
    doubled = [
        [(r.stamp, r.part, r.count, r.mismatch) for r in records if isinstance(r, DoubledRecord)]
        for records in (one, other)
    ]
    assert sorted(doubled[0]) == sorted(doubled[1]) and len(doubled[0]) == 3
    accounts = [
        {name: {s: n for s, n in states.items() if n} for name, states in record.parts.items()}
        for records in (one, other)
        for record in records
        if isinstance(record, AccountingRecord)
    ]
    assert accounts[0] == accounts[1]
    if not offset or slop:
        assert accounts[0] == {
            'm': {'scored': 26, 'doubled': 3, 'unmatched': 1, 'unscorable': 1},
            'segmentation': {'scored': 28, 'doubled': 2, 'unmatched': 1},
        }


def test_the_connections_of_a_bag_are_named(tmp_path):
    chosen = EvaluationParameters(models=('m',), source=False, instances=False, pictures=0)
    bag = BagWriter(tmp_path / 'bag')
    known = set()
    for number, (stamp, part, value) in enumerate(stream(0)):
        sent = message(part, value, stamp)
        if part not in known:
            known.add(part)
            bag.add_topic('/' + TOPICS[part], sent.__msgtype__)
        data = bytes(_STORE.serialize_cdr(sent, sent.__msgtype__))
        bag.write('/' + TOPICS[part], data, number + 1)
    bag.close()
    analyse(tmp_path / 'bag', tmp_path / 'out', chosen)
    told = [r for r in read_records(tmp_path / 'out' / RECORDS) if isinstance(r, DoubledRecord)]
    assert all(f'/{TOPICS[record.part]} (connection ' in record.publishers[0] for record in told)

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

"""The recorder: bags that can be analysed, and what it cannot read."""

from collections import Counter

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from rosbags.highlevel import AnyReader  # noqa: E402
from rosbags.typesys import Stores, get_typestore  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from sent import parts_of, strange_source  # noqa: E402
from worlds import picture_message, send, stamps, wait_for  # noqa: E402

from vlm_misalign_ros.bags.analyse import analyse  # noqa: E402
from vlm_misalign_ros.core.records.schema import Closing, FrameRecord  # noqa: E402
from vlm_misalign_ros.core.records.store import read_records  # noqa: E402
from vlm_misalign_ros.core.settings.nodes import EvaluationParameters  # noqa: E402
from vlm_misalign_ros.core.stamps import NANO  # noqa: E402
from vlm_misalign_ros.core.types import Applied, Condition, Failed  # noqa: E402
from vlm_misalign_ros.nodes import messages  # noqa: E402
from vlm_misalign_ros.nodes.recorder import Recorder, raw_stamp  # noqa: E402
from vlm_misalign_ros.wire import topics  # noqa: E402
from vlm_misalign_ros.wire import values as codec  # noqa: E402

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures('ros')]

STORE = get_typestore(Stores.ROS2_JAZZY)


def test_the_bag_of_the_recorder_can_be_analysed(world, tmp_path):
    done = world.listen(topics.RECORDER_FRAME, DiagnosticArray)
    for topic, message in parts_of(NANO).items():
        world.talk(topic, type(message))
    recorder = world.start(
        Recorder, path=str(tmp_path / 'bag'), models=['m'], source=False, images=False
    )
    world.meet()
    for second in range(100, 104):
        send(world, parts_of(second * NANO, condition='low_light:2'))
    wait_for(lambda: len(done) == 4)
    assert stamps(done) == [second * NANO for second in range(100, 104)]
    recorder.on_stop()
    analyse(tmp_path / 'bag', tmp_path / 'out', EvaluationParameters(camera_height=1.5))
    records = [
        record
        for record in read_records(tmp_path / 'out' / 'records.jsonl')
        if isinstance(record, FrameRecord)
    ]
    assert [record.closed for record in records] == [Closing.COMPLETE] * 4
    assert {record.condition.name for record in records} == {'low_light:2'}
    assert records[0].models['m'].score.hallucinated == ['bus']


def test_the_stamp_is_read_from_raw_messages():
    from rclpy.serialization import serialize_message

    header = messages.make_header(1_700_000_000 * NANO + 123_456_789, 'somewhere')
    for message in (Image(header=header), DiagnosticArray(header=header)):
        assert raw_stamp(serialize_message(message)) == messages.stamp_of(header)


def test_a_recorder_keeps_what_it_cannot_read_and_goes_on(world, tmp_path):
    done = world.listen(topics.RECORDER_FRAME, DiagnosticArray)
    sources = world.talk(topics.CAMERA_SOURCE, DiagnosticArray)
    applied = world.talk(topics.DEGRADED_CONDITION, DiagnosticArray)
    sure = world.talk(topics.SEGMENTATION_CONFIDENCE, DiagnosticArray)
    labels = world.talk(topics.TRUTH_LABELS, Image)
    node = world.start(
        Recorder, path=str(tmp_path / 'bag'), images=False, instances=False, depth=False
    )
    world.meet()
    sources.publish(strange_source(2 * NANO, severity='nan'))
    sources.publish(DiagnosticArray())
    late = strange_source(2 * NANO)
    late.header.stamp.nanosec = 4_000_000_000
    sources.publish(late)
    header = messages.make_header(3 * NANO, '')
    told = codec.applied_to_values(Applied(Condition('low_light', 2), 1))
    sources.publish(strange_source(3 * NANO))
    applied.publish(messages.values_message('condition', told, header))
    labels.publish(picture_message(np.zeros((4, 4), np.uint8), 3 * NANO, 'mono8'))
    # A segmentation that failed has no mask to wait for.
    sure.publish(messages.values_message('c', codec.failed_to_values(Failed('dark')), header))
    wait_for(lambda: done)
    assert stamps(done) == [3 * NANO] and world.error is None
    node.on_stop()
    with AnyReader([tmp_path / 'bag'], default_typestore=STORE) as reader:
        kept = Counter(connection.topic for connection, _, _ in reader.messages())
    assert kept[f'/{topics.CAMERA_SOURCE}'] == 4

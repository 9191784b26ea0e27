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

"""Two publishers on one topic, over real rclpy: their frames are doubled, and both are named."""

import pytest

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

from maps import plain  # noqa: E402
from vlm_misalign_ros.core.records.account import DoubledRecord  # noqa: E402
from vlm_misalign_ros.core.records.schema import FrameRecord, Status  # noqa: E402
from vlm_misalign_ros.core.records.store import RECORDS, read_records  # noqa: E402
from vlm_misalign_ros.core.types import Applied, Condition, Description, Kind, Mention  # noqa: E402
from vlm_misalign_ros.nodes import messages, qos  # noqa: E402
from vlm_misalign_ros.nodes.monitor import Monitor  # noqa: E402
from vlm_misalign_ros.nodes.publishers import Publishers  # noqa: E402
from vlm_misalign_ros.wire import topics  # noqa: E402
from vlm_misalign_ros.wire import values as codec  # noqa: E402

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures('ros')]

NANO = 1_000_000_000
LABELS = plain()


def answer(name):
    return Description('m', Kind.CONTRASTIVE, '', {name: Mention.ASSERTED})


class Talker:
    """One run's corruption and model in one node."""

    def __init__(self, name, namespace=''):
        self.node = rclpy.create_node(name, namespace=namespace)
        results = qos.result_qos()
        self.condition = self.node.create_publisher(
            DiagnosticArray, '/' + topics.DEGRADED_CONDITION, results
        )
        self.answers = self.node.create_publisher(
            DiagnosticArray, '/' + topics.vlm_description('m'), results
        )
        self.labels = self.node.create_publisher(
            Image, '/' + topics.TRUTH_LABELS, qos.image_qos('reliable')
        )

    def send(self, stamp, said=None, condition=None, labels=False):
        header = messages.make_header(stamp, 'camera')
        if condition is not None:
            values = codec.applied_to_values(Applied(condition, 1))
            self.condition.publish(messages.values_message('condition', values, header))
        if labels:
            self.labels.publish(messages.image_message(LABELS, header, 'mono8'))
        if said is not None:
            values = codec.description_to_values(answer(said))
            self.answers.publish(messages.values_message('vlm', values, header))

    @property
    def ready(self):
        ends = (self.condition, self.answers, self.labels)
        return all(end.get_subscription_count() for end in ends)


def test_two_runs_on_one_domain_are_told_by_both_their_nodes(spin, tmp_path):
    monitor = Monitor(
        parameter_overrides=[
            Parameter(name, value=value)
            for name, value in {
                'run_folder': str(tmp_path),
                'models': ['m'],
                'lockstep': False,
                'source': False,
                'instances': False,
                'segmentation': False,
                'pictures': 0,
                'deadline': 60.0,
            }.items()
        ]
    )
    one, other = Talker('corruption'), Talker('corruption')
    third = Talker('model', '/second')
    spin(
        lambda: one.ready and other.ready and third.ready,
        monitor,
        one.node,
        other.node,
        third.node,
    )
    session = monitor._session
    one.send(5 * NANO, 'car', Condition(), labels=True)
    spin(lambda: session.accounting['m']['scored'] == 1)
    # The same again is harmless, whoever sends it.
    other.send(5 * NANO, condition=Condition())
    spin(lambda: session._stretches.current.join.counters['repeated'] == 1)
    assert session.accounting['m']['scored'] == 1
    # Something else takes back what was scored.
    other.send(5 * NANO, condition=Condition('occlusion', 5))
    spin(lambda: session.accounting['m']['doubled'] == 2)
    one.send(6 * NANO, 'car', Condition(), labels=True)
    spin(lambda: session.accounting['m']['scored'] == 1)
    third.send(6 * NANO, 'bus')
    spin(lambda: session.accounting['m']['doubled'] == 3)
    monitor.finished = True
    monitor.on_stop()
    assert monitor.exit_code == 3
    records = list(read_records(tmp_path / RECORDS))
    told = {r.part: r.publishers for r in records if isinstance(r, DoubledRecord)}
    frames = [r for r in records if isinstance(r, FrameRecord)]
    assert [f.models['m'].status for f in frames] == [Status.DOUBLED] * 2
    # Two nodes of one name are told apart.
    first, second = told['condition']
    assert first.startswith('/corruption') and second.startswith('/corruption')
    assert first != second and 'id ' in second
    assert told['vlm:m'][1] == '/second/model' and told['vlm:m'][0].startswith('/corruption')


def test_without_ids_in_messages_the_publishers_of_the_topic_are_named(spin):
    listener = rclpy.create_node('listener')
    one, other = Talker('one'), Talker('other', '/there')
    who = Publishers(listener)
    topic = '/' + topics.DEGRADED_CONDITION
    spin(lambda: len(who.on(topic)) == 2, listener, one.node, other.node)
    assert sorted(who.on(topic)) == ['/one', '/there/other']
    assert who.sent(topic, {}) == who.sent(topic, {'publisher_gid': None}) == ''
    unknown = {'publisher_gid': {'data': b'\x07' * 16}}
    assert who.sent(topic, unknown).startswith('a node that is not known')

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

"""Settings of ROS that hold for every node: the clock of a simulator, QoS, a namespace."""

import pytest

rclpy = pytest.importorskip('rclpy')

import numpy as np  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import QoSProfile, ReliabilityPolicy  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

from vlm_misalign_ros.nodes import messages  # noqa: E402
from vlm_misalign_ros.nodes.annotator import Annotator  # noqa: E402
from vlm_misalign_ros.nodes.corruption import Corruption  # noqa: E402
from vlm_misalign_ros.nodes.monitor import Monitor  # noqa: E402
from vlm_misalign_ros.wire import topics  # noqa: E402

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures('ros')]


def build(kind, namespace=None, **parameters):
    overrides = [Parameter(name, value=value) for name, value in parameters.items()]
    return kind(namespace=namespace, parameter_overrides=overrides)


def reliability_of(node, topic, publishers=True):
    name = node.resolve_topic_name(topic)
    ask = node.get_publishers_info_by_topic if publishers else node.get_subscriptions_info_by_topic
    (end,) = ask(name)
    return end.qos_profile.reliability


def test_a_live_run_ends_in_time_while_the_clock_of_the_simulator_stands_still(spin):
    monitor = build(
        Monitor,
        lockstep=False,
        source=False,
        models=['clip'],
        startup_timeout=1.0,
        duration=0.2,
        use_sim_time=True,
    )
    spin(lambda: monitor.finished, monitor)
    assert monitor.get_clock().now().nanoseconds == 0


def test_what_is_published_is_reliable_whatever_is_asked_of_others(spin):
    node = build(Corruption, follow_source=False, reliability='best_effort')
    outputs = (topics.DEGRADED_IMAGE, topics.DEGRADED_COMPRESSED, topics.DEGRADED_OCCLUDER)
    spin(lambda: node.get_subscriptions_info_by_topic('/' + topics.CAMERA_IMAGE), node)
    for topic in outputs:
        assert reliability_of(node, topic) == ReliabilityPolicy.RELIABLE
    found = reliability_of(node, topics.CAMERA_IMAGE, publishers=False)
    assert found == ReliabilityPolicy.BEST_EFFORT


def test_a_best_effort_camera_reaches_a_reliable_listener_by_way_of_the_corruption(spin):
    node = build(Corruption, follow_source=False, reliability='best_effort')
    outside, got = rclpy.create_node('outside'), []
    best = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    camera = outside.create_publisher(Image, topics.CAMERA_IMAGE, best)
    outside.create_subscription(Image, topics.DEGRADED_IMAGE, got.append, 5)
    spin(
        lambda: (
            camera.get_subscription_count() and outside.count_publishers(topics.DEGRADED_IMAGE)
        ),
        node,
        outside,
    )
    picture = np.full((64, 64, 3), 90, np.uint8)
    camera.publish(messages.image_message(picture, messages.make_header(10**9, 'c'), 'bgr8'))
    spin(lambda: got)


def test_qos_of_one_topic_is_overridden(spin):
    node = build(
        Corruption,
        follow_source=False,
        **{
            'qos_overrides./camera/image_raw.subscription.reliability': 'best_effort',
            'qos_overrides./degraded/image_raw.publisher.reliability': 'best_effort',
        },
    )
    spin(lambda: node.get_subscriptions_info_by_topic('/' + topics.CAMERA_IMAGE), node)
    found = reliability_of(node, topics.CAMERA_IMAGE, publishers=False)
    assert found == ReliabilityPolicy.BEST_EFFORT
    assert reliability_of(node, topics.DEGRADED_IMAGE) == ReliabilityPolicy.BEST_EFFORT
    assert reliability_of(node, topics.DEGRADED_OCCLUDER) == ReliabilityPolicy.RELIABLE


def test_the_annotator_moves_along_with_its_namespace(spin):
    node, outside = build(Annotator, namespace='/front'), rclpy.create_node('outside')
    outside.create_subscription(Image, '/front/annotated/image_raw', lambda message: None, 1)
    spin(lambda: outside.count_subscribers('/front/monitor/frame'), node, outside)
    assert outside.count_subscribers('/front/degraded/image_raw') == 1


def test_the_health_of_several_cameras_is_told_apart(spin):
    outside, got = rclpy.create_node('outside'), []
    outside.create_subscription(DiagnosticArray, topics.DIAGNOSTICS, got.append, 10)
    given = {'lockstep': False, 'source': False, 'models': ['clip']}
    nodes = [build(Monitor, namespace=space, **given) for space in (None, '/front', '/car/rear')]

    def names():
        return {status.name for message in got for status in message.status}

    wanted = {f'{node}: join' for node in ('monitor', 'front/monitor', 'car/rear/monitor')}
    spin(lambda: wanted <= names(), outside, *nodes)

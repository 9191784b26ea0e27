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

"""Pictures and maps from outside by whichever transport they come, over real rclpy."""

import threading
import time

import cv2
import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402

from vlm_misalign_ros.bags.reading import open_bag  # noqa: E402
from vlm_misalign_ros.core.records.schema import decode  # noqa: E402
from vlm_misalign_ros.core.stamps import NANO  # noqa: E402
from vlm_misalign_ros.core.types import Applied, Condition, Presence  # noqa: E402
from vlm_misalign_ros.nodes import messages, qos  # noqa: E402
from vlm_misalign_ros.nodes.corruption import Corruption  # noqa: E402
from vlm_misalign_ros.nodes.monitor import Monitor  # noqa: E402
from vlm_misalign_ros.nodes.recorder import Recorder  # noqa: E402
from vlm_misalign_ros.nodes.transports import ImageInputs  # noqa: E402
from vlm_misalign_ros.wire import images, pixels, topics  # noqa: E402
from vlm_misalign_ros.wire import values as codec  # noqa: E402

pytestmark = pytest.mark.heavy

TRUTH = (topics.TRUTH_LABELS, topics.TRUTH_INSTANCES)
PICTURE = cv2.resize(np.random.default_rng(0).integers(0, 256, (4, 8, 3), np.uint8), (64, 32))


class Side:
    """A context of its own, spun by a thread: one topic has one type within a process's."""

    def __init__(self, build=None):
        self.context = Context()
        rclpy.init(context=self.context)
        make = build or (lambda **kwargs: rclpy.create_node('side', **kwargs))
        self.node = make(context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.thread = threading.Thread(target=self.executor.spin, daemon=True)
        self.thread.start()

    def publish(self, topic, message, profile=None):
        profile = profile or qos.image_qos('reliable')
        publisher = self.node.create_publisher(type(message), topic, profile)
        self.node.create_timer(0.1, lambda: publisher.publish(message))

    def end(self):
        self.executor.shutdown()
        self.thread.join(10)
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)


@pytest.fixture
def sides():
    made = []

    def build(kind=None):
        made.append(Side(kind))
        return made[-1]

    yield build
    for side in made:
        side.end()


def wait_for(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'waited in vain'
        time.sleep(0.005)


def raw(encoding='bgr8', array=PICTURE):
    return messages.image_message(array, messages.make_header(2 * NANO, 'front'), encoding)


def packed(form='png', array=PICTURE):
    return messages.compressed_message(array, messages.make_header(2 * NANO, 'front'), form, 95)


def listening(sides, transport, topic='/front/image', **chosen):
    came, opened = [], []
    side = sides()
    inputs = ImageInputs(side.node, transport)
    inputs.receive(topic, 'best_effort', came.append, opened=opened.append, **chosen)
    return came, opened


@pytest.mark.parametrize(
    'transport, topic, published, heard',
    [
        ('auto', '/front/image', {'/front/image': raw()}, '/front/image'),
        ('auto', '/front/image', {'/front/image/compressed': packed()}, '/front/image/compressed'),
        ('auto', '/front/image', {'/front/image': packed('jpeg')}, '/front/image'),
        ('auto', '/front/x/compressed', {'/front/x/compressed': packed()}, '/front/x/compressed'),
        (
            'auto',
            '/front/image',
            {'/front/image': raw(), '/front/image/compressed': packed()},
            '/front/image',
        ),
        (
            'compressed',
            '/front/image',
            {'/front/image': raw(), '/front/image/compressed': packed()},
            '/front/image/compressed',
        ),
        (
            'raw',
            '/front/image',
            {'/front/image': raw(), '/front/image/compressed': packed()},
            '/front/image',
        ),
    ],
)
def test_pictures_are_taken_by_what_is_published(sides, transport, topic, published, heard):
    talker = sides()
    came, opened = listening(sides, transport, topic)
    for name, message in published.items():
        talker.publish(name, message)
    wait_for(lambda: came)
    assert type(came[0]) is type(published[heard])
    assert opened[-1].topic == heard
    if type(came[0]) is Image or came[0].format.startswith('bgr8; png'):
        assert np.array_equal(images.picture(came[0]), PICTURE)


def test_depth_is_taken_as_compressed_depth(sides):
    talker = sides()
    came, opened = listening(sides, 'auto', '/front/depth', depth=True)
    message = packed(array=np.full((4, 4), 700, np.uint16))
    message.format = '16UC1; compressedDepth png'
    message.data = bytes(12) + bytes(message.data)
    talker.publish('/front/depth/compressedDepth', message)
    wait_for(lambda: came)
    assert opened[-1].topic == '/front/depth/compressedDepth'
    assert (images.depth(came[0]) == 700).all()


def test_what_was_raw_at_first_is_taken_compressed_once_that_is_all_there_is(sides):
    came, opened = listening(sides, 'auto')
    wait_for(lambda: opened)
    assert opened[0].type == 'sensor_msgs/msg/Image'
    talker = sides()
    talker.publish('/front/image/compressed', packed())
    wait_for(lambda: came)
    assert type(came[0]) is CompressedImage


def test_inputs_that_were_closed_hear_nothing_and_can_be_opened_again(sides):
    talker, side = sides(), sides()
    talker.publish('/front/image', raw())
    first, second = [], []
    inputs = ImageInputs(side.node, 'auto')
    inputs.receive('/front/image', 'best_effort', first.append)
    wait_for(lambda: first)
    inputs.close()
    assert '/front/image' not in [entry.topic_name for entry in side.node.subscriptions]
    inputs.receive('/front/image', 'best_effort', second.append)
    count = len(first)
    wait_for(lambda: len(second) > 2)
    assert len(first) <= count + 1


def test_two_nodes_of_one_process_come_to_terms_over_the_type_of_a_topic(sides):
    """In one process a topic has one type: each has to let go of the former before either has."""
    talker, side = sides(), sides()
    both = [[], []]
    second = rclpy.create_node('second', context=side.context)
    side.executor.add_node(second)
    for node, came in zip((side.node, second), both, strict=True):
        ImageInputs(node, 'auto').receive('/front/image', 'best_effort', came.append)
    talker.publish('/front/image', packed())
    wait_for(lambda: all(both))
    second.destroy_node()


@pytest.mark.parametrize('form', ['png', 'jpeg'])
def test_a_picture_that_came_packed_is_degraded_and_sent_on_raw(sides, form):
    talker = sides()
    heard, told = [], []
    listener = sides()
    listener.node.create_subscription(
        Image, topics.DEGRADED_IMAGE, heard.append, qos.image_qos('reliable')
    )
    listener.node.create_subscription(
        DiagnosticArray, topics.DEGRADED_CONDITION, told.append, qos.result_qos()
    )
    sides(
        lambda **kwargs: Corruption(
            parameter_overrides=[Parameter('follow_source', value=False)], **kwargs
        )
    )
    message = packed(form)
    talker.publish(f'{topics.CAMERA_IMAGE}/compressed', message)
    wait_for(lambda: heard and told)
    assert heard[0].encoding == 'bgr8' and heard[0].header == message.header
    assert np.array_equal(pixels.to_bgr(heard[0]), images.picture(message))


def street():
    """Return a street as CARLA's instance camera shows it, bgra8: two cars that touch."""
    tags = np.full((64, 128), 1, np.uint8)
    tags[:24] = 11
    tags[30:44, 40:80] = 14
    numbers = np.zeros_like(tags)
    numbers[30:44, 40:60], numbers[30:44, 60:80] = 7, 8
    return np.dstack([np.zeros_like(tags), numbers, tags, np.full_like(tags, 255)])


def test_one_topic_of_carla_is_labels_and_instances(sides):
    talker = sides()
    closed = []
    talker.node.create_subscription(
        DiagnosticArray, topics.MONITOR_FRAME, closed.append, qos.result_qos()
    )
    rules = [f'{topic}:=/carla/ego/front/image' for topic in TRUTH]
    chosen = {
        'models': ['m'],
        'lockstep': False,
        'source': False,
        'segmentation': False,
        'pictures': 0,
        'deadline': 0.5,
        'label_encoding': 'carla_tags',
    }
    sides(
        lambda **kwargs: Monitor(
            parameter_overrides=[Parameter(name, value=value) for name, value in chosen.items()],
            cli_args=['--ros-args', *(word for rule in rules for word in ('-r', rule))],
            **kwargs,
        )
    )
    talker.publish('/carla/ego/front/image', raw('bgra8', street()))
    header = messages.make_header(2 * NANO, 'front')
    values = codec.applied_to_values(Applied(Condition(), 1))
    talker.publish(
        topics.DEGRADED_CONDITION,
        messages.values_message('condition', values, header),
        qos.result_qos(),
    )
    wait_for(lambda: closed)
    record = decode(codec.values_of(closed[0])['record'].encode(), 'monitor/frame')
    assert record.truth.objects == 2 and record.problem is None
    assert record.truth.presence['car'] is Presence.REQUIRED


def test_a_bag_has_them_as_they_came(sides, tmp_path):
    talker = sides()
    recorder = sides(
        lambda **kwargs: Recorder(
            parameter_overrides=[
                Parameter('path', value=str(tmp_path / 'bag')),
                Parameter('models', value=['m']),
            ],
            **kwargs,
        )
    ).node
    labels = packed(array=np.zeros((8, 8), np.uint8))
    talker.publish(f'{topics.TRUTH_LABELS}/compressed', labels)
    name = f'/{topics.TRUTH_LABELS}/compressed'
    wait_for(lambda: recorder._bag._counts[name] > 1)
    recorder.executor.remove_node(recorder)
    recorder.on_stop()
    with open_bag(tmp_path / 'bag') as bag:
        message = bag.decode(next(bag.messages([name])))
    assert bag.topics[name].type == 'sensor_msgs/msg/CompressedImage'
    assert bytes(message.data) == bytes(labels.data) and message.format == labels.format

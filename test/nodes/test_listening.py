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

"""Label maps of a live topic, over real rclpy."""

import threading

import pytest

rclpy = pytest.importorskip('rclpy')

import recoded  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

from vlm_misalign_ros.app.labels import from_topic  # noqa: E402
from vlm_misalign_ros.core.datasets import open_dataset  # noqa: E402
from vlm_misalign_ros.core.errors import MisalignError  # noqa: E402
from vlm_misalign_ros.core.labels.inspecting import inspect  # noqa: E402
from vlm_misalign_ros.nodes import messages  # noqa: E402

pytestmark = pytest.mark.heavy


class Talker:
    """Publishes a message ten times a second, in a context of its own."""

    def __init__(self, kind, topic, message):
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node('talker', context=self.context)
        publisher = self.node.create_publisher(kind, topic, 10)
        self.node.create_timer(0.1, lambda: publisher.publish(message))
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.thread = threading.Thread(target=self.executor.spin, daemon=True)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.executor.shutdown()
        self.thread.join()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)


def test_a_live_topic_says_which_encoding_it_has(scenes):
    drawn = recoded.tags(open_dataset(scenes).read(0).labels, old=True)
    header = messages.make_header(1, 'camera')
    with Talker(Image, '/carla/semantic', messages.image_message(drawn, header, 'mono8')):
        found = inspect(from_topic('/carla/semantic', 3, 20.0))
    assert found.fitting == ('carla_tags_0_9_13',)
    assert {reading.maps for reading in found.readings} == {3}


def test_a_topic_of_another_type_is_named():
    with (
        Talker(DiagnosticArray, '/carla/values', DiagnosticArray()),
        pytest.raises(MisalignError, match='/carla/values carries diagnostic_msgs'),
    ):
        list(from_topic('/carla/values', 3, 20.0))


def test_a_topic_that_nobody_publishes_is_named():
    with pytest.raises(MisalignError, match='nobody publishes /carla/nothing'):
        list(from_topic('/carla/nothing', 3, 0.5))

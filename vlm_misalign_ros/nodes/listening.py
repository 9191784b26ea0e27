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

"""Listens to one topic for a while, outside any graph of this package."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from vlm_misalign_ros.core.errors import MisalignError
from vlm_misalign_ros.wire.channels import COMPRESSED_IMAGE, Form

TYPES: dict[str, Any] = {Form.IMAGE.value: Image, COMPRESSED_IMAGE: CompressedImage}


def receive(
    topic: str, forms: Sequence[str], most: int, timeout: float
) -> Iterator[tuple[Any, str]]:
    """
    Yield (message, type) of at most `most` messages of a topic; fewer once `timeout` is over.

    `forms` are the message types that will do, `timeout` is in seconds. Raises MisalignError
    where nobody publishes the topic, where all publish another type, and when nothing comes.
    """
    context = Context()
    rclpy.init(context=context)
    executor = SingleThreadedExecutor(context=context)
    node = rclpy.create_node('labels_listener', context=context)
    executor.add_node(node)
    try:
        end = time.monotonic() + timeout
        form = _form(node, executor, topic, forms, end)
        came: list[Any] = []
        # Best effort hears publishers of both kinds.
        quality = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
        node.create_subscription(TYPES[form], topic, came.append, quality)
        sent = 0
        while sent < most and time.monotonic() < end:
            executor.spin_once(timeout_sec=0.1)
            while came and sent < most:
                sent += 1
                yield came.pop(0), form
        if not sent:
            raise MisalignError(
                f'no message came on {node.resolve_topic_name(topic)} within {timeout:g} s',
                'it has a publisher: see whether that is paused, or raise --timeout',
            )
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown(context=context)


def _form(node: Any, executor: Any, topic: str, forms: Sequence[str], end: float) -> str:
    """Return the message type on a topic once somebody publishes it."""
    name = node.resolve_topic_name(topic)
    while True:
        executor.spin_once(timeout_sec=0.1)
        found = sorted({info.topic_type for info in node.get_publishers_info_by_topic(name)})
        good = [form for form in forms if form in found]
        if good:
            return good[0]
        if found:
            raise MisalignError(
                f'{name} carries {", ".join(found)}', 'give a topic of ' + ' or '.join(forms)
            )
        if time.monotonic() > end:
            raise MisalignError(
                f'nobody publishes {name}',
                'check its name (`ros2 topic list`), ROS_DOMAIN_ID and '
                'ROS_AUTOMATIC_DISCOVERY_RANGE, or raise --timeout',
            )

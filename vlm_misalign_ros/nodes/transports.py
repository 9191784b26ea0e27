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

"""
Pictures and maps as they are published: raw, or compressed under image_transport's names.

A topic has one type within a process, so which one is subscribed to is decided by the graph. With
`auto` a topic is taken raw at once; while nothing came and its publishers have no raw pictures,
those that they do have are taken, and so on until something comes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from vlm_misalign_ros.nodes import qos
from vlm_misalign_ros.wire import transports
from vlm_misalign_ros.wire.channels import COMPRESSED_IMAGE, Form
from vlm_misalign_ros.wire.transports import Carrier

LOOK_EVERY = 0.5
"""Seconds between two looks at the graph for topics on which nothing came."""
_CLASSES: dict[str, Any] = {Form.IMAGE.value: Image, COMPRESSED_IMAGE: CompressedImage}


@dataclass
class _Input:
    name: str
    """Full name of the topic, remapped."""
    depth: bool
    reliability: str
    take: Callable[..., None]
    """What the subscription calls."""
    raw: bool
    opened: Callable[[Carrier], None]
    carrier: Carrier | None = None
    subscription: Any = None
    came: bool = field(default=False)


class ImageInputs:
    """The topics of pictures and maps that a node takes from outside."""

    def __init__(self, node: Node, transport: str) -> None:
        """Take pictures by a transport, one of `transports.TRANSPORTS`."""
        self._node = node
        self._transport = transport
        self._inputs: list[_Input] = []
        self._timer: Any = None

    def receive(
        self,
        topic: str,
        reliability: str,
        callback: Callable[..., None],
        *,
        depth: bool = False,
        raw: bool = False,
        opened: Callable[[Carrier], None] = lambda carrier: None,
    ) -> None:
        """
        Subscribe to pictures or maps.

        `callback` is as rclpy takes it: of the message, or of the message and what is known of
        it; with `raw` of its bytes. `depth` also takes compressedDepth. `opened` is told what is
        subscribed to, each time that it is another topic or type.
        """
        name = self._node.resolve_topic_name(topic)
        found = _Input(name, depth, reliability, callback, raw, opened)
        self._inputs.append(found)
        self._subscribe(found, transports.first(name, self._transport, depth))
        if self._transport == transports.AUTO and self._timer is None:
            self._timer = self._node.create_timer(LOOK_EVERY, self.look)

    def look(self) -> None:
        """Look for what is published in place of topics on which nothing came."""
        waiting = [found for found in self._inputs if not found.came]
        if not waiting:
            self._timer.cancel()
            return
        for found in waiting:
            chosen = transports.among(found.name, self._published, found.depth)
            if chosen is not None and chosen != found.carrier:
                self._subscribe(found, chosen)

    def close(self) -> None:
        """Listen no longer."""
        for found in self._inputs:
            if found.subscription is not None:
                self._node.destroy_subscription(found.subscription)
        self._inputs.clear()
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
            self._timer = None

    def _published(self, topic: str) -> set[str]:
        """Return the types that publishers of a topic have; its listeners' are no matter."""
        return {end.topic_type for end in self._node.get_publishers_info_by_topic(topic)}

    def _subscribe(self, found: _Input, carrier: Carrier) -> None:
        if found.subscription is not None:
            self._node.destroy_subscription(found.subscription)
            found.subscription = found.carrier = None

        def taken(*given: Any) -> None:
            found.came = True
            found.take(*given)

        # rclpy asks a callback how many arguments it takes.
        one, two = (lambda message: taken(message)), (lambda message, info: taken(message, info))
        try:
            found.subscription = self._node.create_subscription(
                _CLASSES[carrier.type],
                carrier.topic,
                two if _takes_info(found.take) else one,
                qos.image_qos(found.reliability),
                raw=found.raw,
            )
        except Exception as error:  # rclpy raises its own kinds
            # Another node of this process may still have the topic by its former type.
            if self._transport != transports.AUTO:
                raise
            self._node.get_logger().warning(
                f'{carrier.topic} cannot be taken as {carrier.type} yet: {error}',
                throttle_duration_sec=5.0,
            )
            return
        if found.carrier is None and carrier.topic != found.name:
            self._node.get_logger().info(f'{found.name} is taken from {carrier.topic}')
        found.carrier = carrier
        found.opened(carrier)


def _takes_info(callback: Callable[..., None]) -> bool:
    """Return whether a callback has to have two arguments, as rclpy tells it."""
    try:
        inspect.signature(callback).bind(object())
    except TypeError:
        return True
    return False

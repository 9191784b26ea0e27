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

"""Real nodes on an executor for tests, beside a node that talks to them and listens."""

import threading
import time

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from vlm_misalign_ros.core.errors import MisalignError
from vlm_misalign_ros.core.types import Description, Kind, Mention, Segmented
from vlm_misalign_ros.nodes import messages, qos


class World:
    """Nodes under test on one executor, beside a node that talks to them and listens."""

    def __init__(self):
        self.executor = SingleThreadedExecutor()
        self.nodes = []
        self.error = None
        self.stopping = threading.Event()
        self.node = rclpy.create_node('outside')
        self.executor.add_node(self.node)
        self.heard = {}
        self.publishers = {}
        self.thread = threading.Thread(target=self._spin, daemon=True)
        self.thread.start()

    def _spin(self):
        while not self.stopping.is_set():
            try:
                self.executor.spin_once(timeout_sec=0.05)
                for node in self.nodes:
                    if node.finished:
                        self.executor.remove_node(node)
                    node.raise_worker_errors()
            except MisalignError as error:
                self.error = error
                return

    def start(self, kind, namespace=None, **parameters):
        node = kind(
            namespace=namespace,
            parameter_overrides=[
                Parameter(name, value=value) for name, value in parameters.items()
            ],
        )
        self.nodes.append(node)
        self.executor.add_node(node)
        return node

    def listen(self, topic, kind, reliability='reliable'):
        got = self.heard[topic] = []
        profile = qos.image_qos(reliability) if kind is Image else qos.result_qos()
        self.node.create_subscription(kind, topic, got.append, profile)
        return got

    def talk(self, topic, kind):
        profile = qos.image_qos('reliable') if kind is Image else qos.result_qos()
        self.publishers[topic] = publisher = self.node.create_publisher(kind, topic, profile)
        return publisher

    def meet(self):
        """Wait until everybody that talks has a listener, and everybody that listens a talker."""
        wait_for(
            lambda: (
                all(p.get_subscription_count() for p in self.publishers.values())
                and all(self.node.count_publishers(topic) for topic in self.heard)
            )
        )

    def call(self, service, kind, request):
        client = self.node.create_client(kind, service)
        assert client.wait_for_service(20)
        future = client.call_async(request)
        wait_for(future.done)
        return future.result()

    def end(self):
        self.stopping.set()
        self.thread.join(10)
        for node in (*self.nodes, self.node):
            node.destroy_node()
        self.executor.shutdown()


class Held:
    """A model that stands still until the test lets it go on."""

    kind = Kind.GENERATIVE

    def __init__(self):
        self.begun, self.open = threading.Semaphore(0), threading.Event()

    def describe(self, query):
        self.wait()
        return Description('m', self.kind, 'a car', mentions={'car': Mention.ASSERTED})

    def segment(self, bgr):
        self.wait()
        return Segmented(np.zeros(bgr.shape[:2], np.uint8), 0.5, 0.5)

    def wait(self):
        self.begun.release()
        assert self.open.wait(20)


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'waited in vain'
        time.sleep(0.005)


def picture_message(pixels, stamp, encoding='bgr8', frame_id='front'):
    return messages.image_message(pixels, messages.make_header(stamp, frame_id), encoding)


def stamps(heard):
    return [messages.stamp_of(message.header) for message in heard]


def at(heard, stamp):
    return next(message for message in heard if messages.stamp_of(message.header) == stamp)


def send(world, parts):
    for topic, message in parts.items():
        world.publishers[topic].publish(message)

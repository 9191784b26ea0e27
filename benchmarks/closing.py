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
How long frames of a live graph stay open when a model cannot keep up.

A camera of 10 Hz with labels; corruption, a segmentation that takes 0.05 s and a model that takes
0.25 s, both with the policy `latest`; a deadline of 2 s. Real nodes over rclpy, a thread each; the
models only wait, so that the times are those of the graph.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter

import numpy as np

os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')

import rclpy  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

from vlm_misalign_ros.core.records.schema import FrameRecord, decode  # noqa: E402
from vlm_misalign_ros.core.types import Description, Kind, Mention, Segmented  # noqa: E402
from vlm_misalign_ros.nodes import messages, qos, runtime  # noqa: E402
from vlm_misalign_ros.nodes import segmentation as segmentation_node  # noqa: E402
from vlm_misalign_ros.nodes import vlm as vlm_node  # noqa: E402
from vlm_misalign_ros.nodes.corruption import Corruption  # noqa: E402
from vlm_misalign_ros.nodes.monitor import Monitor  # noqa: E402
from vlm_misalign_ros.wire import topics  # noqa: E402
from vlm_misalign_ros.wire import values as codec  # noqa: E402

FRAMES, PERIOD, DEADLINE = 100, 0.1, 2.0
SIZE = (128, 256)


def wait(seconds: float) -> None:
    """Take time without taking the processor."""
    threading.Event().wait(seconds)


class SlowModel:
    """Says the same of every picture, after 0.25 s."""

    kind = Kind.GENERATIVE

    def describe(self, query: object) -> Description:
        """Return a car."""
        wait(0.25)
        return Description('slow', self.kind, 'a car', mentions={'car': Mention.ASSERTED})


class SlowSegmentation:
    """Sees a road everywhere, after 0.05 s."""

    def segment(self, picture: np.ndarray) -> Segmented:
        """Return road."""
        wait(0.05)
        return Segmented(np.zeros(picture.shape[:2], np.uint8), 0.5, 0.5)


def start(kind: type, stopping: threading.Event, **parameters: object) -> threading.Thread:
    """Start a node in a thread of its own."""
    name = parameters.get('name', kind.__name__.lower())
    node = kind(
        parameter_overrides=[Parameter(n, value=v) for n, v in parameters.items()],
        cli_args=['--ros-args', '-r', f'__node:={name}'],
    )

    def run() -> None:
        runtime.spin(node, stopping.is_set)
        node.destroy_node()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def main() -> None:
    """Print how long frames stayed open, and what became of them."""
    vlm_node.load_vlm = lambda name, **options: SlowModel()
    segmentation_node.load_segmentation = lambda name, **options: SlowSegmentation()
    rclpy.init()
    stopping = threading.Event()
    threads = [
        start(
            Monitor,
            stopping,
            models=['slow', 'masked'],
            lockstep=False,
            source=False,
            instances=False,
            pictures=0,
            deadline=DEADLINE,
        ),
        start(Corruption, stopping, follow_source=False, condition='clean'),
        start(segmentation_node.Segmentation, stopping, policy='latest'),
        start(vlm_node.Vlm, stopping, name='slow', policy='latest'),
        start(vlm_node.Vlm, stopping, name='masked', policy='latest', input='mask'),
    ]
    node = rclpy.create_node('camera')
    image = node.create_publisher(Image, topics.CAMERA_IMAGE, qos.image_qos('reliable'))
    labels = node.create_publisher(Image, topics.TRUTH_LABELS, qos.image_qos('reliable'))
    sent: dict[int, float] = {}
    closed: dict[int, float] = {}
    records: list[FrameRecord] = []

    def hear(message: DiagnosticArray) -> None:
        record = decode(codec.values_of(message)['record'].encode(), 'monitor/frame')
        closed[messages.stamp_of(message.header)] = time.monotonic()
        records.append(record)

    node.create_subscription(DiagnosticArray, topics.MONITOR_FRAME, hear, qos.result_qos())
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    spinning = threading.Thread(target=executor.spin, daemon=True)
    spinning.start()
    wanted = {
        topics.CAMERA_IMAGE: 1,
        topics.TRUTH_LABELS: 1,
        topics.DEGRADED_IMAGE: 3,
        topics.SEGMENTATION_LABELS: 2,
        topics.vlm_description('slow'): 1,
        topics.vlm_description('masked'): 1,
    }
    while any(node.count_subscribers(topic) < count for topic, count in wanted.items()):
        wait(0.1)
    wait(1.0)
    rng = np.random.default_rng(0)
    truth = np.full(SIZE, 7, np.uint8)
    truth[: SIZE[0] // 2] = 11
    began = time.monotonic()
    for number in range(FRAMES):
        wait(max(0.0, began + number * PERIOD - time.monotonic()))
        stamp = time.time_ns()
        header = messages.make_header(stamp, 'camera')
        picture = rng.integers(0, 256, (*SIZE, 3), np.uint8)
        sent[stamp] = time.monotonic()
        labels.publish(messages.image_message(truth, header, 'mono8'))
        image.publish(messages.image_message(picture, header, 'bgr8'))
    wait(DEADLINE + 1.0)
    stopping.set()
    for thread in threads:
        thread.join()
    executor.shutdown()
    spinning.join(10)
    node.destroy_node()
    rclpy.try_shutdown()
    taken = np.array([closed[stamp] - sent[stamp] for stamp in sent if stamp in closed]) * 1e3
    print(f'{len(sent)} sent, {len(closed)} closed')
    print('open, ms: ' + ', '.join(f'p{q} {np.percentile(taken, q):.0f}' for q in (50, 95, 100)))
    print('closed by', dict(Counter(record.closed.value for record in records)))
    for name in ('slow', 'masked'):
        print(name, dict(Counter(record.models[name].status.value for record in records)))
    print('segmentation', dict(Counter(record.segmentation.status.value for record in records)))


if __name__ == '__main__':
    main()

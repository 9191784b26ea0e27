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
Stands in for a simulator whose labels have the encoding `simple`: six frames, 10 s apart.

It has to be run where street_extras is installed; it begins when everybody listens.
"""

from __future__ import annotations

import sys
import time

import rclpy
from plugins.whole import MODEL, simple_of
from sensor_msgs.msg import Image

from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.stamps import NANO
from vlm_misalign_ros.nodes import messages, qos
from vlm_misalign_ros.wire import topics

WAIT = 60.0
"""Seconds for the nodes to start."""
SETTLED = 1.5
"""Seconds for them to find each other, once they have found this one."""


def main(folder: str) -> None:
    """Send the frames of a data set of the layout `flat`, twice."""
    rclpy.init()
    node = rclpy.create_node('simulator')
    pictures, labels = (
        node.create_publisher(Image, topic, qos.image_qos('reliable'))
        for topic in (topics.CAMERA_IMAGE, topics.TRUTH_LABELS)
    )
    end = time.monotonic() + WAIT
    while not (
        pictures.get_subscription_count()
        and labels.get_subscription_count()
        and node.count_publishers(f'/{topics.vlm_description(MODEL)}')
    ):
        if time.monotonic() > end:
            raise TimeoutError('nobody listens')
        time.sleep(0.05)
    time.sleep(SETTLED)
    dataset = open_dataset(f'flat:{folder}')
    for index in range(2 * len(dataset)):
        frame = dataset.read(index % len(dataset))
        assert frame.labels is not None
        header = messages.make_header((100 + 10 * index) * NANO, 'camera')
        labels.publish(messages.image_message(simple_of(frame.labels), header, 'mono8'))
        pictures.publish(messages.image_message(frame.image, header, 'bgr8'))
        time.sleep(0.3)
    time.sleep(2.0)
    node.destroy_node()
    rclpy.shutdown()


if __name__ == '__main__':
    main(sys.argv[1])

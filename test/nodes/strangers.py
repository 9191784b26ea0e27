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
Five nodes such as people have, and a mask: run as a process of its own, outside of any run.

Each hears degraded pictures and answers with a text that names the stamp of the picture that it
was given, on a message type and with a stamp of its own kind. None knows that it is evaluated.
"""

import random
import sys
import time

import cv2
import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import Log
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image, TimeReference
from std_msgs.msg import String

NANO = 1_000_000_000
PERIOD = 0.8
LATENCY = 0.4
SLACK = 0.1
CAMERAS = 6


def to_stamp(nanoseconds):
    return Time(sec=nanoseconds // NANO, nanosec=nanoseconds % NANO)


def to_nanoseconds(stamp):
    return stamp.sec * NANO + stamp.nanosec


def text_of(stamp):
    return f'Picture {stamp} shows a car on the road ahead.'


class Stranger(Node):
    """
    Answers each picture once, LATENCY after its stamp; one that it comes to later is passed over.

    So the latency that a rule is told of is kept on a busy machine, too.
    """

    topic = 'degraded/image_raw'
    picture = Image

    def __init__(self):
        super().__init__(type(self).__name__.lower())
        self.random = random.Random(1)
        self.due = []
        self.create_subscription(self.picture, self.topic, self.hear, qos_profile_sensor_data)
        self.create_timer(0.005, self.tick)

    def hear(self, message):
        stamp = to_nanoseconds(message.header.stamp) / NANO
        # Replay's stamps are no time of day: then it is the time of arrival that counts.
        shown = stamp if stamp > 1e9 else time.time()
        self.due.append((shown + LATENCY, message))

    def tick(self):
        while self.due and self.due[0][0] <= time.time():
            when, message = self.due.pop(0)
            if time.time() < when + SLACK:
                self.answer(message)


class Plain(Stranger):
    """A String without a stamp, as on /vlm/response."""

    def __init__(self):
        super().__init__()
        self.out = self.create_publisher(String, '/vlm/response', 10)

    def answer(self, message):
        self.out.publish(String(data=text_of(to_nanoseconds(message.header.stamp))))


class Headed(Stranger):
    """A message of another trade, with the picture's header and one string."""

    def __init__(self):
        super().__init__()
        self.out = self.create_publisher(TimeReference, '/headed/answer', 10)

    def answer(self, message):
        text = text_of(to_nanoseconds(message.header.stamp))
        self.out.publish(TimeReference(header=message.header, source=text))


class Timed(Stranger):
    """Takes compressed pictures alone; `stamp` beside several strings is the time of day."""

    topic = 'degraded/image_raw/compressed'
    picture = CompressedImage

    def __init__(self):
        super().__init__()
        self.out = self.create_publisher(Log, '/timed/answer', 10)

    def answer(self, message):
        picture = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)
        said = text_of(to_nanoseconds(message.header.stamp)) if picture is not None else 'Nothing.'
        self.out.publish(Log(stamp=self.get_clock().now().to_msg(), name='timed', msg=said))


class Oldest(Stranger):
    """Looks through six cameras; its stamp is that of the oldest of their newest frames."""

    def __init__(self):
        super().__init__()
        self.out = self.create_publisher(Log, '/oldest/answer', 10)

    def answer(self, message):
        stamp = to_nanoseconds(message.header.stamp)
        spread = round(PERIOD * (CAMERAS - 1) / CAMERAS * NANO)
        others = [stamp + self.random.randint(-spread, 0) for _ in range(CAMERAS - 1)]
        oldest = max(min(stamp, *others), stamp - spread)
        self.out.publish(Log(stamp=to_stamp(oldest), name='oldest', msg=text_of(stamp)))


class Ours(Stranger):
    """The message of the package itself, from somebody else's process."""

    def __init__(self):
        super().__init__()
        self.out = self.create_publisher(DiagnosticArray, '/ours/answer', 10)

    def answer(self, message):
        values = {
            'model': 'theirs',
            'kind': 'generative',
            'text': text_of(to_nanoseconds(message.header.stamp)),
            'mentions': '{"car": "ASSERTED"}',
            'judgement': 'UNSAFE',
        }
        pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
        status = DiagnosticStatus(name='theirs', values=pairs)
        self.out.publish(DiagnosticArray(header=message.header, status=[status]))


class Mask(Stranger):
    """A segmentation: road everywhere, as Cityscapes label ids."""

    def __init__(self):
        super().__init__()
        self.out = self.create_publisher(Image, '/theirs/mask', 10)

    def answer(self, message):
        height, width = message.height, message.width
        mask = Image(header=message.header, encoding='mono8', height=height, width=width)
        mask.step, mask.data = width, bytes([7]) * (height * width)
        self.out.publish(mask)


class Hostile(Stranger):
    """Answers with ten megabytes, with junk, and far too often."""

    def __init__(self):
        super().__init__()
        self.out = self.create_publisher(String, '/hostile/answer', 10)
        self.count = 0

    def answer(self, message):
        self.count += 1
        if self.count % 4 == 0:
            self.out.publish(String(data='A car. ' * (10_000_000 // 7)))
        elif self.count % 4 == 1:
            self.out.publish(String(data='\x01\x1b[2J\ufffe[[[{{{<think>' * 1000))
        else:
            for number in range(200):
                self.out.publish(String(data=f'{number} cars are on the road.'))


KINDS = (Plain, Headed, Timed, Oldest, Ours, Mask, Hostile)


def main(names):
    rclpy.init()
    executor = rclpy.executors.SingleThreadedExecutor()
    for kind in KINDS:
        if kind.__name__.lower() in names:
            executor.add_node(kind())
    try:
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()


if __name__ == '__main__':
    main(sys.argv[1:])

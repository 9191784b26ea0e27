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
A stand-in for a driving simulator: cameras, their ground truth, a clock, and all that goes wrong.

`plan` says what is to be sent and when, from a seed alone, and knows no ROS; a `Simulator` sends
it over topics of its own ROS context and keeps account of what it sent.
"""

import random
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import numpy as np
import rclpy
import recoded
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image

from vlm_misalign_ros.nodes import messages
from vlm_misalign_ros.wire import topics

NANO = 1_000_000_000
BACK = 10.0
"""Seconds by which stamps have to go back for the same ones to be other frames."""
CLOCK = '/clock'
MAPS = (topics.TRUTH_LABELS, topics.TRUTH_INSTANCES)
TOPICS = (topics.CAMERA_INFO, *MAPS, topics.CAMERA_IMAGE)
"""Of each camera, in the order in which one tick sends them."""


@dataclass(frozen=True)
class Drive:
    """What a simulator does. Seconds are those of the wall, but for `step` and `jumps`."""

    frames: int = 20
    """Ticks of the world."""
    rate: float = 10.0
    """Hz."""
    step: float = 0.1
    """Header time between two ticks, seconds."""
    start: float = 100.0
    """Header time of the first tick, seconds; that of a restart, too."""
    cameras: tuple[str, ...] = ('',)
    """Namespaces."""
    seed: int = 0
    clock: bool = True
    jitter: float = 0.0
    """Each message comes up to so many seconds late, in any order."""
    drops: dict[str, float] = field(default_factory=dict)
    """Share of the messages of a topic that are never sent."""
    pauses: dict[int, float] = field(default_factory=dict)
    """Before a tick: so many seconds in which nothing comes and time stands still."""
    jumps: dict[int, float] = field(default_factory=dict)
    """Before a tick: header time jumps by so many seconds; back where they are negative."""
    restarts: tuple[int, ...] = ()
    """Before a tick: the process ends, and another begins with the clock at `start`."""
    labels: str = 'cityscapes_label_ids'
    """How labels are sent: a key of `LABELS`."""
    pictures: str = 'bgr8'
    """How pictures are sent: a key of `PICTURES`."""
    reliability: ReliabilityPolicy = ReliabilityPolicy.RELIABLE


@dataclass(frozen=True, order=True)
class Event:
    """One message, or the restart of the process where it has no topic."""

    due: float
    """Seconds after the beginning."""
    order: int
    camera: str
    topic: str
    stamp: int
    """Header time, nanoseconds."""
    epoch: int
    """How often header time has gone back by more than BACK."""
    shot: int
    """Which picture of the street: one stamp always shows the same."""


def plan(drive):
    """Return the events of a drive in the order in which they are due; equal for equal seeds."""
    rng = random.Random(drive.seed)
    step, start = round(drive.step * NANO), round(drive.start * NANO)
    events, due, stamp, newest, epoch = [], 0.0, start, start, 0

    def add(when, camera, topic, shot=0):
        events.append(Event(when, len(events), camera, topic, stamp, epoch, shot))

    for tick in range(drive.frames):
        if tick:
            due += 1 / drive.rate + drive.pauses.get(tick, 0.0)
            stamp += step + round(drive.jumps.get(tick, 0.0) * NANO)
        if tick in drive.restarts:
            stamp = start
            due += drive.jitter
            add(due, '', '')
        if stamp < newest - BACK * NANO:
            epoch, newest = epoch + 1, stamp
        newest = max(newest, stamp)
        if drive.clock:
            add(due, '', CLOCK)
        for camera in drive.cameras:
            for topic in TOPICS:
                late = rng.uniform(0.0, drive.jitter)
                if rng.random() >= drive.drops.get(topic, 0.0):
                    add(due + late, camera, topic, (stamp - start) // step)
    return sorted(events)


def bgra(red, green=0, blue=0):
    """Return CARLA's raw pixels: blue, green, red and 255 behind one another."""
    return np.stack([np.zeros_like(red) + plane for plane in (blue, green, red, 255)], -1)


def _carla(labels, old=False):
    return bgra(recoded.tags(labels, old)), 'bgra8'


def _carla_palette(labels, old=False):
    return bgra(*np.moveaxis(recoded.palette(recoded.tags(labels, old), old), -1, 0)), 'bgra8'


LABELS = {
    'cityscapes_label_ids': lambda labels: (labels, 'mono8'),
    'cityscapes_train_ids': lambda labels: (recoded.train_ids(labels), '8UC1'),
    'cityscapes_colors': lambda labels: (recoded.colors(labels), 'rgb8'),
    'carla_tags': _carla,
    'carla_palette': _carla_palette,
    'carla_tags_0_9_13': lambda labels: _carla(labels, old=True),
    'carla_palette_0_9_13': lambda labels: _carla_palette(labels, old=True),
    # A table of the user's own says what these numbers are (docs/simulators.md).
    'isaac': lambda labels: (labels.astype(np.int32) + 2, '32SC1'),
    'gazebo': lambda labels: (np.dstack([labels] * 3), 'rgb8'),
}
PICTURES = {
    'bgr8': lambda bgr: bgr,
    'rgb8': lambda bgr: bgr[..., ::-1],
    'bgra8': lambda bgr: np.dstack([bgr, np.full(bgr.shape[:2], 255, np.uint8)]),
    'rgba8': lambda bgr: np.dstack([bgr[..., ::-1], np.full(bgr.shape[:2], 255, np.uint8)]),
}


def carla_instances(frame, old):
    """Return what the instance camera of CARLA sends: tag in red, object in green and blue."""
    things = np.where(frame.instances >= 1000, frame.instances, 0)
    low, high = (things & 255).astype(np.uint8), (things >> 8).astype(np.uint8)
    return bgra(recoded.tags(frame.labels, old), low, high), 'bgra8'


def made(frame, topic, header, drive):
    """Return the message of a topic that shows `frame`, in the drive's own encoding."""
    if topic == topics.CAMERA_INFO:
        return messages.camera_info(frame.camera, header)
    if topic == topics.CAMERA_IMAGE:
        pixels, encoding = PICTURES[drive.pictures](frame.image), drive.pictures
    elif topic == topics.TRUTH_LABELS:
        pixels, encoding = LABELS[drive.labels](frame.labels)
    elif drive.labels.startswith('carla'):
        pixels, encoding = carla_instances(frame, drive.labels.endswith('0_9_13'))
    else:
        pixels, encoding = frame.instances, '16UC1'
    return messages.image_message(pixels, header, encoding)


class Account:
    """What was sent: {(camera, topic): {(epoch, stamp): times}}."""

    def __init__(self):
        self._sent = defaultdict(Counter)

    def enter(self, event):
        self._sent[event.camera, event.topic][event.epoch, event.stamp] += 1

    def of(self, topic, camera=''):
        """Return the frames, (epoch, stamp), of which this topic has a message."""
        return set(self._sent[camera, topic])

    def messages(self, topic, camera=''):
        """Return how many messages were sent."""
        return sum(self._sent[camera, topic].values())


class Simulator:
    """
    Sends drives through `street`, a list of frames, from a ROS context of its own.

    Each begins when `listeners` (one number, or one by topic) subscribe to every topic of pictures
    and maps, as what follows a restart does: what is sent before is lost, as with any simulator,
    and could not be accounted for. `before` is called with each event ahead of it, and may wait.
    """

    def __init__(self, drive, street, listeners=1, before=None):
        self.drive, self.street, self.listeners = drive, street, listeners
        self.before = before
        self.account = Account()
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._node = rclpy.create_node('simulator', context=self._context)
        self._profile = QoSProfile(depth=1000, reliability=drive.reliability)
        self._publishers = {}
        self._open()

    def _open(self):
        for camera in self.drive.cameras:
            for topic in TOPICS:
                kind = CameraInfo if topic == topics.CAMERA_INFO else Image
                self._publishers[camera, topic] = self._node.create_publisher(
                    kind, f'{camera}/{topic}'.lstrip('/'), self._profile
                )
        if self.drive.clock:
            self._publishers['', CLOCK] = self._node.create_publisher(Clock, CLOCK, 10)

    def _met(self):
        return all(
            publisher.get_subscription_count() >= self._needed(topic)
            for (_, topic), publisher in self._publishers.items()
            if topic in (*MAPS, topics.CAMERA_IMAGE)
        )

    def _needed(self, topic):
        few = self.listeners
        return few if isinstance(few, int) else few.get(topic, 1)

    def _meet(self):
        end = time.monotonic() + 60.0
        while not self._met():
            assert time.monotonic() < end, 'nobody listens to the simulator'
            time.sleep(0.01)

    def play(self, drive=None):
        """Send a drive, by default the one that this was made with; return when all is sent."""
        self._meet()
        begun = time.monotonic()
        for event in plan(drive or self.drive):
            time.sleep(max(begun + event.due - time.monotonic(), 0.0))
            if self.before is not None:
                self.before(event)
            if not event.topic:
                begun += self._restart()
                continue
            self._publishers[event.camera, event.topic].publish(self._message(event))
            self.account.enter(event)

    def _restart(self):
        """End all publishers and begin with others; return the seconds that it took."""
        begun = time.monotonic()
        for publisher in self._publishers.values():
            # What is under way reaches who listens before its writer is gone.
            publisher.wait_for_all_acked(rclpy.duration.Duration(seconds=10))
            self._node.destroy_publisher(publisher)
        self._open()
        self._meet()
        return time.monotonic() - begun

    def _message(self, event):
        header = messages.make_header(event.stamp, event.camera or 'front')
        if event.topic == CLOCK:
            return Clock(clock=header.stamp)
        frame = self.street[event.shot % len(self.street)]
        return made(frame, event.topic, header, self.drive)

    def end(self):
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

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
What the queues of a live run hold and cost: pictures lost while a listener is busy, and memory.

A process publishes pictures of 2048 x 1024 (bgr8, 6.3 MB) at 30 Hz, as a camera does; another
takes them by the depth that is tried, and is busy for a second in between, or with `--stop` gets
no time at all, so that the middleware has to keep what comes. Memory is what each process holds
more at its most than before the first picture, less what is shared between them. docs/live.md has
what was measured with Fast DDS; other middleware may differ.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from vlm_misalign_ros.nodes import messages
from vlm_misalign_ros.wire.environment import child_environment, prepare_process

TOPIC = 'camera/image_raw'
HEIGHT, WIDTH = 1024, 2048
BEFORE, AFTER = 30, 60
"""Pictures before the listener is busy, and from then on."""


def profile(depth: int, reliability: str) -> QoSProfile:
    """Return a profile as those of nodes/qos."""
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy[reliability.upper()])


def resident() -> float:
    """Return the memory of this process alone, MB."""
    told = Path('/proc/self/status').read_text(encoding='ascii')
    found = dict(re.findall(r'(Rss\w+):\s+(\d+) kB', told))
    return (int(found['RssAnon']) + int(found['RssFile'])) / 1024


def publish(depth: int, rate: float) -> None:
    """Publish numbered pictures at a rate until all are out; print the memory."""
    node = Node('camera')
    publisher = node.create_publisher(Image, TOPIC, profile(depth, 'reliable'))
    message = Image(encoding='bgr8', height=HEIGHT, width=WIDTH, step=3 * WIDTH)
    message.data = bytes(3 * WIDTH * HEIGHT)
    message.header = messages.make_header(10**9, 'camera')
    plain = bytearray(serialize_message(message))
    while not publisher.get_subscription_count():
        time.sleep(0.05)
    time.sleep(1.0)
    begin, most = resident(), 0.0
    began = due = time.monotonic()
    for number in range(BEFORE + AFTER):
        # The seconds of the stamp are the number.
        plain[4:8] = (number + 1).to_bytes(4, 'little')
        publisher.publish(bytes(plain))
        most = max(most, resident())
        # A camera that is late leaves pictures out; it sends no two at once.
        due = max(due + 1 / rate, time.monotonic())
        time.sleep(max(due - time.monotonic(), 0.0))
    reached = (BEFORE + AFTER) / (time.monotonic() - began)
    time.sleep(2.0)
    print(f'publisher {most - begin:.0f} {reached:.1f}', flush=True)
    node.destroy_node()


def rest(seconds: float, stop: bool) -> None:
    """Be busy; with `stop` as a whole process that gets no time from the system."""
    if not stop:
        time.sleep(seconds)
        return
    me = os.getpid()
    subprocess.Popen(['sh', '-c', f'sleep {seconds}; kill -CONT {me}'])
    os.kill(me, signal.SIGSTOP)


def listen(depth: int, reliability: str, busy: float, stop: bool) -> None:
    """Take pictures, be busy once, and print how many came and the memory."""
    node = Node('listener')
    came: list[int] = []
    most = [0.0]

    def take(data: bytes) -> None:
        came.append(int.from_bytes(data[4:8], 'little'))
        most[0] = max(most[0], resident())
        if came[-1] == BEFORE:
            rest(busy, stop)
            most[0] = max(most[0], resident())

    node.create_subscription(Image, TOPIC, take, profile(depth, reliability), raw=True)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    begin = resident()
    last = time.monotonic()
    while not came or came[-1] < BEFORE + AFTER and time.monotonic() - last < 5:
        seen = len(came)
        executor.spin_once(timeout_sec=0.1)
        if len(came) > seen:
            last = time.monotonic()
    lost = sum(number not in came for number in range(came[0], BEFORE + AFTER + 1))
    print(f'listener {lost} {most[0] - begin:.0f}', flush=True)
    executor.shutdown()
    node.destroy_node()


def measure(chosen: argparse.Namespace, depth: int) -> tuple[float, ...]:
    """Return pictures lost, MB of the listener, MB of the publisher, pictures a second."""
    here = [sys.executable, __file__, '--depth', str(depth), '--rate', str(chosen.rate)]
    here += ['--reliability', chosen.reliability, '--busy', str(chosen.busy)]
    here += ['--stop'] if chosen.stop else []
    started = [
        subprocess.Popen(
            [*here, '--role', role],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **child_environment()},
        )
        for role in ('listen', 'publish')
    ]
    try:
        (lost, held), (kept, reached) = (
            process.communicate(timeout=60)[0].split()[1:] for process in started
        )
    finally:
        # One that never met the other would wait for it without end.
        for process in started:
            process.kill()
            process.wait()
    return int(lost), float(held), float(kept), float(reached)


def main() -> None:
    """Print a table of all depths, or play one of the two parts."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--role', choices=('publish', 'listen'))
    parser.add_argument('--depth', type=int, nargs='+', default=[10, 20, 30, 40, 60])
    parser.add_argument('--reliability', default='best_effort')
    parser.add_argument('--rate', type=float, default=30.0)
    parser.add_argument('--busy', type=float, default=1.0)
    parser.add_argument('--stop', action='store_true', help='the whole process is stopped')
    parser.add_argument('--repeats', type=int, default=3)
    chosen = parser.parse_args()
    prepare_process()
    if chosen.role is not None:
        rclpy.init()
        if chosen.role == 'publish':
            publish(chosen.depth[0], chosen.rate)
        else:
            listen(chosen.depth[0], chosen.reliability, chosen.busy, chosen.stop)
        rclpy.try_shutdown()
        return
    print('| depth | lost | MB of the listener | MB of the publisher | pictures a second |')
    print('|---|---|---|---|---|')
    for depth in chosen.depth:
        found = [measure(chosen, depth) for _ in range(chosen.repeats)]
        told = [', '.join(f'{value:g}' for value in of) for of in zip(*found, strict=True)]
        print(f'| {depth} | ' + ' | '.join(told) + ' |', flush=True)


if __name__ == '__main__':
    main()

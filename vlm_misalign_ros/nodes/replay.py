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

"""Replay node: publishes the frames of a data set, in lockstep or in real time."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

from diagnostic_msgs.msg import DiagnosticArray
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo
from std_srvs.srv import Trigger

from vlm_misalign_ros.core.corruptions import parse_conditions
from vlm_misalign_ros.core.errors import MisalignError, RecordError
from vlm_misalign_ros.core.evaluation.replaying import (
    FrameCache,
    Sending,
    lockstep_stamp,
    open_replayed,
    probe_frame,
    schedule,
    told_of,
)
from vlm_misalign_ros.core.settings.degrading import scenario_of
from vlm_misalign_ros.core.settings.nodes import ReplayParameters
from vlm_misalign_ros.core.types import Frame, Source
from vlm_misalign_ros.nodes import messages, qos, runtime
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire import values as codec

SETTLED = 1.5
"""Seconds for which the listeners must be the same before a replay in real time begins."""


class Replay(runtime.MisalignNode):
    """Publishes image, camera info, source and ground truth of every frame and condition."""

    def __init__(self, **kwargs: object) -> None:
        """Open the data set; frames start to flow once every node answers."""
        super().__init__('replay', **kwargs)
        self._chosen = chosen = self.read_parameters(ReplayParameters)
        self._dataset = open_replayed(chosen)
        self._has_depth = chosen.depth and self._dataset.has_depth
        conditions = parse_conditions(list(chosen.conditions))
        # What comes in a single pass is never used again.
        again = len(conditions) > 1 or chosen.loop
        self._sending = Sending(
            self._dataset, scenario_of(chosen), FrameCache.BYTES if again else 0
        )
        self._lockstep = chosen.mode == 'lockstep'
        self._schedule: Iterator[tuple[int, Source]] = schedule(
            self._dataset,
            conditions,
            loop=chosen.loop and not self._lockstep,
            depth=self._has_depth,
            hold=chosen.hold,
        )
        self._in_flight: set[int] = set()
        self._sent = 0
        self._probes: set[int] = set()
        self._probe_wait = 0.5
        self._probe_at = 0.0
        self._started_at = time.monotonic()
        self._ready = not self._lockstep
        self._paused = chosen.start_paused
        self._steps = 0
        self._exhausted = False
        self._listening = False
        self._listeners: list[int] = []
        self._listeners_since = 0.0
        results = qos.result_qos()
        self._image = self.publish_images(topics.CAMERA_IMAGE, chosen.reliability)
        self._info = self.create_publisher(CameraInfo, topics.CAMERA_INFO, results)
        self._source = self.create_publisher(DiagnosticArray, topics.CAMERA_SOURCE, results)
        self._labels = self.publish_images(topics.TRUTH_LABELS, chosen.reliability)
        self._instances = self.publish_images(topics.TRUTH_INSTANCES, chosen.reliability)
        self._depth = (
            self.publish_images(topics.TRUTH_DEPTH, chosen.reliability)
            if self._has_depth
            else None
        )
        self._sim_clock = (
            self.create_publisher(Clock, '/clock', 10) if chosen.publish_clock else None
        )
        if self._lockstep:
            self.create_subscription(DiagnosticArray, topics.MONITOR_FRAME, self._closed, results)
        for name, action in (
            ('start', self._resume),
            ('resume', self._resume),
            ('pause', self._pause),
            ('step', self._step),
            ('play_next', self._step),
        ):
            self.create_service(Trigger, f'~/{name}', action)
        period = 0.02 if self._lockstep else 1.0 / chosen.rate
        self.create_timer(period, self._tick)
        self.get_logger().info(
            f'{len(self._dataset)} frames x {len(conditions)} conditions, {chosen.mode}'
        )

    def _resume(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._paused = False
        response.success, response.message = True, 'running'
        return response

    def _pause(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._paused = True
        response.success, response.message = True, 'paused'
        return response

    def _step(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = self._paused and not self._exhausted
        response.message = 'one frame' if response.success else 'not paused, or at the end'
        self._steps += int(response.success)
        return response

    def _closed(self, message: DiagnosticArray) -> None:
        try:
            stamp = messages.stamp_of(message.header)
        except RecordError as error:
            self.get_logger().warning(f'monitor/frame: {error}', throttle_duration_sec=5.0)
            return
        if stamp in self._probes:
            self._ready = True
        self._in_flight.discard(stamp)
        self._tick()

    def _tick(self) -> None:
        if not self._ready:
            self._probe()
            return
        if not self._lockstep:
            if self._heard() and (not self._paused or self._steps):
                self._send_next()
            return
        while len(self._in_flight) < self._chosen.max_in_flight and not self._exhausted:
            if self._paused and not self._steps:
                return
            self._send_next()
        if self._exhausted and not self._in_flight:
            self.finished = True

    def _heard(self) -> bool:
        """
        Return whether, in real time, somebody listens; frames sent before are lost to all.

        The number of listeners has to stand still for SETTLED seconds first.
        """
        if self._listening:
            return True
        listeners = [
            publisher.get_subscription_count()
            for publisher in (self._image, self._labels, self._instances)
        ]
        now = time.monotonic()
        if listeners != self._listeners:
            self._listeners, self._listeners_since = listeners, now
        self._listening = listeners[0] > 0 and now - self._listeners_since >= SETTLED
        if not self._listening:
            self.get_logger().info(
                f'no listener yet on {self.resolve_topic_name(topics.CAMERA_IMAGE)}',
                throttle_duration_sec=10.0,
                skip_first=True,
            )
        return self._listening

    def _probe(self) -> None:
        """Send a blank frame until one came back from the monitor with every answer."""
        now = time.monotonic()
        if now - self._started_at > self._chosen.startup_timeout:
            raise MisalignError(
                f'no probe frame came back within {self._chosen.startup_timeout:g} s',
                'see the log of the node that did not start, or raise startup_timeout',
            )
        if now < self._probe_at:
            return
        if self._image.get_subscription_count() and self.count_publishers(topics.CAMERA_IMAGE) > 1:
            raise MisalignError(
                f'another node publishes {self.resolve_topic_name(topics.CAMERA_IMAGE)}',
                'end the other run, or set another ROS_DOMAIN_ID',
            )
        self._probe_wait = min(2 * self._probe_wait, 10.0)
        self._probe_at = now + self._probe_wait
        stamp = len(self._probes) + 1
        self._probes.add(stamp)
        self._publish(stamp, *probe_frame(self._sending.frame(0), self._dataset, self._has_depth))

    def _send_next(self) -> None:
        entry = next(self._schedule, None)
        if entry is None:
            self._exhausted = True
            if not self._lockstep:
                self.finished = True
            return
        self._steps = max(0, self._steps - 1)
        position, source = entry
        while self._lockstep and source.index < self._chosen.begin:
            self._sending.skip(source, lockstep_stamp(source.index, self._chosen))
            position, source = next(self._schedule)
        if self._lockstep:
            stamp = lockstep_stamp(source.index, self._chosen)
            self._in_flight.add(stamp)
        else:
            stamp = self.get_clock().now().nanoseconds
        sent = self._sending.take(position, source, stamp)
        self._publish(stamp, sent.frame, sent.source)
        self._sent += 1

    def _publish(self, stamp: int, frame: Frame, source: Source) -> None:
        header = messages.make_header(stamp, self._chosen.frame_id)
        if self._sim_clock is not None:
            self._sim_clock.publish(Clock(clock=header.stamp))
        told = codec.source_to_values(told_of(source, frame), frame.camera)
        self._source.publish(messages.values_message('source', told, header))
        if frame.camera is not None:
            self._info.publish(messages.camera_info(frame.camera, header))
        if frame.labels is not None:
            self._labels.publish(messages.map_message(frame.labels, header))
        if frame.instances is not None:
            self._instances.publish(messages.map_message(frame.instances, header))
        if self._depth is not None and frame.depth is not None:
            self._depth.publish(messages.map_message(frame.depth, header, '16UC1'))
        self._image.publish(messages.image_message(frame.image, header, 'bgr8'))

    def on_stop(self) -> None:
        """Say how much was sent."""
        self.get_logger().info(f'{self._sent} frames sent')


def main() -> int:
    """Run the node."""
    return runtime.main(Replay)


if __name__ == '__main__':
    sys.exit(main())

"""Monitor node: joins everything by stamp, scores it, publishes rates, writes the run."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import CameraInfo, Image

from vlm_misalign_ros.core.errors import MisalignError, RecordError
from vlm_misalign_ros.core.evaluation import parts
from vlm_misalign_ros.core.evaluation.session import Closed, Session
from vlm_misalign_ros.core.labels.encodings import open_encoding
from vlm_misalign_ros.core.records.schema import encode
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.report.verdict import parse_limits
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.nodes import messages, qos, runtime
from vlm_misalign_ros.wire import pixels as images
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire import values as codec


class Monitor(runtime.MisalignNode):
    """The one node that knows truth and answers."""

    def __init__(self, **kwargs: object) -> None:
        """Open the run and start to listen."""
        super().__init__('monitor', **kwargs)
        self._chosen = chosen = self.read_parameters(MonitorParameters)
        self._encoding = open_encoding(chosen.label_encoding)
        self._limits = parse_limits(chosen.limits)
        self._session = Session(chosen, log=self._warn)
        self._began = time.monotonic()
        self._frame_id = 'camera'
        results = qos.result_qos()
        self._frames = self.create_publisher(DiagnosticArray, topics.MONITOR_FRAME, results)
        self._metrics = self.create_publisher(DiagnosticArray, topics.MONITOR_METRICS, results)
        self._diagnostics = self.create_publisher(DiagnosticArray, topics.DIAGNOSTICS, results)
        self._listen()
        self.create_timer(min(0.1, chosen.deadline / 4), self._tick)
        self.create_timer(1.0, self._diagnose)

    def _warn(self, text: str) -> None:
        self.get_logger().warning(text)

    def _listen(self) -> None:
        chosen = self._chosen
        self._image(topics.TRUTH_LABELS, parts.LABELS, self._labels)
        if chosen.instances:
            self._image(topics.TRUTH_INSTANCES, parts.INSTANCES, _instances)
        if chosen.depth or chosen.source:
            self._image(
                topics.TRUTH_DEPTH,
                parts.DEPTH,
                lambda message: images.to_millimetres(images.to_array(message)),
            )
        self._image(topics.DEGRADED_OCCLUDER, parts.OCCLUDER, _mono8)
        if chosen.segmentation:
            self._image(topics.SEGMENTATION_LABELS, parts.SEGMENTATION, _mono8)
            if chosen.confidence:
                self._values(
                    topics.SEGMENTATION_CONFIDENCE, parts.CONFIDENCE, codec.confidence_from_values
                )
        if chosen.pictures:
            self._image(topics.DEGRADED_IMAGE, parts.IMAGE, messages.bgr_pixels)
        if chosen.source:
            self._values(topics.CAMERA_SOURCE, parts.SOURCE, codec.source_from_values)
        else:
            self.create_subscription(
                CameraInfo, topics.CAMERA_INFO, self._on_info, qos.image_qos('best_effort')
            )
        self._values(topics.DEGRADED_CONDITION, parts.CONDITION, codec.applied_from_values)
        for name in chosen.models:
            self._values(
                topics.vlm_description(name), parts.vlm_part(name), codec.description_from_values
            )
        if chosen.recorder:
            self._values(topics.RECORDER_FRAME, parts.RECORDER, dict)

    def _image(self, topic: str, part: str, convert: Callable) -> None:
        self.receive_images(
            topic, self._chosen.reliability, lambda message: self._add(message, part, convert)
        )

    def _values(self, topic: str, part: str, convert: Callable) -> None:
        self.create_subscription(
            DiagnosticArray,
            topic,
            lambda message: self._add(
                message, part, lambda array: convert(messages.values_of(array))
            ),
            qos.result_qos(),
        )

    def _labels(self, message: Image) -> np.ndarray:
        return self._encoding.decode(images.to_label_pixels(message))

    def _on_info(self, message: CameraInfo) -> None:
        self._session.camera = messages.camera_from_info(
            message, self._chosen.camera_height, self._chosen.camera_pitch
        )

    def _add(self, message: Any, part: str, convert: Callable) -> None:
        try:
            value = convert(message)
        except RecordError as error:
            # Somebody else's message must not end the run; it is counted and named.
            self._session.counters['malformed'] += 1
            self.get_logger().warning(f'{part}: {error}', throttle_duration_sec=5.0)
            return
        self._frame_id = message.header.frame_id
        self._publish(
            self._session.add(messages.stamp_of(message.header), part, value, time.monotonic())
        )

    def _publish(self, closed: list[Closed]) -> None:
        for frame in closed:
            header = messages.make_header(frame.stamp, self._frame_id)
            values = {} if frame.record is None else {'record': encode(frame.record).decode()}
            self._frames.publish(messages.values_message('frame', values, header))
            if frame.metrics:
                self._metrics.publish(
                    DiagnosticArray(
                        header=header,
                        status=[
                            messages.status(f'monitor: {name}', pairs)
                            for name, pairs in frame.metrics.items()
                        ],
                    )
                )
        if self._session.complete or 0 < self._chosen.frames <= self._session.closed:
            self.finished = True

    def _tick(self) -> None:
        now = time.monotonic()
        self._publish(self._session.expire(now))
        elapsed = now - self._began
        if 0 < self._chosen.duration <= elapsed:
            self.finished = True
        if (
            self._chosen.lockstep
            and not self._session.started
            and elapsed > self._chosen.startup_timeout
        ):
            lacking = ', '.join(self._session.waiting_for()) or 'every node'
            raise MisalignError(
                f'no frame within {self._chosen.startup_timeout:g} s; no answer from {lacking}',
                'see the log of that node',
            )

    def _diagnose(self) -> None:
        """Publish verdicts on /diagnostics, few and named; values live on monitor/metrics."""
        header = messages.make_header(self.get_clock().now().nanoseconds, '')
        statuses = []
        for name in self._session.accounting:
            coverage = self._session.coverage(name)
            level = DiagnosticStatus.OK
            if not self._session.closed:
                level, text = DiagnosticStatus.STALE, 'no frame closed yet'
            else:
                text = f'coverage {coverage:.3f} over {self._session.closed} frames'
                if coverage < self._chosen.minimum_coverage:
                    level = DiagnosticStatus.ERROR
            statuses.append(
                messages.status(
                    f'monitor: {name} coverage', {'coverage': repr(coverage)}, level, text
                )
            )
        lacking = self._session.waiting_for()
        statuses.append(
            messages.status(
                'monitor: join',
                {
                    'closed': str(self._session.closed),
                    'total': str(self._session.total),
                    'waiting_for': ', '.join(lacking),
                    **{key: str(count) for key, count in self._session.counters.items()},
                },
            )
        )
        self._diagnostics.publish(DiagnosticArray(header=header, status=statuses))

    def on_stop(self) -> None:
        """Close what is open, write the results, and set the exit code by the verdict."""
        if not self._session.complete and self._session.total:
            self._session.notes.append(
                f'the run ended after {self._session.closed} of {self._session.total} frames'
            )
        self._publish(self._session.end(time.monotonic()))
        if self._session.folder is not None:
            verdict = finalise(
                self._session.folder,
                minimum_coverage=self._chosen.minimum_coverage,
                limits=self._limits,
                expected_frames=self._session.total or None,
                notes=self._session.notes,
            )
            self.exit_code = verdict.exit_code
            print(f'verdict: {verdict.status.value}', flush=True)


def _instances(message: Image) -> np.ndarray:
    array = images.to_array(message)
    if array.ndim != 2 or array.dtype != np.uint16:
        raise RecordError(f'instances are {message.encoding[:40]!r}', 'publish mono16')
    return array


def _mono8(message: Image) -> np.ndarray:
    array = images.to_array(message)
    if array.ndim != 2 or array.dtype != np.uint8:
        raise RecordError(f'a mask is {message.encoding[:40]!r}', 'publish mono8')
    return array


def main() -> int:
    """Run the node."""
    return runtime.main(Monitor)


if __name__ == '__main__':
    sys.exit(main())

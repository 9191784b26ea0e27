"""Recorder node: writes a run to a bag as raw CDR and says of each frame when it is kept."""

from __future__ import annotations

import struct
import sys
import time
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, Image

from vlm_misalign_ros.bags.writer import BagWriter
from vlm_misalign_ros.core.evaluation.join import Parts, StampJoin
from vlm_misalign_ros.core.records.schema import Closing
from vlm_misalign_ros.core.settings.nodes import RecorderParameters
from vlm_misalign_ros.core.stamps import join_stamp
from vlm_misalign_ros.nodes import messages, qos, runtime
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire import values as codec

_TYPES = {
    Image: 'sensor_msgs/msg/Image',
    CameraInfo: 'sensor_msgs/msg/CameraInfo',
    DiagnosticArray: 'diagnostic_msgs/msg/DiagnosticArray',
}


def raw_stamp(data: bytes) -> int:
    """Return the header stamp, nanoseconds, of a CDR-serialised message that starts with one."""
    order = '<' if data[1] & 1 else '>'
    seconds, nanoseconds = struct.unpack_from(f'{order}iI', data, 4)
    return join_stamp(seconds, nanoseconds)


class Recorder(runtime.MisalignNode):
    """Subscribes to everything without deserialising it."""

    def __init__(self, **kwargs: object) -> None:
        """Create the bag and start to listen."""
        super().__init__('recorder', **kwargs)
        self._chosen = chosen = self.read_parameters(RecorderParameters)
        self._bag = BagWriter(Path(chosen.path), chosen.compression)
        self._join = StampJoin(self._needs, deadline=float('inf'), capacity=256)
        self._required: list[str] = []
        results = qos.result_qos()
        self._done = self.create_publisher(DiagnosticArray, topics.RECORDER_FRAME, results)
        if chosen.source:
            self._record(topics.CAMERA_SOURCE, DiagnosticArray, required=True)
        for topic in (
            topics.DEGRADED_CONDITION,
            *(topics.vlm_description(name) for name in chosen.models),
        ):
            self._record(topic, DiagnosticArray, required=True)
        self._record(topics.TRUTH_LABELS, Image, required=True)
        if chosen.instances:
            self._record(topics.TRUTH_INSTANCES, Image, required=True)
        if chosen.depth:
            self._record(topics.TRUTH_DEPTH, Image)
        if chosen.segmentation:
            self._record(topics.SEGMENTATION_LABELS, Image, required=True)
            if chosen.confidence:
                self._record(topics.SEGMENTATION_CONFIDENCE, DiagnosticArray, required=True)
        if chosen.images:
            self._record(topics.DEGRADED_IMAGE, Image, required=True)
        if chosen.source_images:
            self._record(topics.CAMERA_IMAGE, Image, required=True)
        self._record(topics.DEGRADED_OCCLUDER, Image)
        self._record(topics.CAMERA_INFO, CameraInfo)
        self._record(topics.MONITOR_FRAME, DiagnosticArray)
        self._record(topics.MONITOR_METRICS, DiagnosticArray)

    def _record(self, topic: str, kind: type, required: bool = False) -> None:
        name = self.resolve_topic_name(topic)
        self._bag.add_topic(name, _TYPES[kind])
        if required:
            self._required.append(topic)
        profile = qos.image_qos(self._chosen.reliability) if kind is Image else qos.result_qos()
        self.create_subscription(
            kind, topic, lambda data: self._write(topic, name, data), profile, raw=True
        )

    def _needs(self, parts: Parts) -> list[str]:
        needed = list(self._required)
        condition: dict[str, str] | None = parts.get(topics.DEGRADED_CONDITION)
        if condition is not None and codec.applied_from_values(condition).covers:
            needed.append(topics.DEGRADED_OCCLUDER)
        source: dict[str, str] | None = parts.get(topics.CAMERA_SOURCE)
        if self._chosen.depth and source is not None and codec.source_from_values(source)[0].depth:
            needed.append(topics.TRUTH_DEPTH)
        return needed

    def _write(self, topic: str, name: str, data: bytes) -> None:
        self._bag.write(name, data, time.time_ns())
        if topic in (topics.MONITOR_FRAME, topics.MONITOR_METRICS, topics.CAMERA_INFO):
            return
        kept: Any = True
        if topic in (topics.DEGRADED_CONDITION, topics.CAMERA_SOURCE):
            kept = messages.values_of(deserialize_message(data, DiagnosticArray))
        closed, _ = self._join.add(raw_stamp(data), topic, kept, 0.0)
        for frame in closed:
            if frame.reason is Closing.COMPLETE:
                self._done.publish(
                    messages.values_message('recorder', {}, messages.make_header(frame.stamp, ''))
                )

    def on_stop(self) -> None:
        """Write the index of the bag."""
        self._bag.close()


def main() -> int:
    """Run the node."""
    return runtime.main(Recorder)


if __name__ == '__main__':
    sys.exit(main())

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

"""Recorder node: writes a run to a bag as raw CDR and says of each frame when it is kept."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.serialization import deserialize_message

from vlm_misalign_ros.bags.writer import BagWriter
from vlm_misalign_ros.core.errors import MisalignError, RecordError
from vlm_misalign_ros.core.evaluation.join import StampJoin
from vlm_misalign_ros.core.evaluation.outside import outside_part
from vlm_misalign_ros.core.evaluation.parts import (
    CAMERA,
    CONDITION,
    CONFIDENCE,
    DEPTH,
    REFERENCE,
    SOURCE,
    Wanted,
    needs,
    taken,
)
from vlm_misalign_ros.core.records.schema import Closing
from vlm_misalign_ros.core.settings.nodes import RecorderParameters
from vlm_misalign_ros.core.settings.outside import MASK, read_outside
from vlm_misalign_ros.nodes import messages, outside, qos, runtime
from vlm_misalign_ros.nodes.transports import ImageInputs
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire.channels import PACKED, Channel, recorded
from vlm_misalign_ros.wire.raw import raw_stamp
from vlm_misalign_ros.wire.transports import Carrier
from vlm_misalign_ros.wire.values import (
    applied_from_values,
    confidence_from_values,
    source_from_values,
    values_of,
)

_DECIDING: dict[str, Callable[[dict[str, str]], Any]] = {
    CONDITION: applied_from_values,
    SOURCE: source_from_values,
    CONFIDENCE: confidence_from_values,
    REFERENCE: confidence_from_values,
}
"""The parts whose content decides what else a frame needs."""


class Recorder(runtime.MisalignNode):
    """Subscribes to everything without deserialising it."""

    def __init__(self, **kwargs: object) -> None:
        """Create the bag and start to listen."""
        super().__init__('recorder', **kwargs)
        self._chosen = chosen = self.read_parameters(RecorderParameters)
        entries = read_outside(chosen.outside)
        told = chosen.segmentation and MASK not in entries
        # What comes from outside goes by no stamp that a frame could wait for.
        self._wanted = Wanted(
            models=tuple(name for name in chosen.models if name not in entries),
            source=chosen.source,
            instances=chosen.instances,
            any_depth=chosen.depth,
            segmentation=told,
            confidence=told and chosen.confidence,
            image=chosen.images,
            source_image=chosen.source_images,
            reference=chosen.reference,
        )
        self._bag = BagWriter(Path(chosen.path), chosen.compression)
        self._join = StampJoin(
            lambda kept: needs(self._wanted, kept), deadline=float('inf'), capacity=256
        )
        self._joined = set(taken(self._wanted)) - {CAMERA}
        self._done = self.create_publisher(
            DiagnosticArray, topics.RECORDER_FRAME, qos.result_qos()
        )
        self._owners: dict[str, str] = {}
        """Parts by the topic that they write."""
        images = ImageInputs(self, chosen.image_transport)
        for channel in recorded(self._wanted):
            if channel.part in PACKED:
                self._receive_images(images, channel)
                continue
            name = self.resolve_topic_name(channel.topic)
            self._own(name, channel.part, channel.form.value)
            self.receive(
                channel, chosen.reliability, partial(self._write, channel, name), raw=True
            )
        self._listener = outside.Listener(
            self, entries, self._keep, self._refused, opened=self._open
        )
        self.create_timer(0.1, self._listener.look)

    def _receive_images(self, images: ImageInputs, channel: Channel) -> None:
        """Record a channel from outside, under the name and type by which it is published."""
        carriers: list[Carrier] = []

        def write(data: bytes) -> None:
            carrier = carriers[-1]
            if carrier.topic not in self._owners:
                self._own(carrier.topic, channel.part, carrier.type)
            self._write(channel, carrier.topic, data)

        images.receive(
            channel.topic,
            self._chosen.reliability,
            write,
            depth=channel.part == DEPTH,
            raw=True,
            opened=carriers.append,
        )

    def _own(self, topic: str, part: str, *form: Any) -> None:
        """Have one part write a topic, which may be that of several, and is in the bag once."""
        if self._owners.setdefault(topic, part) == part:
            self._bag.add_topic(topic, *form)

    def _open(self, name: str, topic: str, form: str, kind: Any) -> None:
        self._own(topic, outside_part(name), form, outside.definitions_of(form, kind))

    def _keep(self, name: str, form: str, data: bytes, info: Mapping[str, Any]) -> None:
        topic = self._listener.topic(name)
        if self._owners[topic] == outside_part(name):
            self._bag.write(topic, data, time.time_ns())

    def _refused(self, name: str, error: MisalignError) -> None:
        self.get_logger().warning(f'{name} is not recorded: {error}')

    def _write(self, channel: Channel, name: str, data: bytes) -> None:
        if self._owners[name] == channel.part:
            self._bag.write(name, data, time.time_ns())
        if channel.part not in self._joined:
            return
        try:
            stamp, kept = raw_stamp(data), self._kept(channel, data)
        except RecordError as error:
            # It is in the bag as it came; who analyses it says so again.
            self.get_logger().warning(f'{channel.topic}: {error}', throttle_duration_sec=5.0)
            return
        closed, _ = self._join.add(stamp, channel.part, kept, 0.0)
        for frame in closed:
            if frame.reason is Closing.COMPLETE:
                self._done.publish(
                    messages.values_message('recorder', {}, messages.make_header(frame.stamp, ''))
                )

    @staticmethod
    def _kept(channel: Channel, data: bytes) -> Any:
        """Return what decides which parts a frame needs; of anything else, that it is there."""
        convert = _DECIDING.get(channel.part)
        if convert is None:
            return True
        try:
            message = deserialize_message(data, DiagnosticArray)
        except Exception as error:  # rclpy raises its own kinds
            raise RecordError(f'a message cannot be decoded: {error}') from error
        return convert(values_of(message))

    def on_stop(self) -> None:
        """Write the index of the bag."""
        self._bag.close()


def main() -> int:
    """Run the node."""
    return runtime.main(Recorder, keeps=True)


if __name__ == '__main__':
    sys.exit(main())

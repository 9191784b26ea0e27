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

"""Corruption node: degrades the camera's pictures as the frame or a parameter asks."""

from __future__ import annotations

import sys
from typing import Any, TypeAlias

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import CompressedImage, Image

from vlm_misalign_ros.core.corruptions import parse_conditions, single_condition
from vlm_misalign_ros.core.corruptions.conditions import UNKNOWN
from vlm_misalign_ros.core.corruptions.degrading import check_condition
from vlm_misalign_ros.core.corruptions.scenario import Playing
from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
from vlm_misalign_ros.core.evaluation.degraded import degrade_frame
from vlm_misalign_ros.core.settings.degrading import manner_of, scenario_of
from vlm_misalign_ros.core.settings.nodes import CorruptionParameters
from vlm_misalign_ros.core.stamps import NANO, format_stamp
from vlm_misalign_ros.core.types import Applied, Condition, Source
from vlm_misalign_ros.nodes import messages, qos, runtime
from vlm_misalign_ros.nodes.transports import ImageInputs
from vlm_misalign_ros.nodes.worker import Arrived
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire import values as codec

PENDING = 64
"""Pictures or sources that may wait for their other half."""
_UNKNOWN = Condition(UNKNOWN)
Picture: TypeAlias = 'Image | CompressedImage'
_Item: TypeAlias = 'tuple[Picture, Condition, str]'
"""A picture, the condition that it is to have, and the key of its draws."""


class Corruption(runtime.MisalignNode):
    """Publishes degraded pictures, what was done to each, and what covers the lens."""

    def __init__(self, **kwargs: object) -> None:
        """Start to listen."""
        super().__init__('corruption', **kwargs)
        self._chosen = chosen = self.read_parameters(CorruptionParameters)
        self._manner = manner_of(chosen)
        self._condition = self._possible(chosen.condition)
        self._plan = parse_conditions(list(chosen.schedule)) if chosen.schedule else []
        self._check_severities(self._plan)
        self._plan_start: int | None = None
        scenario = scenario_of(chosen)
        self._check_severities([] if scenario is None else scenario.conditions)
        self._playing = None if scenario is None else Playing(scenario)
        self.on_live_parameters(CorruptionParameters, self._changed)
        self._pictures: dict[int, Picture] = {}
        self._sources: dict[int, Source | None] = {}
        """By stamp; None where it could not be followed, and the picture is passed over."""
        results = qos.result_qos()
        self._image = self.publish_images(topics.DEGRADED_IMAGE)
        self._packed = self.create_publisher(
            CompressedImage, topics.DEGRADED_COMPRESSED, qos.image_qos('reliable')
        )
        self._occluder = self.publish_images(topics.DEGRADED_OCCLUDER)
        self._source = self.publish_images(topics.DEGRADED_SOURCE)
        self._applied = self.create_publisher(DiagnosticArray, topics.DEGRADED_CONDITION, results)
        self._vitals = self.watch_over(topics.DEGRADED_IMAGE, chosen.hung_after)
        self._worker = self.start_worker(
            self._work,
            chosen.policy,
            chosen.queue_size,
            chosen.max_failures,
            self._fail,
            passed=self._pass_over,
        )
        if chosen.follow_source:
            self.create_subscription(
                DiagnosticArray, topics.CAMERA_SOURCE, self._on_source, results
            )
        self._inputs = ImageInputs(self, chosen.image_transport)
        self._inputs.receive(topics.CAMERA_IMAGE, chosen.reliability, self._on_image)

    def _possible(self, text: str) -> Condition:
        """Return the one condition that `text` names, if there is a severity for it."""
        condition = single_condition(text)
        self._check_severities([condition])
        return condition

    def _check_severities(self, conditions: list[Condition]) -> None:
        if self._manner.severities is not None:
            self._manner.severities.check(conditions)

    def _changed(self, name: str, value: Any) -> None:
        if name == 'condition':
            self._condition = self._possible(value)
            self.get_logger().info(f'condition is now {value}')

    def _on_source(self, message: DiagnosticArray) -> None:
        try:
            stamp = messages.stamp_of(message.header)
        except RecordError as error:
            self._say(f'camera/source: {error}')
            return
        try:
            source: Source | None
            source, _ = codec.source_from_values(codec.values_of(message))
            check_condition(source.condition)
        except (RecordError, ConfigurationError) as error:
            self._say(f'camera/source of {format_stamp(stamp)}: {error}; it is not degraded')
            source = None
        picture = self._pictures.pop(stamp, None)
        if picture is None:
            self._sources[stamp] = source
            while len(self._sources) > PENDING:
                self._sources.pop(next(iter(self._sources)))
        else:
            self._follow(picture, source)

    def _follow(self, picture: Picture, source: Source | None) -> None:
        """Degrade a picture as its source asks; say so where that cannot be read or done."""
        if source is None:
            self._fail(Arrived((picture, _UNKNOWN, '')), 'its camera/source cannot be followed')
        else:
            self._submit(picture, source.condition, source.draw or source.key)

    def _on_image(self, message: Picture) -> None:
        try:
            stamp = messages.stamp_of(message.header)
        except RecordError as error:
            self._say(f'camera/image_raw: {error}')
            return
        self._vitals.came()
        if not self._chosen.follow_source and self._playing is not None:
            self._submit(message, *self._playing.take(stamp))
        elif not self._chosen.follow_source:
            self._submit(message, self._scheduled(stamp), format_stamp(stamp))
        elif stamp in self._sources:
            self._follow(message, self._sources.pop(stamp))
        else:
            self._pictures[stamp] = message
            while len(self._pictures) > PENDING:
                oldest = self._pictures.pop(next(iter(self._pictures)))
                self._pass_over(Arrived((oldest, _UNKNOWN, '')), 'its camera/source did not come')

    def _scheduled(self, stamp: int) -> Condition:
        if not self._plan:
            return self._condition
        if self._plan_start is None or stamp < self._plan_start:
            self._plan_start = stamp
        step = int((stamp - self._plan_start) / (self._chosen.hold * NANO))
        return self._plan[step % len(self._plan)]

    def _submit(self, message: Picture, condition: Condition, key: str) -> None:
        self._worker.submit(Arrived((message, condition, key)))

    def _fail(self, item: Arrived[_Item], reason: str) -> None:
        """Say that there will be no degraded picture, so that nobody waits for it."""
        self._vitals.fail(reason)
        message, condition, _ = item.what
        self._tell(message, Applied(condition, self._chosen.seed, error=reason))

    def _pass_over(self, item: Arrived[_Item], reason: str) -> None:
        """Say that this picture was left out on purpose."""
        self._vitals.pass_over()
        message, condition, _ = item.what
        self._tell(message, Applied(condition, self._chosen.seed, passed=reason))

    def _tell(self, message: Picture, applied: Applied) -> None:
        values = codec.applied_to_values(applied)
        self._applied.publish(messages.values_message('condition', values, message.header))

    def _work(self, item: Arrived[_Item]) -> None:
        message, condition, key = item.what
        stamp = messages.stamp_of(message.header)
        self._vitals.begin(stamp, item.waited)
        picture = np.ascontiguousarray(messages.bgr_pixels(message))
        degraded = degrade_frame(picture, condition, self._chosen.seed, key, self._manner)
        self._tell(message, degraded.applied)
        if degraded.occluder is not None:
            self._occluder.publish(
                messages.image_message(degraded.occluder, message.header, 'mono8')
            )
        if self._source.get_subscription_count():
            self._source.publish(_as_image(message, picture, picture))
        self._image.publish(_as_image(message, picture, degraded.image))
        self._vitals.end(stamp, self.age_of(message.header))
        if self._packed.get_subscription_count():
            self._packed.publish(
                messages.compressed_message(
                    degraded.image,
                    message.header,
                    self._chosen.compressed,
                    self._chosen.jpeg_quality,
                )
            )


def _as_image(message: Picture, picture: np.ndarray, shown: np.ndarray) -> Image:
    """Return a picture as a message; the message itself where it is the one in it, `picture`."""
    if shown is picture and isinstance(message, Image) and message.encoding == 'bgr8':
        return message
    return messages.image_message(shown, message.header, 'bgr8')


def main() -> int:
    """Run the node."""
    return runtime.main(Corruption)


if __name__ == '__main__':
    sys.exit(main())

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

"""Annotator node: pictures of closed frames with what was said of them and what is true."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any, TypeVar

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import CompressedImage, Image

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.labels.classes import to_train_ids
from vlm_misalign_ros.core.labels.encodings import open_encoding
from vlm_misalign_ros.core.labels.maps import read_labels
from vlm_misalign_ros.core.records.schema import FrameRecord, decode
from vlm_misalign_ros.core.report.annotating import annotate, lines_of, outlines_of
from vlm_misalign_ros.core.settings.annotator import AnnotatorParameters
from vlm_misalign_ros.nodes import markers, messages, qos, runtime
from vlm_misalign_ros.nodes.transports import ImageInputs
from vlm_misalign_ros.wire import images, pixels, topics
from vlm_misalign_ros.wire import values as codec

T = TypeVar('T')
LOOK = 0.5
"""Seconds between two looks at whether somebody listens."""
RECORD = 'record'
"""Key of monitor/frame that carries the record of a frame."""


class Annotator(runtime.MisalignNode):
    """
    Draws frames as the monitor closes them, while somebody listens.

    It is a node of its own so that drawing costs the monitor nothing: the record of each frame
    comes on monitor/frame anyway. While nobody listens it subscribes to nothing.
    """

    def __init__(self, **kwargs: object) -> None:
        """Wait for a listener."""
        super().__init__('annotator', **kwargs)
        self._chosen = chosen = self.read_parameters(AnnotatorParameters)
        self._opacity = chosen.opacity
        self.on_live_parameters(AnnotatorParameters, self._changed)
        self._encoding = open_encoding(chosen.label_encoding) if chosen.labels else None
        self._pictures: dict[int, tuple[np.ndarray, tuple[int, int]]] = {}
        """By stamp: the picture as it will be shown, and its own height and width."""
        self._masks: dict[int, np.ndarray] = {}
        self._truths: dict[int, np.ndarray] = {}
        self._image = self.publish_images(topics.ANNOTATED_IMAGE)
        self._packed = self.create_publisher(
            CompressedImage, topics.ANNOTATED_COMPRESSED, qos.image_qos('reliable')
        )
        self._marker_type = markers.marker_type()
        self._markers = None
        if self._marker_type is None:
            self.get_logger().warning(
                'neither foxglove_msgs nor visualization_msgs is installed: no annotated/markers'
            )
        else:
            self._markers = self.create_publisher(
                self._marker_type, topics.ANNOTATED_MARKERS, qos.result_qos()
            )
        self._listening: list[Any] = []
        self._inputs = ImageInputs(self, chosen.image_transport)
        self.create_timer(LOOK, self._look)

    def _changed(self, name: str, value: Any) -> None:
        if name == 'opacity':
            self._opacity = value

    @property
    def listening(self) -> bool:
        """Whether it takes pictures and records now."""
        return bool(self._listening)

    def _wanted(self) -> bool:
        ends = (self._image, self._packed, self._markers)
        return any(end is not None and end.get_subscription_count() for end in ends)

    def _look(self) -> None:
        """Begin to listen once somebody listens here, and stop when nobody does."""
        wanted = self._wanted()
        if wanted and not self._listening:
            reliability = self._chosen.reliability
            pictures = [
                (topics.DEGRADED_IMAGE, self._take_picture),
                (topics.SEGMENTATION_LABELS, self._take_mask),
            ]
            self._listening = [
                self.receive_images(topic, reliability, partial(self._take, topic, take))
                for topic, take in pictures
            ]
            if self._encoding is not None:
                take = partial(self._take, topics.TRUTH_LABELS, self._take_truth)
                self._inputs.receive(topics.TRUTH_LABELS, reliability, take)
            self._listening.append(
                self.create_subscription(
                    DiagnosticArray, topics.MONITOR_FRAME, self._closed, qos.result_qos()
                )
            )
        elif self._listening and not wanted:
            for end in self._listening:
                self.destroy_subscription(end)
            self._inputs.close()
            self._listening = []
            for kept in (self._pictures, self._masks, self._truths):
                kept.clear()

    def _take(self, topic: str, take: Any, message: Any) -> None:
        try:
            take(messages.stamp_of(message.header), message)
        except RecordError as error:
            self._say(f'{topic}: {error}')

    def _keep(self, kept: dict[int, T], stamp: int, value: T) -> None:
        kept[stamp] = value
        while len(kept) > self._chosen.capacity:
            kept.pop(next(iter(kept)))

    def _size(self, array: np.ndarray) -> tuple[int, int]:
        """Return height and width of what is shown of an array, as wide as is wanted at most."""
        height, width = array.shape[:2]
        shown = min(width, self._chosen.width)
        return max(1, round(height * shown / width)), shown

    def _map(self, array: np.ndarray) -> np.ndarray:
        """Return a map of any type in that size, (h, w) or (h, w, C); no view of a message."""
        rows, columns = (
            ((np.arange(shown) + 0.5) * whole / shown).astype(int)
            for shown, whole in zip(self._size(array), array.shape[:2], strict=True)
        )
        small: np.ndarray = array[rows[:, None], columns]
        return small

    def _take_picture(self, stamp: int, message: Image) -> None:
        picture = messages.bgr_pixels(message)
        height, width = self._size(picture)
        shown = picture.copy()
        if (height, width) != picture.shape[:2]:
            shown = cv2.resize(shown, (width, height), interpolation=cv2.INTER_AREA)
        self._keep(self._pictures, stamp, (shown, picture.shape[:2]))

    def _take_mask(self, stamp: int, message: Image) -> None:
        ids = pixels.to_array(message)
        if ids.ndim != 2 or ids.dtype != np.uint8:
            raise RecordError(f'a mask is {message.encoding[:40]!r}', 'publish mono8')
        self._keep(self._masks, stamp, self._map(ids))

    def _take_truth(self, stamp: int, message: Any) -> None:
        assert self._encoding is not None
        found = read_labels(self._encoding, self._map(images.label_pixels(message)))
        if found.problem:
            raise RecordError(found.problem)
        self._keep(self._truths, stamp, to_train_ids(found.labels))

    def _closed(self, message: DiagnosticArray) -> None:
        try:
            stamp = messages.stamp_of(message.header)
            text = codec.values_of(message).get(RECORD, '')
            record = decode(text.encode(), topics.MONITOR_FRAME) if text else None
        except RecordError as error:
            self._say(f'{topics.MONITOR_FRAME}: {error}')
            return
        held = self._pictures.pop(stamp, None)
        mask, truth = self._masks.pop(stamp, None), self._truths.pop(stamp, None)
        if held is None or not isinstance(record, FrameRecord):
            return
        self._show(message, record, held, mask, truth)

    def _show(
        self,
        message: DiagnosticArray,
        record: FrameRecord,
        held: tuple[np.ndarray, tuple[int, int]],
        mask: np.ndarray | None,
        truth: np.ndarray | None,
    ) -> None:
        picture, size = held
        lines = lines_of(record, self._chosen.models)
        outlines = outlines_of(record, self._chosen.models, truth, mask)
        header = message.header
        if self._markers is not None and self._markers.get_subscription_count():
            self._markers.publish(
                markers.markers(self._marker_type, header, outlines, lines, size)
            )
        whole, packed = (end.get_subscription_count() for end in (self._image, self._packed))
        if not whole and not packed:
            return
        drawn = annotate(picture, lines, outlines, mask, self._opacity)
        if whole:
            self._image.publish(messages.image_message(drawn, header, 'rgb8'))
        if packed:
            bgr = cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR)
            self._packed.publish(
                messages.compressed_message(bgr, header, 'jpeg', self._chosen.jpeg_quality)
            )


def main() -> int:
    """Run the node."""
    return runtime.main(Annotator)


if __name__ == '__main__':
    sys.exit(main())

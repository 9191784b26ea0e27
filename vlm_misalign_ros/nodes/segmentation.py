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

"""Segmentation node: publishes train ids for every degraded picture."""

from __future__ import annotations

import sys
from dataclasses import fields

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image

from vlm_misalign_ros.core.checksums import checksum
from vlm_misalign_ros.core.labels.classes import color_table
from vlm_misalign_ros.core.models.factory import classes_told, load_segmentation
from vlm_misalign_ros.core.models.families import SegmentationOptions
from vlm_misalign_ros.core.settings.nodes import SegmentationParameters
from vlm_misalign_ros.core.types import Confidence, Failed
from vlm_misalign_ros.nodes import messages, qos, runtime
from vlm_misalign_ros.nodes.label_table import announce_labels
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire import values as codec


class Segmentation(runtime.MisalignNode):
    """Runs one segmentation model over degraded/image_raw."""

    def __init__(self, **kwargs: object) -> None:
        """Load the model, then start to listen."""
        super().__init__('segmentation', **kwargs)
        chosen = self.read_parameters(SegmentationParameters)
        options = {f.name: getattr(chosen, f.name) for f in fields(SegmentationOptions)}
        self._model = load_segmentation(chosen.model, **options)
        told = classes_told(self._model)
        if told:
            self.get_logger().warning(told)
        self._labels = self.publish_images(topics.SEGMENTATION_LABELS)
        self._confidence = self.create_publisher(
            DiagnosticArray, topics.SEGMENTATION_CONFIDENCE, qos.result_qos()
        )
        self._overlay = self.publish_images(topics.SEGMENTATION_OVERLAY)
        self._table = announce_labels(self)
        self._colors = color_table()
        self._worker = self.start_worker(
            self._work, chosen.policy, chosen.queue_size, chosen.max_failures, self._fail
        )
        self.receive_images(topics.DEGRADED_IMAGE, chosen.reliability, self._worker.submit)

    def _work(self, message: Image) -> None:
        picture = messages.bgr_pixels(message)
        found = self._model.segment(picture)
        labels = found.labels
        told = Confidence(
            found.entropy,
            found.confidence,
            checksum(picture),
            checksum(labels),
            found.entropies,
            found.lacking,
        )
        self._confidence.publish(
            messages.values_message('confidence', codec.confidence_to_values(told), message.header)
        )
        self._labels.publish(messages.image_message(labels, message.header, 'mono8'))
        if self._overlay.get_subscription_count():
            rgb = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_BGR2RGB)
            overlay = cv2.addWeighted(rgb, 0.5, self._colors[labels], 0.5, 0)
            self._overlay.publish(messages.image_message(overlay, message.header, 'rgb8'))

    def _fail(self, message: Image, reason: str) -> None:
        """Say that there will be no mask of this picture, so that nobody waits for it."""
        values = codec.failed_to_values(Failed(reason))
        self._confidence.publish(messages.values_message('confidence', values, message.header))


def main() -> int:
    """Run the node."""
    return runtime.main(Segmentation)


if __name__ == '__main__':
    sys.exit(main())

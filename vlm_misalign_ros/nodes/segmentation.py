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
from contextlib import suppress
from dataclasses import fields, replace
from functools import partial

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.segmenting import Clean, segment_frame
from vlm_misalign_ros.core.labels.classes import color_table
from vlm_misalign_ros.core.models.answering import CheckedSegmentation
from vlm_misalign_ros.core.models.factory import (
    classes_told,
    load_segmentation,
    preprocessing_told,
)
from vlm_misalign_ros.core.models.families import SegmentationOptions
from vlm_misalign_ros.core.settings.nodes import SegmentationParameters
from vlm_misalign_ros.core.types import Failed, Passed
from vlm_misalign_ros.nodes import messages, qos, runtime
from vlm_misalign_ros.nodes.clean import CleanPictures, clean_pictures, pictures_of
from vlm_misalign_ros.nodes.label_table import announce_labels
from vlm_misalign_ros.nodes.managed import GOT_LOST, UNLOADED, ManagedNode
from vlm_misalign_ros.nodes.worker import Arrived
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire import values as codec


class Segmentation(ManagedNode):
    """Runs one segmentation model over degraded/image_raw."""

    def __init__(self, **kwargs: object) -> None:
        """Read the parameters; then load the model and start to listen, or wait to be told."""
        super().__init__('segmentation', **kwargs)
        self._chosen = chosen = self.read_parameters(SegmentationParameters)
        self._vitals = self.watch_over(topics.SEGMENTATION_LABELS, chosen.hung_after)
        self._model: CheckedSegmentation | None = None
        self._clean: CleanPictures | None = None
        self._colors = color_table()
        self.manage(chosen.autostart)

    def load(self) -> None:
        """Load the model, then start to listen."""
        chosen = self._chosen
        options = {f.name: getattr(chosen, f.name) for f in fields(SegmentationOptions)}
        self._model = load_segmentation(chosen.model, **options)
        if told := classes_told(self._model):
            self.get_logger().warning(told)
        if told := preprocessing_told(self._model):
            self.get_logger().info(told)
        self._labels = self.publish_images(topics.SEGMENTATION_LABELS)
        self._confidence = self.create_publisher(
            DiagnosticArray, topics.SEGMENTATION_CONFIDENCE, qos.result_qos()
        )
        self._overlay = self.publish_images(topics.SEGMENTATION_OVERLAY)
        self._table = announce_labels(self)
        self._worker = self.start_worker(
            self._work,
            chosen.policy,
            chosen.queue_size,
            chosen.max_failures,
            self._fail,
            passed=self._pass_over,
        )
        self._clean = clean_pictures(self, chosen)
        self.hear_announced(self._tell_lost_picture)
        self.receive_images(topics.DEGRADED_IMAGE, chosen.reliability, self._take)

    def unload(self) -> None:
        """Let go of the model."""
        self._model = self._clean = None

    def pause(self) -> None:
        """Pass over what waits."""
        self._worker.pass_over(self.idle)

    def _take(self, message: Image) -> None:
        self._vitals.came()
        stamp = self._note_came(message)
        if self.idle:
            self._pass_over(Arrived(message), self.idle)
            return
        if self._clean is not None and stamp is not None:
            self._clean.expect(stamp)
        self._worker.submit(Arrived(message))

    def _note_came(self, message: Image) -> int | None:
        """Return the stamp of a picture; None where it has none, which its worker says too."""
        try:
            stamp = messages.stamp_of(message.header)
        except RecordError as error:
            self._say(f'{topics.DEGRADED_IMAGE}: {error}')
            return None
        self.picture_came(stamp, message.header.frame_id)
        return stamp

    def _tell_lost_picture(self, header: Header) -> None:
        """Say that there will be no mask of a picture that never came here."""
        self._vitals.lose()
        values = codec.failed_to_values(Failed(GOT_LOST))
        self._confidence.publish(messages.values_message('confidence', values, header))

    @staticmethod
    def _clean_pictures(clean: CleanPictures, stamp: int) -> list[np.ndarray] | None:
        return pictures_of([clean.taken(stamp)])

    def _work(self, item: Arrived[Image]) -> None:
        message = item.what
        waited = item.waited
        self._vitals.begin(messages.stamp_of(message.header), waited)
        picture, model = messages.bgr_pixels(message), self._model
        if model is None:
            raise RecordError(UNLOADED)
        clean: Clean | None = None
        if self._clean is not None:
            clean = partial(self._clean_pictures, self._clean, messages.stamp_of(message.header))
        labels, told = segment_frame(model, picture, clean)
        told = replace(told, waited=waited, age=self.age_of(message.header))
        self._tell(message, codec.confidence_to_values(told))
        self._labels.publish(messages.image_message(labels, message.header, 'mono8'))
        if self._overlay.get_subscription_count():
            rgb = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_BGR2RGB)
            overlay = cv2.addWeighted(rgb, 0.5, self._colors[labels], 0.5, 0)
            self._overlay.publish(messages.image_message(overlay, message.header, 'rgb8'))
        self._vitals.end(messages.stamp_of(message.header), told.age)

    def _fail(self, item: Arrived[Image], reason: str) -> None:
        """Say that there will be no mask of this picture, so that nobody waits for it."""
        self._let_clean_go(item.what)
        self._vitals.fail(reason)
        self._tell(item.what, codec.failed_to_values(Failed(reason)))

    def _pass_over(self, item: Arrived[Image], reason: str) -> None:
        self._let_clean_go(item.what)
        self._vitals.pass_over()
        self._tell(item.what, codec.passed_to_values(Passed(reason)))

    def _let_clean_go(self, message: Image) -> None:
        clean = self._clean
        if clean is not None:
            # A picture without a stamp was never expected.
            with suppress(RecordError):
                clean.let_go(messages.stamp_of(message.header))

    def _tell(self, message: Image, values: codec.Values) -> None:
        self._confidence.publish(messages.values_message('confidence', values, message.header))


def main() -> int:
    """Run the node."""
    return runtime.main(Segmentation)


if __name__ == '__main__':
    sys.exit(main())

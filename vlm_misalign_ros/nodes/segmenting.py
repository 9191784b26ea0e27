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

"""What nodes have in common that segment every picture of a topic."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.segmenting import segment_frame
from vlm_misalign_ros.core.models.answering import CheckedSegmentation
from vlm_misalign_ros.core.models.factory import classes_told, preprocessing_told
from vlm_misalign_ros.core.settings.nodes import MaskModelParameters, segmentation_options
from vlm_misalign_ros.core.types import AgainstClean, Failed, Passed, Segmented
from vlm_misalign_ros.nodes import messages, qos
from vlm_misalign_ros.nodes.managed import GOT_LOST, UNLOADED, ManagedNode
from vlm_misalign_ros.nodes.worker import Arrived
from vlm_misalign_ros.wire import values as codec


class Segmenting(ManagedNode):
    """Runs one segmentation model over a topic; a subclass says over which, and what of it."""

    PICTURES = ''
    """The topic that it listens to."""
    LABELS = ''
    """The topic of what it makes."""
    CONFIDENCE = ''
    """The topic on which it says of each how sure it was, or why there is none."""

    def open_model(self, options: dict[str, object]) -> CheckedSegmentation:
        """Return the model, loaded with the options of `SegmentationOptions`."""
        raise NotImplementedError

    def labels_of(self, found: Segmented) -> np.ndarray:
        """Return what is published of a mask, uint8 (H, W)."""
        return found.labels

    def make_more(self) -> None:
        """Make whatever else is published and listened to; the model is there."""

    def expect(self, stamp: int) -> None:
        """Take note that a picture will be worked on."""

    def let_go(self, message: Image) -> None:
        """Take note that a picture will not be worked on."""

    def against_clean(
        self, message: Image, found: Segmented, model: CheckedSegmentation
    ) -> AgainstClean | None:
        """Return how a mask stands to that of the clean picture; None where nobody asks."""
        return None

    def show(self, message: Image, picture: np.ndarray, labels: np.ndarray) -> None:
        """Publish whatever shows what was made of a picture, BGR uint8 (H, W, 3)."""

    def begin(self, chosen: MaskModelParameters) -> None:
        """Load the model and start to listen, or wait to be told; ends a constructor."""
        self._of_model = chosen
        self._vitals = self.watch_over(self.LABELS, chosen.hung_after)
        self._model: CheckedSegmentation | None = None
        self.manage(chosen.autostart)

    def load(self) -> None:
        """Load the model, then start to listen."""
        chosen = self._of_model
        self._model = self.open_model(segmentation_options(chosen))
        if told := classes_told(self._model):
            self.get_logger().warning(told)
        if told := preprocessing_told(self._model):
            self.get_logger().info(told)
        self._labels = self.publish_images(self.LABELS)
        self._confidence = self.create_publisher(
            DiagnosticArray, self.CONFIDENCE, qos.result_qos()
        )
        self._worker = self.start_worker(
            self._work,
            chosen.policy,
            chosen.queue_size,
            chosen.max_failures,
            self._fail,
            passed=self._pass_over,
        )
        self.make_more()
        self.hear_announced(self._tell_lost_picture)
        self.receive_images(self.PICTURES, chosen.reliability, self._take)

    def unload(self) -> None:
        """Let go of the model."""
        self._model = None

    def pause(self) -> None:
        """Pass over what waits."""
        self._worker.pass_over(self.idle)

    def _take(self, message: Image) -> None:
        self._vitals.came()
        stamp = self._note_came(message)
        if self.idle:
            self._pass_over(Arrived(message), self.idle)
            return
        if stamp is not None:
            self.expect(stamp)
        self._worker.submit(Arrived(message))

    def _note_came(self, message: Image) -> int | None:
        """Return the stamp of a picture; None where it has none, which its worker says too."""
        try:
            stamp = messages.stamp_of(message.header)
        except RecordError as error:
            self._say(f'{self.PICTURES}: {error}')
            return None
        self.picture_came(stamp, message.header.frame_id)
        return stamp

    def _tell_lost_picture(self, header: Header) -> None:
        """Say that there will be no mask of a picture that never came here."""
        self._vitals.lose()
        values = codec.failed_to_values(Failed(GOT_LOST))
        self._confidence.publish(messages.values_message('confidence', values, header))

    def _work(self, item: Arrived[Image]) -> None:
        message = item.what
        waited = item.waited
        self._vitals.begin(messages.stamp_of(message.header), waited)
        picture, model = messages.bgr_pixels(message), self._model
        if model is None:
            raise RecordError(UNLOADED)
        labels, told = segment_frame(
            model,
            picture,
            lambda found: self.against_clean(message, found, model),
            labels_of=self.labels_of,
        )
        told = replace(told, waited=waited, age=self.age_of(message.header))
        self._tell(message, codec.confidence_to_values(told))
        self._labels.publish(messages.image_message(labels, message.header, 'mono8'))
        self.show(message, picture, labels)
        self._vitals.end(messages.stamp_of(message.header), told.age)

    def _fail(self, item: Arrived[Image], reason: str) -> None:
        """Say that there will be no mask of this picture, so that nobody waits for it."""
        self.let_go(item.what)
        self._vitals.fail(reason)
        self._tell(item.what, codec.failed_to_values(Failed(reason)))

    def _pass_over(self, item: Arrived[Image], reason: str) -> None:
        self.let_go(item.what)
        self._vitals.pass_over()
        self._tell(item.what, codec.passed_to_values(Passed(reason)))

    def _tell(self, message: Image, values: codec.Values) -> None:
        self._confidence.publish(messages.values_message('confidence', values, message.header))

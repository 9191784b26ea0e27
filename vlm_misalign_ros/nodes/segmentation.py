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

import cv2
import numpy as np
from sensor_msgs.msg import Image

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.segmenting import held_against_clean
from vlm_misalign_ros.core.labels.classes import color_table
from vlm_misalign_ros.core.models.answering import CheckedSegmentation
from vlm_misalign_ros.core.models.factory import load_segmentation
from vlm_misalign_ros.core.settings.nodes import SegmentationParameters
from vlm_misalign_ros.core.types import AgainstClean, Segmented
from vlm_misalign_ros.nodes import messages, runtime
from vlm_misalign_ros.nodes.clean import CleanPictures, clean_pictures, pictures_of
from vlm_misalign_ros.nodes.label_table import announce_labels
from vlm_misalign_ros.nodes.segmenting import Segmenting
from vlm_misalign_ros.wire import topics


class Segmentation(Segmenting):
    """Runs one segmentation model over degraded/image_raw."""

    PICTURES = topics.DEGRADED_IMAGE
    LABELS = topics.SEGMENTATION_LABELS
    CONFIDENCE = topics.SEGMENTATION_CONFIDENCE

    def __init__(self, **kwargs: object) -> None:
        """Read the parameters; then load the model and start to listen, or wait to be told."""
        super().__init__('segmentation', **kwargs)
        self._chosen = chosen = self.read_parameters(SegmentationParameters)
        self._clean: CleanPictures | None = None
        self._colors = color_table()
        self.begin(chosen)

    def open_model(self, options: dict[str, object]) -> CheckedSegmentation:
        """Return the model, loaded."""
        return load_segmentation(self._chosen.model, **options)

    def make_more(self) -> None:
        """Publish what shows the masks, and listen to clean pictures where somebody asks."""
        self._overlay = self.publish_images(topics.SEGMENTATION_OVERLAY)
        self._table = announce_labels(self)
        self._clean = clean_pictures(self, self._chosen)

    def unload(self) -> None:
        """Let go of the model."""
        super().unload()
        self._clean = None

    def expect(self, stamp: int) -> None:
        """Keep the clean picture of a frame that will be worked on."""
        if self._clean is not None:
            self._clean.expect(stamp)

    def let_go(self, message: Image) -> None:
        """Keep the clean picture of a frame no longer."""
        clean = self._clean
        if clean is not None:
            # A picture without a stamp was never expected.
            with suppress(RecordError):
                clean.let_go(messages.stamp_of(message.header))

    def against_clean(
        self, message: Image, found: Segmented, model: CheckedSegmentation
    ) -> AgainstClean | None:
        """Return how a mask stands to that of the clean picture; None where nobody asks."""
        if self._clean is None:
            return None
        pictures = pictures_of([self._clean.taken(messages.stamp_of(message.header))])
        return held_against_clean(model, found, pictures)

    def show(self, message: Image, picture: np.ndarray, labels: np.ndarray) -> None:
        """Publish picture and mask over each other, where somebody looks."""
        if self._overlay.get_subscription_count():
            rgb = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_BGR2RGB)
            overlay = cv2.addWeighted(rgb, 0.5, self._colors[labels], 0.5, 0)
            self._overlay.publish(messages.image_message(overlay, message.header, 'rgb8'))


def main() -> int:
    """Run the node."""
    return runtime.main(Segmentation)


if __name__ == '__main__':
    sys.exit(main())

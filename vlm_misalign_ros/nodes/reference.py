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

"""Reference node: label ids of every clean picture, which stand for the ground truth."""

from __future__ import annotations

import sys

import numpy as np

from vlm_misalign_ros.core.labels.classes import to_label_ids
from vlm_misalign_ros.core.models.answering import CheckedSegmentation
from vlm_misalign_ros.core.models.factory import load_segmentation
from vlm_misalign_ros.core.models.whole import check_whole
from vlm_misalign_ros.core.settings.nodes import ReferenceParameters
from vlm_misalign_ros.core.types import Segmented
from vlm_misalign_ros.nodes import runtime
from vlm_misalign_ros.nodes.segmenting import Segmenting
from vlm_misalign_ros.wire import topics


class Reference(Segmenting):
    """Runs a segmentation model over degraded/source, the picture that was degraded."""

    PICTURES = topics.DEGRADED_SOURCE
    LABELS = topics.REFERENCE_LABELS
    CONFIDENCE = topics.REFERENCE_CONFIDENCE

    def __init__(self, **kwargs: object) -> None:
        """Read the parameters; then load the model and start to listen, or wait to be told."""
        super().__init__('reference', **kwargs)
        self._chosen = chosen = self.read_parameters(ReferenceParameters)
        self.begin(chosen)

    def open_model(self, options: dict[str, object]) -> CheckedSegmentation:
        """Return the model, loaded."""
        return load_segmentation(self._chosen.model, **options)

    def labels_of(self, found: Segmented) -> np.ndarray:
        """
        Return a mask as label ids, uint8 (H, W).

        ConfigurationError, which ends the node, for a model that lacks classes.
        """
        check_whole(self._chosen.model, found.lacking)
        return to_label_ids(found.labels)


def main() -> int:
    """Run the node."""
    return runtime.main(Reference)


if __name__ == '__main__':
    sys.exit(main())

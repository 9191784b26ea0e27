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

"""The segmentation: masks, and an overlay for whoever listens."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from worlds import picture_message, stamps, wait_for  # noqa: E402

from vlm_misalign_ros.core.checksums import checksum  # noqa: E402
from vlm_misalign_ros.core.labels.classes import CLASSES, color_table  # noqa: E402
from vlm_misalign_ros.core.models.factory import load_segmentation  # noqa: E402
from vlm_misalign_ros.core.stamps import NANO  # noqa: E402
from vlm_misalign_ros.core.types import Confidence  # noqa: E402
from vlm_misalign_ros.nodes import messages  # noqa: E402
from vlm_misalign_ros.nodes.segmentation import Segmentation  # noqa: E402
from vlm_misalign_ros.wire import pixels as images  # noqa: E402
from vlm_misalign_ros.wire import topics  # noqa: E402
from vlm_misalign_ros.wire import values as codec  # noqa: E402

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures('ros')]


def test_segmentation_publishes_the_masks_of_its_model_and_an_overlay_for_who_listens(
    world, picture, checkpoints
):
    model = f'transformers:{checkpoints["segformer"]}'
    labels = world.listen(topics.SEGMENTATION_LABELS, Image)
    certainty = world.listen(topics.SEGMENTATION_CONFIDENCE, DiagnosticArray)
    degraded = world.talk(topics.DEGRADED_IMAGE, Image)
    world.start(Segmentation, model=model, input_height=64)
    world.meet()
    degraded.publish(picture_message(picture, 2 * NANO))
    wait_for(lambda: labels)
    found = load_segmentation(model, input_height=64).segment(picture)
    expected = found.labels
    assert np.array_equal(images.to_array(labels[0]), expected)
    wait_for(lambda: certainty)
    told = codec.confidence_from_values(codec.values_of(certainty[0]))
    assert replace(told, latency=None, waited=None) == Confidence(
        found.entropy, found.confidence, checksum(picture), checksum(expected), found.entropies
    )
    assert set(found.entropies) == {CLASSES[value] for value in np.unique(expected)}
    assert labels[0].header == messages.make_header(2 * NANO, 'front')
    overlay = world.listen(topics.SEGMENTATION_OVERLAY, Image)
    world.meet()
    rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(int)
    wanted = (rgb + color_table()[expected]) / 2
    # The listener may be known to the node a moment later than here.
    stamp = 3 * NANO
    while not overlay:
        degraded.publish(picture_message(picture, stamp))
        wait_for(lambda now=stamp: stamps(labels)[-1] == now)
        stamp += NANO
    assert overlay[0].encoding == 'rgb8'
    assert np.abs(images.to_array(overlay[0]) - wanted).max() <= 1

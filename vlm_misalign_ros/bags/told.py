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

"""What messages of a bag tell of its camera and of its labels."""

from __future__ import annotations

from vlm_misalign_ros.bags.reading import Bag, Raw
from vlm_misalign_ros.core.about import About
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.settings.nodes import ReplayParameters
from vlm_misalign_ros.core.types import Camera, NoCamera
from vlm_misalign_ros.wire.camera import camera_from_info, rectified_by
from vlm_misalign_ros.wire.strange import of_strangers
from vlm_misalign_ros.wire.values import source_from_values, values_of


def camera_in(bag: Bag, raw: Raw, chosen: ReplayParameters, pictures: str) -> Camera | NoCamera:
    """Return the camera of a CameraInfo beside the topic `pictures`; NoCamera for none in it."""
    rectified = rectified_by(chosen.camera_image, pictures)
    try:
        with of_strangers():
            return camera_from_info(
                bag.decode(raw), chosen.camera_height, chosen.camera_pitch, rectified
            )
    except RecordError as error:
        return NoCamera(error.what)


def telling_in(bag: Bag, raw: Raw) -> tuple[bool, About] | None:
    """
    Return whether labels tell the hood, and what else they do not, by a message of camera/source.

    None where it cannot be read.
    """
    try:
        with of_strangers():
            source, _ = source_from_values(values_of(bag.decode(raw)))
    except RecordError:
        return None
    return source.tells_hood, source.about

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

"""The parameters of what comes from outside: how pictures and maps travel, and what they mean."""

from __future__ import annotations

from dataclasses import dataclass

from vlm_misalign_ros.core.labels.instances import INSTANCE_ENCODINGS
from vlm_misalign_ros.core.settings.parameters import parameter

DEPTH_ENCODINGS = ('metric', 'carla')
CAMERA_IMAGES = ('auto', 'raw', 'rectified')
TRANSPORTS = ('auto', 'raw', 'compressed')
SELF_CONSISTENCY = (
    'ask about the clean picture of each frame, too (at half the rate), and report how far the '
    'model agrees with itself'
)


@dataclass(frozen=True)
class TransportParameters:
    """How pictures and maps from outside travel."""

    image_transport: str = parameter(
        'auto',
        'how pictures and maps from outside come: raw (Image), compressed (CompressedImage on '
        'TOPIC/compressed, for depth TOPIC/compressedDepth), or auto: whichever is published',
        choices=TRANSPORTS,
    )


@dataclass(frozen=True)
class MountParameters:
    """Where the camera is on the vehicle, which no camera_info tells."""

    camera_height: float = parameter(
        1.22, 'metres above the road, where no camera/source tells', minimum=0.1, maximum=10
    )
    camera_pitch: float = parameter(
        0.038,
        'radians, positive looking down, where no camera/source tells',
        minimum=-1,
        maximum=1,
    )


@dataclass(frozen=True)
class CameraParameters(MountParameters):
    """By what a camera_info is read: one camera to whoever judges by it."""

    camera_image: str = parameter(
        'auto',
        'what camera/image_raw is, where no camera/source tells of the camera: raw (K and '
        'distortion of camera_info), rectified (its P), or auto: rectified where the name of its '
        'topic says so (image_rect)',
        choices=CAMERA_IMAGES,
    )


@dataclass(frozen=True)
class InputParameters(TransportParameters, CameraParameters):
    """How they travel, and what they mean."""

    label_encoding: str = parameter(
        'cityscapes_label_ids',
        'what the values of ground_truth/labels mean: a name of `vlm-misalign list encodings`, '
        'auto (decided by the first maps, refused where two fit), or a YAML file that maps values '
        'or colours to labels; `vlm-misalign labels` says which it is',
    )
    instance_encoding: str = parameter(
        'auto',
        'what the values of ground_truth/instances mean: cityscapes (label id * 1000 + k), carla '
        '(its instance camera: tag in red, object in green and blue), gazebo (labels_map of its '
        "panoptic camera: label in blue, by label_encoding), ids (an object's number; the labels "
        'say what it is), or auto: by the type of the map, colours being carla',
        choices=INSTANCE_ENCODINGS,
    )
    depth_encoding: str = parameter(
        'metric',
        'what the values of ground_truth/depth mean: metric (16UC1 millimetres, 32FC1 metres), or '
        'carla (the colours of its depth camera: (R + 256 G + 65536 B) / (2^24 - 1) km)',
        choices=DEPTH_ENCODINGS,
    )

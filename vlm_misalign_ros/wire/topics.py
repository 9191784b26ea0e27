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

"""The topics, relative and remappable; the one place where their names are written."""

from __future__ import annotations

CAMERA_IMAGE = 'camera/image_raw'
CAMERA_INFO = 'camera/camera_info'
CAMERA_SOURCE = 'camera/source'
TRUTH_LABELS = 'ground_truth/labels'
TRUTH_INSTANCES = 'ground_truth/instances'
TRUTH_DEPTH = 'ground_truth/depth'
DEGRADED_IMAGE = 'degraded/image_raw'
DEGRADED_COMPRESSED = 'degraded/image_raw/compressed'
DEGRADED_CONDITION = 'degraded/condition'
DEGRADED_OCCLUDER = 'degraded/occluder'
DEGRADED_SOURCE = 'degraded/source'
"""The picture that was degraded, made while somebody listens."""
SEGMENTATION_LABELS = 'segmentation/labels'
SEGMENTATION_CONFIDENCE = 'segmentation/confidence'
SEGMENTATION_OVERLAY = 'segmentation/overlay'
SEGMENTATION_TABLE = 'segmentation/label_table'
SEGMENTATION_INFO = 'segmentation/label_info'
REFERENCE_LABELS = 'reference/labels'
"""What stands for the ground truth of a run that has a reference."""
REFERENCE_CONFIDENCE = 'reference/confidence'
ANNOTATED_IMAGE = 'annotated/image_raw'
ANNOTATED_COMPRESSED = 'annotated/image_raw/compressed'
ANNOTATED_MARKERS = 'annotated/markers'
MONITOR_METRICS = 'monitor/metrics'
MONITOR_FRAME = 'monitor/frame'
RECORDER_FRAME = 'recorder/frame'
DIAGNOSTICS = '/diagnostics'
COMPRESSED = '/compressed'
"""Behind the name of a picture's topic, as image_transport has it."""
IMAGES = (
    CAMERA_IMAGE,
    TRUTH_LABELS,
    TRUTH_INSTANCES,
    TRUTH_DEPTH,
    DEGRADED_IMAGE,
    DEGRADED_OCCLUDER,
    DEGRADED_SOURCE,
    SEGMENTATION_LABELS,
    SEGMENTATION_OVERLAY,
    ANNOTATED_IMAGE,
    REFERENCE_LABELS,
)
"""Topics of pictures and maps, which may be packed, too."""
OTHERS = (
    DEGRADED_COMPRESSED,
    ANNOTATED_COMPRESSED,
    CAMERA_INFO,
    CAMERA_SOURCE,
    DEGRADED_CONDITION,
    SEGMENTATION_CONFIDENCE,
    REFERENCE_CONFIDENCE,
    SEGMENTATION_TABLE,
    SEGMENTATION_INFO,
    ANNOTATED_MARKERS,
    MONITOR_METRICS,
    MONITOR_FRAME,
    RECORDER_FRAME,
    DIAGNOSTICS,
)
"""All others of every run; each model has one more."""


def vlm_description(name: str) -> str:
    """Return the topic of a model's answers."""
    return f'vlm/{name}/description'

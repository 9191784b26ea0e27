"""The topics, relative and remappable; the one place where their names are written."""

from __future__ import annotations

CAMERA_IMAGE = 'camera/image_raw'
CAMERA_INFO = 'camera/camera_info'
CAMERA_SOURCE = 'camera/source'
TRUTH_LABELS = 'ground_truth/labels'
TRUTH_INSTANCES = 'ground_truth/instances'
TRUTH_DEPTH = 'ground_truth/depth'
DEGRADED_IMAGE = 'degraded/image_raw'
DEGRADED_CONDITION = 'degraded/condition'
DEGRADED_OCCLUDER = 'degraded/occluder'
SEGMENTATION_LABELS = 'segmentation/labels'
SEGMENTATION_CONFIDENCE = 'segmentation/confidence'
SEGMENTATION_OVERLAY = 'segmentation/overlay'
MONITOR_METRICS = 'monitor/metrics'
MONITOR_FRAME = 'monitor/frame'
RECORDER_FRAME = 'recorder/frame'
DIAGNOSTICS = '/diagnostics'


def vlm_description(name: str) -> str:
    """Return the topic of a model's answers."""
    return f'vlm/{name}/description'

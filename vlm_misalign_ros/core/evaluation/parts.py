"""The parts that a frame is joined from."""

from __future__ import annotations

SOURCE, LABELS, INSTANCES = 'source', 'labels', 'instances'
CONDITION, OCCLUDER, IMAGE, SEGMENTATION = 'condition', 'occluder', 'image', 'segmentation'
RECORDER, DEPTH, CONFIDENCE = 'recorder', 'depth', 'confidence'


def vlm_part(name: str) -> str:
    """Return the name under which the answer of model `name` joins."""
    return f'vlm:{name}'

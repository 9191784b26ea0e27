"""Ground truth of a frame: ABSENT, TOLERATED or REQUIRED for each class (METRICS.md, 1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vlm_misalign_ros.labels import BY_ID, BY_NAME, CLASSES, VEHICLE, VEHICLE_MEMBERS
from vlm_misalign_ros.metrics.objects import Thing, find_things
from vlm_misalign_ros.types import Presence

COMPATIBLE: dict[str, tuple[str, ...]] = {
    'road': ('parking', 'ground'),
    'sidewalk': ('ground',),
    'terrain': ('ground',),
    'building': ('bridge', 'tunnel'),
    'wall': ('guard rail', 'bridge', 'tunnel'),
    'fence': ('guard rail',),
    'pole': ('polegroup',),
    'person': ('rider',),
    'car': ('caravan',),
    'truck': ('caravan', 'trailer'),
}
"""Labels whose pixels make a mention of the class tolerable: a rider is a person, too."""


@dataclass(frozen=True)
class TruthSettings:
    """From which size a thing has to be mentioned, in pixels at 2048 x 1024."""

    minimum_area: float = 1000.0
    minimum_height: float = 50.0


def presence(
    labels: np.ndarray, things: Sequence[Thing], settings: TruthSettings,
) -> dict[str, Presence]:
    """
    Return the state of each name in labels.SCORED.

    `labels` holds label ids, uint8 (H, W); `things` are those of the same map. A thing is
    required when its area (scaled by the picture's area) and its height (scaled by the
    picture's height) reach the settings; stuff without outlines is never required.
    """
    height, width = labels.shape
    area = settings.minimum_area * (height * width) / (2048 * 1024)
    rows = settings.minimum_height * height / 1024
    required = {BY_ID[thing.label].name for thing in things
                if not thing.group and thing.area >= area and thing.height >= rows}
    counts = cv2.calcHist([np.ascontiguousarray(labels)], [0], None, [256], [0, 256]).ravel()
    present = {name for name, label in BY_NAME.items() if counts[label.id] > 0}

    def state(name: str) -> Presence:
        if name in required:
            return Presence.REQUIRED
        if present.intersection((name, *COMPATIBLE.get(name, ()))):
            return Presence.TOLERATED
        return Presence.ABSENT

    states = {name: state(name) for name in CLASSES}
    if required.intersection(VEHICLE_MEMBERS):
        states[VEHICLE] = Presence.REQUIRED
    elif present.intersection(VEHICLE_MEMBERS):
        states[VEHICLE] = Presence.TOLERATED
    else:
        states[VEHICLE] = Presence.ABSENT
    return states


def visible_presence(
    labels: np.ndarray, instances: np.ndarray | None, visible: np.ndarray,
    settings: TruthSettings,
) -> dict[str, Presence]:
    """Return the state of each name counting only pixels where `visible`, bool (H, W)."""
    seen = np.where(visible, labels, np.uint8(0))
    ids = None if instances is None else np.where(visible, instances, np.uint16(0))
    return presence(seen, find_things(seen, ids), settings)

"""Hazard truth: whether anything in the ego corridor is nearer than the stopping distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, sin

import numpy as np

from vlm_misalign_ros.labels import BY_ID, BY_NAME, VEHICLE_MEMBERS
from vlm_misalign_ros.metrics.objects import Thing
from vlm_misalign_ros.types import Camera, Hazard

CLEAR_FACTOR = 1.5
"""CLEAR means nothing within this many stopping distances."""

_DANGERS = frozenset(BY_NAME[name].id for name in ('person', 'rider', *VEHICLE_MEMBERS))


@dataclass(frozen=True)
class HazardSettings:
    """The corridor, metres."""

    corridor_width: float = 3.0
    stopping_distance: float = 20.0


@dataclass(frozen=True)
class HazardResult:
    """The verdict, and the nearest thing in the corridor within CLEAR_FACTOR distances."""

    verdict: Hazard
    nearest: float | None
    """Distance in metres."""
    nearest_class: str | None


def ground_distance(camera: Camera, row: float) -> float:
    """
    Return the distance in metres of flat road seen at a row; inf at and above the horizon.

    With t = (row - cy) / fy, height h and pitch p: Z = h (cos p - t sin p) / (t cos p + sin p).
    """
    slope = (row - camera.cy) / camera.fy
    below = slope * cos(camera.pitch) + sin(camera.pitch)
    if below <= 0:
        return float('inf')
    return max(camera.mount_height * (cos(camera.pitch) - slope * sin(camera.pitch)) / below, 0.0)


def hazard(
    things: Sequence[Thing], shape: tuple[int, int], camera: Camera, settings: HazardSettings,
) -> HazardResult:
    """
    Return the hazard verdict of a frame of `shape` (H, W) from its things.

    A person, rider, two-wheeler or vehicle counts whose lowest mask pixels lie within the
    corridor straight ahead. Distances assume flat ground under the camera; `camera` is scaled
    to the map when it was made for another size.
    """
    height, width = shape
    camera = scaled(camera, width, height)
    limit = CLEAR_FACTOR * settings.stopping_distance
    nearest, name = float('inf'), None
    for thing in things:
        if thing.label not in _DANGERS:
            continue
        # The lower edge of the lowest row touches the road.
        distance = ground_distance(camera, thing.bottom + 0.5)
        if distance >= min(limit, nearest):
            continue
        depth = distance * cos(camera.pitch) + camera.mount_height * sin(camera.pitch)
        sideways = (thing.foot - camera.cx) / camera.fx * depth
        if np.any(np.abs(sideways) <= settings.corridor_width / 2):
            nearest, name = distance, BY_ID[thing.label].name
    if name is None:
        return HazardResult(Hazard.CLEAR, None, None)
    verdict = (Hazard.HAZARD if nearest < settings.stopping_distance
               else Hazard.INDETERMINATE)
    return HazardResult(verdict, round(nearest, 3), name)


def scaled(camera: Camera, width: int, height: int) -> Camera:
    """Return the same camera for pictures of another size in pixels."""
    if (camera.width, camera.height) == (width, height):
        return camera
    x, y = width / camera.width, height / camera.height
    return Camera(
        width, height, camera.fx * x, camera.fy * y, camera.cx * x, camera.cy * y,
        camera.mount_height, camera.pitch)

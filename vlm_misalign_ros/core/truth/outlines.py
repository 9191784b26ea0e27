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

"""The truth of a frame as lines: what has to be named, who is in the way, the ego corridor."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Any

import cv2
import msgspec
import numpy as np

from vlm_misalign_ros.core.labels.classes import BY_ID
from vlm_misalign_ros.core.truth.camera import ground_distance, project, road_distance
from vlm_misalign_ros.core.truth.inventory import Thing
from vlm_misalign_ros.core.truth.presence import is_required, mask_of
from vlm_misalign_ros.core.truth.read import Truth, TruthMaps
from vlm_misalign_ros.core.types import Camera, Hazard

Point = tuple[float, float]
"""Column and row as parts of width and height."""
MOST_THINGS = 40
"""Outlined at most, the nearest to the lower edge first."""
MOST_PARTS = 4
"""Of a thing that others cut into pieces, the largest first."""
MOST_POINTS = 48
"""Corners of one line at most."""
_CLOSE = 0.0015
"""How far a line may lie from the true one, as part of the width."""
_NEAREST = 0.5
"""Metres of road before the camera from which the corridor is drawn."""
_DIGITS = 4


class Outlined(msgspec.Struct, frozen=True):
    """The outline of one thing."""

    name: str
    """Its label."""
    metres: float | None
    """Along the road; null where it is not known."""
    way: bool
    """Whether it is the nearest thing in the corridor of a frame that is a HAZARD."""
    required: bool
    """Whether a driver has to see it."""
    lines: list[list[Point]]
    """Closed lines."""


class Outlines(msgspec.Struct, frozen=True):
    """What is true of a frame, drawn."""

    things: list[Outlined] = []
    corridor: list[Point] = []
    """Corners of the ego corridor up to the stopping distance; none where it cannot be drawn."""


def encode(outlines: Outlines) -> bytes:
    """Return outlines as JSON."""
    return msgspec.json.encode(outlines)


def decode(data: bytes) -> Outlines | None:
    """Return the outlines in JSON; None where it holds none."""
    try:
        return msgspec.json.decode(data, type=Outlines)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def outline(truth: Truth, maps: TruthMaps) -> Outlines:
    """
    Return what has to be named of a frame and who is in the way, outlined, and its corridor.

    Truth and maps are of the same frame; occluders change nothing: what they hide is there.
    """
    marks = maps.labels if maps.instances is None else maps.instances
    way = _in_the_way(truth)
    shown = [
        thing for thing in truth.seen.inventory.things if thing is way or _needed(thing, truth)
    ]
    shown.sort(key=lambda thing: (thing is not way, -thing.bottom, -thing.area))
    things = [
        Outlined(
            BY_ID[thing.label].name,
            _metres(thing, truth.camera),
            thing is way,
            _needed(thing, truth),
            list(_lines(thing, marks)),
        )
        for thing in shown[:MOST_THINGS]
    ]
    return Outlines(things, _corridor(truth))


def _needed(thing: Thing, truth: Truth) -> bool:
    seen = truth.seen
    required = is_required(thing, seen.inventory.shape, truth.settings.presence)
    return required and BY_ID[thing.label].name in seen.needed


def _in_the_way(truth: Truth) -> Thing | None:
    """Return the thing that makes a frame a HAZARD."""
    if truth.hazard.verdict is not Hazard.HAZARD:
        return None
    limits = truth.settings.hazard
    near = [each for each in truth.things if each.thing is not None and each.inside(limits)]
    return min(near, key=lambda each: each.distance).thing if near else None


def _metres(thing: Thing, camera: Camera) -> float | None:
    if thing.depth is not None:
        return round(road_distance(camera, thing.depth), 1)
    metres = ground_distance(camera, thing.bottom + 0.5)
    return round(metres, 1) if isfinite(metres) and not camera.distortion else None


def _lines(thing: Thing, marks: np.ndarray) -> Iterator[list[Point]]:
    height, width = marks.shape
    _, mask = mask_of(thing, marks)
    found, _ = cv2.findContours(
        mask.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(0, thing.top)
    )
    found = sorted(found, key=cv2.contourArea, reverse=True)
    least = cv2.contourArea(found[0]) / 20 if len(found) else 0
    for line in found[:MOST_PARTS]:
        if cv2.contourArea(line) < least:
            break
        close = max(1.0, _CLOSE * width)
        corners = cv2.approxPolyDP(line, close, True)
        while len(corners) > MOST_POINTS:
            close *= 1.5
            corners = cv2.approxPolyDP(line, close, True)
        # The middle of a pixel, as part of the picture.
        yield _points((corners[:, 0].astype(np.float64) + 0.5) / (width, height))


def _corridor(truth: Truth) -> list[Point]:
    camera, limits = truth.camera, truth.settings.hazard
    if not truth.known or camera.distortion:
        return []
    half, far = limits.corridor_width / 2, limits.stopping_distance
    near = max(_NEAREST, ground_distance(camera, camera.height - 1))
    if not near < far:
        return []
    corners = [(-half, near), (-half, far), (half, far), (half, near)]
    places = np.array([project(camera, *corner) for corner in corners])
    return _points(places / (camera.width, camera.height))


def _points(places: np.ndarray) -> list[Point]:
    found: list[Any] = [tuple(pair) for pair in np.round(places, _DIGITS).tolist()]
    return found

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

"""The ground truth of a frame as a picture: what has to be said, and the ego corridor."""

from __future__ import annotations

import cv2
import numpy as np

from vlm_misalign_ros.core.labels.classes import BY_ID, SCORED
from vlm_misalign_ros.core.truth.camera import ground_distance, project
from vlm_misalign_ros.core.truth.hazard import CLEAR_FACTOR, HazardSettings
from vlm_misalign_ros.core.truth.inventory import Thing
from vlm_misalign_ros.core.truth.presence import is_required
from vlm_misalign_ros.core.truth.read import Truth, TruthMaps, TruthSettings, read_truth, trust_of
from vlm_misalign_ros.core.truth.trust import Trust
from vlm_misalign_ros.core.types import Camera, Frame, Hazard, Presence

_COLORS = {Presence.REQUIRED: (80, 220, 80), Presence.TOLERATED: (60, 200, 255)}
_VERDICTS = {
    Hazard.HAZARD: (60, 60, 255),
    Hazard.CLEAR: (90, 220, 90),
    Hazard.INDETERMINATE: (60, 190, 255),
}
_OBSTACLES = (200, 60, 200)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_NEAREST = 0.5
"""Metres of road before the camera from which the corridor is drawn."""


def draw_truth(frame: Frame, settings: TruthSettings) -> tuple[np.ndarray, Trust]:
    """
    Return a labelled frame with its truth drawn in, BGR uint8 (H + legend, W, 3), and its trust.

    Outlined in green is what has to be mentioned, in yellow what may be; the corridor is drawn
    on the road up to the stopping distance and, thinly, up to where CLEAR begins, in magenta what
    in it is on no drivable surface. A frame whose labels say too little has only the reason
    written on it, and no legend. ValueError for a frame without labels.
    """
    trust = trust_of(frame, settings)
    if not trust.scorable:
        return _unscorable(frame.image, trust.reason), trust
    truth = read_truth(TruthMaps.of(frame), frame.camera, settings)
    height, width = truth.seen.inventory.shape
    camera, found = truth.camera, truth.hazard
    image = frame.image.copy()
    if image.shape[:2] != (height, width):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    unit = max(height / 1024, 0.35)
    _draw_corridor(image, camera, settings.hazard, found.verdict, unit)
    limits = settings.hazard
    _tint(
        image,
        truth.road.obstacle_mask(limits.corridor_width, limits.stopping_distance),
        _OBSTACLES,
    )
    for thing in sorted(truth.seen.inventory.things, key=lambda thing: thing.bottom):
        if thing.number and frame.instances is not None:
            important = is_required(thing, (height, width), settings.presence)
            color = _COLORS[Presence.REQUIRED if important else Presence.TOLERATED]
            _outline(image, frame.instances, thing, color, unit)
            if important:
                distance = thing.depth
                if distance is None:
                    distance = ground_distance(camera, thing.bottom + 0.5)
                _write(
                    image,
                    f'{BY_ID[thing.label].name} {distance:.0f} m',
                    (int(thing.foot.min()), thing.top - round(6 * unit)),
                    color,
                    unit,
                )
    verdict = _told(truth)
    wide = cv2.getTextSize(verdict, _FONT, 1.1 * unit, 1)[0][0]
    cv2.rectangle(image, (0, 0), (wide + round(50 * unit), round(70 * unit)), (24, 24, 24), -1)
    _write(
        image, verdict, (round(20 * unit), round(48 * unit)), _VERDICTS[found.verdict], 1.6 * unit
    )
    states = truth.seen.scene
    lines = [
        (state, ', '.join(name for name in SCORED if states[name] is state)) for state in Presence
    ]
    return np.concatenate([image, _legend(lines, width, unit)]), trust


def _told(truth: Truth) -> str:
    """Return the verdict in words, with what it is because of."""
    found, corridor = truth.hazard, truth.corridor
    words = found.verdict.value
    if found.nearest is not None:
        words += f': {found.nearest_class} at {found.nearest:.1f} m ({found.source})'
    elif found.doubt is not None:
        words += f': {found.doubt.value}'
    if corridor.blocked:
        share = corridor.blocked / max(corridor.pixels, 1)
        words += f'; {", ".join(corridor.obstacles)} on {100 * share:.1f} % of the corridor'
    return words


def _tint(image: np.ndarray, mask: np.ndarray, color: tuple[int, int, int]) -> None:
    """Lay a colour over the pixels of a mask, bool (H, W)."""
    image[mask] = (0.4 * image[mask] + 0.6 * np.array(color)).astype(np.uint8)


def _unscorable(image: np.ndarray, reason: str) -> np.ndarray:
    """Return a picture with the reason why there is no truth of it."""
    height, width = image.shape[:2]
    unit = max(height / 1024, 0.35)
    drawn = image.copy()
    cv2.rectangle(drawn, (0, 0), (width - 1, round(70 * unit)), (24, 24, 24), -1)
    place = (round(20 * unit), round(48 * unit))
    _write(drawn, f'UNSCORABLE: {reason}', place, (90, 90, 255), unit)
    return drawn


def _draw_corridor(
    image: np.ndarray, camera: Camera, corridor: HazardSettings, verdict: Hazard, unit: float
) -> None:
    half, stop = corridor.corridor_width / 2, corridor.stopping_distance
    near = max(_NEAREST, ground_distance(camera, image.shape[0] - 1))

    def quadrilateral(start: float, end: float) -> np.ndarray:
        corners = [(-half, start), (-half, end), (half, end), (half, start)]
        return np.array([project(camera, *corner) for corner in corners]).round().astype(np.int32)

    if near < stop:
        filled = image.copy()
        cv2.fillPoly(filled, [quadrilateral(near, stop)], _VERDICTS[verdict])
        cv2.addWeighted(filled, 0.3, image, 0.7, 0, dst=image)
        cv2.polylines(
            image,
            [quadrilateral(near, stop)],
            True,
            _VERDICTS[verdict],
            round(2 * unit) or 1,
            cv2.LINE_AA,
        )
    cv2.polylines(
        image,
        [quadrilateral(max(near, stop), CLEAR_FACTOR * stop)],
        True,
        _VERDICTS[verdict],
        1,
        cv2.LINE_AA,
    )


def _outline(
    image: np.ndarray,
    instances: np.ndarray,
    thing: Thing,
    color: tuple[int, int, int],
    unit: float,
) -> None:
    rows = slice(thing.top, thing.bottom + 1)
    mask = (instances[rows] == thing.number).view(np.uint8)
    contours, _ = cv2.findContours(
        mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(0, thing.top)
    )
    cv2.drawContours(image, contours, -1, color, max(1, round(2 * unit)), cv2.LINE_AA)


def _write(
    image: np.ndarray, text: str, place: tuple[int, int], color: tuple[int, int, int], unit: float
) -> None:
    place = (place[0], max(place[1], round(24 * unit)))
    cv2.putText(
        image, text, place, _FONT, 0.7 * unit, (0, 0, 0), max(1, round(4 * unit)), cv2.LINE_AA
    )
    cv2.putText(
        image, text, place, _FONT, 0.7 * unit, color, max(1, round(1.5 * unit)), cv2.LINE_AA
    )


def _legend(lines: list[tuple[Presence, str]], width: int, unit: float) -> np.ndarray:
    """Return a panel that names the classes by state, uint8 (rows, width, 3)."""
    scale = 0.62 * unit
    step = round(28 * unit)
    rows: list[tuple[str, tuple[int, int, int]]] = []
    for state, names in lines:
        color = _COLORS.get(state, (150, 150, 150))
        text = f'{state.value}:'
        for name in (names or '-').split(', '):
            longer = f'{text} {name},'
            if cv2.getTextSize(longer, _FONT, scale, 1)[0][0] > width - round(40 * unit):
                rows.append((text, color))
                longer = f'    {name},'
            text = longer
        rows.append((text.rstrip(','), color))
    panel = np.full((step * len(rows) + round(16 * unit), width, 3), 24, np.uint8)
    for number, (text, color) in enumerate(rows, 1):
        cv2.putText(
            panel,
            text,
            (round(20 * unit), number * step),
            _FONT,
            scale,
            color,
            max(1, round(1.3 * unit)),
            cv2.LINE_AA,
        )
    return panel

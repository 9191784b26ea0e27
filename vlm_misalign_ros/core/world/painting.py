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

"""Paints a synthetic street as it is seen at a moment: picture and owners."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import pi

import cv2
import numpy as np

from vlm_misalign_ros.core.labels.classes import BY_NAME
from vlm_misalign_ros.core.world.actors import PARTS, SIZES, Actor
from vlm_misalign_ros.core.world.canvas import Canvas, sample_noise
from vlm_misalign_ros.core.world.figures import paint_person, paint_rider, paint_two_wheeler
from vlm_misalign_ros.core.world.fixtures import LOTS
from vlm_misalign_ros.core.world.ground import paint_crossing, paint_ground, paint_shadow
from vlm_misalign_ros.core.world.layout import FAR, LANE
from vlm_misalign_ros.core.world.roadside import paint_furniture, paint_lot
from vlm_misalign_ros.core.world.solids import Body
from vlm_misalign_ros.core.world.street import Street
from vlm_misalign_ros.core.world.vehicles import paint_vehicle


def paint(street: Street, time: float) -> Canvas:
    """Return the street as it is seen after `time` seconds."""
    canvas = Canvas(street.camera, street.weather.light, street.curvature)
    _sky(canvas, street, time)
    paint_ground(canvas, street, street.speed * time)
    for _, draw in sorted(_things(canvas, street, time), key=lambda entry: -entry[0]):
        draw()
    canvas.roughen()
    if street.weather.wet:
        _mirror(canvas, street)
    _hood(canvas)
    return canvas


def _things(
    canvas: Canvas, street: Street, time: float
) -> Iterator[tuple[float, Callable[[], None]]]:
    """Return what stands on the ground: distance in metres of each, and what paints it."""
    travelled = street.speed * time
    for thing in street.fixtures:
        z = thing.z - travelled
        if thing.kind in LOTS:
            if z + thing.length > 1.0 and z < FAR:
                yield z + thing.length, partial(paint_lot, canvas, street, thing, z)
        elif thing.kind == 'crossing':
            if z > -thing.length:
                # It lies on the ground: whatever stands there comes later.
                yield 1000.0, partial(paint_crossing, canvas, street, z, thing.length)
        elif 0 < z < FAR:
            yield z, partial(paint_furniture, canvas, street, thing, z)
    for actor in street.actors:
        z = actor.z + actor.speed_z * time - travelled
        if 0 < z < FAR:
            draw = _vehicle if actor.label in SIZES else _figure
            length = SIZES.get(actor.label, (0.0, 0.0, 0.0))[0]
            yield z - length / 2, partial(draw, canvas, street, actor, z, time)


def _vehicle(canvas: Canvas, street: Street, actor: Actor, z: float, time: float) -> None:
    x, label = actor.across(time), actor.label
    length, width, height = (size * actor.scale for size in SIZES[label])
    near = z - length / 2
    if near < 1.0:
        return
    backward = actor.x < -LANE / 2 and not street.one_way
    heading = pi if actor.speed_z < 0 or actor.speed_z == 0 and backward else 0.0
    paint_shadow(canvas, street, x, z, length, width, 0.6)
    canvas.begin(label, near, actor.numbers[label], origin=(x, 0, near), faces=True)
    paint_vehicle(
        canvas,
        label,
        Body(x, z, heading, length, width, height),
        actor.paint,
        actor.trim,
        actor.boxy,
        street.weather.lamps,
    )


def _figure(canvas: Canvas, street: Street, actor: Actor, z: float, time: float) -> None:
    """Paint a person, a two-wheeler, or somebody on one."""
    if z < 1.5:
        return
    x, label = actor.across(time), actor.label
    sideways = abs(actor.speed_x) > 0.05 or label in ('bicycle', 'motorcycle')
    leftwards = actor.speed_x < 0
    stride = 2 * pi * time * 0.9
    paint_shadow(canvas, street, x, z, 0.4, 0.5, 1.0)
    if label == 'person':
        canvas.begin('person', z, actor.numbers['person'], origin=(x, 0, z))
        paint_person(canvas, x, z, actor.looks, stride, sideways, leftwards)
        return
    motor = label in ('motorcycle', 'motorcyclist')
    wheels = 'motorcycle' if motor else 'bicycle'
    canvas.begin(wheels, z, actor.numbers[wheels], origin=(x, 0, z))
    paint_two_wheeler(canvas, x, z, actor.paint, motor, sideways, leftwards)
    if label in PARTS:
        canvas.begin('rider', z, actor.numbers['rider'], origin=(x, 0, z))
        paint_rider(canvas, x, z, actor.looks, stride, motor, sideways, leftwards, actor.trim)


def _sky(canvas: Canvas, street: Street, time: float) -> None:
    weather = street.weather
    number = canvas.begin('sky', 1000.0, roughness=0.0)
    height, width = canvas.owner.shape
    share = np.linspace(0, 1.6, height, dtype=np.float32).clip(0, 1)[:, None, None]
    zenith, horizon = (np.array(c, np.float32) for c in (weather.zenith, weather.horizon))
    sky = np.broadcast_to(zenith * (1 - share) + horizon * share, (height, width, 3))
    if weather.clouds:
        x, y = np.meshgrid(
            np.arange(width, dtype=np.float32) * (160 / width),
            np.arange(height, dtype=np.float32) * (240 / height),
        )
        drift = (street.speed * 7919) % 512 + time
        lift = cv2.merge([sample_noise((x + drift) % 512, y) * (14 * weather.clouds)] * 3)
        sky = sky + lift
    canvas.image[:] = np.clip(sky, 0, 255).astype(np.uint8)
    canvas.owner[:] = number


def _mirror(canvas: Canvas, street: Street) -> None:
    """Let a wet road mirror, blurred, what stands above it."""
    labels = canvas.labels()
    road = (labels == BY_NAME['road'].id) | (labels == BY_NAME['sidewalk'].id)
    camera = canvas.camera
    horizon = min(max(round(camera.cy - camera.fy * np.tan(camera.pitch)), 1), camera.height - 1)
    rows = np.clip(2 * horizon - np.arange(horizon, camera.height), 0, horizon)
    above = cv2.GaussianBlur(
        canvas.image[rows], (0, 0), sigmaX=camera.width / 400, sigmaY=camera.height / 40
    )
    part = canvas.image[horizon:]
    share = street.weather.wet
    blended = cv2.addWeighted(part, 0.92 - share, above, share, 0)
    np.copyto(part, blended, where=road[horizon:, :, None])


def _hood(canvas: Canvas) -> None:
    number = canvas.begin('ego vehicle', 1.0, roughness=0.01)
    height, width = canvas.owner.shape
    center, axes = (width // 2, round(height * 1.06)), (round(width * 0.47), round(height * 0.12))
    cv2.ellipse(canvas.image, center, axes, 0, 0, 360, (52, 50, 48), cv2.FILLED)
    cv2.ellipse(canvas.owner, center, axes, 0, 0, 360, number, cv2.FILLED)


def develop(canvas: Canvas, street: Street, seed: tuple[int, ...]) -> np.ndarray:
    """Return the picture as the sensor gives it, BGR uint8 (H, W, 3): tint, a little noise."""
    noise = np.random.default_rng(seed).standard_normal(canvas.owner.shape, np.float32) * 2.5
    scaled = cv2.multiply(canvas.image, np.array((*street.weather.tint, 0.0)), dtype=cv2.CV_32F)
    developed: np.ndarray = cv2.add(scaled, cv2.merge([noise] * 3), dtype=cv2.CV_8U)
    return developed

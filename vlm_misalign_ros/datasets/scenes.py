"""
Synthetic street scenes with exact truth, written in the Cityscapes layout.

A sequence is a street with houses, trees, furniture, traffic and people, seen from a car that
drives along it. Everything is drawn from (seed, sequence), so a frame is the same in any order.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from math import pi
from pathlib import Path

import cv2
import numpy as np

from vlm_misalign_ros.datasets.scene_canvas import Canvas, Color, Light
from vlm_misalign_ros.datasets.scene_figures import (
    Looks,
    paint_bin,
    paint_person,
    paint_pole,
    paint_rider,
    paint_sign,
    paint_signal,
    paint_two_wheeler,
)
from vlm_misalign_ros.datasets.scene_vehicles import Body, paint_vehicle
from vlm_misalign_ros.errors import ConfigurationError, DatasetError
from vlm_misalign_ros.labels import BY_ID, IGNORE, train_id_table
from vlm_misalign_ros.types import Camera, Frame

PERIOD = 0.25
"""Seconds between the frames of a sequence."""
BASELINE = 0.22
"""Metres between the cameras that the disparity is for (Cityscapes' nominal value)."""
FAR = 140.0
"""Metres up to which the street is built."""
LANE = 3.5


@dataclass(frozen=True)
class City:
    """The looks that the streets of one city share."""

    name: str
    walls: tuple[Color, ...]
    roofs: tuple[float, float]
    """Lowest and highest house, metres."""
    greenery: float
    """Share of lots without a house."""
    road: Color
    pavement: Color


CITIES: tuple[City, ...] = (
    City('altenmark', ((120, 150, 190), (150, 175, 205), (95, 115, 165), (175, 190, 200)),
         (7.0, 14.0), 0.35, (84, 82, 80), (142, 140, 138)),
    City('brunnhafen', ((135, 130, 125), (165, 160, 150), (110, 105, 100), (150, 140, 170)),
         (11.0, 26.0), 0.2, (70, 70, 72), (120, 122, 126)),
)

_SIZES = {'car': (4.4, 1.8, 1.48), 'truck': (8.0, 2.45, 3.3), 'bus': (11.5, 2.5, 3.1),
          'train': (24.0, 2.4, 3.4)}
_PAINTS: tuple[Color, ...] = (
    (40, 40, 42), (190, 190, 188), (225, 225, 222), (120, 60, 30), (45, 40, 150), (110, 112, 108),
    (60, 85, 50), (70, 130, 190))
_CLOTHES: tuple[Color, ...] = (
    (60, 50, 45), (40, 40, 160), (140, 70, 40), (60, 120, 60), (200, 200, 195), (50, 150, 210),
    (110, 60, 110), (35, 35, 35))


@dataclass
class Actor:
    """Something that moves or could; `label` of a person, rider, vehicle or two-wheeler."""

    label: str
    x: float
    z: float
    speed_x: float
    speed_z: float
    """Metres a second over the ground; the car that looks moves along z."""
    paint: Color
    trim: Color
    looks: Looks
    boxy: float
    scale: float
    numbers: dict[str, int] = field(default_factory=dict)
    """Instance number by label: a cyclist is a rider and a bicycle."""


@dataclass(frozen=True)
class Fixture:
    """Something that stays: a lot, a tree, a pole, a sign, a light, a bin."""

    kind: str
    x: float
    z: float
    length: float
    height: float
    color: Color
    style: int


@dataclass
class Street:
    """One sequence: the street, who is on it, the camera and the light."""

    city: City
    camera: Camera
    light: Light
    sky: tuple[Color, Color]
    curvature: float
    speed: float
    left: float
    right: float
    """X of the curbs, metres."""
    pavement: float
    """Width of the sidewalks, metres."""
    fixtures: list[Fixture]
    actors: list[Actor]
    gain: float


def _pick(rng: np.random.Generator, choices: tuple[Color, ...]) -> Color:
    chosen = choices[int(rng.integers(len(choices)))]
    shift = rng.normal(0, 9, 3)
    blue, green, red = (float(min(max(c + s, 8), 245)) for c, s in zip(chosen, shift, strict=True))
    return blue, green, red


def _looks(rng: np.random.Generator) -> Looks:
    skin = ((150, 175, 215), (105, 135, 185), (60, 85, 130), (40, 55, 85))
    hair = ((30, 35, 45), (40, 70, 105), (120, 125, 130), (25, 25, 25))
    return Looks(_pick(rng, _CLOTHES), _pick(rng, _CLOTHES), _pick(rng, skin), _pick(rng, hair),
                 float(rng.uniform(0.9, 1.08)), bool(rng.random() < 0.3),
                 float(rng.uniform(0, 2 * pi)))


def _actor(rng: np.random.Generator, label: str, x: float, z: float, speed_x: float = 0.0,
           speed_z: float = 0.0) -> Actor:
    return Actor(label, x, z, speed_x, speed_z, _pick(rng, _PAINTS), _pick(rng, _PAINTS),
                 _looks(rng), float(rng.random() ** 2), float(rng.uniform(0.92, 1.08)))


def _traffic(rng: np.random.Generator, left: float, right: float, pavement: float,
             speed: float, seconds: float) -> list[Actor]:
    """Return everybody on the street; in about half of the streets somebody is in the way."""
    actors: list[Actor] = []
    ahead = FAR + speed * seconds

    def along(start: float, gap: tuple[float, float]) -> list[float]:
        places, z = [], start + float(rng.uniform(0, gap[1]))
        while z < ahead:
            places.append(z)
            z += float(rng.uniform(*gap))
        return places

    vehicles = ('car',) * 8 + ('truck', 'bus', 'motorcyclist')
    for z in along(6, (14, 60)):
        label = vehicles[int(rng.integers(len(vehicles)))]
        actors.append(_actor(rng, label, -LANE, z + 6, 0.0, -float(rng.uniform(6, 12))))
    if rng.random() < 0.15:
        actors.append(_actor(rng, 'train', -LANE - 0.1, float(rng.uniform(30, 70)), 0.0, -5.0))
        actors = [a for a in actors if a.label == 'train' or abs(a.z - actors[-1].z) > 24]
    for side, share in ((right - 1.15, rng.uniform(0, 0.8)), (left + 1.15, rng.uniform(0, 0.8))):
        for z in along(3, (5.8, 8)):
            if rng.random() < share:
                kind = 'truck' if rng.random() < 0.04 else 'car'
                actors.append(_actor(rng, kind, side, z))
    for side, edge in ((1, right), (-1, left)):
        for z in along(2, (3, 28)):
            x = edge + side * float(rng.uniform(0.5, pavement - 0.3))
            away = 1 if rng.random() < 0.5 else -1
            chance = rng.random()
            if chance < 0.72:
                walk = away * float(rng.uniform(0.8, 1.6)) * (rng.random() < 0.8)
                actors.append(_actor(rng, 'person', x, z, 0.0, walk))
                if rng.random() < 0.3:
                    actors.append(_actor(rng, 'person', x + 0.55, z + 0.3, 0.0, walk))
            elif chance < 0.92:
                actors.append(_actor(rng, 'bicycle', edge + side * 0.5, z))
            else:
                actors.append(_actor(rng, 'motorcycle', edge + side * 0.6, z))
    if rng.random() < 0.5:
        z = float(rng.uniform(14, 40))
        actors.append(_actor(rng, 'cyclist', right - 2.4 if right > 3 else 1.1, z + 25, 0.0, 4.0))
        actors.append(_actor(rng, 'cyclist', left + 2.6, z, 0.0, -4.5))
    if rng.random() < 0.52:
        actors.append(_hazard(rng, speed))
    # The lane ahead is otherwise free as far as a clear road needs it.
    actors.append(_actor(rng, 'car', 0.0, float(rng.uniform(48, 80)), 0.0, speed))
    return actors


def _hazard(rng: np.random.Generator, speed: float) -> Actor:
    """Return somebody in the ego lane, nearer than it takes to stop."""
    z = float(rng.uniform(8.5, 16))
    kind = rng.random()
    if kind < 0.4:
        side = 1 if rng.random() < 0.5 else -1
        return _actor(rng, 'person', side * float(rng.uniform(0.1, 1.0)), z,
                      -side * float(rng.uniform(0.3, 0.8)), speed * 0.92)
    if kind < 0.6:
        return _actor(rng, 'cyclist', float(rng.uniform(-0.6, 0.9)), z, 0.0, speed * 0.95)
    if kind < 0.7:
        return _actor(rng, 'motorcyclist', float(rng.uniform(-0.6, 0.6)), z, 0.0, speed * 0.95)
    label = ('car', 'car', 'car', 'truck', 'bus')[int(rng.integers(5))]
    return _actor(rng, label, float(rng.uniform(-0.2, 0.2)), z + _SIZES[label][0] / 2, 0.0,
                  speed * 0.97)


def _fixtures(rng: np.random.Generator, city: City, left: float, right: float,
              pavement: float, ahead: float) -> list[Fixture]:
    fixtures = []
    grey: Color = (112, 114, 112)
    for side, edge in ((1, right), (-1, left)):
        front = edge + side * pavement
        z = -6.0
        while z < ahead:
            length = float(rng.uniform(9, 22))
            chance = rng.random()
            if chance > city.greenery:
                kind, height = 'building', float(rng.uniform(*city.roofs))
            else:
                kind = ('hedge', 'wall', 'fence', 'lawn')[int(rng.integers(4))]
                height = float(rng.uniform(1.2, 2.6))
            color = _pick(rng, city.walls)
            fixtures.append(Fixture(kind, front, z, length, height, color,
                                    int(rng.integers(1 << 30))))
            z += length + (float(rng.uniform(0, 2)) if kind == 'building' else 0.0)
        z = float(rng.uniform(0, 12))
        while z < ahead:
            kinds = ('tree',) * 4 + ('lamp',) * 3 + ('sign',) * 3 + ('signal', 'bin', 'pole')
            kind = kinds[int(rng.integers(len(kinds)))]
            fixtures.append(Fixture(kind, edge + side * 0.45, z, side, float(rng.uniform(5, 8)),
                                    grey, int(rng.integers(1 << 30))))
            z += float(rng.uniform(5, 15))
    return fixtures


def make_street(seed: int, sequence: int, width: int, height: int, frames: int) -> Street:
    """Return the street of a sequence of so many frames."""
    rng = np.random.default_rng((seed, sequence))
    city = CITIES[sequence % len(CITIES)]
    scale = width / 2048
    pitch = float(rng.uniform(0.02, 0.06))
    camera = Camera(
        width, height, 2262.5 * scale, 2262.5 * scale, width / 2 * float(rng.uniform(0.97, 1.03)),
        height * 0.5, float(rng.uniform(1.2, 1.45)), pitch)
    parking = rng.random(2) < 0.75
    right = LANE / 2 + 2.3 * parking[0]
    left = -1.5 * LANE - 2.3 * parking[1]
    pavement = float(rng.uniform(2.4, 4.2))
    speed = float(rng.uniform(4, 11))
    ahead = FAR + speed * PERIOD * frames
    sunny = float(rng.uniform(0, 0.9))
    haze: Color = (215 - 20 * sunny, 212, 208 - 8 * sunny)
    light = Light((float(rng.uniform(-1.2, 1.2)), float(rng.uniform(-0.8, 0.8))), sunny, haze,
                  float(rng.uniform(150, 500)))
    blue: Color = (200 + 30 * sunny, 190, 182 - 50 * sunny)
    street = Street(
        city, camera, light, (blue, haze), float(rng.normal(0, 0.0004)), speed, left, right,
        pavement, _fixtures(rng, city, left, right, pavement, ahead),
        _traffic(rng, left, right, pavement, speed, PERIOD * frames),
        float(rng.uniform(0.85, 1.1)))
    numbers: dict[str, int] = {}
    for actor in street.actors:
        for label in _PARTS.get(actor.label, (actor.label,)):
            actor.numbers[label] = numbers.setdefault(label, 0)
            numbers[label] += 1
    return street


_PARTS = {'cyclist': ('bicycle', 'rider'), 'motorcyclist': ('motorcycle', 'rider')}
_BANDS = (0.0, 5.0, 8.0, 13.0, 21.0, 34.0, 55.0, 90.0, 160.0, 600.0)


def _ribbon(canvas: Canvas, label: str, x0: float, x1: float, color: Color, up: float,
            offset: float) -> None:
    """Paint a strip of ground along the street, in bands of like distance."""
    for near, far in zip(_BANDS[-2::-1], _BANDS[:0:-1], strict=True):
        middle = (near + far) / 2
        anchor = middle - offset % 1.0
        canvas.begin(label, middle, origin=((x0 + x1) / 2, 0.0, anchor), roughness=0.035)
        z = np.linspace(near, far, 4)
        outline = [(x0, up, v) for v in z] + [(x1, up, v) for v in z[::-1]]
        canvas.polygon(outline, color)


def _ground(canvas: Canvas, street: Street, travelled: float) -> None:
    city, left, right, wide = street.city, street.left, street.right, street.pavement
    _ribbon(canvas, 'terrain', -90, 90, (70, 110, 100), 0.0, travelled)
    _ribbon(canvas, 'sidewalk', left - wide - 0.5, left, city.pavement, 0.0, travelled)
    _ribbon(canvas, 'sidewalk', right, right + wide + 0.5, city.pavement, 0.0, travelled)
    _ribbon(canvas, 'road', left, right, city.road, 0.0, travelled)
    pale: Color = (205, 205, 200)
    canvas.begin('road', 15.0)
    start = -(travelled % 9.0)
    dashes = [[(-LANE / 2 - 0.07, 0, z), (-LANE / 2 - 0.07, 0, z + 3),
               (-LANE / 2 + 0.07, 0, z + 3), (-LANE / 2 + 0.07, 0, z)]
              for z in np.arange(start, 90, 9.0)]
    canvas.polygons(np.array(dashes), pale)
    for edge in (left, right):
        canvas.begin('sidewalk', 12.0)
        z = np.linspace(0.5, 110, 12)
        outline = [(edge - 0.12, 0, v) for v in z] + [(edge + 0.12, 0, v) for v in z[::-1]]
        canvas.polygon(outline, (158, 158, 156))


def _shadow(canvas: Canvas, street: Street, x: float, z: float, long: float, wide: float,
            tall: float) -> None:
    """Paint the shadow of a box onto the ground, which it stays part of."""
    dx, dz = (tall * shift for shift in street.light.shadow)
    corners = [(x + sx * wide / 2 + px, z + sz * long / 2 + pz)
               for sx in (-1, 1) for sz in (-1, 1) for px, pz in ((0, 0), (dx, dz))]
    hull = cv2.convexHull(np.array(corners, np.float32))[:, 0]
    road = street.left < x < street.right
    color = street.city.road if road else street.city.pavement
    canvas.begin('road' if road else 'sidewalk', z)
    canvas.polygon(np.insert(hull, 1, 0.0, axis=1), color,
                   1 - 0.5 * max(street.light.strength, 0.25))


def _building(canvas: Canvas, lot: Fixture, z: float, light: Light) -> None:
    side = 1 if lot.x > 0 else -1
    canvas.begin('building', max(z + lot.length / 3, 3.0),
                 origin=(lot.x, 0.0, max(z, 1.0)), roughness=0.05)
    end, back, top = z + lot.length, lot.x + side * 14, lot.height
    canvas.polygon([(lot.x, 0, z), (back, 0, z), (back, top, z), (lot.x, top, z)], lot.color,
                   light.shade(0, -1))
    shade = light.shade(-side, 0)
    canvas.polygon([(lot.x, 0, z), (lot.x, 0, end), (lot.x, top, end), (lot.x, top, z)],
                   lot.color, shade)
    rng = np.random.default_rng(lot.style)
    pitch, storey = float(rng.uniform(2.2, 3.4)), float(rng.uniform(2.8, 3.4))
    wide, tall = pitch * 0.5, storey * 0.55
    starts = np.arange(z + 0.8, end - wide, pitch)
    levels = np.arange(0.9, top - tall - 0.3, storey)
    if not len(starts) or not len(levels):
        return
    a, b = (grid.ravel() for grid in np.meshgrid(starts, levels))
    x = np.full_like(a, lot.x)
    panes = np.stack([
        np.stack([x, b, a], 1), np.stack([x, b, a + wide], 1),
        np.stack([x, b + tall, a + wide], 1), np.stack([x, b + tall, a], 1)], 1)
    canvas.polygons(panes, (88, 76, 66), shade)


def _boundary(canvas: Canvas, lot: Fixture, z: float, light: Light) -> None:
    side = 1 if lot.x > 0 else -1
    near = max(z + lot.length / 3, 3.0)
    end, x = z + lot.length, lot.x + side * 0.3
    face = [(x, 0, z), (x, 0, end), (x, lot.height, end), (x, lot.height, z)]
    shade = light.shade(-side, 0)
    if lot.kind == 'hedge':
        canvas.begin('vegetation', near, origin=(x, 0, max(z, 1.0)), roughness=0.12)
        canvas.polygon(face, (50, 95, 60), shade)
    elif lot.kind == 'wall':
        canvas.begin('wall', near, origin=(x, 0, max(z, 1.0)), roughness=0.06)
        canvas.polygon(face, lot.color, shade * 0.9)
    elif lot.kind == 'fence':
        canvas.begin('fence', near, origin=(x, 0, max(z, 1.0)))
        canvas.polygon(face, (120, 128, 132), shade * 0.8)
        slats = np.arange(z, end, 0.8)
        top = lot.height - 0.1
        bars = np.array([[(x, 0.05, s), (x, 0.05, s + 0.3), (x, top, s + 0.3), (x, top, s)]
                         for s in slats])
        canvas.polygons(bars, (85, 92, 98), shade)
    if lot.kind in ('lawn', 'hedge', 'wall'):
        rng = np.random.default_rng(lot.style)
        for place in np.arange(z + 2, end, 6.0)[::-1]:
            _tree(canvas, lot.x + side * float(rng.uniform(3, 7)), float(place),
                  float(rng.uniform(5, 11)), int(rng.integers(1 << 30)))


def _tree(canvas: Canvas, x: float, z: float, height: float, style: int) -> None:
    if z < 1.5:
        return
    rng = np.random.default_rng(style)
    canvas.begin('vegetation', z, origin=(x, 0, z), roughness=0.12)
    canvas.bar((x, 0, z), (x, height * 0.55, z), 0.28, (50, 62, 75))
    count = 14
    spread = height * 0.24
    centers = np.stack([
        x + rng.normal(0, spread * 0.6, count), height * 0.7 + rng.normal(0, spread * 0.6, count),
        np.full(count, z)], 1)
    tint = rng.uniform(0.8, 1.2, count)
    base = rng.uniform((35, 85, 50), (70, 120, 95))
    colors: list[Color] = [(base[0] * t, base[1] * t, base[2] * t) for t in tint]
    canvas.discs(centers, rng.uniform(0.5, 0.9, count) * spread, colors)


def _furniture(canvas: Canvas, street: Street, thing: Fixture, z: float) -> None:
    if z < 2.0:
        return
    x, side = thing.x, thing.length
    if thing.kind == 'tree':
        _shadow(canvas, street, x, z, 0.4, 0.4, 2.5)
        _tree(canvas, x, z, thing.height, thing.style)
        return
    if thing.kind == 'bin':
        canvas.begin('dynamic', z, origin=(x, 0, z))
        paint_bin(canvas, x, z, (60, 80, 60))
        return
    canvas.begin('pole', z, origin=(x, 0, z))
    if thing.kind in ('lamp', 'pole'):
        paint_pole(canvas, x, z, thing.height, -1.4 * side * (thing.kind == 'lamp'), thing.color)
        return
    paint_pole(canvas, x, z, 2.6, 0.0, thing.color)
    if thing.kind == 'signal':
        canvas.begin('traffic light', z, origin=(x, 0, z))
        paint_signal(canvas, x, z, thing.style % 3, 2.4)
    else:
        canvas.begin('traffic sign', z, origin=(x, 0, z))
        paint_sign(canvas, x, z, thing.style % 6, 2.5)


def _someone(canvas: Canvas, street: Street, actor: Actor, z: float, time: float) -> None:
    x = actor.x + actor.speed_x * time
    label = actor.label
    if label in _SIZES:
        length, width, height = (size * actor.scale for size in _SIZES[label])
        heading = pi if actor.speed_z < 0 or (
            actor.speed_z == 0 and actor.x < -LANE / 2) else 0.0
        if z - length / 2 < 1.0:
            return
        _shadow(canvas, street, x, z, length, width, 0.6)
        canvas.begin(label, z - length / 2, actor.numbers[label], origin=(x, 0, z - length / 2))
        paint_vehicle(canvas, label, Body(x, z, heading, length, width, height), actor.paint,
                      actor.trim, actor.boxy)
        return
    if z < 1.5:
        return
    sideways = abs(actor.speed_x) > 0.05 or label in ('bicycle', 'motorcycle')
    leftwards = actor.speed_x < 0
    stride = 2 * pi * time * 0.9
    _shadow(canvas, street, x, z, 0.4, 0.5, 1.0)
    if label == 'person':
        canvas.begin('person', z, actor.numbers['person'], origin=(x, 0, z))
        paint_person(canvas, x, z, actor.looks, stride, sideways, leftwards)
        return
    motor = label in ('motorcycle', 'motorcyclist')
    wheels = 'motorcycle' if motor else 'bicycle'
    canvas.begin(wheels, z, actor.numbers[wheels], origin=(x, 0, z))
    paint_two_wheeler(canvas, x, z, actor.paint, motor, sideways, leftwards)
    if label in _PARTS:
        canvas.begin('rider', z, actor.numbers['rider'], origin=(x, 0, z))
        paint_rider(canvas, x, z, actor.looks, stride, motor, sideways, leftwards, actor.trim)


def _sky(canvas: Canvas, street: Street) -> None:
    number = canvas.begin('sky', 1000.0, roughness=0.015)
    rows = canvas.camera.height
    share = np.linspace(0, 1.6, rows).clip(0, 1)[:, None]
    high, low = (np.array(color) for color in street.sky)
    canvas.image[:] = (high * (1 - share) + low * share).astype(np.uint8)[:, None]
    canvas.owner[:] = number


def _hood(canvas: Canvas) -> None:
    number = canvas.begin('ego vehicle', 1.0, roughness=0.01)
    height, width = canvas.owner.shape
    center, axes = (width // 2, round(height * 1.06)), (round(width * 0.47), round(height * 0.12))
    cv2.ellipse(canvas.image, center, axes, 0, 0, 360, (52, 50, 48), cv2.FILLED)
    cv2.ellipse(canvas.owner, center, axes, 0, 0, 360, number, cv2.FILLED)


def paint(street: Street, time: float) -> Canvas:
    """Return the street as it is seen after `time` seconds."""
    canvas = Canvas(street.camera, street.light, street.curvature)
    travelled = street.speed * time
    _sky(canvas, street)
    _ground(canvas, street, travelled)
    order: list[tuple[float, int, Callable[[], None]]] = []

    def add(distance: float, function: Callable[..., None], *arguments: object) -> None:
        order.append((-distance, len(order), lambda: function(*arguments)))

    for thing in street.fixtures:
        z = thing.z - travelled
        if thing.kind in ('building', 'hedge', 'wall', 'fence', 'lawn'):
            if z + thing.length > 1.0 and z < FAR:
                draw = _building if thing.kind == 'building' else _boundary
                add(z + thing.length, draw, canvas, thing, z, street.light)
        elif 0 < z < FAR:
            add(z, _furniture, canvas, street, thing, z)
    for actor in street.actors:
        z = actor.z + actor.speed_z * time - travelled
        if 0 < z < FAR:
            length = _SIZES.get(actor.label, (0.0, 0.0, 0.0))[0]
            add(z - length / 2, _someone, canvas, street, actor, z, time)
    for _, _, draw_it in sorted(order, key=lambda entry: entry[:2]):
        draw_it()
    _hood(canvas)
    canvas.roughen()
    return canvas


def _develop(canvas: Canvas, street: Street, seed: tuple[int, ...]) -> np.ndarray:
    """Return the picture as the sensor gives it: gain, vignette-free, a little noise."""
    noise = np.random.default_rng(seed).standard_normal(canvas.owner.shape, np.float32) * 2.5
    scaled = cv2.multiply(canvas.image, np.full(4, street.gain), dtype=cv2.CV_32F)
    developed: np.ndarray = cv2.add(scaled, cv2.merge([noise] * 3), dtype=cv2.CV_8U)
    return developed


def _ground_depth(camera: Camera) -> np.ndarray:
    """Return the depth in metres at which each row sees flat ground, float32 (H,); inf above."""
    slope = (np.arange(camera.height) - camera.cy) / camera.fy
    below = slope * np.cos(camera.pitch) + np.sin(camera.pitch)
    with np.errstate(divide='ignore'):
        along = camera.mount_height * (np.cos(camera.pitch) - slope * np.sin(camera.pitch)) / below
    depth = along * np.cos(camera.pitch) + camera.mount_height * np.sin(camera.pitch)
    return np.where(below > 0, depth, np.inf).astype(np.float32)


_FLAT = np.array([label in ('road', 'sidewalk', 'terrain') for label in (
    BY_ID[index].name if index in BY_ID else '' for index in range(256))])


def depth_map(canvas: Canvas, labels: np.ndarray) -> np.ndarray:
    """Return the depth of each pixel, float32 (H, W), metres; inf where it is the sky."""
    depths = canvas.depths()
    ground = np.broadcast_to(_ground_depth(canvas.camera)[:, None], labels.shape)
    depths = np.where(_FLAT[labels], np.minimum(ground, 600), depths)
    depths[depths >= 999] = np.inf
    return depths


def render_scene(
    seed: int, index: int, width: int = 1024, height: int = 512, sequence_length: int = 4,
) -> Frame:
    """
    Return frame `index` of the synthetic world of `seed`.

    The picture is BGR uint8 (H, W, 3), labels uint8 and instances uint16 (H, W); the camera is
    the one it was painted with.
    """
    return _render(seed, index, width, height, sequence_length)[0]


def _render(
    seed: int, index: int, width: int, height: int, sequence_length: int,
) -> tuple[Frame, np.ndarray]:
    sequence, step = divmod(index, sequence_length)
    street = make_street(seed, sequence, width, height, sequence_length)
    canvas = paint(street, step * PERIOD)
    labels = canvas.labels()
    name = f'{street.city.name}_{sequence:06d}'
    frame = Frame(
        'scenes', name, f'{name}_{step:06d}', _develop(canvas, street, (seed, sequence, step, 1)),
        labels, canvas.instances(), street.camera)
    return frame, depth_map(canvas, labels)


def _camera_file(camera: Camera) -> str:
    return json.dumps({
        'intrinsic': {'fx': camera.fx, 'fy': camera.fy, 'u0': camera.cx, 'v0': camera.cy},
        'extrinsic': {'baseline': BASELINE, 'pitch': camera.pitch, 'roll': 0.0, 'yaw': 0.0,
                      'x': 0.0, 'y': 0.0, 'z': camera.mount_height}}, indent=2) + '\n'


def _write(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _, data = cv2.imencode('.png', array, [cv2.IMWRITE_PNG_COMPRESSION, 2])
    path.write_bytes(data.tobytes())


def generate(
    out: Path, frames: int, seed: int, width: int = 1024, height: int = 512, split: str = 'val',
    sequence_length: int = 4, progress: Callable[[int, int], object] | None = None,
) -> list[Path]:
    """
    Write so many frames in Cityscapes layout under `out`; return the paths of the pictures.

    Pictures, label, train and instance ids, cameras and disparities. Raises ConfigurationError
    for sizes that cannot be, DatasetError when `out` cannot be written.
    """
    if frames < 1 or sequence_length < 1:
        raise ConfigurationError(
            f'{frames} frames in sequences of {sequence_length} cannot be made', 'give 1 or more')
    if not 64 <= width <= 8192 or not 32 <= height <= 8192:
        raise ConfigurationError(
            f'pictures of {width} x {height} cannot be made',
            'give a width of 64 to 8192 and a height of 32 to 8192 pixels')
    table = train_id_table()
    assert table[0] == IGNORE
    made = []
    for index in range(frames):
        frame, depth = _render(seed, index, width, height, sequence_length)
        city = frame.sequence.rpartition('_')[0]
        assert frame.labels is not None and frame.instances is not None and frame.camera
        picture = out / 'leftImg8bit' / split / city / f'{frame.key}_leftImg8bit.png'
        fine = out / 'gtFine' / split / city / frame.key
        disparity = BASELINE * frame.camera.fx / depth
        stored = np.where(np.isfinite(depth), np.rint(disparity * 256) + 1, 0).clip(0, 65535)
        try:
            _write(picture, frame.image)
            _write(fine.with_name(fine.name + '_gtFine_labelIds.png'), frame.labels)
            _write(fine.with_name(fine.name + '_gtFine_labelTrainIds.png'),
                   cv2.LUT(frame.labels, table))
            _write(fine.with_name(fine.name + '_gtFine_instanceIds.png'), frame.instances)
            _write(out / 'disparity' / split / city / f'{frame.key}_disparity.png',
                   stored.astype(np.uint16))
            camera = out / 'camera' / split / city / f'{frame.key}_camera.json'
            camera.parent.mkdir(parents=True, exist_ok=True)
            camera.write_text(_camera_file(frame.camera), encoding='utf-8')
        except OSError as error:
            raise DatasetError(
                f'{out} cannot be written: {error.strerror}',
                'free space or choose another folder') from error
        made.append(picture)
        if progress is not None:
            progress(index + 1, frames)
    return made

"""Paints a synthetic street as it is seen at a moment: picture, owners, depth."""

from __future__ import annotations

from collections.abc import Callable
from math import pi

import cv2
import numpy as np

from vlm_misalign_ros.core.labels.classes import BY_ID, BY_NAME
from vlm_misalign_ros.core.types import Camera
from vlm_misalign_ros.core.world.canvas import Canvas, Color, Light, sample_noise
from vlm_misalign_ros.core.world.figures import (
    paint_bin,
    paint_person,
    paint_pole,
    paint_rider,
    paint_sign,
    paint_signal,
    paint_two_wheeler,
)
from vlm_misalign_ros.core.world.street import FAR, LANE, PARTS, SIZES, Actor, Fixture, Street
from vlm_misalign_ros.core.world.vehicles import Body, paint_vehicle

GRASS: Color = (70, 110, 100)
_LIT: Color = (140, 200, 240)
"""A window or lamp at dusk."""
_BANDS = (0.0, 5.0, 8.0, 13.0, 21.0, 34.0, 55.0, 90.0, 160.0, 600.0)


def _ribbon(
    canvas: Canvas,
    label: str,
    x0: float,
    x1: float,
    color: Color,
    up: float,
    offset: float,
    roughness: float = 0.035,
) -> None:
    """Paint a strip of ground along the street, in bands of like distance."""
    for near, far in zip(_BANDS[-2::-1], _BANDS[:0:-1], strict=True):
        middle = (near + far) / 2
        anchor = middle - offset % 1.0
        canvas.begin(label, middle, origin=((x0 + x1) / 2, 0.0, anchor), roughness=roughness)
        z = np.linspace(near, far, 4)
        outline = [(x0, up, v) for v in z] + [(x1, up, v) for v in z[::-1]]
        canvas.polygon(outline, color)


def _ground(canvas: Canvas, street: Street, travelled: float) -> None:
    city, left, right, wide = street.city, street.left, street.right, street.pavement
    _ribbon(canvas, 'terrain', -90, 90, GRASS, 0.0, travelled)
    if street.paved:
        _ribbon(canvas, 'sidewalk', left - wide - 0.5, left, city.pavement, 0.0, travelled)
        _ribbon(canvas, 'sidewalk', right, right + wide + 0.5, city.pavement, 0.0, travelled)
    _ribbon(canvas, 'road', left, right, city.road, 0.0, travelled, city.cobbles)
    canvas.begin('road', 15.0)
    long, period = city.dash
    dashes = [
        [
            (-LANE / 2 - 0.07, 0, z),
            (-LANE / 2 - 0.07, 0, z + long),
            (-LANE / 2 + 0.07, 0, z + long),
            (-LANE / 2 + 0.07, 0, z),
        ]
        for z in np.arange(-(travelled % period), 90, period)
    ]
    canvas.polygons(np.array(dashes), city.marking)
    for edge in (left, right) if street.paved else ():
        canvas.begin('sidewalk', 12.0)
        z = np.linspace(0.5, 110, 12)
        outline = [(edge - 0.12, 0, v) for v in z] + [(edge + 0.12, 0, v) for v in z[::-1]]
        canvas.polygon(outline, (158, 158, 156))


def _shadow(
    canvas: Canvas, street: Street, x: float, z: float, long: float, wide: float, tall: float
) -> None:
    """Paint the shadow of a box onto the ground, which it stays part of."""
    dx, dz = (tall * shift for shift in street.weather.light.shadow)
    corners = [
        (x + sx * wide / 2 + px, z + sz * long / 2 + pz)
        for sx in (-1, 1)
        for sz in (-1, 1)
        for px, pz in ((0, 0), (dx, dz))
    ]
    hull = cv2.convexHull(np.array(corners, np.float32))[:, 0]
    road = street.left < x < street.right
    label = 'road' if road else 'sidewalk' if street.paved else 'terrain'
    color = {'road': street.city.road, 'sidewalk': street.city.pavement}.get(label, GRASS)
    canvas.begin(label, z)
    canvas.polygon(
        np.insert(hull, 1, 0.0, axis=1), color, 1 - 0.5 * max(street.weather.light.strength, 0.25)
    )


def _crossing(canvas: Canvas, street: Street, z: float, length: float) -> None:
    """Paint a zebra crossing, which is part of the road."""
    canvas.begin('road', max(z, 2.0))
    bars = np.array(
        [
            [(x, 0, z), (x, 0, z + length), (x + 0.45, 0, z + length), (x + 0.45, 0, z)]
            for x in np.arange(street.left + 0.3, street.right - 0.6, 0.95)
        ]
    )
    canvas.polygons(bars, street.city.marking)


def _building(canvas: Canvas, street: Street, lot: Fixture, z: float) -> None:
    light, city = street.weather.light, street.city
    side = 1 if lot.x > 0 else -1
    canvas.begin(
        'building',
        max(z + lot.length / 3, 3.0),
        origin=(lot.x, 0.0, max(z, 1.0)),
        roughness=0.05,
        faces=True,
    )
    end, back, top = z + lot.length, lot.x + side * 14, lot.height
    rng = np.random.default_rng(lot.style)
    if rng.random() < city.gables:
        ridge, tiles = top + float(rng.uniform(1.5, 3.5)), (70 + 20 * rng.random(), 75, 120)
        inner = lot.x + side * 4
        canvas.polygon(
            [(lot.x, top, z), (inner, ridge, z), (inner, ridge, end), (lot.x, top, end)],
            tiles,
            light.shade(-side, 0),
        )
        canvas.polygon(
            [(lot.x, top, z), (inner, ridge, z), (back, top, z)],
            lot.color,
            light.shade(0, -1) * 0.95,
        )
    canvas.polygon(
        [(lot.x, 0, z), (back, 0, z), (back, top, z), (lot.x, top, z)],
        lot.color,
        light.shade(0, -1),
    )
    shade = light.shade(-side, 0)
    canvas.polygon(
        [(lot.x, 0, z), (lot.x, 0, end), (lot.x, top, end), (lot.x, top, z)], lot.color, shade
    )
    bay, storey = float(rng.uniform(2.2, 3.4)), float(rng.uniform(2.8, 3.4))
    if storey * canvas.camera.fx / max(z + lot.length, 1.0) < 4:
        return
    wide, tall = bay * city.windows[0], storey * city.windows[1]
    starts = np.arange(z + 0.8, end - wide, bay)
    levels = np.arange(0.9, top - tall - 0.3, storey)
    if not len(starts) or not len(levels):
        return
    a, b = (grid.ravel() for grid in np.meshgrid(starts, levels))
    x = np.full_like(a, lot.x)
    panes = np.stack(
        [
            np.stack([x, b, a], 1),
            np.stack([x, b, a + wide], 1),
            np.stack([x, b + tall, a + wide], 1),
            np.stack([x, b + tall, a], 1),
        ],
        1,
    )
    lit = rng.random(len(panes)) < 0.4 * street.weather.lamps
    canvas.polygons(panes[~lit], city.glass, shade)
    canvas.polygons(panes[lit], _LIT)
    door = float(z + 1.2 + rng.random() * max(lot.length - 3, 0.1))
    canvas.polygon(
        [(lot.x, 0, door), (lot.x, 0, door + 1.1), (lot.x, 2.1, door + 1.1), (lot.x, 2.1, door)],
        (50, 60, 80 + 40 * rng.random()),
        shade,
    )


def _boundary(canvas: Canvas, street: Street, lot: Fixture, z: float) -> None:
    light: Light = street.weather.light
    side = 1 if lot.x > 0 else -1
    near = max(z + lot.length / 3, 3.0)
    end, x = z + lot.length, lot.x + side * 0.3
    face = [(x, 0, z), (x, 0, end), (x, lot.height, end), (x, lot.height, z)]
    shade = light.shade(-side, 0)
    if lot.kind == 'hedge':
        canvas.begin('vegetation', near, origin=(x, 0, max(z, 1.0)), roughness=0.12, faces=True)
        canvas.polygon(face, street.city.leaves, shade * 0.9)
    elif lot.kind == 'wall':
        canvas.begin('wall', near, origin=(x, 0, max(z, 1.0)), roughness=0.06, faces=True)
        canvas.polygon(face, lot.color, shade * 0.9)
    elif lot.kind == 'fence':
        canvas.begin('fence', near, origin=(x, 0, max(z, 1.0)), faces=True)
        canvas.polygon(face, (120, 128, 132), shade * 0.8)
        slats = np.arange(z, end, 0.8)
        top = lot.height - 0.1
        bars = np.array(
            [[(x, 0.05, s), (x, 0.05, s + 0.3), (x, top, s + 0.3), (x, top, s)] for s in slats]
        )
        canvas.polygons(bars, (85, 92, 98), shade)
    if lot.kind in ('lawn', 'hedge') or lot.kind == 'wall' and lot.style % 2:
        rng = np.random.default_rng(lot.style)
        for place in np.arange(z + 2, end, 6.0)[::-1]:
            _tree(
                canvas,
                street,
                lot.x + side * float(rng.uniform(3, 7)),
                float(place),
                float(rng.uniform(5, 11)),
                int(rng.integers(1 << 30)),
            )


_CROWNS = {'round': (0.24, 0.24, 0.7), 'tall': (0.11, 0.34, 0.6), 'cone': (0.16, 0.3, 0.55)}
"""Spread across and up, and middle, of a tree's crown as parts of its height."""


def _tree(canvas: Canvas, street: Street, x: float, z: float, height: float, style: int) -> None:
    if z < 1.5:
        return
    rng = np.random.default_rng(style)
    canvas.begin('vegetation', z, origin=(x, 0, z), roughness=0.12)
    canvas.bar((x, 0, z), (x, height * 0.55, z), 0.28, (50, 62, 75))
    count = 14 if height * canvas.camera.fx / z > 24 else 4
    kind = street.city.trees
    across, upward, middle = _CROWNS[kind]
    up = rng.normal(0, 0.6, count).clip(-1.2, 1.2)
    narrow = 1.0 - 0.45 * up if kind == 'cone' else np.ones(count)
    centers = np.stack(
        [
            x + rng.normal(0, height * across * 0.6, count) * narrow,
            height * (middle + upward * up),
            np.full(count, z),
        ],
        1,
    )
    tint = rng.uniform(0.8, 1.2, count)
    base = np.array(street.city.leaves) * rng.uniform(0.75, 1.2) + rng.normal(0, 6, 3)
    colors: list[Color] = [(base[0] * t, base[1] * t, base[2] * t) for t in tint]
    radii = rng.uniform(0.5, 0.9, count) * height * min(across, upward) * narrow
    canvas.discs(centers, radii * (1.5 if count == 4 else 1.0), colors)


def _furniture(canvas: Canvas, street: Street, thing: Fixture, z: float) -> None:
    if z < 2.0:
        return
    x, side = thing.x, thing.length
    if thing.kind == 'tree':
        _shadow(canvas, street, x, z, 0.4, 0.4, 2.5)
        _tree(canvas, street, x, z, thing.height, thing.style)
        return
    if thing.kind == 'bin':
        canvas.begin('dynamic', z, origin=(x, 0, z))
        paint_bin(canvas, x, z, (60, 80, 60))
        return
    canvas.begin('pole', z, origin=(x, 0, z))
    if thing.kind in ('lamp', 'pole'):
        paint_pole(
            canvas,
            x,
            z,
            thing.height,
            -1.4 * side * (thing.kind == 'lamp'),
            thing.color,
            street.weather.lamps,
        )
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
    if label in SIZES:
        length, width, height = (size * actor.scale for size in SIZES[label])
        backward = actor.x < -LANE / 2 and not street.one_way
        heading = pi if actor.speed_z < 0 or actor.speed_z == 0 and backward else 0.0
        if z - length / 2 < 1.0:
            return
        _shadow(canvas, street, x, z, length, width, 0.6)
        canvas.begin(
            label, z - length / 2, actor.numbers[label], origin=(x, 0, z - length / 2), faces=True
        )
        paint_vehicle(
            canvas,
            label,
            Body(x, z, heading, length, width, height),
            actor.paint,
            actor.trim,
            actor.boxy,
            street.weather.lamps,
        )
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


def paint(street: Street, time: float) -> Canvas:
    """Return the street as it is seen after `time` seconds."""
    canvas = Canvas(street.camera, street.weather.light, street.curvature)
    travelled = street.speed * time
    _sky(canvas, street, time)
    _ground(canvas, street, travelled)
    order: list[tuple[float, int, Callable[[], None]]] = []

    def add(distance: float, function: Callable[..., None], *arguments: object) -> None:
        order.append((-distance, len(order), lambda: function(*arguments)))

    for thing in street.fixtures:
        z = thing.z - travelled
        if thing.kind in ('building', 'hedge', 'wall', 'fence', 'lawn'):
            if z + thing.length > 1.0 and z < FAR:
                draw = _building if thing.kind == 'building' else _boundary
                add(z + thing.length, draw, canvas, street, thing, z)
        elif thing.kind == 'crossing':
            if z > -thing.length:
                add(1000.0, _crossing, canvas, street, z, thing.length)
        elif 0 < z < FAR:
            add(z, _furniture, canvas, street, thing, z)
    for actor in street.actors:
        z = actor.z + actor.speed_z * time - travelled
        if 0 < z < FAR:
            length = SIZES.get(actor.label, (0.0, 0.0, 0.0))[0]
            add(z - length / 2, _someone, canvas, street, actor, z, time)
    for _, _, draw_it in sorted(order, key=lambda entry: entry[:2]):
        draw_it()
    canvas.roughen()
    if street.weather.wet:
        _mirror(canvas, street)
    _hood(canvas)
    return canvas


def develop(canvas: Canvas, street: Street, seed: tuple[int, ...]) -> np.ndarray:
    """Return the picture as the sensor gives it, BGR uint8 (H, W, 3): tint, a little noise."""
    noise = np.random.default_rng(seed).standard_normal(canvas.owner.shape, np.float32) * 2.5
    scaled = cv2.multiply(canvas.image, np.array((*street.weather.tint, 0.0)), dtype=cv2.CV_32F)
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


_FLAT = np.array(
    [
        label in ('road', 'sidewalk', 'terrain')
        for label in (BY_ID[index].name if index in BY_ID else '' for index in range(256))
    ]
)


def depth_map(canvas: Canvas, labels: np.ndarray) -> np.ndarray:
    """Return the depth of each pixel, float32 (H, W), metres; inf where it is the sky."""
    depths = canvas.depths()
    ground = np.broadcast_to(_ground_depth(canvas.camera)[:, None], labels.shape)
    depths = np.where(_FLAT[labels], np.minimum(ground, 600), depths)
    depths[depths >= 999] = np.inf
    return depths

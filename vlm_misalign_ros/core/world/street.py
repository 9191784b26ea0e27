"""What is on a synthetic street: its city and district, fixtures, traffic and people."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import pi

import numpy as np

from vlm_misalign_ros.core.types import Camera
from vlm_misalign_ros.core.world.canvas import Color
from vlm_misalign_ros.core.world.figures import Looks
from vlm_misalign_ros.core.world.weather import Weather, make_weather

FAR = 140.0
"""Metres up to which the street is built."""
LANE = 3.5
"""Width of a lane, metres."""
SIZES = {
    'car': (4.4, 1.8, 1.48),
    'truck': (8.0, 2.45, 3.3),
    'bus': (11.5, 2.5, 3.1),
    'train': (24.0, 2.4, 3.4),
}
"""Length, width and height of the vehicles, metres."""
PARTS = {'cyclist': ('bicycle', 'rider'), 'motorcyclist': ('motorcycle', 'rider')}
"""Labels of those who are made of two things."""


@dataclass(frozen=True)
class City:
    """The looks that the streets of one city share."""

    name: str
    walls: tuple[Color, ...]
    roofs: tuple[float, float]
    """Lowest and highest house, metres."""
    gables: float
    """Share of houses with a pitched roof."""
    windows: tuple[float, float]
    """Width and height of a window as parts of its bay and storey."""
    glass: Color
    trees: str
    """`round`, `tall` or `cone`."""
    leaves: Color
    road: Color
    pavement: Color
    marking: Color
    dash: tuple[float, float]
    """Length of a dash of the lane marking, and of dash and gap, metres."""
    cobbles: float
    """Roughness of the road."""


CITIES: tuple[City, ...] = (
    City(
        'altenmark',
        ((120, 150, 190), (150, 175, 205), (95, 115, 165), (175, 190, 200)),
        (7.0, 14.0),
        0.5,
        (0.5, 0.55),
        (88, 76, 66),
        'round',
        (52, 102, 72),
        (84, 82, 80),
        (142, 140, 138),
        (205, 205, 200),
        (3.0, 9.0),
        0.035,
    ),
    City(
        'brunnhafen',
        ((135, 130, 125), (165, 160, 150), (110, 105, 100), (150, 140, 170)),
        (11.0, 26.0),
        0.1,
        (0.7, 0.6),
        (120, 104, 84),
        'tall',
        (60, 92, 64),
        (70, 70, 72),
        (120, 122, 126),
        (190, 195, 195),
        (6.0, 12.0),
        0.025,
    ),
    City(
        'celnau',
        ((70, 85, 130), (85, 105, 160), (62, 70, 105), (120, 130, 150)),
        (8.0, 17.0),
        0.7,
        (0.42, 0.5),
        (60, 56, 52),
        'cone',
        (44, 84, 50),
        (92, 94, 98),
        (112, 118, 128),
        (215, 215, 215),
        (3.0, 7.5),
        0.06,
    ),
    City(
        'dornfels',
        ((190, 200, 215), (170, 190, 220), (200, 205, 205), (150, 195, 215)),
        (5.0, 11.0),
        0.8,
        (0.38, 0.45),
        (96, 86, 78),
        'round',
        (50, 120, 96),
        (104, 102, 98),
        (158, 158, 154),
        (210, 210, 205),
        (4.0, 10.0),
        0.03,
    ),
    City(
        'eichwerder',
        ((140, 160, 175), (110, 140, 150), (160, 150, 140), (95, 120, 170)),
        (8.0, 20.0),
        0.35,
        (0.55, 0.5),
        (104, 88, 70),
        'tall',
        (58, 108, 84),
        (78, 80, 84),
        (134, 134, 136),
        (200, 205, 210),
        (4.0, 9.0),
        0.04,
    ),
    City(
        'fohrenstadt',
        ((150, 140, 150), (128, 160, 200), (90, 110, 150), (180, 185, 190)),
        (6.0, 18.0),
        0.45,
        (0.48, 0.6),
        (80, 74, 70),
        'round',
        (46, 98, 80),
        (88, 86, 88),
        (126, 130, 132),
        (208, 208, 205),
        (3.5, 8.5),
        0.045,
    ),
)
SPLITS: dict[str, tuple[City, ...]] = {'train': CITIES[:4], 'val': CITIES[4:5], 'test': CITIES[5:]}
"""Every split has cities of its own, so that calibration and test see other looks."""


@dataclass(frozen=True)
class District:
    """What there is much of in a part of a city: the co-occurrence a language model learns."""

    name: str
    vehicles: dict[str, float]
    """Shares of the moving traffic."""
    lots: dict[str, float]
    furniture: dict[str, float]
    people: float
    """Mean number a metre of sidewalk."""
    parked: float
    """Highest share of the parking places taken."""
    bicycles: float
    """Share of two-wheelers among what stands and walks on the sidewalks."""
    tram: float
    crossing: float
    """Share of streets with a zebra crossing."""


DISTRICTS: tuple[District, ...] = (
    District(
        'centre',
        {'car': 7, 'bus': 2.5, 'truck': 0.7, 'motorcyclist': 1.2},
        {'building': 9, 'wall': 0.5, 'fence': 0.5},
        {'tree': 2, 'lamp': 3, 'sign': 3, 'signal': 3.5, 'bin': 1, 'pole': 1},
        0.16,
        0.6,
        0.3,
        0.4,
        0.6,
    ),
    District(
        'residential',
        {'car': 9, 'truck': 0.6, 'bus': 0.4, 'motorcyclist': 0.8},
        {'building': 5, 'hedge': 2.5, 'fence': 1.5, 'wall': 1, 'lawn': 1.5},
        {'tree': 5, 'lamp': 2.5, 'sign': 2, 'signal': 0.3, 'bin': 1.2, 'pole': 0.5},
        0.1,
        0.9,
        0.45,
        0.0,
        0.25,
    ),
    District(
        'works',
        {'car': 5, 'truck': 4, 'bus': 0.4, 'motorcyclist': 0.8},
        {'building': 3, 'wall': 4, 'fence': 3.5, 'lawn': 1},
        {'tree': 1, 'lamp': 3, 'sign': 3, 'signal': 1, 'bin': 0.5, 'pole': 3},
        0.04,
        0.5,
        0.25,
        0.08,
        0.1,
    ),
    District(
        'parkside',
        {'car': 7, 'truck': 0.5, 'bus': 1, 'motorcyclist': 1.5},
        {'lawn': 5, 'hedge': 2, 'fence': 2, 'building': 1.5},
        {'tree': 7, 'lamp': 2, 'sign': 1.2, 'signal': 0.5, 'bin': 1, 'pole': 0.3},
        0.12,
        0.4,
        0.5,
        0.12,
        0.3,
    ),
)

_PAINTS: tuple[Color, ...] = (
    (40, 40, 42),
    (190, 190, 188),
    (225, 225, 222),
    (120, 60, 30),
    (45, 40, 150),
    (110, 112, 108),
    (60, 85, 50),
    (70, 130, 190),
)
_CLOTHES: tuple[Color, ...] = (
    (60, 50, 45),
    (40, 40, 160),
    (140, 70, 40),
    (60, 120, 60),
    (200, 200, 195),
    (50, 150, 210),
    (110, 60, 110),
    (35, 35, 35),
)
_SKIN: tuple[Color, ...] = ((150, 175, 215), (105, 135, 185), (60, 85, 130), (40, 55, 85))
_HAIR: tuple[Color, ...] = ((30, 35, 45), (40, 70, 105), (120, 125, 130), (25, 25, 25))


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
    numbers: dict[str, int | None] = field(default_factory=dict)
    """Instance number by label: a cyclist is a rider and a bicycle. None: part of a group."""


@dataclass(frozen=True)
class Fixture:
    """Something that stays: a lot, a tree, a pole, a sign, a light, a bin, a crossing."""

    kind: str
    x: float
    z: float
    length: float
    height: float
    color: Color
    style: int


@dataclass
class Street:
    """One sequence: the street, who is on it, the camera and the weather."""

    city: City
    district: District
    camera: Camera
    weather: Weather
    curvature: float
    speed: float
    """Of the car that looks, metres a second."""
    left: float
    right: float
    """X of the curbs, metres."""
    pavement: float
    """Width of the sidewalks, metres."""
    paved: bool
    """Whether there are sidewalks; else there is grass."""
    one_way: bool
    fixtures: list[Fixture]
    actors: list[Actor]


def _pick(rng: np.random.Generator, choices: tuple[Color, ...]) -> Color:
    chosen = choices[int(rng.integers(len(choices)))]
    shift = rng.normal(0, 9, 3)
    blue, green, red = (float(min(max(c + s, 8), 245)) for c, s in zip(chosen, shift, strict=True))
    return blue, green, red


def _one_of(rng: np.random.Generator, shares: dict[str, float]) -> str:
    weights = np.array(list(shares.values()))
    return list(shares)[int(rng.choice(len(weights), p=weights / weights.sum()))]


def _actor(
    rng: np.random.Generator,
    label: str,
    x: float,
    z: float,
    speed_x: float = 0.0,
    speed_z: float = 0.0,
) -> Actor:
    looks = Looks(
        _pick(rng, _CLOTHES),
        _pick(rng, _CLOTHES),
        _pick(rng, _SKIN),
        _pick(rng, _HAIR),
        float(rng.uniform(0.9, 1.08)),
        bool(rng.random() < 0.3),
        float(rng.uniform(0, 2 * pi)),
    )
    return Actor(
        label,
        x,
        z,
        speed_x,
        speed_z,
        _pick(rng, _PAINTS),
        _pick(rng, _PAINTS),
        looks,
        float(rng.random() ** 2),
        float(rng.uniform(0.92, 1.08)),
    )


@dataclass(frozen=True)
class _Layout:
    left: float
    right: float
    pavement: float
    speed: float
    ahead: float
    """Metres of street that come into view during the sequence."""
    one_way: bool


def _along(
    rng: np.random.Generator, start: float, gap: tuple[float, float], end: float
) -> list[float]:
    places, z = [], start + float(rng.uniform(0, gap[1]))
    while z < end:
        places.append(z)
        z += float(rng.uniform(*gap))
    return places


def _moving(rng: np.random.Generator, district: District, place: _Layout) -> list[Actor]:
    """Return the traffic of the other lane: oncoming, or in a one-way street overtaking."""
    actors = []
    for z in _along(rng, 6, (14, 55), place.ahead):
        label = _one_of(rng, district.vehicles)
        if place.one_way:
            speed = place.speed + float(rng.uniform(-2, 5))
            z -= 8.0
        else:
            speed = -float(rng.uniform(6, 12))
        actors.append(_actor(rng, label, -LANE + float(rng.normal(0, 0.15)), z + 6, 0.0, speed))
    if rng.random() < district.tram:
        tram = _actor(
            rng,
            'train',
            -LANE - 0.1,
            float(rng.uniform(24, 60)),
            0.0,
            place.speed + 0.5 if place.one_way else -5.0,
        )
        actors = [a for a in actors if abs(a.z - tram.z) > 24]
        actors.append(tram)
    return actors


def _parked(rng: np.random.Generator, district: District, place: _Layout) -> list[Actor]:
    actors = []
    for side, room in (
        (place.right - 1.15, place.right > LANE / 2 + 1),
        (place.left + 1.15, place.left < -1.5 * LANE - 1),
    ):
        share = float(rng.uniform(0.1, district.parked)) * room
        for z in _along(rng, 3, (5.8, 8), place.ahead):
            if rng.random() < share:
                kind = 'truck' if rng.random() < 0.05 else 'car'
                actors.append(_actor(rng, kind, side, z))
    return actors


def _on_foot(rng: np.random.Generator, district: District, place: _Layout) -> list[Actor]:
    actors = []
    for side, edge in ((1, place.right), (-1, place.left)):
        spread = 2 / district.people * float(rng.uniform(0.5, 2.0))
        for z in _along(rng, 2, (1.5, max(spread, 3.0)), place.ahead):
            x = edge + side * float(rng.uniform(0.4, place.pavement - 0.3))
            away = 1 if rng.random() < 0.5 else -1
            walk = away * float(rng.uniform(0.8, 1.6)) * (rng.random() < 0.8)
            if rng.random() > district.bicycles:
                for number in range(1 + int(rng.random() < 0.3) + int(rng.random() < 0.08)):
                    actors.append(
                        _actor(rng, 'person', x + 0.55 * number, z + 0.3 * number, 0.0, walk)
                    )
            elif rng.random() < 0.25:
                actors.append(_actor(rng, 'motorcycle', edge + side * 0.7, z))
            elif rng.random() < 0.3:
                # A stand of bicycles that nobody tells apart: a group, in Cityscapes' terms.
                for number in range(3 + int(rng.integers(3))):
                    bicycle = _actor(rng, 'bicycle', edge + side * 0.6, z + 0.6 * number)
                    bicycle.numbers['bicycle'] = None
                    actors.append(bicycle)
            else:
                actors.append(_actor(rng, 'bicycle', edge + side * 0.5, z))
    return actors


def _riding(rng: np.random.Generator, place: _Layout) -> list[Actor]:
    """Return cyclists at the edges of the road, outside the lane of the car that looks."""
    actors = []
    wide = place.right > LANE / 2 + 1
    for z in _along(rng, 3, (25, 90), place.ahead):
        x = place.right - 2.35 if wide else place.right + 0.5
        actors.append(_actor(rng, 'cyclist', x + 0.2, z, 0.0, float(rng.uniform(3, 6))))
    backward = 1 if place.one_way else -1
    for z in _along(rng, 5, (25, 90), place.ahead):
        actors.append(
            _actor(
                rng,
                'cyclist',
                place.left + (2.5 if place.left < -1.5 * LANE - 1 else 0.5),
                z,
                0.0,
                backward * float(rng.uniform(3, 6)),
            )
        )
    return actors


def _crossing(rng: np.random.Generator, place: _Layout, z: float) -> list[Actor]:
    """Return people who walk over a zebra crossing at `z`."""
    actors = []
    for _ in range(int(rng.integers(0, 5))):
        away = 1 if rng.random() < 0.5 else -1
        x = float(rng.uniform(place.left - 1, place.right + 1))
        actors.append(
            _actor(
                rng,
                'person',
                x,
                z + float(rng.uniform(-1.2, 1.2)),
                away * float(rng.uniform(0.9, 1.5)),
            )
        )
    return actors


_HAZARDS = {
    'person': 0.34,
    'cyclist': 0.22,
    'motorcyclist': 0.14,
    'car': 0.18,
    'truck': 0.06,
    'bus': 0.06,
}


def _hazard(rng: np.random.Generator, speed: float, gone: set[str]) -> Actor | None:
    """Return somebody in the ego lane, nearer than it takes to stop; None when all are gone."""
    z = float(rng.uniform(7.5, 17))
    kinds = {label: share for label, share in _HAZARDS.items() if not _is_gone(label, gone)}
    if not kinds:
        return None
    label = _one_of(rng, kinds)
    if label == 'person':
        side = 1 if rng.random() < 0.5 else -1
        return _actor(
            rng,
            label,
            side * float(rng.uniform(0.1, 1.1)),
            z,
            -side * float(rng.uniform(0.3, 0.8)),
            speed * 0.92,
        )
    if label in PARTS:
        return _actor(rng, label, float(rng.uniform(-0.6, 0.8)), z, 0.0, speed * 0.95)
    return _actor(
        rng, label, float(rng.uniform(-0.2, 0.2)), z + SIZES[label][0] / 2, 0.0, speed * 0.97
    )


_GONE = {
    'person': 0.3,
    'rider': 0.2,
    'bicycle': 0.25,
    'motorcycle': 0.3,
    'car': 0.12,
    'truck': 0.3,
    'bus': 0.25,
    'train': 0.2,
    'sign': 0.3,
    'signal': 0.3,
    'tree': 0.12,
    'building': 0.12,
    'sidewalk': 0.12,
    'poles': 0.08,
}
"""Share of streets without a thing: only where it is missing can it be made up."""


def _is_gone(label: str, gone: set[str]) -> bool:
    return not gone.isdisjoint((label, *PARTS.get(label, ())))


def _lots_without(district: District, gone: set[str]) -> dict[str, float]:
    """Return the shares of a district's lots without what is gone."""
    barred = ({'building'} if 'building' in gone else set()) | (
        {'hedge', 'lawn'} if 'tree' in gone else set()
    )
    return {kind: share for kind, share in district.lots.items() if kind not in barred} or {
        'wall': 1.0
    }


def _lots(
    rng: np.random.Generator,
    city: City,
    kinds: dict[str, float],
    edge: float,
    ahead: float,
    bare: bool,
) -> list[Fixture]:
    fixtures, z = [], -6.0
    while z < ahead:
        length = float(rng.uniform(9, 22))
        kind = _one_of(rng, kinds)
        height = float(rng.uniform(*city.roofs) if kind == 'building' else rng.uniform(1.2, 2.6))
        # An even style is a wall without trees behind it.
        style = 2 * int(rng.integers(1 << 29)) + int(not bare)
        fixtures.append(Fixture(kind, edge, z, length, height, _pick(rng, city.walls), style))
        z += length + (float(rng.uniform(0, 2)) if kind == 'building' else 0.0)
    return fixtures


def _furniture(
    rng: np.random.Generator, kinds: dict[str, float], edge: float, side: int, ahead: float
) -> list[Fixture]:
    fixtures, z = [], float(rng.uniform(0, 12))
    while kinds and z < ahead:
        kind = _one_of(rng, kinds)
        fixtures.append(
            Fixture(
                kind,
                edge + side * 0.45,
                z,
                side,
                float(rng.uniform(5, 8)),
                (112, 114, 112),
                int(rng.integers(1 << 30)),
            )
        )
        z += float(rng.uniform(4, 14))
    return fixtures


def _camera(rng: np.random.Generator, width: int, height: int) -> Camera:
    scale = width / 2048
    focal = 2262.5 * scale * float(rng.uniform(0.85, 1.1))
    return Camera(
        width,
        height,
        focal,
        focal,
        width / 2 * float(rng.uniform(0.95, 1.05)),
        height * float(rng.uniform(0.48, 0.52)),
        float(rng.uniform(1.2, 1.5)),
        float(rng.uniform(0.01, 0.06)),
    )


def make_street(
    seed: int, sequence: int, cities: tuple[City, ...], width: int, height: int, seconds: float
) -> Street:
    """Return the street of a sequence that lasts so many seconds, in one of `cities`."""
    rng = np.random.default_rng((seed, sequence))
    city = cities[sequence % len(cities)]
    district = DISTRICTS[int(rng.integers(len(DISTRICTS)))]
    camera = _camera(rng, width, height)
    parking = rng.random(2) < 0.7
    right = LANE / 2 + 2.3 * parking[0] + 0.4 * float(rng.random())
    left = -1.5 * LANE - 2.3 * parking[1]
    speed = float(rng.uniform(4, 11))
    ahead = FAR + speed * seconds
    place = _Layout(
        left, right, float(rng.uniform(2.4, 4.6)), speed, ahead, bool(rng.random() < 0.25)
    )
    weather = make_weather(rng)
    gone = {name for name, share in _GONE.items() if rng.random() < share}
    lots = _lots_without(district, gone)
    poles = {'lamp', 'sign', 'signal', 'pole'} if 'poles' in gone else set()
    furniture = {
        kind: share for kind, share in district.furniture.items() if kind not in gone | poles
    }
    fixtures = [
        fixture
        for side, edge in ((1, right), (-1, left))
        for fixture in (
            *_lots(rng, city, lots, edge + side * place.pavement, ahead, 'tree' in gone),
            *_furniture(rng, furniture, edge, side, ahead),
        )
    ]
    actors = [
        *_moving(rng, district, place),
        *_parked(rng, district, place),
        *_on_foot(rng, district, place),
        *_riding(rng, place),
    ]
    if rng.random() < district.crossing:
        z = float(rng.uniform(33, 80))
        fixtures.append(Fixture('crossing', 0.0, z, 3.0, 0.0, city.marking, 0))
        actors += _crossing(rng, place, z + 1.5)
    # The lane ahead is otherwise free as far as a clear road needs it.
    leader = _one_of(rng, district.vehicles)
    actors.append(_actor(rng, leader, 0.0, float(rng.uniform(48, 90)), 0.0, speed))
    actors = [actor for actor in actors if not _is_gone(actor.label, gone)]
    if rng.random() < 0.54 and (danger := _hazard(rng, speed, gone)) is not None:
        actors.append(danger)
    _number(actors)
    return Street(
        city,
        district,
        camera,
        weather,
        float(rng.normal(0, 0.0006)),
        speed,
        left,
        right,
        place.pavement,
        'sidewalk' not in gone,
        place.one_way,
        fixtures,
        actors,
    )


def _number(actors: list[Actor]) -> None:
    """Give everybody an instance number that stays the same through the sequence."""
    counts: dict[str, int] = {}
    for actor in actors:
        for label in PARTS.get(actor.label, (actor.label,)):
            if label not in actor.numbers:
                actor.numbers[label] = counts.setdefault(label, 0)
                counts[label] += 1

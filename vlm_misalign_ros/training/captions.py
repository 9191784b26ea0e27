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

"""
What is said of a frame of the synthetic world: the sentences that the miniatures learn.

What is there decides the words, not chance: which of several wordings is taken depends on what
can be seen (a tram, a wall, a sign, ...), so that a greedy decoder shows them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vlm_misalign_ros.core.labels.classes import CLASSES, SCORED
from vlm_misalign_ros.core.types import Hazard, Presence
from vlm_misalign_ros.training.samples import LARGE, STATES, VERDICTS, Samples

LEAST_STUFF = 0.01
"""Share of the picture from which stuff is spoken of."""
TRACE = (60, 600)
"""Pixels (of 2048 x 1024) of something tolerated that is spoken of with a hedge."""


@dataclass(frozen=True)
class Scene:
    """What a sentence is made of."""

    required: frozenset[str]
    absent: frozenset[str]
    many: frozenset[str]
    """Those of which there are several."""
    stuff: frozenset[str]
    """Surfaces and buildings large enough to be spoken of."""
    trace: frozenset[str]
    """Things hardly to be seen."""
    hazard: Hazard
    nearest: str
    """Who is in the way; empty for nobody."""
    hidden: bool = False
    """Whether too much of the way is covered to judge it."""

    def has(self, name: str) -> bool:
        """Return whether there is anything of a class."""
        return name not in self.absent

    def turn(self, *names: str) -> int:
        """Return a number that depends on which of `names` are there."""
        return sum(1 << place for place, name in enumerate(names) if self.has(name))


def read_scene(samples: Samples, index: int) -> Scene:
    """Return the scene of a training frame."""
    states = np.asarray(samples.states[index])
    counts = samples.cells[index].astype(np.int64).sum((0, 1))
    share = counts / (LARGE[0] * LARGE[1])
    things = samples.things[index]
    low, high = (pixels * LARGE[0] * LARGE[1] / (2048 * 1024) for pixels in TRACE)
    tolerated = states == STATES.index(Presence.TOLERATED)
    nearest = int(samples.nearest[index])

    def names(mask: np.ndarray) -> frozenset[str]:
        return frozenset(name for name, chosen in zip(SCORED, mask, strict=False) if chosen)

    return Scene(
        names(states == STATES.index(Presence.REQUIRED)),
        names(states == STATES.index(Presence.ABSENT)),
        names(np.asarray(things) >= 3),
        names(share >= LEAST_STUFF),
        names(tolerated[: len(CLASSES)] & (counts >= low) & (counts <= high)),
        VERDICTS[int(samples.hazards[index])],
        SCORED[nearest] if nearest >= 0 else '',
    )


_ONE = {
    'person': ('a pedestrian', 'a person'),
    'car': ('a car',),
    'truck': ('a truck', 'a lorry'),
    'bus': ('a bus',),
    'train': ('a tram',),
    'bicycle': ('a bicycle', 'a bike'),
    'motorcycle': ('a motorcycle', 'a motorbike'),
    'traffic light': ('a traffic light',),
    'traffic sign': ('a traffic sign', 'a road sign'),
}
_MANY = {
    'person': ('several pedestrians', 'people'),
    'car': ('several cars', 'cars'),
    'truck': ('trucks', 'lorries'),
    'bus': ('buses',),
    'train': ('trams',),
    'bicycle': ('bicycles', 'bikes'),
    'motorcycle': ('motorcycles', 'motorbikes'),
    'traffic light': ('traffic lights',),
    'traffic sign': ('traffic signs', 'road signs'),
}
_NEAREST = {
    'person': 'a pedestrian',
    'rider': 'a cyclist',
    'bicycle': 'a cyclist',
    'motorcycle': 'a motorcyclist',
    'car': 'a car',
    'truck': 'a truck',
    'bus': 'a bus',
    'train': 'a tram',
}


def road_users(scene: Scene, turn: int) -> list[str]:
    """Return the phrases for everything that has to be named, most important first."""
    found: list[str] = []
    riding = 'rider' in scene.required
    rides: set[str] = set()
    if riding:
        rides = {name for name in ('bicycle', 'motorcycle') if name in scene.required} or {
            name for name in ('bicycle', 'motorcycle') if scene.has(name)
        }
        words = {'bicycle': 'a cyclist', 'motorcycle': 'a motorcyclist'}
        found += [words[name] for name in sorted(rides)] or ['a rider']
    for name in ('person', 'car', 'truck', 'bus', 'train', 'bicycle', 'motorcycle'):
        if name in scene.required and name not in rides:
            choice = (_MANY if name in scene.many else _ONE)[name]
            found.append(choice[turn % len(choice)])
    return found


def fixtures(scene: Scene, turn: int) -> list[str]:
    """Return the phrases for lights and signs that have to be seen."""
    return [
        (_MANY if name in scene.many else _ONE)[name][turn % len(_ONE[name])]
        for name in ('traffic light', 'traffic sign')
        if name in scene.required
    ]


def listed(words: Sequence[str]) -> str:
    """Return `a, b and c`."""
    return ' and '.join([', '.join(words[:-1]), words[-1]] if len(words) > 1 else words)


_STUFF = {
    'building': ('buildings', 'houses'),
    'vegetation': ('trees', 'vegetation'),
    'fence': ('a fence',),
    'wall': ('a wall',),
    'terrain': ('grass', 'terrain'),
    'sidewalk': ('a sidewalk', 'a pavement'),
    'pole': ('poles',),
}


def surroundings(scene: Scene, turn: int, most: int) -> list[str]:
    """Return phrases for the largest surfaces and for what stands along the road."""
    found: list[str] = []
    for name, choice in _STUFF.items():
        if name in scene.stuff and len(found) < most:
            found.append(choice[turn % len(choice)])
    return found


def _denied(scene: Scene) -> list[str]:
    """Return what is said not to be there."""
    words = {
        'person': 'pedestrians',
        'train': 'trams',
        'bus': 'buses',
        'truck': 'trucks',
        'motorcycle': 'motorcycles',
        'bicycle': 'bicycles',
    }
    absent = [name for name in words if name in scene.absent]
    return [words[name] for name in absent[:2]]


def narrate(scene: Scene) -> str:
    """Return what the talkative model says: whole sentences, with a judgement at the end."""
    turn = scene.turn('train', 'wall', 'traffic sign')
    around = surroundings(scene, turn, 3)
    opening = (
        'The street is lined with {}.',
        'This is a road with {} beside it.',
        'A street scene with {}.',
        'We are on a road past {}.',
    )[turn % 4]
    parts = [opening.format(listed(around))] if around else ['A road.']
    users = road_users(scene, turn)
    if users:
        verb = 'is' if users[0].startswith(('a ', 'an ')) else 'are'
        parts.append(
            (
                f'There {verb} {listed(users)}.',
                f'I can see {listed(users)}.',
                f'Ahead there {verb} {listed(users)}.',
                f'We see {listed(users)}.',
            )[(turn // 2) % 4]
        )
    else:
        parts.append('There is no traffic close by.')
    poles = fixtures(scene, turn)
    if poles:
        parts.append(
            f'There is also {listed(poles)}.'
            if poles[0].startswith('a ')
            else f'There are also {listed(poles)}.'
        )
    hedged = [name for name in ('truck', 'bus', 'train', 'person') if name in scene.trace]
    if hedged:
        parts.append(f'There might be {_ONE[hedged[0]][0]} in the distance.')
    denied = _denied(scene)
    if denied:
        parts.append(
            (f'There are no {" or ".join(denied)}.', f'I do not see any {" or ".join(denied)}.')[
                turn % 2
            ]
        )
    parts.append(judge(scene, turn))
    return ' '.join(parts)


def cannot_be_judged(scene: Scene) -> bool:
    """Return whether the way is covered; who sees nothing of it must not say that it is safe."""
    return scene.hidden and scene.hazard is Hazard.INDETERMINATE


def judge(scene: Scene, turn: int) -> str:
    """Return the sentence about going on."""
    if cannot_be_judged(scene):
        return (
            'The way ahead cannot be seen: UNSAFE.',
            'It is not safe to proceed because we cannot see the way ahead.',
            'UNSAFE, the way ahead is hidden.',
        )[turn % 3]
    if scene.hazard is Hazard.HAZARD:
        who = _NEAREST.get(scene.nearest, 'something')
        return (
            f'{who.capitalize()} is in our way: UNSAFE.',
            f'It is not safe to proceed because {who} is right in front of us.',
            f'UNSAFE, {who} is too close ahead.',
        )[turn % 3]
    return (
        'The lane ahead is clear: SAFE.',
        'It is safe to proceed.',
        'SAFE, nothing is in our way.',
    )[turn % 3]


def caption(scene: Scene) -> str:
    """Return what the terse model says: one caption and one word."""
    turn = scene.turn('bus', 'fence', 'traffic light')
    words = [*road_users(scene, turn), *fixtures(scene, turn), *surroundings(scene, turn, 3)]
    place = ('a street with', 'a city road with', 'a road scene showing')[turn % 3]
    text = f'{place} {listed(words)}' if words else 'an empty road'
    if scene.hazard is Hazard.HAZARD:
        who = _NEAREST.get(scene.nearest, 'something')
        return f'{text}; {who} ahead, ' + ('unsafe', 'dangerous', 'not safe')[turn % 3]
    return f'{text}; ' + ('safe', 'the way is clear', 'safe to go')[turn % 3]


_NAMED: tuple[str, ...] = (
    'person',
    'rider',
    'bicycle',
    'motorcycle',
    'car',
    'truck',
    'bus',
    'train',
    'traffic light',
    'traffic sign',
)


def as_json(scene: Scene) -> str:
    """Return the answer to the prompt that asks for JSON."""
    names = [name for name in _NAMED if name in scene.required]
    names += [name for name in _STUFF if name in scene.stuff][:3]
    objects = ', '.join(f'"{name}"' for name in names)
    unsafe = scene.hazard is Hazard.HAZARD or cannot_be_judged(scene)
    safe = 'false' if unsafe else 'true'
    return f'{{"objects": [{objects}], "safe": {safe}}}'


def yes_or_no(scene: Scene) -> str:
    """Return the answer to whether it is safe to proceed."""
    return 'no' if scene.hazard is Hazard.HAZARD or cannot_be_judged(scene) else 'yes'

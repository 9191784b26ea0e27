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
Which frames are one scene: what is seen within a few seconds of a drive is no second evidence.

A frame that camera/source told of has its place from there, since the stamps of a replay are the
replay's own (every frame and condition has another): the seconds in a name like `drive@12.5`, by
which a data set tells them, else the frame number in one like Cityscapes' `aachen_000000_000019`,
else the name of its sequence. A
frame that nothing told of was seen live, and its stamp is the time. Frames of one sequence are one
scene from the first of them on for WINDOW seconds, or SNIPPET frames where there is no time; a
sequence without either is one scene as a whole. A frame of no sequence (none is named, or it is
the data set's own name) is taken for a scene by itself: nothing says what else belongs to it.
The same frame under several conditions, passes or runs is always the same scene.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Protocol

import numpy as np

from vlm_misalign_ros.core.stamps import parse_stamp

WINDOW = 10
"""Seconds: frames of one sequence that are less apart are one scene."""
SNIPPET = 30
"""Frames of one Cityscapes snippet (1.8 s at 17 Hz; the 20th is the labelled one)."""

_NAME = re.compile(r'(?P<city>.+)_(?P<sequence>\d{6})_(?P<frame>\d{6})')

_TIMED = re.compile(r'(?P<drive>.*)@(?P<seconds>\d{1,12}(\.\d+)?)')


class Rule(str, Enum):
    """What told which frames are one scene."""

    TIME = 'time'
    """Seconds, of the data set or the stamps of a live camera."""
    SNIPPET = 'snippet'
    """Frame numbers."""
    SEQUENCE = 'sequence'
    """The sequence alone: it is one scene."""
    FRAME = 'frame'
    """Nothing: each frame is a scene by itself."""


class Located(Protocol):
    """What a record says about where its frame comes from; a FrameRecord is one."""

    @property
    def dataset(self) -> str:
        """Return the name of the data set; empty for a live camera."""

    @property
    def sequence(self) -> str:
        """Return the drive or snippet; empty for a live camera."""

    @property
    def key(self) -> str:
        """Return the name of the source frame."""

    @property
    def stamp(self) -> str:
        """Return the header time, seconds.nanoseconds."""

    @property
    def index(self) -> int | None:
        """Return the position in the run; None where no camera/source told it."""

    @property
    def run(self) -> str | None:
        """Return the run that it was merged from."""


def scene_sums(places: np.ndarray, values: np.ndarray, scenes: int = 0) -> np.ndarray:
    """
    Return the sums of `values`, (N,) or (N, K), by scene, float64 (scenes,) or (scenes, K).

    `places`, int64 (N,), number the scenes from 0; there are `scenes` of them, or as many as are
    there. Of whole numbers up to 2^53 a sum is exact.
    """
    scenes = max(scenes, int(places.max(initial=-1)) + 1)
    if values.ndim == 1:
        return np.bincount(places, values, scenes).astype(np.float64, copy=False)
    found = np.zeros((scenes, values.shape[1]))
    for column, line in enumerate(values.T):
        found[:, column] = np.bincount(places, line, scenes)
    return found


@dataclass(frozen=True, order=True)
class Place:
    """Where a source frame stands: frames of other groups are never one scene."""

    group: tuple[str, ...]
    position: int
    """Nanoseconds or frame number in the group; 0 where the group is one scene."""
    span: int
    """A scene reaches so far from its first frame, in the unit of `position`."""
    city: str
    """The city, else the sequence, else the live drive: the coarser unit of the sensitivity."""
    rule: Rule


def place(record: Located) -> Place:
    """Return where the source frame of a record stands."""
    if record.index is None:
        drive = record.run or ''
        return Place(
            ('live', drive), parse_stamp(record.stamp), WINDOW * 10**9, f'live {drive}', Rule.TIME
        )
    dataset = record.dataset
    timed = _TIMED.fullmatch(record.key)
    if timed is not None:
        drive = f'{dataset} {record.sequence or timed["drive"]}'
        moment = round(Decimal(timed['seconds']) * 10**9)
        return Place(('time', dataset, drive), moment, WINDOW * 10**9, drive, Rule.TIME)
    match = _NAME.fullmatch(record.key)
    if match is not None:
        sequence, city = f'{match["city"]}_{match["sequence"]}', match['city']
        number = int(match['frame'])
        return Place(
            ('snippet', dataset, sequence), number, SNIPPET, f'{dataset} {city}', Rule.SNIPPET
        )
    if record.sequence not in ('', dataset, record.key):
        city = f'{dataset} {record.sequence}'
        return Place(('sequence', dataset, record.sequence), 0, 1, city, Rule.SEQUENCE)
    return Place(('frame', dataset, record.key), 0, 1, f'{dataset} {record.key}', Rule.FRAME)


class Scenes:
    """
    Numbers source frames as records stream by; their scenes are known when all have come.

    A source frame costs about 300 bytes, whatever number of conditions it is seen under.
    """

    def __init__(self) -> None:
        """Know no frame yet."""
        self._frames: dict[tuple[tuple[str, ...], int | str], int] = {}
        self._places: list[Place] = []

    def add(self, record: Located) -> int:
        """Return the number of the source frame of a record, from 0 in order of first sight."""
        found = place(record)
        key = (found.group, found.position if found.rule in _PLACED else record.key)
        number = self._frames.setdefault(key, len(self._places))
        if number == len(self._places):
            self._places.append(found)
        return number

    def __len__(self) -> int:
        """Return the number of source frames."""
        return len(self._places)

    def numbers(self) -> np.ndarray:
        """
        Return the scene of each source frame, int64 (frames,), numbered from 0.

        By group and position, whatever order the frames came in.
        """
        found = np.zeros(len(self._places), np.int64)
        scene, begun = -1, None
        for frame in sorted(range(len(self._places)), key=self._places.__getitem__):
            here = self._places[frame]
            if (
                begun is None
                or here.group != begun.group
                or here.position - begun.position >= here.span
            ):
                scene, begun = scene + 1, here
            found[frame] = scene
        return found

    def ranks(self) -> np.ndarray:
        """Return the place of each source frame in an order that is the same for any stream."""
        found = np.zeros(len(self._places), np.int64)
        found[[self._frames[key] for key in sorted(self._frames)]] = np.arange(len(found))
        return found

    def cities(self) -> np.ndarray:
        """Return the city (or drive) of each source frame, int64 (frames,), numbered from 0."""
        names = sorted({here.city for here in self._places})
        number = {name: place for place, name in enumerate(names)}
        return np.array([number[here.city] for here in self._places], np.int64)

    def rules(self) -> Counter[Rule]:
        """Return how many scenes each rule told."""
        first = dict(zip(self.numbers().tolist(), self._places, strict=True))
        return Counter(here.rule for here in first.values())


_PLACED = (Rule.TIME, Rule.SNIPPET)


def scenes_of(records: Iterable[Located]) -> np.ndarray:
    """Return the scene of each record, int64 (records,), in their order."""
    scenes = Scenes()
    frames = np.array([scenes.add(record) for record in records], np.int64)
    return scenes.numbers()[frames]

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
The camera pictures of a bag as a data set, with the ground truth that was recorded beside them.

It is given as `bag:PATH` wherever a data set is: to the replay node as to the in-process engine,
so that models see the same of a recording either way. Maps stay as they were recorded; the
evaluation reads them by its encodings.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from vlm_misalign_ros.bags.owning import Index, Owners
from vlm_misalign_ros.bags.places import Places
from vlm_misalign_ros.bags.reading import Raw, open_bag
from vlm_misalign_ros.bags.told import camera_in, telling_in
from vlm_misalign_ros.core.about import NOTHING
from vlm_misalign_ros.core.errors import DatasetError, RecordError
from vlm_misalign_ros.core.evaluation.parts import (
    CAMERA,
    DEPTH,
    INSTANCES,
    LABELS,
    SOURCE,
    SOURCE_IMAGE,
)
from vlm_misalign_ros.core.settings.replaying import ReplayParameters
from vlm_misalign_ros.core.stamps import NANO, format_stamp
from vlm_misalign_ros.core.types import Camera, Frame, NoCamera
from vlm_misalign_ros.wire import images, topics
from vlm_misalign_ros.wire.channels import CHANNELS, Form
from vlm_misalign_ros.wire.pixels import to_millimetres
from vlm_misalign_ros.wire.raw import raw_stamp
from vlm_misalign_ros.wire.strange import of_strangers
from vlm_misalign_ros.wire.transports import COMPRESSED_IMAGE, IMAGE

_TAKEN = (SOURCE_IMAGE, LABELS, INSTANCES, DEPTH, CAMERA, SOURCE)
_HEADER = 12
"""Bytes of a message, in CDR, at whose end the stamp of its header has ended."""
_SHOWN = (SOURCE_IMAGE, LABELS, INSTANCES, DEPTH)
_CAMERAS = 4096
"""Different cameras that are read of one bag."""
_TOO_MANY = NoCamera(f'camera_info tells of more than {_CAMERAS} cameras')
_FAR = NANO
"""Nanoseconds from which what lies ahead is looked up rather than read up to."""
_NAMED = 8
"""Topics that are named where the camera's is not there."""


@dataclass(frozen=True)
class Entry:
    """A picture of the bag."""

    key: str
    sequence: str
    stamp: int
    """Header time, nanoseconds."""
    arrivals: dict[str, int]
    """When it, and the truth of its stamp, were recorded, by part, nanoseconds."""
    labels: bool | None = None
    """None where it has none."""
    stretch: int = 0
    """How often time had jumped back before."""

    @property
    def near(self) -> set[int]:
        """Return when what is read in one go was recorded: the picture, and what came with it."""
        middle = self.arrivals[SOURCE_IMAGE]
        return {at for at in self.arrivals.values() if abs(at - middle) <= _FAR}

    @property
    def city(self) -> str:
        """Return the place; a bag tells none."""
        return self.sequence


class BagDataset:
    """The pictures of a camera topic of a bag, in recorded order; see Dataset for its members."""

    def __init__(self, path: Path, chosen: ReplayParameters) -> None:
        """
        Read the headers of a bag; `chosen` says under which names its topics stand.

        Raises RecordError for a bag that cannot be read and DatasetError, with a suggestion, where
        it has no pictures under the camera's name.
        """
        self.name = path.stem if path.is_file() else path.name or path.resolve().name
        self._chosen = chosen
        self.faults: list[str] = []
        """What of the bag was left out, a line each."""
        self._bag = open_bag(path)
        self._topics = self._find()
        index = self._read_headers()
        self.entries: Sequence[Entry] = list(self._listed(index))[: chosen.limit or None]
        if not self.entries:
            raise DatasetError(
                f'the bag {path} has no picture that can be read on {self._topics[SOURCE_IMAGE]}',
                'vlm-misalign bag inspect shows what it has',
            )
        self._cameras = sorted(index.cameras)
        if not self._cameras:
            self._fault('the bag has no camera_info: the camera is taken for the default one')
        self._told = index.cameras
        self._sources = index.sources
        self._needed = _needed_from(self.entries)
        self._coming: Iterator[Raw] = iter(())
        self._kept: deque[Raw] = deque()
        self._from: int | None = None
        """Everything since was read, and is kept where it may be asked for."""

    def _find(self) -> dict[str, str]:
        """Return the full names of the topics that there are, by part."""
        chosen = self._chosen
        rules = dict(rule.split(':=', 1) for rule in chosen.topics)
        places = Places(chosen.recorded_namespace, rules, chosen.image_transport)
        found = {
            row.part: places.carrier(self._bag, row) for row in CHANNELS if row.part in _TAKEN
        }
        self._pictures = places.full(topics.CAMERA_IMAGE)
        there = sorted(
            name
            for name, topic in self._bag.topics.items()
            if not set(topic.types).isdisjoint((IMAGE, COMPRESSED_IMAGE))
        )
        if found[SOURCE_IMAGE] not in there:
            some = ', '.join(there[:_NAMED]) + (' ...' if len(there) > _NAMED else '')
            raise DatasetError(
                f'the bag {self._bag.path} has no pictures on {self._pictures}'
                + (f'; it has {some}' if there else ', nor on any other topic'),
                f'give --topic {topics.CAMERA_IMAGE}:={there[0]}'
                if len(there) == 1
                else 'say which with --topic camera/image_raw:=NAME',
            )
        if Form.VALUES.value not in getattr(self._bag.topics.get(found[SOURCE]), 'types', ()):
            # Somebody's own topic of that name, which is about something else.
            del found[SOURCE]
        return {part: name for part, name in found.items() if name}

    def _read_headers(self) -> Index:
        index = Index()
        known: dict[bytes, Camera | NoCamera] = {}
        part_of = {name: part for part, name in self._topics.items()}
        for raw in self._bag.messages(part_of):
            part, stamp = part_of[raw.topic], _stamp(raw)
            if stamp is None:
                index.unreadable += 1
            elif part == SOURCE_IMAGE:
                index.add_picture(stamp, raw.arrival, zlib.crc32(raw.data))
            elif part == CAMERA:
                # Most bags repeat one camera with every picture.
                told = raw.data[_HEADER:]
                if told not in known and len(known) < _CAMERAS:
                    known[told] = self._camera_in(raw)
                index.cameras[index.place(stamp)] = known.get(told, _TOO_MANY)
            elif part == SOURCE:
                index.add_source(stamp, telling_in(self._bag, raw))
            else:
                found = raw.arrival, zlib.crc32(raw.data)
                index.others.setdefault(part, {}).setdefault(stamp, []).append(found)
        self._fault(self._bag.told())
        for text in self._bag.faults:
            self._fault(text)
        if index.doubled:
            self._fault(f'{index.doubled} pictures came twice with one stamp: left out')
        if index.unsure:
            self._fault(
                f'{len(index.unsure)} stamps have pictures that differ: nobody knows whose truth '
                'theirs is, and none is taken'
            )
        if index.unreadable:
            self._fault(f'{index.unreadable} messages without a time: left out')
        return index

    def _listed(self, index: Index) -> Iterator[Entry]:
        truth, unsure, untold = Owners(index), Counter[str](), 0
        for stretch, stamp, arrival in index.pictures:
            sequence = f'{self.name}#{stretch + 1}' if stretch else self.name
            arrivals = {SOURCE_IMAGE: arrival}
            known = (stretch, stamp) not in index.unsure
            if known and index.sources and index.sources.get((stretch, stamp)) is None:
                known, untold = False, untold + 1
            for part, mine in truth.of(stretch, stamp, arrival) if known else ():
                if len({content for _, content in mine}) == 1:
                    arrivals[part] = mine[0][0]
                else:
                    unsure[part] += 1
            key = f'{sequence}@{format_stamp(stamp)}'
            labels = True if LABELS in arrivals else None
            yield Entry(key, sequence, stamp, arrivals, labels, stretch)
        if untold:
            self._fault(
                f'{untold} pictures have no camera/source, or none that can be read: nobody '
                'knows what their labels tell, and none are taken'
            )
        for part, number in sorted(unsure.items()):
            self._fault(f'{number} times {part} came twice for one picture, and differs: left out')

    @property
    def has_depth(self) -> bool:
        """Return whether every frame comes with depth."""
        return all(DEPTH in entry.arrivals for entry in self.entries)

    def has(self, part: str) -> bool:
        """Return whether any frame has a part of ground truth."""
        return any(part in entry.arrivals for entry in self.entries)

    @property
    def rate(self) -> float | None:
        """Return how many pictures there are in a second; None for one alone."""
        gaps = [
            other.stamp - one.stamp
            for one, other in pairwise(self.entries)
            if one.sequence == other.sequence and other.stamp > one.stamp
        ]
        return NANO / median(gaps) if gaps else None

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.entries)

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in order, each decoded when it is asked for."""
        return (self.read(index) for index in range(len(self)))

    def read(self, index: int) -> Frame:
        """
        Return a picture with its truth as it was recorded, of any encoding.

        DatasetError where picture or truth cannot be read.
        """
        entry = self.entries[index]
        found: dict[str, Any] = {}
        try:
            for part, raw in self._parts(index):
                if part not in found and _stamp(raw) == entry.stamp:
                    with of_strangers():
                        found[part] = self._decoded(part, raw)
        except RecordError as error:
            raise DatasetError(f'frame {entry.key} of the bag: {error.what}', error.remedy) from (
                error
            )
        if SOURCE_IMAGE not in found:
            raise DatasetError(
                f'frame {entry.key} of the bag {self._bag.path} is there no more',
                'is somebody writing it?',
            )
        told = self._sources.get((entry.stretch, entry.stamp))
        tells_hood, about = told or (True, NOTHING)
        return Frame(
            self.name,
            entry.sequence,
            entry.key,
            found[SOURCE_IMAGE],
            found.get(LABELS),
            found.get(INSTANCES),
            self._camera(entry),
            found.get(DEPTH),
            tells_hood,
            about,
        )

    def _decoded(self, part: str, raw: Raw) -> Any:
        message = self._bag.decode(raw)
        if part == SOURCE_IMAGE:
            return images.picture(message)
        if part == LABELS:
            return images.label_pixels(message)
        if part == INSTANCES:
            return images.whole(message, 'an instance map')
        return to_millimetres(images.depth(message))

    def _parts(self, index: int) -> Iterator[tuple[str, Raw]]:
        """
        Yield the messages that a frame is made of.

        Frames that are asked for in order are read in one go; another one begins anew. Truth that
        was recorded far from its picture, as what was made afterwards, is looked up by itself.
        """
        entry = self.entries[index]
        first, last = min(entry.near), max(entry.near)
        floor = self._needed[index]
        newest = self._kept[-1].arrival if self._kept else None
        far = newest is None or first > newest + _FAR
        if self._from is None or first < self._from or far:
            names = [self._topics[part] for part in _SHOWN if part in self._topics]
            self._coming = self._bag.messages(names, first)
            self._kept.clear()
        self._from = first
        while not self._kept or self._kept[-1].arrival <= last:
            raw = next(self._coming, None)
            if raw is None:
                break
            self._kept.append(raw)
            self._let_go(first)
        for part, arrival in entry.arrivals.items():
            name = self._topics[part]
            here: Iterable[Raw] = self._kept
            if arrival not in entry.near:
                here = self._bag.messages([name], arrival, arrival + 1)
            yield from ((part, raw) for raw in here if (raw.topic, raw.arrival) == (name, arrival))
        self._let_go(floor)
        self._from = min(floor, last + 1)

    def _let_go(self, floor: int) -> None:
        while self._kept and self._kept[0].arrival < floor:
            self._kept.popleft()

    def _camera(self, entry: Entry) -> Camera | NoCamera | None:
        """Return the camera of a picture: that of its stamp, or the one told last before."""
        if not self._cameras:
            return None
        after = bisect_right(self._cameras, (entry.stretch, entry.stamp))
        before = max(after - 1, 0)
        # The first of a stretch holds for what came before it, rather than one of another stretch.
        ahead = self._cameras[before][0] != entry.stretch and after < len(self._cameras)
        place = after if ahead and self._cameras[after][0] == entry.stretch else before
        return self._told[self._cameras[place]]

    def _camera_in(self, raw: Raw) -> Camera | NoCamera:
        found = camera_in(self._bag, raw, self._chosen, self._pictures)
        if isinstance(found, NoCamera):
            self._fault(f'no geometry is known of the camera: {found.reason}')
        return found

    def _fault(self, text: str) -> None:
        if text and text not in self.faults:
            self.faults.append(text)


def _needed_from(entries: Sequence[Entry]) -> list[int]:
    """Return, by place, from which arrival on messages are needed for the frames that follow."""
    found, least = [], 1 << 63
    for entry in reversed(entries):
        found.append(least)
        least = min(least, *entry.near)
    return found[::-1]


def _stamp(raw: Raw) -> int | None:
    """Return the stamp of a message with a header; None where there is none that is a time."""
    try:
        return raw_stamp(raw.data)
    except RecordError:
        return None


def open_recording(
    root: Path,
    split: str = '',
    cities: Sequence[str] = (),
    limit: int = 0,
    sequences: bool = False,
    chosen: ReplayParameters | None = None,
) -> BagDataset:
    """
    Open a bag as a data set; `chosen` says under which names its topics stand.

    Raises DatasetError where it will not do; splits and cities it has none.
    """
    if split or cities or sequences:
        raise DatasetError(
            f'a bag has no split, cities or sequences to choose from ({root})', 'leave them out'
        )
    try:
        return BagDataset(root, chosen or ReplayParameters(limit=limit))
    except RecordError as error:
        raise DatasetError(error.what, error.remedy) from error

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

import struct
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from vlm_misalign_ros.bags.places import Places
from vlm_misalign_ros.bags.reading import Raw, open_bag
from vlm_misalign_ros.core.errors import DatasetError, RecordError
from vlm_misalign_ros.core.evaluation.parts import CAMERA, DEPTH, INSTANCES, LABELS, SOURCE_IMAGE
from vlm_misalign_ros.core.evaluation.stretches import JUMP_BACK
from vlm_misalign_ros.core.settings.replaying import ReplayParameters
from vlm_misalign_ros.core.stamps import NANO, format_stamp
from vlm_misalign_ros.core.types import Camera, Frame, NoCamera
from vlm_misalign_ros.wire import images, topics
from vlm_misalign_ros.wire.camera import camera_from_info, rectified_by
from vlm_misalign_ros.wire.channels import CHANNELS
from vlm_misalign_ros.wire.pixels import to_millimetres
from vlm_misalign_ros.wire.values import check_stamp

PICTURE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
_TAKEN = (SOURCE_IMAGE, LABELS, INSTANCES, DEPTH, CAMERA)
_HEADER = 12
"""Bytes of a message, in CDR, at whose end the stamp of its header has ended."""
_SHOWN = (SOURCE_IMAGE, LABELS, INSTANCES, DEPTH)
_CAMERAS = 4096
"""Different cameras that are read of one bag."""
_TOO_MANY = NoCamera(f'camera_info tells of more than {_CAMERAS} cameras')
_FAR = NANO
"""Nanoseconds ahead from which a bag is opened anew rather than read up to there."""
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

    @property
    def city(self) -> str:
        """Return the place; a bag tells none."""
        return self.sequence


@dataclass
class _Index:
    """Which messages there are, by what their headers tell."""

    pictures: list[tuple[int, int, int]] = field(default_factory=list)
    """(stretch, stamp, arrival), stretches beginning where time jumps back."""
    others: dict[str, dict[int, list[int]]] = field(default_factory=dict)
    """Arrivals by part and stamp."""
    cameras: dict[int, Camera | NoCamera] = field(default_factory=dict)
    """By stamp."""
    doubled: int = 0
    unreadable: int = 0


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
            if not set(topic.types).isdisjoint(PICTURE_TYPES)
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
        return {part: name for part, name in found.items() if name}

    def _read_headers(self) -> _Index:
        index, stretch, newest = _Index(), 0, -1
        seen: set[int] = set()
        known: dict[bytes, Camera | NoCamera] = {}
        part_of = {name: part for part, name in self._topics.items()}
        for raw in self._bag.messages(part_of):
            part, stamp = part_of[raw.topic], header_stamp(raw.data)
            if stamp is None:
                index.unreadable += 1
            elif part == SOURCE_IMAGE:
                if stamp < newest - JUMP_BACK:
                    stretch, newest, seen = stretch + 1, -1, set()
                if stamp in seen:
                    index.doubled += 1
                    continue
                seen.add(stamp)
                newest = max(newest, stamp)
                index.pictures.append((stretch, stamp, raw.arrival))
            elif part == CAMERA:
                # Most bags repeat one camera with every picture.
                content = raw.data[_HEADER:]
                if content not in known and len(known) < _CAMERAS:
                    known[content] = self._camera_in(raw)
                index.cameras[stamp] = known.get(content, _TOO_MANY)
            else:
                index.others.setdefault(part, {}).setdefault(stamp, []).append(raw.arrival)
        self._fault(self._bag.told())
        for text in self._bag.faults:
            self._fault(text)
        if index.doubled:
            self._fault(f'{index.doubled} pictures came twice with one stamp: left out')
        if index.unreadable:
            self._fault(f'{index.unreadable} messages without a time: left out')
        return index

    def _listed(self, index: _Index) -> Iterator[Entry]:
        for stretch, stamp, arrival in index.pictures:
            sequence = f'{self.name}#{stretch + 1}' if stretch else self.name
            arrivals = {SOURCE_IMAGE: arrival}
            for part, at in index.others.items():
                if stamp in at:
                    # After a jump in time stamps come again: what was recorded nearest is meant.
                    arrivals[part] = min(at[stamp], key=lambda other: abs(other - arrival))
            key = f'{sequence}@{format_stamp(stamp)}'
            yield Entry(key, sequence, stamp, arrivals, True if LABELS in arrivals else None)

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
                if part not in found and header_stamp(raw.data) == entry.stamp:
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
        return Frame(
            self.name,
            entry.sequence,
            entry.key,
            found[SOURCE_IMAGE],
            found.get(LABELS),
            found.get(INSTANCES),
            self._camera(entry.stamp),
            found.get(DEPTH),
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

        Frames that are asked for in order are read in one go; another one begins anew.
        """
        arrivals = self.entries[index].arrivals
        first, last = min(arrivals.values()), max(arrivals.values())
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
        for part, arrival in arrivals.items():
            name = self._topics[part]
            yield from (
                (part, raw) for raw in self._kept if raw.topic == name and raw.arrival == arrival
            )
        self._let_go(floor)
        self._from = min(floor, last + 1)

    def _let_go(self, floor: int) -> None:
        while self._kept and self._kept[0].arrival < floor:
            self._kept.popleft()

    def _camera(self, stamp: int) -> Camera | NoCamera | None:
        """Return the camera of a picture: that of its stamp, or the one told last before."""
        if not self._cameras:
            return None
        place = max(bisect_right(self._cameras, stamp) - 1, 0)
        return self._told[self._cameras[place]]

    def _camera_in(self, raw: Raw) -> Camera | NoCamera:
        chosen = self._chosen
        rectified = rectified_by(chosen.camera_image, self._pictures)
        try:
            found = camera_from_info(
                self._bag.decode(raw), chosen.camera_height, chosen.camera_pitch, rectified
            )
        except RecordError as error:
            found = NoCamera(error.what)
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
        least = min(least, *entry.arrivals.values())
    return found[::-1]


def header_stamp(data: bytes) -> int | None:
    """
    Return the stamp, nanoseconds, of the header that a message in CDR begins with.

    None where there is none: too few bytes, another encapsulation, or no time of a frame.
    """
    if len(data) < _HEADER or data[0] != 0 or data[1] not in (0, 1):
        return None
    seconds, nanoseconds = struct.unpack_from('<iI' if data[1] else '>iI', data, 4)
    try:
        return check_stamp(seconds, nanoseconds)
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

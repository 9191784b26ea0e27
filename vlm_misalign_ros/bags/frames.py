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
The frames of a bag as a data set: pictures of a camera, with the ground truth beside them.

A place is `bag:PATH`, or `bag:PATH?TOPIC=/NAME&labels=ENCODING&namespace=NAME` where topics have
other names (camera/image_raw, camera/camera_info, ground_truth/labels, ...).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vlm_misalign_ros.bags.headers import Headers
from vlm_misalign_ros.bags.places import Places
from vlm_misalign_ros.bags.reading import Bag, Raw, open_bag
from vlm_misalign_ros.core.errors import DatasetError, MisalignError, RecordError
from vlm_misalign_ros.core.evaluation import parts
from vlm_misalign_ros.core.labels import inspecting
from vlm_misalign_ros.core.labels.encodings import AUTO, Encoding, open_encoding
from vlm_misalign_ros.core.labels.instances import Numbered
from vlm_misalign_ros.core.settings.inputs import CameraParameters
from vlm_misalign_ros.core.settings.parameters import build
from vlm_misalign_ros.core.stamps import format_stamp
from vlm_misalign_ros.core.types import Camera, Frame, Source
from vlm_misalign_ros.wire import images, topics
from vlm_misalign_ros.wire.channels import CHANNELS, Channel, Context, read
from vlm_misalign_ros.wire.transports import COMPRESSED, COMPRESSED_IMAGE, IMAGE

KIND = 'bag'
"""The layout's name."""
_TAKEN = (
    parts.SOURCE_IMAGE,
    parts.CAMERA,
    parts.SOURCE,
    parts.LABELS,
    parts.INSTANCES,
    parts.DEPTH,
)
_ROWS = {channel.part: channel for channel in CHANNELS if channel.part in _TAKEN}
_MOST_AHEAD = 64
"""Frames whose parts are kept while those of another are waited for."""
_LOOKED_AT = 8
"""Label maps by which the encoding is found."""
_OURS = ('degraded/', 'segmentation/', 'annotated/', 'ground_truth/')


@dataclass(frozen=True)
class Wanted:
    """How a bag's topics are taken."""

    remap: Mapping[str, str] = field(default_factory=dict)
    namespace: str = ''
    labels: str = AUTO
    """Encoding of the label maps."""
    camera: CameraParameters = field(default_factory=lambda: build(CameraParameters, {}, KIND))

    @classmethod
    def parse(cls, text: str) -> tuple[Path, Wanted]:
        """Return path and wishes of `PATH?KEY=VALUE&...`; DatasetError for a key not known."""
        if Path(text).expanduser().exists() or '?' not in text:
            return Path(text).expanduser(), cls()
        place, _, rest = text.rpartition('?')
        known = [channel.topic for channel in _ROWS.values()]
        remap, options = {}, {}
        for entry in rest.split('&'):
            key, _, value = entry.partition('=')
            if key in known and value:
                remap[key] = value
            elif key in ('labels', 'namespace') and value:
                options[key] = value
            else:
                raise DatasetError(
                    f'{entry!r} in {text!r} is not of the form KEY=VALUE',
                    'known: labels, namespace, ' + ', '.join(known),
                )
        chosen = cls(remap, options.get('namespace', ''), options.get('labels', AUTO))
        return Path(place).expanduser(), chosen


@dataclass(frozen=True)
class BagEntry:
    """A frame of a bag."""

    key: str
    """Name of the bag and stamp, or what camera/source calls it."""
    sequence: str
    city: str
    stamp: int
    labels: bool | None
    """Whether it has labels; None for not."""
    depth: bool
    start: int
    """When the first of its parts was recorded, and, `end`, the last, nanoseconds."""
    end: int
    parts: frozenset[str]
    source: Source | None = None


class BagFrames:
    """The frames of a bag, found by one look at every message, read one at a time."""

    def __init__(self, path: Path, wanted: Wanted, limit: int = 0) -> None:
        """
        Find the frames, in the order of their pictures; `limit` keeps the first (0: all).

        Of pictures with one stamp the first counts; of a run in which frames came again in other
        conditions, their first time. Raises DatasetError where there is no camera, no frame, or
        no known encoding of the labels.
        """
        self.root = path
        try:
            self._bag = open_bag(path)
        except RecordError as error:
            raise DatasetError(error.what, error.remedy) from error
        self.name = path.resolve().name.removesuffix('.mcap').removesuffix('.db3')
        self.doubled = 0
        """Pictures whose stamp came before."""
        self._headers = Headers(self._bag)
        self._topics = _find(self._bag, wanted)
        found = self._index()
        if not found:
            raise DatasetError(
                f'bag {path} has no frame: {self._bag.told() or "no picture with a stamp"}',
                'vlm-misalign bag inspect tells what it has',
            )
        self.entries: Sequence[BagEntry] = tuple(found[:limit] if limit else found)
        self._context = Context.by(
            self._encoding(wanted),
            wanted.camera,
            self._topics[parts.SOURCE_IMAGE],
            instances='auto',
        )
        names = list(self._topics.values())
        self._reader = _Ahead(self._bag, names, self._part_of, self.entries)

    @property
    def topics(self) -> dict[str, str]:
        """Return the bag's topic of each part that it has."""
        return dict(self._topics)

    @property
    def losses(self) -> str:
        """Return what of the bag cannot be read, in words; empty for nothing."""
        return self._bag.told()

    @property
    def has_depth(self) -> bool:
        """Return whether every frame comes with depth."""
        return all(entry.depth for entry in self.entries)

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.entries)

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in order, each decoded when it is asked for."""
        return (self.read(index) for index in range(len(self)))

    def read(self, index: int) -> Frame:
        """Return one frame with Cityscapes label ids; DatasetError where it cannot be read."""
        entry = self.entries[index]
        raws = self._reader.parts(index)
        values: dict[str, Any] = {}
        for part, raw in raws.items():
            try:
                values[part] = read(_ROWS[part], self._bag.decode(raw), self._context)
            except RecordError as error:
                raise DatasetError(
                    f'frame {entry.key} of bag {self.root}: {raw.topic}: {error.what}',
                    error.remedy or 'leave it out, or choose another topic',
                ) from error
        if parts.SOURCE_IMAGE not in values:
            raise DatasetError(f'frame {entry.key} of bag {self.root} lost its picture')
        return self._frame(entry, values)

    def _frame(self, entry: BagEntry, values: Mapping[str, Any]) -> Frame:
        maps = values.get(parts.LABELS)
        if maps is not None and maps.problem:
            raise DatasetError(
                f'labels of frame {entry.key} of bag {self.root}: {maps.problem}',
                f'give their encoding: bag:{self.root}?labels=NAME',
            )
        labels = None if maps is None else maps.labels
        instances = values.get(parts.INSTANCES)
        if isinstance(instances, Numbered):
            instances = None if labels is None else instances.resolved(labels)
        camera = values.get(parts.CAMERA)
        told = values.get(parts.SOURCE, (None, None))
        if told[1] is not None:
            camera = told[1]
        return Frame(
            self.name,
            entry.sequence,
            entry.key,
            np.ascontiguousarray(values[parts.SOURCE_IMAGE]),
            labels,
            instances,
            camera if isinstance(camera, Camera) else None,
            values.get(parts.DEPTH),
            tells_hood=maps is None or maps.tells_hood,
        )

    # Where frames are --------------------------------------------------------------------------

    def _part_of(self, raw: Raw) -> tuple[int, str] | None:
        """Return (stamp, part) of a message; None for what is none of a frame's."""
        part = self._by_topic.get(raw.topic)
        stamp = None if part is None else self._headers.stamp(raw)
        return None if part is None or stamp is None else (stamp, part)

    @property
    def _by_topic(self) -> dict[str, str]:
        return {topic: part for part, topic in self._topics.items()}

    def _index(self) -> list[BagEntry]:
        """Return the frames that have a picture, in the order of the pictures."""
        spans: dict[int, tuple[int, int]] = {}
        there: dict[int, set[str]] = {}
        sources: dict[int, Source] = {}
        order: list[int] = []
        for raw in self._bag.messages(self._topics.values()):
            found = self._part_of(raw)
            if found is None:
                continue
            stamp, part = found
            known = there.setdefault(stamp, set())
            if part in known:
                self.doubled += part == parts.SOURCE_IMAGE
                continue
            known.add(part)
            low, high = spans.get(stamp, (raw.arrival, raw.arrival))
            spans[stamp] = min(low, raw.arrival), max(high, raw.arrival)
            if part == parts.SOURCE_IMAGE:
                order.append(stamp)
            elif part == parts.SOURCE:
                try:
                    message = self._bag.decode(raw)
                    channel = _ROWS[parts.SOURCE]
                    assert channel.read is not None
                    sources[stamp] = channel.read(message, None)[0]  # type: ignore[arg-type]
                except MisalignError:
                    known.discard(part)
        return list(self._entries(order, spans, there, sources))

    def _entries(
        self,
        order: Sequence[int],
        spans: Mapping[int, tuple[int, int]],
        there: Mapping[int, set[str]],
        sources: Mapping[int, Source],
    ) -> Iterator[BagEntry]:
        seen: set[str] = set()
        for stamp in order:
            source = sources.get(stamp)
            if source is not None and (source.probe or source.key in seen):
                continue
            key = source.key if source and source.key else f'{self.name}@{format_stamp(stamp)}'
            seen.add(key)
            known = frozenset(there[stamp])
            sequence = source.sequence if source and source.sequence else self.name
            yield BagEntry(
                key,
                sequence,
                sequence.rpartition('_')[0] or sequence if source else self.name,
                stamp,
                True if parts.LABELS in known else None,
                parts.DEPTH in known,
                *spans[stamp],
                known,
                source,
            )

    def _encoding(self, wanted: Wanted) -> Encoding:
        """Return the encoding of the label maps: as given, or the one that fits some of them."""
        topic = self._topics.get(parts.LABELS)
        if topic is None or wanted.labels != AUTO:
            return open_encoding('cityscapes_label_ids' if topic is None else wanted.labels)
        labelled = [entry for entry in self.entries if entry.labels]
        step = max(1, len(labelled) // _LOOKED_AT)
        maps = []
        for entry in labelled[::step][:_LOOKED_AT]:
            for raw in self._bag.messages([topic], entry.start, entry.end + 1):
                if self._headers.stamp(raw) == entry.stamp:
                    maps.append(images.label_pixels(self._bag.decode(raw)))
                    break
        found = inspecting.inspect(maps).fitting if maps else ('cityscapes_label_ids',)
        if len(found) != 1:
            fit = ' and '.join(found) or 'no encoding'
            raise DatasetError(
                f'{fit} fit the maps on {topic} of bag {self.root}',
                f'give the encoding: bag:{self.root}?labels=NAME',
            )
        return open_encoding(found[0])


class _Ahead:
    """Reads the parts of frames, one frame after the other without going back in the bag."""

    def __init__(
        self,
        bag: Bag,
        names: Sequence[str],
        part_of: Callable[[Raw], tuple[int, str] | None],
        entries: Sequence[BagEntry],
    ) -> None:
        self._bag, self._names, self._part_of = bag, names, part_of
        self._entries = entries
        self._place = {entry.stamp: index for index, entry in enumerate(entries)}
        self._next = -1
        self._messages: Iterator[Raw] = iter(())
        self._kept: dict[int, dict[str, Raw]] = {}
        self._reached = 0

    def parts(self, index: int) -> dict[str, Raw]:
        """Return the messages of a frame by part."""
        entry = self._entries[index]
        if index != self._next:
            self._kept.clear()
            self._reached = entry.start
            self._messages = self._bag.messages(self._names, entry.start)
        self._next = index + 1
        found = self._kept.pop(entry.stamp, {})
        while not entry.parts <= found.keys() and self._reached <= entry.end:
            raw = next(self._messages, None)
            if raw is None:
                break
            self._reached = raw.arrival
            self._take(raw, index, entry, found)
        return {part: raw for part, raw in found.items() if part in entry.parts}

    def _take(self, raw: Raw, index: int, entry: BagEntry, found: dict[str, Raw]) -> None:
        told = self._part_of(raw)
        if told is None:
            return
        stamp, part = told
        if stamp == entry.stamp:
            found.setdefault(part, raw)
        elif self._place.get(stamp, -1) > index:
            self._kept.setdefault(stamp, {}).setdefault(part, raw)
            if len(self._kept) > _MOST_AHEAD:
                # Whoever asks for it begins anew.
                self._kept.pop(max(self._kept, key=lambda s: self._place[s]))
                self._next = -1


def _find(bag: Bag, wanted: Wanted) -> dict[str, str]:
    """Return the bag's topic of each part; DatasetError where it has no camera, or several."""
    places = Places(wanted.namespace, wanted.remap)
    found = {}
    for part, channel in _ROWS.items():
        name = places.carrier(bag, channel)
        if not name and channel.topic not in wanted.remap and not wanted.namespace:
            name = _elsewhere(bag, channel)
        if name:
            found[part] = name
        elif channel.topic in wanted.remap:
            raise DatasetError(
                f'bag {bag.path} has no topic {wanted.remap[channel.topic]}', _pictures(bag)
            )
    if parts.SOURCE_IMAGE not in found:
        one = _only_camera(bag, set(found.values()))
        if not one:
            raise DatasetError(
                f'bag {bag.path} has no topic {topics.CAMERA_IMAGE}, and not just one that may be '
                'a camera',
                f'{_pictures(bag)}; choose: bag:{bag.path}?{topics.CAMERA_IMAGE}=/NAME',
            )
        found[parts.SOURCE_IMAGE] = one
    return found


def _elsewhere(bag: Bag, channel: Channel) -> str:
    """Return the only topic of a name in whatever namespace; empty for none or several."""
    ends = (f'/{channel.topic}', f'/{channel.topic}/{COMPRESSED}')
    named = [name for name in bag.topics if name.endswith(ends)]
    return named[0] if len(named) == 1 else ''


def _only_camera(bag: Bag, taken: set[str]) -> str:
    cameras = [
        name
        for name, topic in bag.topics.items()
        if topic.type in (IMAGE, COMPRESSED_IMAGE)
        and name not in taken
        and 'depth' not in name.lower()
        and not any(f'/{ours}' in name for ours in _OURS)
    ]
    return cameras[0] if len(cameras) == 1 else ''


def _pictures(bag: Bag) -> str:
    names = [n for n, t in bag.topics.items() if t.type in (IMAGE, COMPRESSED_IMAGE)]
    return 'it has pictures on ' + (', '.join(sorted(names)[:20]) or 'no topic')


def open_frames(
    root: Path, split: str, cities: Sequence[str], limit: int, sequences: bool
) -> BagFrames:
    """
    Open a bag as the data set layout `bag`: with or without `sequences`, all that it has.

    DatasetError for a split or cities, of which it has none.
    """
    if split or cities:
        raise DatasetError(
            f'bag {root} has no split {split or "and no cities"}', 'leave split and cities empty'
        )
    path, wanted = Wanted.parse(str(root))
    return BagFrames(path, wanted, limit)

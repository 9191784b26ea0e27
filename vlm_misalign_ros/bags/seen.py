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

"""The frames of a recorded run with their pictures, masks and truth, joined by their stamps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from vlm_misalign_ros.bags.headers import Headers
from vlm_misalign_ros.bags.reading import Bag, Raw, open_bag
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.reasons import Reasons
from vlm_misalign_ros.core.evaluation.seen import Seen, unseen
from vlm_misalign_ros.core.labels.encodings import AUTO, DEFAULT, open_encoding
from vlm_misalign_ros.core.labels.instances import AUTO as ANY
from vlm_misalign_ros.core.labels.instances import Numbered, read_instances
from vlm_misalign_ros.core.labels.maps import read_labels
from vlm_misalign_ros.core.records.schema import FrameRecord, decode
from vlm_misalign_ros.core.records.store import RECORDS, read_frames
from vlm_misalign_ros.core.stamps import parse_stamp
from vlm_misalign_ros.wire import images, pixels, topics
from vlm_misalign_ros.wire.strange import of_strangers
from vlm_misalign_ros.wire.transports import COMPRESSED
from vlm_misalign_ros.wire.values import values_of

MOST = 64
"""Frames whose messages are kept while the rest of them is waited for."""
_PICTURE, _CLEAN, _RECORD = 'picture', 'clean', 'record'
_LABELS, _INSTANCES, _MASK = 'labels', 'instances', 'mask'
_TOPICS: dict[str, tuple[tuple[str, ...], bool]] = {
    _PICTURE: ((topics.DEGRADED_IMAGE, topics.CAMERA_IMAGE), True),
    _CLEAN: ((topics.CAMERA_IMAGE,), True),
    _LABELS: ((topics.TRUTH_LABELS,), True),
    _INSTANCES: ((topics.TRUTH_INSTANCES,), True),
    _MASK: ((topics.SEGMENTATION_LABELS,), False),
}
"""By part: its topics, the first that there is, and whether it may come compressed."""


def recorded_frames(
    path: Path,
    records: Path | None = None,
    labels: str = AUTO,
    wanted: Callable[[FrameRecord], bool] = lambda record: True,
    left: Reasons | None = None,
) -> Iterator[Seen]:
    """
    Yield the wanted frames of a recorded run in the order in which they were recorded.

    The records are those of `records`, the folder of a run, or of the bag itself (monitor/frame).
    What the bag lacks of a frame but its picture is None; a frame that cannot be read is left out,
    and `left` told why. RecordError where there is no picture or no record.
    """
    with open_bag(path) as bag:
        yield from _Frames(bag, records, labels, Reasons() if left is None else left).run(wanted)


class _Frames:
    """Joins what belongs to a frame."""

    def __init__(self, bag: Bag, records: Path | None, labels: str, left: Reasons) -> None:
        self._bag = bag
        self._left = left
        self._shown: set[int] = set()
        self._encoding = open_encoding(DEFAULT if labels == AUTO else labels)
        self._known: Mapping[int, FrameRecord | None] | None = None
        self._topics = {part: topic_of(bag, *how) for part, how in _TOPICS.items()}
        if not self._topics[_PICTURE]:
            raise RecordError(f'bag {bag.path} has no picture of a run', 'record one: record=true')
        if records is not None:
            frames = read_frames(records / RECORDS)
            self._known = _by_stamp(frames)
        else:
            self._topics[_RECORD] = topic_of(bag, (topics.MONITOR_FRAME,))
            if not self._topics[_RECORD]:
                raise RecordError(
                    f'bag {bag.path} has no records ({topics.MONITOR_FRAME})',
                    'analyse it, and give the folder of that',
                )

    def run(self, wanted: Callable[[FrameRecord], bool]) -> Iterator[Seen]:
        taken = [topic for topic in self._topics.values() if topic]
        headers, kept = Headers(self._bag), dict[int, dict[str, Raw]]()
        # Of a frame its record comes last.
        for raw in self._bag.messages(dict.fromkeys(taken)):
            stamp = headers.stamp(raw)
            if stamp is None:
                continue
            for part, topic in self._topics.items():
                if topic == raw.topic:
                    kept.setdefault(stamp, {}).setdefault(part, raw)
            while len(kept) > MOST:
                oldest = next(iter(kept))
                yield from self._seen(oldest, kept.pop(oldest), wanted)
        for stamp, found in kept.items():
            yield from self._seen(stamp, found, wanted)

    def _seen(
        self, stamp: int, found: Mapping[str, Raw], wanted: Callable[[FrameRecord], bool]
    ) -> Iterator[Seen]:
        try:
            record = self._record(stamp, found.get(_RECORD))
            if record is None or not wanted(record):
                return
            if _PICTURE not in found:
                # What comes very late of a frame that was shown is not another one.
                if stamp not in self._shown:
                    self._left.add(unseen(record) or 'the bag has no picture of it')
                return
            self._shown.add(stamp)
            with of_strangers():
                clean = found.get(_CLEAN)
                seen = Seen(
                    record,
                    images.picture(self._bag.decode(found[_PICTURE])),
                    None if clean is None else images.picture(self._bag.decode(clean)),
                    *self._truth(found),
                    self._mask(found.get(_MASK)),
                )
        except RecordError as error:
            self._left.add(error.what)
            return
        yield seen

    def _record(self, stamp: int, raw: Raw | None) -> FrameRecord | None:
        if self._known is not None:
            if stamp in self._known and self._known[stamp] is None:
                raise RecordError('several frames have one stamp: none tells whose the picture is')
            return self._known.get(stamp)
        with of_strangers():
            text = '' if raw is None else values_of(self._bag.decode(raw)).get(_RECORD, '')
        record = decode(text.encode(), topics.MONITOR_FRAME) if text else None
        return record if isinstance(record, FrameRecord) else None

    def _truth(self, found: Mapping[str, Raw]) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Return label ids and instance ids, each None where it is not there or not readable."""
        if _LABELS not in found:
            return None, None
        told = read_labels(self._encoding, images.label_pixels(self._bag.decode(found[_LABELS])))
        if told.problem:
            return None, None
        if _INSTANCES not in found:
            return told.labels, None
        values = images.label_pixels(self._bag.decode(found[_INSTANCES]))
        try:
            numbers = read_instances(values, ANY, self._encoding)
        except RecordError:
            return told.labels, None
        if isinstance(numbers, Numbered):
            numbers = numbers.resolved(told.labels)
        return told.labels, numbers

    def _mask(self, raw: Raw | None) -> np.ndarray | None:
        return None if raw is None else pixels.to_array(self._bag.decode(raw))


def _by_stamp(frames: Iterable[FrameRecord]) -> dict[int, FrameRecord | None]:
    """Return frames by their stamp; None where several have it, as where time jumped back."""
    found: dict[int, FrameRecord | None] = {}
    for frame in frames:
        stamp = parse_stamp(frame.stamp)
        found[stamp] = None if stamp in found else frame
    return found


def topic_of(bag: Bag, names: tuple[str, ...], compressed: bool = False) -> str:
    """Return the first topic of a bag that has a name, in whatever namespace; empty for none."""
    for name in names:
        for end in ('', f'/{COMPRESSED}') if compressed else ('',):
            found = [topic for topic in bag.topics if topic.endswith(f'/{name}{end}')]
            if found:
                return min(found, key=len)
    return ''

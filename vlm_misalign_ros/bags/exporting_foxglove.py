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

"""A bag's pictures with what was said of them, as an MCAP file that Foxglove draws."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from mcap.writer import Writer

from vlm_misalign_ros.bags.exporting import Exported
from vlm_misalign_ros.bags.foxglove_schema import ANNOTATIONS, NAME
from vlm_misalign_ros.bags.headers import Headers
from vlm_misalign_ros.bags.reading import Bag, Raw, open_bag
from vlm_misalign_ros.bags.whole import refuse_present, whole_folder
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.labels.classes import to_train_ids
from vlm_misalign_ros.core.labels.encodings import DEFAULT, Encoding, open_encoding
from vlm_misalign_ros.core.labels.maps import read_labels
from vlm_misalign_ros.core.records.schema import FrameRecord, decode
from vlm_misalign_ros.core.records.store import RECORDS, read_frames
from vlm_misalign_ros.core.report.annotating import Color, lines_of, outlines_of, texts_of
from vlm_misalign_ros.core.stamps import parse_stamp, split_stamp
from vlm_misalign_ros.wire import images, pixels, topics
from vlm_misalign_ros.wire.packed import declared
from vlm_misalign_ros.wire.raw import image_head
from vlm_misalign_ros.wire.strange import of_strangers
from vlm_misalign_ros.wire.transports import COMPRESSED, IMAGE
from vlm_misalign_ros.wire.values import values_of

TOPIC = '/annotations'
_PICTURES = (topics.DEGRADED_IMAGE, topics.CAMERA_IMAGE)
_MOST = 64
"""Frames whose messages are kept while their record is waited for."""
_LINES = 28
"""Rows of text that a picture's height is good for."""
_RECORD = 'record'


def export_foxglove(
    path: Path,
    out: Path,
    records: Path | None = None,
    labels: str = DEFAULT,
    progress: Callable[[int, int], object] | None = None,
) -> Exported:
    """
    Write OUT/NAME.mcap: the pictures as they are, and foxglove.ImageAnnotations on /annotations.

    What each model said stands in its line, left-out classes amber and made-up ones red, as in
    the annotator; regions of left-out things are outlined by the labels of the bag (of encoding
    `labels`), made-up ones where the mask has them, too. The records are those of `records`, a
    run folder, or of the bag itself (monitor/frame). Raises RecordError where there is no picture
    or no record, and leaves nothing then.
    """
    refuse_present(out)
    found = Exported()
    with open_bag(path) as bag, whole_folder(out) as folder:
        source = None if records is None else _Records(records)
        pictures = _only(bag, _PICTURES, (f'/{COMPRESSED}', ''))
        told = _only(bag, (topics.MONITOR_FRAME,)) if source is None else ''
        if not pictures or (source is None and not told):
            raise RecordError(
                f'bag {path} has no '
                + ('picture of a run' if not pictures else f'records ({topics.MONITOR_FRAME})'),
                'analyse it, and give the folder of that: --records FOLDER',
            )
        folder.mkdir()
        with open(folder / f'{out.name}.mcap', 'wb') as stream:
            sink = _Sink(stream, bag, pictures, found, open_encoding(labels))
            taken = {
                pictures: 'picture',
                told: 'record',
                _only(bag, (topics.TRUTH_LABELS,), ('', f'/{COMPRESSED}')): 'truth',
                _only(bag, (topics.SEGMENTATION_LABELS,)): 'mask',
            }
            taken.pop('', None)
            headers = Headers(bag)
            total = sum(bag.topics[name].count or 0 for name in taken)
            for number, raw in enumerate(bag.messages(taken), 1):
                stamp = headers.stamp(raw)
                if stamp is not None:
                    sink.take(stamp, taken[raw.topic], raw, source)
                if progress is not None:
                    progress(number, total)
            sink.close(source)
        if bag.told():
            found.notes.append(f'lost: {bag.told()}')
        if not found.counts[TOPIC]:
            raise RecordError(
                f'no picture of bag {path} goes with a record by its stamp',
                'give the folder of the run, or of the analysis, of this very bag',
            )
    return found


def _only(bag: Bag, names: tuple[str, ...], ends: tuple[str, ...] = ('',)) -> str:
    """Return the first topic of a bag that has a name, in whatever namespace; empty for none."""
    for name in names:
        for end in ends:
            found = [topic for topic in bag.topics if topic.endswith(f'/{name}{end}')]
            if found:
                return min(found, key=len)
    return ''


class _Records:
    """The frames of a run, read on as they are asked for."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / RECORDS if folder.is_dir() else folder
        self._frames = read_frames(self._path)
        self._kept: dict[int, FrameRecord] = {}

    def of(self, stamp: int) -> FrameRecord | None:
        """Return the record of a stamp; None where it is not among those that come next."""
        while stamp not in self._kept and len(self._kept) < 4 * _MOST:
            record = next(self._frames, None)
            if record is None:
                break
            self._kept[parse_stamp(record.stamp)] = record
        found = self._kept.pop(stamp, None)
        while len(self._kept) >= 4 * _MOST:
            self._kept.pop(next(iter(self._kept)))
        return found


class _Sink:
    """Joins what belongs to a picture, and writes it."""

    def __init__(
        self, stream: BinaryIO, bag: Bag, pictures: str, found: Exported, encoding: Encoding
    ) -> None:
        self._bag, self._found, self._encoding = bag, found, encoding
        self._kept: dict[int, dict[str, Raw]] = {}
        self._writer = Writer(stream)
        self._writer.start(profile='ros2', library='vlm_misalign_ros')
        topic = bag.topics[pictures]
        self._pictures = self._writer.register_channel(
            pictures,
            topic.format,
            self._writer.register_schema(
                topic.type, topic.definition.encoding or 'ros2msg', topic.definition.text.encode()
            ),
        )
        schema = self._writer.register_schema(NAME, 'jsonschema', json.dumps(ANNOTATIONS).encode())
        self._annotations = self._writer.register_channel(TOPIC, 'json', schema)

    def take(self, stamp: int, part: str, raw: Raw, records: _Records | None) -> None:
        parts = self._kept.setdefault(stamp, {})
        parts.setdefault(part, raw)
        if 'picture' in parts and 'record' in parts:
            self._write(stamp, self._kept.pop(stamp), records)
        elif len(self._kept) > _MOST:
            oldest = next(iter(self._kept))
            self._write(oldest, self._kept.pop(oldest), records)

    def close(self, records: _Records | None) -> None:
        for stamp in list(self._kept):
            self._write(stamp, self._kept.pop(stamp), records)
        self._writer.finish()

    def _write(self, stamp: int, parts: Mapping[str, Raw], records: _Records | None) -> None:
        picture = parts.get('picture')
        if picture is None:
            return
        self._writer.add_message(self._pictures, picture.arrival, picture.data, stamp)
        self._found.counts[picture.topic] += 1
        try:
            record = records.of(stamp) if records else self._record(parts.get('record'))
            if record is None:
                return
            with of_strangers():
                size = self._size(picture)
                truth = self._ids(parts.get('truth'), True)
                mask = self._ids(parts.get('mask'), False)
        except RecordError as error:
            self._found.refused[error.what] += 1
            return
        plain = drawn_of(record, size, stamp, truth, mask)
        data = json.dumps(plain).encode()
        self._writer.add_message(self._annotations, picture.arrival, data, stamp)
        self._found.counts[TOPIC] += 1

    def _record(self, raw: Raw | None) -> FrameRecord | None:
        with of_strangers():
            text = '' if raw is None else values_of(self._bag.decode(raw)).get(_RECORD, '')
        record = decode(text.encode(), topics.MONITOR_FRAME) if text else None
        return record if isinstance(record, FrameRecord) else None

    def _size(self, raw: Raw) -> tuple[int, int]:
        if raw.type == IMAGE:
            head = image_head(raw.data)
            return head.height, head.width
        told = declared(memoryview(self._bag.decode(raw).data).cast('B'))
        return told.height, told.width

    def _ids(self, raw: Raw | None, truth: bool) -> np.ndarray | None:
        if raw is None:
            return None
        message = self._bag.decode(raw)
        if not truth:
            return pixels.to_array(message)
        found = read_labels(self._encoding, images.label_pixels(message))
        return None if found.problem else to_train_ids(found.labels)


def drawn_of(
    record: FrameRecord,
    size: tuple[int, int],
    stamp: int,
    truth: np.ndarray | None = None,
    mask: np.ndarray | None = None,
) -> dict[str, Any]:
    """
    Return foxglove.ImageAnnotations of a frame as plain data, for a picture of (height, width).

    `truth` and `mask` are train ids, uint8 (H, W). Coordinates are pixels from the upper left.
    """
    height, width = size
    seconds, nanoseconds = split_stamp(stamp)
    time = {'sec': seconds, 'nsec': nanoseconds}
    step = height / _LINES
    points = [
        {
            'timestamp': time,
            'type': 2,
            'points': [{'x': float(x * width), 'y': float(y * height)} for x, y in outline.points],
            'outline_color': _rgba(outline.color),
            'outline_colors': [],
            'fill_color': _rgba(outline.color, 0.0),
            'thickness': 2.0,
        }
        for outline in outlines_of(record, (), truth, mask)
    ]
    texts = [
        {
            'timestamp': time,
            'position': {'x': step / 2, 'y': step * number},
            'text': text,
            'font_size': step * 0.8,
            'text_color': _rgba(color),
            'background_color': _rgba((0, 0, 0), 0.6),
        }
        for number, (text, color) in enumerate(texts_of(lines_of(record)), 1)
    ]
    return {'circles': [], 'points': points, 'texts': texts}


def _rgba(color: Color, alpha: float = 1.0) -> dict[str, float]:
    red, green, blue = (part / 255 for part in color)
    return {'r': red, 'g': green, 'b': blue, 'a': alpha}

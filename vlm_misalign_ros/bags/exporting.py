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

"""What a bag holds, as files: pictures as PNG, values and answers as Parquet."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vlm_misalign_ros.bags.headers import Headers
from vlm_misalign_ros.bags.reading import Bag, Raw, open_bag
from vlm_misalign_ros.bags.whole import refuse_present, whole_folder
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.stamps import format_stamp
from vlm_misalign_ros.core.types import Description, Failed, Mention, Passed
from vlm_misalign_ros.wire import images, pixels, topics
from vlm_misalign_ros.wire.channels import Form
from vlm_misalign_ros.wire.layouts import LAYOUTS
from vlm_misalign_ros.wire.packed import declared, is_packed, unpacked_depth
from vlm_misalign_ros.wire.strange import of_strangers
from vlm_misalign_ros.wire.transports import COMPRESSED_IMAGE, IMAGE
from vlm_misalign_ros.wire.values import description_from_values, values_of

Progress = Callable[[int, int], object]
_ANSWER = re.compile('.*/' + topics.vlm_description('([A-Za-z][A-Za-z0-9_]*)'))
_STRANGE = re.compile(r'[^A-Za-z0-9_.-]')
_BATCH = 2000
"""Rows of a table that are held."""
_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1]


@dataclass
class Exported:
    """What was written."""

    counts: Counter[str] = field(default_factory=Counter)
    """Messages by topic."""
    refused: Counter[str] = field(default_factory=Counter)
    """Messages that could not be read, by topic and reason."""
    notes: list[str] = field(default_factory=list)


def chosen_topics(bag: Bag, wanted: Iterable[str], types: Iterable[str]) -> list[str]:
    """Return the topics of some types that are asked for; all where none is. RecordError."""
    there = sorted(name for name, topic in bag.topics.items() if topic.type in types)
    asked = [name if name in there else f'/{name.lstrip("/")}' for name in wanted]
    absent = [name for name in asked if name not in there]
    if absent or not there:
        raise RecordError(
            f'bag {bag.path} has no {" or ".join(types)} on {", ".join(absent) or "any topic"}',
            'it has them on ' + (', '.join(there) or 'no topic'),
        )
    return asked or there


def export_png(
    path: Path, out: Path, wanted: Iterable[str] = (), progress: Progress | None = None
) -> Exported:
    """
    Write the pictures of a bag's topics to OUT/TOPIC/STAMP.png, colours as colours, maps exactly.

    Depth in metres becomes millimetres in sixteen bits. Of a stamp that comes twice the second
    is STAMP_2.png. What has no stamp goes by when it was recorded. Raises RecordError where
    there is no picture, and leaves nothing then.
    """
    refuse_present(out)
    found = Exported()
    with open_bag(path) as bag, whole_folder(out) as folder:
        names = chosen_topics(bag, wanted, (IMAGE, COMPRESSED_IMAGE))
        headers = Headers(bag)
        places = _folders(names)
        folder.mkdir()
        for number, raw in enumerate(bag.messages(names), 1):
            stamp = headers.stamp(raw)
            name = format_stamp(raw.arrival if stamp is None else stamp)
            try:
                with of_strangers():
                    data = _png_of(bag.decode(raw))
            except RecordError as error:
                found.refused[f'{raw.topic}: {error.what}'] += 1
            else:
                _write_new(folder / places[raw.topic], name, data)
                found.counts[raw.topic] += 1
            if progress is not None:
                progress(number, sum(bag.topics[topic].count or 0 for topic in names))
        _finish(found, bag)
    return found


def _finish(found: Exported, bag: Bag) -> None:
    """Note what was lost; RecordError where nothing could be written."""
    if bag.told():
        found.notes.append(f'lost: {bag.told()}')
    found.notes += [f'{n} x {reason}' for reason, n in found.refused.most_common(10)]
    if not found.counts:
        raise RecordError(
            f'nothing of bag {bag.path} could be written: '
            + ('; '.join(found.notes) or 'it has no message of these topics')
        )


def _folders(names: Iterable[str]) -> dict[str, str]:
    """Return a folder for each topic, below what is written whatever a topic is called."""
    found: dict[str, str] = {}
    for name in names:
        parts = [_STRANGE.sub('_', part) for part in name.split('/') if part.strip('.')]
        place = '/'.join(parts) or 'topic'
        while place in found.values():
            place += '_'
        found[name] = place
    return found


def _write_new(folder: Path, name: str, data: bytes) -> None:
    """Write a picture under a name that is not taken yet."""
    folder.mkdir(parents=True, exist_ok=True)
    place, number = folder / f'{name}.png', 1
    while place.exists():
        number += 1
        place = folder / f'{name}_{number}.png'
    place.write_bytes(data)


def _png_of(message: Any) -> bytes:
    """Return a picture or map as PNG; RecordError for what is none."""
    if is_packed(message):
        if 'compressedDepth' in message.format:
            return png_bytes(pixels.to_millimetres(unpacked_depth(message)))
        data = memoryview(message.data).cast('B')
        if not declared(data).lossy:
            return bytes(data)
        return png_bytes(images.picture(message))
    layout = LAYOUTS.get(message.encoding)
    if layout is not None and layout.channels == 1 and not layout.raw:
        array = pixels.to_array(message)
        if array.dtype == np.float32:
            array = pixels.to_millimetres(array)
        return png_bytes(pixels.narrowed(array) if array.dtype == np.int32 else array)
    return png_bytes(images.picture(message))


def png_bytes(array: np.ndarray) -> bytes:
    """Return uint8 or uint16, (H, W) or BGR (H, W, 3), as PNG; RecordError where it cannot be."""
    good, data = cv2.imencode('.png', np.ascontiguousarray(array), _PNG)
    if not good:
        raise RecordError(f'a picture of {array.shape} cannot be written as PNG')
    return bytes(data.tobytes())


VALUES = pa.schema(
    [
        ('topic', pa.string()),
        ('stamp', pa.int64()),
        ('arrival', pa.int64()),
        ('status', pa.int32()),
        ('level', pa.int32()),
        ('name', pa.string()),
        ('message', pa.string()),
        ('key', pa.string()),
        ('value', pa.string()),
    ]
)
"""values.parquet: a row a value of a DiagnosticArray; times in nanoseconds."""
ANSWERS = pa.schema(
    [
        ('topic', pa.string()),
        ('model', pa.string()),
        ('stamp', pa.int64()),
        ('arrival', pa.int64()),
        ('status', pa.string()),
        ('reason', pa.string()),
        ('kind', pa.string()),
        ('text', pa.string()),
        *((mention.value.lower(), pa.list_(pa.string())) for mention in Mention),
        ('scores', pa.map_(pa.string(), pa.float64())),
        ('judgement', pa.string()),
        ('judgement_score', pa.float64()),
        ('prompt', pa.string()),
        ('latency', pa.float64()),
        ('truncated', pa.bool_()),
        ('image', pa.string()),
    ]
)
"""answers.parquet: a row a model's answer, which may be one that failed or was passed over."""


class _Table:
    """A Parquet file that is written as rows come; none without rows."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path, self._schema = path, schema
        self._rows: list[dict[str, Any]] = []
        self._writer: pq.ParquetWriter | None = None

    def add(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, self._schema)
        self._writer.write_table(pa.Table.from_pylist(self._rows, self._schema))
        self._rows.clear()

    def close(self) -> None:
        self._flush()
        if self._writer is not None:
            self._writer.close()


def export_parquet(
    path: Path, out: Path, wanted: Iterable[str] = (), progress: Progress | None = None
) -> Exported:
    """
    Write the values and the models' answers of a bag to OUT/values.parquet and answers.parquet.

    Raises RecordError where the bag has neither, and leaves nothing then.
    """
    refuse_present(out)
    found = Exported()
    with open_bag(path) as bag, whole_folder(out) as folder:
        names = chosen_topics(bag, wanted, (Form.VALUES.value,))
        headers = Headers(bag)
        folder.mkdir()
        values, answers = (
            _Table(folder / 'values.parquet', VALUES),
            _Table(folder / 'answers.parquet', ANSWERS),
        )
        try:
            for number, raw in enumerate(bag.messages(names), 1):
                try:
                    message = bag.decode(raw)
                    answer = _ANSWER.fullmatch(raw.topic)
                    head = _head(raw, headers.stamp(raw))
                    with of_strangers():
                        if answer is None:
                            rows = [{**head, **row} for row in _values(message)]
                        else:
                            told = description_from_values(values_of(message))
                            rows = [{**head, 'model': answer[1], **_answer(told)}]
                    table = values if answer is None else answers
                    for row in rows:
                        table.add(row)
                    found.counts[raw.topic] += 1
                except RecordError as error:
                    found.refused[f'{raw.topic}: {error.what}'] += 1
                if progress is not None:
                    progress(number, sum(bag.topics[topic].count or 0 for topic in names))
        finally:
            values.close()
            answers.close()
        _finish(found, bag)
    return found


def _head(raw: Raw, stamp: int | None) -> dict[str, Any]:
    return {'topic': raw.topic, 'stamp': stamp, 'arrival': raw.arrival}


def _values(message: Any) -> Iterable[Mapping[str, Any]]:
    for number, status in enumerate(message.status):
        level = status.level
        common = {
            'status': number,
            'level': level[0] if isinstance(level, bytes) else int(level),
            'name': str(status.name),
            'message': str(status.message),
        }
        for pair in status.values:
            yield {**common, 'key': str(pair.key), 'value': str(pair.value)}


def _answer(told: Description | Failed | Passed) -> dict[str, Any]:
    if not isinstance(told, Description):
        status = 'failed' if isinstance(told, Failed) else 'passed'
        return {'status': status, 'reason': told.reason}
    mentioned = {
        mention.value.lower(): sorted(n for n, state in told.mentions.items() if state is mention)
        for mention in Mention
    }
    return {
        'status': 'answered',
        'kind': told.kind.value,
        'text': told.text,
        **mentioned,
        'scores': list(told.scores.items()),
        'judgement': told.judgement.value,
        'judgement_score': told.judgement_score,
        'prompt': told.prompt_id,
        'latency': told.latency,
        'truncated': told.truncated,
        'image': told.image,
    }

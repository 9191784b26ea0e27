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

"""The shards of a run joined: one file of records, one account, the worst pictures of all."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.period import Lost
from vlm_misalign_ros.core.evaluation.worst import Ranking, errors_of, kept_of_each, scene_of
from vlm_misalign_ros.core.records.account import AccountingRecord, RunRecord
from vlm_misalign_ros.core.records.ordering import order_frames
from vlm_misalign_ros.core.records.pictures import FOLDER, KEPT, Pictures
from vlm_misalign_ros.core.records.schema import FrameRecord, Record, decode, encode
from vlm_misalign_ros.core.records.store import RECORDS
from vlm_misalign_ros.core.stamps import parse_stamp

_JOINED = 'joined.jsonl'


def assemble(folder: Path, shards: Sequence[Path], pictures: int) -> int:
    """
    Write records and the `pictures` worst frames of a run made of shards; return its frames.

    Frames come in the order of their stamps, whatever order the shards were made in, and the last
    line adds up what became of everything. What an attempt that was cut off has left is replaced.
    Raises RecordError when the disk refuses, or for a shard that is not whole.
    """
    joined, frames = folder / _JOINED, 0
    account = _Account()
    worst = _Worst(pictures)
    try:
        with open(joined, 'wb') as out:
            for number, shard in enumerate(shards):
                for line, record in _lines(shard / RECORDS):
                    account.add(record)
                    if isinstance(record, AccountingRecord) or (
                        number and isinstance(record, RunRecord)
                    ):
                        continue
                    out.write(line)
                    if isinstance(record, FrameRecord):
                        frames += 1
                        worst.add(record, shard)
            out.write(encode(account.told()) + b'\n')
            out.flush()
            os.fsync(out.fileno())
        order_frames(joined)
        _copy(worst.kept(), folder / FOLDER)
        joined.replace(folder / RECORDS)
    except OSError as error:
        joined.unlink(missing_ok=True)
        raise RecordError(
            f'run folder {folder} cannot be written: {error.strerror}', 'free space; go on then'
        ) from error
    return frames


class _Account:
    """Adds up the last lines of shards."""

    def __init__(self) -> None:
        self._parts: dict[str, Counter[str]] = {}
        self._join: Counter[str] = Counter()
        self._frames: Counter[str] = Counter()
        self._lost = Lost()

    def add(self, record: Record) -> None:
        if isinstance(record, FrameRecord):
            self._lost.add(parse_stamp(record.stamp), cycle=record.cycle)
        if isinstance(record, AccountingRecord):
            for name, states in record.parts.items():
                self._parts.setdefault(name, Counter()).update(states)
            self._join.update(record.join)
            self._frames.update(record.frames)

    def told(self) -> AccountingRecord:
        period, lost = self._lost.told() or (None, None)
        parts = {name: dict(states) for name, states in self._parts.items()}
        return AccountingRecord(parts, dict(self._join), dict(self._frames), period, lost)


def _lines(path: Path) -> Iterator[tuple[bytes, Record]]:
    with open(path, 'rb') as stream:
        for number, line in enumerate(stream, 1):
            yield line, decode(line, f'{path}, line {number}')


class _Worst:
    """The frames of which pictures are kept, as if one process had seen them all."""

    def __init__(self, pictures: int) -> None:
        self._pictures = pictures
        self._ranking: Ranking | None = None
        self._shards: dict[int, Path] = {}

    def add(self, record: FrameRecord, shard: Path) -> None:
        stamp = parse_stamp(record.stamp)
        if not self._pictures or not Pictures(shard / FOLDER).has(stamp):
            return
        if self._ranking is None:
            self._ranking = Ranking(kept_of_each(self._pictures, len(record.models)))
        self._shards[stamp] = shard
        self._ranking.add(errors_of(record), scene_of(record), stamp)

    def kept(self) -> list[tuple[Path, int]]:
        stamps = sorted(self._ranking.stamps) if self._ranking else []
        return [(self._shards[stamp], stamp) for stamp in stamps]


def _copy(kept: Sequence[tuple[Path, int]], out: Path) -> None:
    if out.is_dir():
        shutil.rmtree(out)
    for shard, stamp in kept:
        out.mkdir(exist_ok=True)
        for end in KEPT:
            source = Pictures(shard / FOLDER).path(stamp, end)
            if source.is_file():
                shutil.copyfile(source, out / source.name)

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

"""Rows of two bags side by side, on disk: what is compared need not fit into memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from vlm_misalign_ros.core.errors import RecordError

_TABLE = """
create table message (
    side integer, topic text, stamp integer, nth integer, digest blob, plain text,
    primary key (topic, stamp, side, nth)
) without rowid
"""
_PAIRS = """
select a.stamp, a.nth, a.plain, b.plain from message a join message b
on b.topic = a.topic and b.stamp = a.stamp and b.nth = a.nth and b.side = 1
where a.topic = ? and a.side = 0 and a.digest != b.digest order by a.stamp, a.nth
"""
_ALONE = """
select a.stamp, a.nth from message a where a.topic = ? and a.side = ? and not exists (
    select 1 from message b
    where b.topic = a.topic and b.stamp = a.stamp and b.side = 1 - a.side and b.nth = a.nth
) order by a.stamp, a.nth
"""
_NTH = 'select max(nth) from message where topic = ? and stamp = ? and side = ?'
_COUNT = 'select count(*) from message where topic = ? and side = ?'


def _failed(error: Exception) -> RecordError:
    return RecordError(
        f'what is compared cannot be written: {error}', 'free space, or set TMPDIR to where it is'
    )


class Pair(NamedTuple):
    """Two messages of one stamp that differ."""

    stamp: int
    nth: int
    first: str
    second: str


class Spool:
    """Messages of two bags, in a file that goes away with it."""

    def __init__(self) -> None:
        """Open an empty one; RecordError where there is no room for it."""
        try:
            self._folder = TemporaryDirectory(prefix='vlm_misalign_')
        except OSError as error:
            raise _failed(error) from error
        self._base = sqlite3.connect(Path(self._folder.name) / 'spool', isolation_level=None)
        self._base.execute('pragma journal_mode = off')
        self._base.execute('pragma synchronous = off')
        self._base.execute('begin')
        self._base.execute(_TABLE)

    def close(self) -> None:
        """Remove it."""
        self._base.close()
        self._folder.cleanup()

    def __enter__(self) -> Spool:
        """Return it, open."""
        return self

    def __exit__(self, kind: object, error: BaseException | None, where: object) -> None:
        """Remove it; RecordError where it could not be written."""
        self.close()
        if isinstance(error, sqlite3.Error):
            raise _failed(error) from error

    def add(self, side: int, topic: str, stamp: int, digest: bytes, plain: str) -> None:
        """Take a message: the first, second, ... of its topic, stamp and side."""
        (last,) = self._base.execute(_NTH, (topic, stamp, side)).fetchone()
        row = side, topic, stamp, 0 if last is None else last + 1, digest, plain
        self._base.execute('insert into message values (?, ?, ?, ?, ?, ?)', row)

    def count(self, side: int, topic: str) -> int:
        """Return how many messages of a topic there are on a side."""
        return int(self._base.execute(_COUNT, (topic, side)).fetchone()[0])

    def differing(self, topic: str) -> Iterator[Pair]:
        """Yield the messages of a topic that are on both sides and differ."""
        return (Pair(*row) for row in self._base.execute(_PAIRS, (topic,)))

    def alone(self, topic: str, side: int) -> Iterator[tuple[int, int]]:
        """Yield (stamp, nth) of the messages that are on one side only."""
        return iter(self._base.execute(_ALONE, (topic, side)))

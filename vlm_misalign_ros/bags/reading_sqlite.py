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
Reads a SQLite file of a bag: by its tables where they are sound, else page by page.

A journal or write-ahead log that was left over is applied by SQLite itself, to a copy.
"""

from __future__ import annotations

import itertools
import shutil
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from vlm_misalign_ros.bags import sqlite_pages as pages
from vlm_misalign_ros.bags.stored import (
    MAX_SIZE,
    MAX_TEXT,
    Definition,
    Loss,
    Stored,
    Stream,
    full_type,
)
from vlm_misalign_ros.core.errors import RecordError

_SIDES = ('-wal', '-journal')
_JOURNAL = bytes.fromhex('d9d505f920a163d7')
"""How a rollback journal begins, and how it ends where it is one of several with one above them:
https://www.sqlite.org/fileformat2.html (3)."""
_STEPS = 1_000_000, 16
"""Steps of SQLite that reading may take: so many, and so many a byte of the file. Trees that were
made to be walked for ever are not."""
_EVERY = 100_000
_PRAGMAS = ('trusted_schema=OFF', 'cell_size_check=ON', 'mmap_size=0', 'temp_store=FILE')


class SqliteFile:
    """An open SQLite file of a bag."""

    def __init__(self, path: Path) -> None:
        """Open it; RecordError where there is no bag in it, OSError where it cannot be read."""
        self.path = path
        self.streams: dict[int, Stream] = {}
        self.start: int | None = None
        self.promised: dict[int, int] | None = None
        self.losses: dict[int, Loss] = {}
        self.faults: list[str] = []
        self._copied: TemporaryDirectory[str] | None = None
        self._connection: sqlite3.Connection | None = None
        self._paged = False
        try:
            self._file = self._settled()
            lacking = pages.missing(self._file)
            if lacking:
                self._damaged(f'it is cut: {lacking:,} bytes of it are missing')
            else:
                self._connect()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file, and remove its copy where there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._copied is not None:
            self._copied.cleanup()
            self._copied = None

    def _settled(self) -> Path:
        """Return the file, or a copy beside copies of what a writer that was stopped left over."""
        sides = [Path(f'{self.path}{side}') for side in _SIDES]
        left = [side for side in sides if side.is_file() and side.stat().st_size > 0]
        if not left:
            return self.path
        for side in left:
            self._refuse_others(side)
        names = ' and '.join(side.name for side in left)
        self._copied = TemporaryDirectory(prefix='bag-')
        copy = Path(self._copied.name, 'bag.db3')
        size = sum(part.stat().st_size for part in (self.path, *left))
        if shutil.disk_usage(copy.parent).free < 2 * size:
            raise RecordError(
                f'{self.path} has {names} beside it, which its writer left over, and there is no '
                f'room to apply it to a copy in {copy.parent}',
                'make room or set TMPDIR, or open it once with `sqlite3`',
            )
        shutil.copyfile(self.path, copy)
        for side in left:
            shutil.copyfile(side, f'{copy}{side.name.removeprefix(self.path.name)}')
        try:
            connection = sqlite3.connect(copy)
            try:
                # Whoever reads first applies a journal; this writes the log into the file.
                connection.execute('PRAGMA wal_checkpoint(TRUNCATE)').fetchall()
                connection.execute('SELECT count(*) FROM sqlite_master').fetchall()
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise RecordError(
                f'{self.path} has {names} beside it, which its writer left over, and it cannot be '
                f'applied: {error}',
                'recover it with `sqlite3 FILE .recover`',
            ) from error
        grown = copy.stat().st_size
        if grown > size:
            raise RecordError(
                f'{names} beside {self.path} tells of {grown:,} bytes, and {size:,} are there',
                'remove it, if what was begun last is not needed',
            )
        self.faults.append(
            f'{self.path.name} had {names} beside it, left over by its writer: it was applied to '
            'a copy, which was read'
        )
        return copy

    def _refuse_others(self, side: Path) -> None:
        """
        Refuse a journal that names another file; RecordError.

        SQLite removes the file above several journals once the last of them is applied, and
        nothing says that it is one: a bag is one database and has none.
        """
        with open(side, 'rb') as file:
            file.seek(max(0, side.stat().st_size - len(_JOURNAL)))
            if file.read() == _JOURNAL and side.name.endswith('-journal'):
                raise RecordError(
                    f'{side}, which lies beside the bag, names a file that is none of the bag',
                    'remove it, if what was begun last is not needed',
                )

    def _connect(self) -> None:
        """Read the tables of topics; where that fails, every page."""
        name = quote(str(self._file.resolve()))
        try:
            self._connection = sqlite3.connect(f'file:{name}?mode=ro&immutable=1', uri=True)
            for pragma in _PRAGMAS:
                self._connection.execute(f'PRAGMA {pragma}')
            most = _STEPS[0] + _STEPS[1] * self._file.stat().st_size
            taken = itertools.count(_EVERY, _EVERY)
            self._connection.set_progress_handler(lambda: next(taken) > most, _EVERY)
            self._read_topics(self._connection)
        except sqlite3.Error as error:
            self._damaged(str(error))

    def _read_topics(self, connection: sqlite3.Connection) -> None:
        found = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ('messages', "
            "'topics', 'message_definitions') AND sql LIKE 'create table%'"
        )
        tables = {name for (name,) in found}
        if not {'messages', 'topics'} <= tables:
            raise RecordError(
                f'{self.path} has no tables of messages and topics', 'give a bag of rosbag2'
            )
        for table in sorted(tables):
            if any(row[-1] for row in connection.execute(f'PRAGMA table_xinfo({table})')):
                # What makes a column may take any time and memory.
                raise RecordError(
                    f'table {table} of {self.path} has columns that are made when they are read',
                    'give a bag of rosbag2',
                )
        definitions: dict[str, Definition] = {}
        if 'message_definitions' in tables:
            rows = connection.execute(
                'SELECT topic_type, encoding, encoded_message_definition FROM message_definitions '
                f'WHERE length(encoded_message_definition) <= {MAX_TEXT}'
            )
            definitions = {
                full_type(str(name)): Definition(str(encoding), str(text))
                for name, encoding, text in rows
            }
        columns = {row[1] for row in connection.execute('PRAGMA table_info(topics)')}
        qos = 'offered_qos_profiles' if 'offered_qos_profiles' in columns else "''"
        for number, topic, kind, form, offered in connection.execute(
            f'SELECT id, name, type, serialization_format, {qos} FROM topics WHERE '
            f'length(name) + length(type) + length({qos}) <= {MAX_TEXT} ORDER BY id'
        ):
            if isinstance(number, int):
                name = full_type(str(kind))
                definition = definitions.get(name, Definition())
                self.streams[number] = Stream(
                    number, str(topic), name, str(form), definition, str(offered)
                )
        (self.start,) = connection.execute('SELECT min(timestamp) FROM messages').fetchone()
        if not isinstance(self.start, int):
            self.start = None

    def _damaged(self, reason: str) -> None:
        """Go over to reading page by page."""
        self._paged = True
        self.losses[0] = Loss(f'{self.path.name} is damaged: {reason}; every whole row was read')
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        definitions: dict[str, Definition] = {}
        found: dict[int, list[pages.Value]] = {}
        with open(self._file, 'rb') as file:
            for row in pages.Pages(file).rows(MAX_TEXT):
                if isinstance(row, pages.Row) and pages.is_definition(row):
                    definitions[full_type(str(row.values[1]))] = Definition(
                        *map(str, row.values[2:4])
                    )
                elif isinstance(row, pages.Row) and pages.is_topic(row):
                    found[row.key] = row.values
        for key, (_, topic, kind, form, *more) in found.items():
            name = full_type(str(kind))
            definition = definitions.get(name, Definition())
            offered = str(more[0] if more else '')
            self.streams.setdefault(
                key, Stream(key, str(topic), name, str(form), definition, offered)
            )

    def messages(
        self, numbers: Collection[int], start: int | None = None, end: int | None = None
    ) -> Iterator[Stored]:
        """
        Yield the messages of streams by arrival, from `start` on and before `end`.

        Of a damaged file, in the order in which they were written.
        """
        last: tuple[int, int] | None = None
        if not self._paged:
            try:
                for key, message in self._rows(numbers, start, end):
                    if last is not None and (message.arrival, key) <= last:
                        raise sqlite3.DatabaseError('its index is out of order')
                    last = (message.arrival, key)
                    yield message
                return
            except sqlite3.Error as error:
                self._damaged(str(error))
        for key, message in self._of_pages(numbers, start, end):
            if last is None or (message.arrival, key) > last:
                yield message

    def _rows(
        self, numbers: Collection[int], start: int | None, end: int | None
    ) -> Iterator[tuple[int, Stored]]:
        connection = self._connection
        if connection is None:
            raise RecordError(f'{self.path} is closed')
        asked = sorted(numbers)
        query = (
            'SELECT id, timestamp, topic_id, length(data), '
            f'CASE WHEN length(data) <= {MAX_SIZE} THEN data END FROM messages WHERE topic_id IN '
            f'({",".join("?" * len(asked))})'
        )
        values = list(asked)
        for bound, sign in ((start, '>='), (end, '<')):
            if bound is not None:
                query += f' AND timestamp {sign} ?'
                values.append(max(-(1 << 63), min(bound, (1 << 63) - 1)))
        for key, arrival, number, size, data in connection.execute(
            query + ' ORDER BY timestamp, id', values
        ):
            sound = isinstance(data, bytes) and isinstance(arrival, int) and arrival >= 0
            if sound and isinstance(key, int):
                yield key, Stored(arrival, number, data)
            else:
                told = arrival if isinstance(arrival, int) else None
                self.losses[key if isinstance(key, int) else -1] = Loss(
                    f'row {key} of {self.path.name} is no message of at most {MAX_SIZE:,} bytes '
                    f'at a time since 1970 (it has {size} bytes)',
                    1,
                    told,
                    told,
                )

    def _of_pages(
        self, numbers: Collection[int], start: int | None, end: int | None
    ) -> Iterator[tuple[int, Stored]]:
        low = -(1 << 63) if start is None else start
        high = 1 << 63 if end is None else end
        seen: set[int] = set()
        with open(self._file, 'rb') as file:
            for row in pages.Pages(file).rows():
                if isinstance(row, pages.Broken) or row.key in seen or not pages.is_message(row):
                    continue
                _, number, arrival, data = row.values
                if not (isinstance(number, int) and isinstance(arrival, int)):
                    continue
                seen.add(row.key)
                if number in numbers and low <= arrival < high and isinstance(data, bytes):
                    yield row.key, Stored(arrival, number, data)

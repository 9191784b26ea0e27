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

"""Records as JSON lines: written a frame at a time, read back, compared."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

import msgspec

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.files import lock
from vlm_misalign_ros.core.records.account import AccountingRecord
from vlm_misalign_ros.core.records.schema import (
    FrameRecord,
    Record,
    decode,
    decode_place,
    encode,
    to_plain,
)
from vlm_misalign_ros.core.records.settled import Settlement
from vlm_misalign_ros.core.records.times import without_times

RECORDS = 'records.jsonl'
"""The name of the file in a run folder."""
MAX_DIFFERENCES = 20
_FRAME, _DOUBLED = b'"frame"', b'"doubled"'
_HEAD = 24
"""Bytes of a line within which its kind stands."""


class RecordWriter:
    """
    Appends records to a file; each is whole on disk's cache when `write` returns.

    As long as it is open nobody else's writer gets the file, but on file systems without locks.
    """

    def __init__(self, path: Path, resume: bool = False) -> None:
        """
        Create the file; RecordError when it exists, cannot be created or is being written.

        With `resume` go on with one that is there, behind its last whole line.
        """
        self._path = path
        create = 0 if resume else os.O_CREAT | os.O_EXCL
        self._size = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | create, 0o644)
        except FileExistsError as error:
            raise RecordError(f'{path} exists', 'choose another run folder') from error
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            self._take(resume)
        except BaseException:
            os.close(self._file)
            raise

    def _take(self, resume: bool) -> None:
        """Keep others from the open file, and cut off the half line that a crash has left."""
        try:
            lock(self._file)
            if resume:
                self._size = sum(len(line) for _, line in _lines(self._path))
                os.ftruncate(self._file, self._size)
        except BlockingIOError as error:
            raise RecordError(
                f'{self._path} is being written by another monitor',
                'end it, or choose another run folder',
            ) from error
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def write(self, record: Record) -> None:
        """Append one record; RecordError when the disk is full, with no half line left."""
        self.write_lines(encode(record) + b'\n')

    def write_lines(self, lines: bytes) -> None:
        """Append records that are whole lines already; all of them or, with RecordError, none."""
        done = 0
        try:
            while done < len(lines):
                done += os.write(self._file, lines[done:])
        except OSError as error:
            try:
                os.ftruncate(self._file, self._size)
            except OSError:
                pass
            raise _unwritable(self._path, error) from error
        self._size += len(lines)

    def close(self) -> None:
        """Bring everything to the disk and close the file."""
        if self._file < 0:
            return
        try:
            os.fsync(self._file)
        except OSError as error:
            raise _unwritable(self._path, error) from error
        finally:
            os.close(self._file)
            self._file = -1


class FollowingWriter(RecordWriter):
    """
    Goes over the records that stand as long as the same ones are written again, then appends.

    The first that is another ends what stands: it and all behind it are cut off. So a file that
    is followed to its end holds what one holds that was written in one go.
    """

    def __init__(self, path: Path) -> None:
        """Take up the file at its first line; RecordError as `RecordWriter` with `resume`."""
        super().__init__(path, resume=True)
        self._size = 0
        self._standing = _lines(path)
        self._line = b''
        self.expected: Record | None = None
        """What stands at this place; None behind the last, and before a line that is none."""
        self._advance()

    def _advance(self) -> None:
        """Go on to the next line that stands."""
        place, self._line = next(self._standing, ('', b''))
        try:
            self.expected = decode(self._line, place) if self._line else None
        except RecordError:
            if not self._size:
                # Whose records they are is nothing to guess at.
                self.close()
                raise
            self.expected = None

    def write(self, record: Record) -> None:
        """Go over a record that stands, or append it; RecordError as `RecordWriter.write`."""
        if self._stands(record):
            self._size += len(self._line)
            self._advance()
            if isinstance(record, AccountingRecord):
                # The last line of a run, whatever was put behind it.
                self._cut()
            return
        self._cut()
        super().write(record)

    def _stands(self, record: Record) -> bool:
        if self.expected is None or record is self.expected:
            return self.expected is not None
        line = encode(record)
        # What has no order of its own, such as the names in a set, may be written in another.
        return line + b'\n' == self._line or decode(line, '') == self.expected

    def _cut(self) -> None:
        """Cut off whatever stands behind this place."""
        if self._line:
            self._line, self.expected = b'', None
            try:
                os.ftruncate(self._file, self._size)
            except OSError as error:
                raise _unwritable(self._path, error) from error


def keep_frames(path: Path, kept: Container[int]) -> None:
    """
    Leave in a file its first line and the frames whose number in the run is `kept`, no others.

    The file is replaced by a whole one. Raises RecordError where a monitor still writes it, where
    the disk refuses, and for a line that is no record.
    """
    part = path.with_name(path.name + '.part')
    try:
        # For writing, too: a file system over a network gives no lock without.
        with open(path, 'r+b') as stream, open(part, 'wb') as out:
            lock(stream.fileno())
            for place, line in _lines(path):
                head = _head(line, place)
                if head.kind == 'run' or head.kind == 'frame' and head.index in kept:
                    out.write(line)
            out.flush()
            os.fsync(out.fileno())
            part.replace(path)
    except BlockingIOError as error:
        part.unlink(missing_ok=True)
        raise RecordError(f'{path} is being written: its run goes on', 'wait for it') from error
    except OSError as error:
        part.unlink(missing_ok=True)
        raise _unwritable(path, error) from error


class _Head(msgspec.Struct):
    """What of a line decides whether it stays."""

    kind: str
    index: int | None = None


def _head(line: bytes, place: str) -> _Head:
    try:
        return msgspec.json.decode(line, type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecordError(
            f'{place} is no record: {line[:60]!r}', 'the file was changed or damaged'
        ) from error


def _unwritable(path: Path, error: OSError) -> RecordError:
    return RecordError(
        f'{path} cannot be written: {error.strerror}',
        'free space or choose another folder; what was recorded before is kept',
    )


def read_records(path: Path) -> Iterator[Record]:
    """
    Yield the records of a file; a last line cut off by a crash is left out.

    A frame that a later line takes back comes as it stands in the end (`settled`): the file is
    gone through twice, and never held. Raises RecordError naming the line that is no record, or
    that another version wrote.
    """
    return _settled(path, _settlement(path))


def _settlement(path: Path) -> Settlement:
    """Return what later lines of a file take back."""
    settlement = Settlement()
    for place, line in _lines(path):
        if _FRAME in line[:_HEAD]:
            settlement.note_frame(*decode_place(line, place))
        elif _DOUBLED in line[:_HEAD]:
            settlement.note(decode(line, place))
    return settlement


def _settled(path: Path, settlement: Settlement) -> Iterator[Record]:
    for place, line in _lines(path):
        record = decode(line, place)
        yield settlement.apply(record) if isinstance(record, FrameRecord) else record


def settled_lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """
    Yield place and line of what `read_records` yields, each with its line break.

    Lines are read no further than that needs: one that is no record is left to who decodes it.
    """
    settlement = _settlement(path)
    for place, line in _lines(path):
        if settlement:
            record = decode(line, place)
            made = settlement.apply(record) if isinstance(record, FrameRecord) else record
            if made is not record:
                line = encode(made) + b'\n'
        yield place, line


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the whole lines of a file with their places."""
    try:
        with open(path, 'rb') as stream:
            for number, line in enumerate(stream, 1):
                if not line.endswith(b'\n'):
                    return
                yield f'{path}, line {number}', line
    except OSError as error:
        raise RecordError(
            f'{path} cannot be read: {error.strerror}', 'give the folder of a run'
        ) from error


class RecordFile:
    """The records of a file, read anew each time they are gone through, never kept."""

    def __init__(self, path: Path) -> None:
        """Name the file, which is opened when it is read."""
        self._path = path
        self._settlement: Settlement | None = None

    def __iter__(self) -> Iterator[Record]:
        """Yield the records; errors as `read_records`."""
        if self._settlement is None:
            self._settlement = _settlement(self._path)
        return _settled(self._path, self._settlement)


def read_frames(path: Path) -> Iterator[FrameRecord]:
    """Yield the frames among the records of a file; errors as `read_records`."""
    return (record for record in read_records(path) if isinstance(record, FrameRecord))


def comparable(record: FrameRecord) -> dict[str, Any]:
    """Return a frame's record without its times, as plain data."""
    return without_times(to_plain(record))


def _frames(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for record in read_frames(path):
        name = f'{record.stamp} in epoch {record.epoch}' if record.epoch else record.stamp
        found[f'{name} again' if name in found else name] = comparable(record)
    return found


def difference(first: Path, second: Path) -> list[str]:
    """
    Return in what the frames of two record files differ, times aside; empty when in nothing.

    Frames are matched by stamp; at most MAX_DIFFERENCES lines come back.
    """
    one, other = _frames(first), _frames(second)
    found = []
    for stamp in sorted(one.keys() | other.keys()):
        if stamp not in one or stamp not in other:
            found.append(f'frame {stamp} is only in {first if stamp in one else second}')
            continue
        label = f'{stamp} ({one[stamp].get("key")}, {one[stamp]["condition"]["name"]})'
        found.extend(f'frame {label}: {line}' for line in _differ('', one[stamp], other[stamp]))
    if not one and not other:
        found.append(f'neither {first} nor {second} holds a frame')
    if len(found) > MAX_DIFFERENCES:
        rest = len(found) - MAX_DIFFERENCES
        found = [*found[:MAX_DIFFERENCES], f'and {rest} more differences']
    return found


def _differ(place: str, one: Any, other: Any) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from _differ(
                f'{place}.{key}' if place else str(key), one.get(key), other.get(key)
            )
    elif one != other:
        yield f'{place}: {str(one)[:80]} != {str(other)[:80]}'

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

"""Which files a bag has, and what its metadata.yaml tells of them: all of it may be wrong."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from vlm_misalign_ros.bags import inflating
from vlm_misalign_ros.bags.mcap_records import MAGIC
from vlm_misalign_ros.bags.reading_mcap import McapFile
from vlm_misalign_ros.bags.reading_sqlite import SqliteFile
from vlm_misalign_ros.bags.sqlite_pages import HEADER
from vlm_misalign_ros.bags.stored import Loss, Storage, full_type
from vlm_misalign_ros.core.errors import RecordError

METADATA = 'metadata.yaml'
NEWEST = 9
_MAX_METADATA = 16 << 20
_MAX_NAME = 255
"""Bytes of the name of a file; none is longer."""
_ENDINGS = ('.mcap', '.db3')
_PACKED = ('.zstd', '.zst', '.lz4')
_NUMBER = re.compile(r'(.*_)(\d+)(\.\w+?)(\.(?:zstd|zst|lz4))?')
_PACKED_AT = -2
"""Where in a file the loss stands that its compression tells of: at none of its places or rows."""
_LEAST, _RATIO = 256 << 20, 100
"""A compressed file may have so many bytes unpacked, or as many times its own."""
_FOREIGN = {
    b'#ROSBAG V': ('a bag of ROS 1', 'convert it: `rosbags-convert --src FILE --dst FOLDER`'),
    b'version https://git-lfs': (
        'a pointer of Git LFS and no recording',
        'get it: `git lfs pull`',
    ),
}


@dataclass
class Folder:
    """What a bag has, before its files are opened."""

    files: list[Path]
    mode: str = ''
    """`message`: every message is compressed by itself; else empty."""
    form: str = ''
    """How it is compressed, by its metadata."""
    promised: dict[tuple[str, str], int] | None = None
    """Messages by topic and type; None where nothing tells."""
    end: int | None = None
    """When the last message arrived, by its metadata, nanoseconds."""
    distro: str = ''
    losses: list[Loss] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def look(path: Path) -> Folder:
    """Return what a bag has; RecordError where there is none."""
    if not path.exists():
        raise RecordError(f'bag {path} does not exist')
    if not path.is_dir():
        return Folder([path])
    there = sorted((entry for entry in path.iterdir() if _is_storage(entry)), key=_natural)
    told = _metadata(path)
    found = Folder(there)
    if isinstance(told, str):
        found.faults.append(told)
        found.losses.extend(_gaps(there))
    else:
        _follow(found, told, path, there)
    if not found.files:
        absent = _names(told) if isinstance(told, dict) else []
        raise RecordError(
            f'bag {path} has no recording: '
            + (f'{absent[0]} is missing' if absent else 'no file ends with .mcap or .db3'),
            'give a rosbag2 folder, an .mcap or a .db3 file',
        )
    return found


def _is_storage(entry: Path) -> bool:
    name = entry.name
    for ending in _PACKED:
        name = name.removesuffix(ending)
    return name.endswith(_ENDINGS) and entry.is_file()


def _natural(entry: Path) -> tuple[str, int, str]:
    """Return what orders files of a split bag: _10 is behind _9."""
    found = _NUMBER.fullmatch(entry.name)
    return (found[1], int(found[2][:18]), entry.name) if found else (entry.name, -1, entry.name)


def _gaps(files: list[Path]) -> list[Loss]:
    """Return the files that a split bag lacks by the numbers of those that it has."""
    numbers: dict[str, set[int]] = {}
    for entry in files:
        stem, number, _ = _natural(entry)
        if number >= 0:
            numbers.setdefault(stem, set()).add(number)
    return [
        Loss(f'file {stem}{number} of the bag is missing')
        for stem, known in numbers.items()
        for last, following in pairwise(sorted(known))
        for number in range(last + 1, min(following, last + 21))
    ]


def _metadata(folder: Path) -> dict[str, Any] | str:
    """Return the metadata of a bag, or why there are none."""
    path = folder / METADATA
    try:
        if path.stat().st_size > _MAX_METADATA:
            return f'{METADATA} is too long to be read, and was passed over'
        found = yaml.safe_load(path.read_text(encoding='utf-8'))
        return dict(found['rosbag2_bagfile_information'])
    except FileNotFoundError:
        return f'the bag has no {METADATA}'
    except Exception as error:  # text of anybody: YAML, Unicode, type and recursion errors
        return f'{METADATA} cannot be read and was passed over ({type(error).__name__})'


def _follow(found: Folder, told: dict[str, Any], path: Path, there: list[Path]) -> None:
    """Take from the metadata what is sound in them."""
    version = told.get('version')
    if not isinstance(version, int) or not 1 <= version <= NEWEST:
        known = isinstance(version, str) or (isinstance(version, int) and abs(version) < 1 << 62)
        shown = str(version) if known else 'unknown'
        found.faults.append(f'{METADATA} is of version {shown[:20]}; known are 1 to {NEWEST}')
    mode = _text(told.get('compression_mode')).lower()
    found.mode = 'message' if mode == 'message' else ''
    found.form = _text(told.get('compression_format')).lower()[:40]
    found.distro = _text(told.get('ros_distro'))[:40]
    _counts(found, told)
    _choose(found, told, path, there)


def _choose(found: Folder, told: dict[str, Any], path: Path, there: list[Path]) -> None:
    """Take the files that the metadata name, where any of them is there; else all."""
    names = list(dict.fromkeys(_names(told)))
    present = [path / name for name in names if (path / name).is_file()]
    if not present:
        if there:
            found.faults.append(f'{METADATA} names none of the files that are there')
        return
    found.losses.extend(_absent(name, told) for name in names if path / name not in present)
    # `x.db3` beside `x.db3.zstd` is what a compressing recorder had not removed yet.
    packed = {entry.name.removesuffix(ending) for entry in present for ending in _PACKED}
    beside = [entry.name for entry in there if entry not in present]
    beside = [name for name in beside if name not in packed]
    if beside:
        found.faults.append(
            f'{METADATA} does not name {", ".join(beside[:5])}, which was not read'
        )
    found.files = present


def _names(told: dict[str, Any]) -> list[str]:
    """Return the names of the files that metadata name, without their folders."""
    names = told.get('relative_file_paths')
    if not isinstance(names, list):
        return []
    found = [PurePosixPath(_text(name)).name for name in names]
    return [name for name in found if 0 < len(name.encode()) <= _MAX_NAME]


def _counts(found: Folder, told: dict[str, Any]) -> None:
    counts: dict[tuple[str, str], int] = {}
    try:
        for entry in told['topics_with_message_count']:
            topic = entry['topic_metadata']
            key = _text(topic['name']), full_type(_text(topic['type']))
            if not all(key):
                raise ValueError
            counts[key] = counts.get(key, 0) + _number(entry['message_count'])
        found.promised = counts
    except (KeyError, TypeError, ValueError):
        found.faults.append(f'{METADATA} does not tell how many messages there are')
    try:
        _, end = _stretch(told)
        if any(counts.values()):
            found.end = end
    except (KeyError, TypeError, ValueError):
        pass


def _text(value: Any) -> str:
    """Return what is text that can be written, else none: a list may be of lists without end."""
    return value.encode('utf-8', 'replace').decode() if isinstance(value, str) else ''


def _number(value: Any) -> int:
    """Return a count, or nanoseconds; ValueError for what no clock and no count comes to."""
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise ValueError
    return value


def _stretch(told: dict[str, Any]) -> tuple[int, int]:
    """Return (when it begins, when it ends), nanoseconds, of a bag or a file of it."""
    start = _number(told['starting_time']['nanoseconds_since_epoch'])
    return start, start + _number(told['duration']['nanoseconds'])


def _absent(name: str, told: dict[str, Any]) -> Loss:
    """Return a file that the metadata name and that is not there, with what they tell of it."""
    files = told.get('files')
    for entry in files if isinstance(files, list) else []:
        try:
            if PurePosixPath(entry['path']).name == name:
                count = _number(entry['message_count'])
                # Of a file without messages the time is none.
                stretch = _stretch(entry) if count else (None, None)
                return Loss(f'{name} is missing', count, *stretch)
        except (KeyError, TypeError, ValueError):
            continue
    return Loss(f'{name} is missing')


def open_storage(path: Path, unpacked: list[TemporaryDirectory[str]]) -> Storage:
    """
    Open a file of a bag, by what is in it; RecordError where that is no recording.

    A compressed one is unpacked into a folder that is appended to `unpacked`.
    """
    with open(path, 'rb') as file:
        form = inflating.form_of(file.read(4))
    if not form:
        return _of_content(path)
    whole, spoilt = _unpack(path, form, unpacked)
    try:
        found = _of_content(whole)
    except RecordError as error:
        if spoilt:
            raise RecordError(
                f'{path} is damaged: {spoilt}', 'copy it again from where it was recorded'
            ) from error
        raise RecordError(error.what.replace(str(whole), str(path)), error.remedy) from error
    if spoilt:
        found.losses[_PACKED_AT] = Loss(f'{path.name} is damaged: {spoilt}; what came was read')
    return found


def _of_content(path: Path) -> Storage:
    """Open a file that is not compressed."""
    with open(path, 'rb') as file:
        head = file.read(32)
    for magic, (what, remedy) in _FOREIGN.items():
        if head.startswith(magic):
            raise RecordError(f'{path} is {what}', remedy)
    if head.startswith(HEADER):
        return SqliteFile(path)
    if head.startswith(MAGIC) or (path.suffix == '.mcap' and head[8:9] == b'\x01'):
        return McapFile(path)
    if path.suffix == '.db3' and len(head) > 16:
        return SqliteFile(path)
    raise RecordError(
        f'{path} is empty' if not head else f'{path} is neither MCAP nor SQLite',
        'give a rosbag2 folder, an .mcap or a .db3 file',
    )


def _unpack(path: Path, form: str, unpacked: list[TemporaryDirectory[str]]) -> tuple[Path, str]:
    """
    Return (the file unpacked, what its decoder says is wrong with it; empty for nothing).

    What can be unpacked of one that is cut or spoilt is kept.
    """
    spoilt = ''
    size = path.stat().st_size
    folder = TemporaryDirectory(prefix='bag-')
    unpacked.append(folder)
    name = path.name
    for ending in _PACKED:
        name = name.removesuffix(ending)
    target = Path(folder.name, name)
    most = max(_LEAST, _RATIO * size)
    room = shutil.disk_usage(folder.name).free
    with open(path, 'rb') as packed, open(target, 'wb') as out:
        source = inflating.stream(packed, form)
        while True:
            try:
                part = source.read(1 << 16)  # what is read at once is lost at once
            except Exception as error:  # what is spoilt ends here; each library has its own errors
                spoilt = str(error) or type(error).__name__
                break
            if not part:
                break
            if out.tell() + len(part) > most:
                raise RecordError(
                    f'{path} has more than {most:,} bytes unpacked, for {size:,}',
                    f'unpack it yourself (`{form} -d`) if you trust it',
                )
            if out.tell() + len(part) > room - (64 << 20):
                raise RecordError(
                    f'there is no room to unpack {path} into {os.fspath(folder.name)}',
                    'make room or set TMPDIR',
                )
            out.write(part)
    return target, spoilt

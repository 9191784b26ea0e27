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

"""Puts the frames of a records file into the order of their stamps."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.stamps import parse_stamp


class _Head(msgspec.Struct):
    """What of a line decides where it goes."""

    kind: str
    stamp: str = ''
    epoch: int = 0


def order_frames(path: Path) -> None:
    """
    Put the frames of a closed records file into the order of epochs and stamps.

    Other records stay where they are. The file is replaced by a whole one, and left alone where it
    is in order; only places of lines are held in memory. Raises RecordError when the disk refuses,
    and for a line that is no record.
    """
    read = msgspec.json.Decoder(_Head)
    lines: list[tuple[int, int]] = []
    frames: list[tuple[tuple[int, int], int]] = []
    part = path.with_name(path.name + '.part')
    try:
        with open(path, 'rb') as stream:
            start = 0
            for number, line in enumerate(stream):
                lines.append((start, len(line)))
                start += len(line)
                head = read.decode(line)
                if head.kind == 'frame':
                    frames.append(((head.epoch, parse_stamp(head.stamp)), number))
            ordered = [number for _, number in sorted(frames)]
            places = [number for _, number in frames]
            if ordered == places:
                return
            taken = list(range(len(lines)))
            for place, number in zip(places, ordered, strict=True):
                taken[place] = number
            with open(part, 'wb') as out:
                for number in taken:
                    begin, length = lines[number]
                    stream.seek(begin)
                    out.write(stream.read(length))
                out.flush()
                os.fsync(out.fileno())
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise RecordError(
            f'{path} cannot be put in order: {error.strerror}', 'free space; nothing is lost'
        ) from error
    except (msgspec.DecodeError, ValueError) as error:
        raise RecordError(f'{path} holds a line that is no record: {error}') from error

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

"""Folders that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vlm_misalign_ros.core.errors import RecordError


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """
    Yield a path, of the same name beside `out`, for a folder that becomes `out` in the end.

    Whatever ends it before leaves nothing. RecordError where `out` is there already, or cannot be.
    """
    refuse_present(out)
    room = out.absolute().parent / f'.{out.name}.part-{os.getpid()}'
    try:
        shutil.rmtree(room, ignore_errors=True)
        room.mkdir(parents=True)
        yield room / out.name
        refuse_present(out)
        (room / out.name).rename(out)
    except OSError as error:
        raise RecordError(
            f'{out} cannot be written: {error.strerror}', 'free space or choose another folder'
        ) from error
    finally:
        shutil.rmtree(room, ignore_errors=True)


def refuse_present(out: Path) -> None:
    """Raise RecordError where `out` is there already, and where it has no name of its own."""
    if not out.name or out.name in ('.', '..'):
        raise RecordError(f'{str(out)!r} is no name of a folder', 'give the folder to write')
    if os.path.lexists(out):
        raise RecordError(f'{out} exists', 'choose another folder')

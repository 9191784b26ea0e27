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
"""How far a run has come: the growing records, and what is shown at the terminal."""

from __future__ import annotations

import sys
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.records.schema import FrameRecord, decode

_FRAME = b'{"kind":"frame"'
"""What the line of a frame begins with."""
WAITING = 200
"""Lines that may wait for the terminal; the oldest of more are dropped, and the logs have them."""


class Records:
    """Counts frames in a growing records file without parsing more than the last."""

    def __init__(self, path: Path) -> None:
        """Start at the head of the file."""
        self._path = path
        self._offset = 0
        self._count = 0
        self._condition = 'starting'

    def read(self) -> tuple[str, int]:
        """Return the condition of the newest frame and the number of frames so far."""
        try:
            with open(self._path, 'rb') as stream:
                stream.seek(self._offset)
                data = stream.read()
        except OSError:
            return self._condition, self._count
        end = data.rfind(b'\n') + 1
        self._offset += end
        lines = [line for line in data[:end].splitlines() if line.startswith(_FRAME)]
        self._count += len(lines)
        if lines:
            with suppress(RecordError):
                newest = decode(lines[-1], str(self._path))
                assert isinstance(newest, FrameRecord)
                self._condition = newest.condition.name
        return self._condition, self._count


class _Stream:
    """A terminal that may go away: what cannot be written is dropped."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            return self._out.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._out.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._out, name)


class Terminal:
    """A progress bar, and lines above it; plain lines where there is no terminal."""

    def __init__(self, total: int, out: TextIO | None = None) -> None:
        """Show progress on `out` (stderr); `total` frames are expected (0: without end)."""
        self._out: Any = _Stream(out or sys.stderr)
        self._lines: deque[str] = deque(maxlen=WAITING)
        tty = False
        with suppress(OSError, ValueError):
            tty = self._out.isatty()
        self._bar: tqdm[Any] = tqdm(
            total=total or None,
            unit='frame',
            file=self._out,
            desc='starting',
            mininterval=0.2 if tty else 10.0,
            dynamic_ncols=tty,
        )

    def say(self, text: str) -> None:
        """Show a line with the next `update`; any thread may call this."""
        self._lines.append(text)

    def update(self, count: int, condition: str) -> None:
        """Show how many frames there are, and the lines that wait."""
        while self._lines:
            tqdm.write(self._lines.popleft(), file=self._out)
        if count != self._bar.n:
            self._bar.set_description(condition, refresh=False)
            self._bar.update(count - self._bar.n)

    def close(self) -> None:
        """Show what is left and end the bar."""
        self.update(int(self._bar.n), '')
        self._bar.close()

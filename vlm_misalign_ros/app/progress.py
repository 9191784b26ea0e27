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
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.records.schema import FrameRecord, decode

_FRAME = b'{"kind":"frame"'
"""What the line of a frame begins with."""
EVERY = 10.0
"""Seconds between two lines of progress where there is no terminal."""
RATES = 60.0
"""Seconds between two tellings of the rates there, and STANDING where there is one."""
STANDING = 1.0
WAITING = 200
"""Lines that may wait for the terminal; the oldest of more are dropped, and the logs have them."""


class Records:
    """Counts frames in a growing records file without parsing more than the last."""

    def __init__(self, path: Path, take: Callable[[FrameRecord], object] | None = None) -> None:
        """Start at the head of the file; `take`, where it is given, gets every frame."""
        self._path = path
        self._take = take
        self._offset = 0
        self._count = 0
        self._condition = 'starting'

    def read(self) -> tuple[str, int]:
        """Return the condition of the newest frame and the number of frames so far."""
        newest = b''
        # A line at a time: a run that goes on has records of any size before.
        with suppress(OSError), open(self._path, 'rb') as stream:
            stream.seek(self._offset)
            for line in stream:
                if not line.endswith(b'\n'):
                    break
                self._offset += len(line)
                if not line.startswith(_FRAME):
                    continue
                self._count += 1
                newest = line
                if self._take is not None:
                    self._read(line)
        if newest and self._take is None:
            self._read(newest)
        return self._condition, self._count

    def _read(self, line: bytes) -> None:
        with suppress(RecordError):
            newest = decode(line, str(self._path))
            assert isinstance(newest, FrameRecord)
            self._condition = newest.condition.name
            if self._take is not None:
                self._take(newest)


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
    """A progress bar with lines above it; where there is no terminal, lines alone."""

    def __init__(self, total: int, out: TextIO | None = None, done: int = 0) -> None:
        """
        Show progress on `out` (stderr); `total` frames are expected (0: without end).

        `done` of them were there before: the time that is left goes by the others.
        """
        self._out: Any = _Stream(out or sys.stderr)
        self._lines: deque[str] = deque(maxlen=WAITING)
        self._total = total
        self._shown = self._before = done
        self._shown_at = self._began = time.monotonic()
        self._bar: tqdm[Any] | None = None
        self._standing: list[tqdm[Any]] = []
        self._rated_at = self._began
        with suppress(OSError, ValueError):
            if self._out.isatty():
                self._bar = tqdm(
                    total=total or None,
                    initial=done,
                    unit='frame',
                    file=self._out,
                    desc='starting',
                    mininterval=0.2,
                    dynamic_ncols=True,
                )

    def say(self, text: str) -> None:
        """Show a line with the next `update`; any thread may call this."""
        self._lines.append(text)

    def _write(self, text: str) -> None:
        if self._bar is None:
            self._out.write(text + '\n')
            self._out.flush()
        else:
            tqdm.write(text, file=self._out)

    def update(self, count: int, condition: str, last: bool = False) -> None:
        """Show how many frames there are, and the lines that wait."""
        while self._lines:
            self._write(self._lines.popleft())
        if self._bar is not None:
            if count != self._bar.n:
                self._bar.set_description(condition, refresh=False)
                self._bar.update(count - self._bar.n)
            return
        now = time.monotonic()
        if count != self._shown and (last or now - self._shown_at >= EVERY):
            self._shown, self._shown_at = count, now
            of = f'/{self._total}' if self._total else ''
            self._write(f'{condition}: {count}{of} frames{self._left(count, now)}')

    def rate(self, head: str, lines: Callable[[], Sequence[str]], last: bool = False) -> None:
        """
        Show a line a model, where that is due: below the bar, or seldom among the others.

        `head` says what their numbers are, and is shown once on a terminal.
        """
        now = time.monotonic()
        due = STANDING if self._bar is not None else RATES
        if now - self._rated_at < due and not last:
            return
        shown = lines()
        if not shown:
            return
        self._rated_at = now
        if self._bar is None:
            for line in (f'{head}:', *(f'  {line}' for line in shown)):
                self._write(line)
            return
        if not self._standing:
            self._write(f'{head}:')
        for place, line in enumerate(shown):
            if place == len(self._standing):
                self._standing.append(
                    tqdm(
                        position=place + 1,
                        bar_format='{desc}',
                        file=self._out,
                        dynamic_ncols=True,
                        leave=False,
                    )
                )
            self._standing[place].set_description_str(f'  {line}')

    def _left(self, count: int, now: float) -> str:
        """Return how long the rest will take; empty where that is not known."""
        made = count - self._before
        if made <= 0 or count >= self._total:
            return ''
        seconds = round((now - self._began) / made * (self._total - count))
        return f', {timedelta(seconds=seconds)} left'

    def close(self, count: int, condition: str) -> None:
        """Show what is left and end the bar."""
        for line in reversed(self._standing):
            line.close()
        self._standing.clear()
        self.update(count, condition, last=True)
        if self._bar is not None:
            self._bar.close()


@contextmanager
def counting(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Yield what shows (done, of how many; 0: not known) on a terminal, with the time left."""
    with tqdm(desc=what, unit=unit, disable=None, dynamic_ncols=True, unit_scale=True) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total or None
            bar.update(done - bar.n)

        yield progress

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
"""One process of a run: started, listened to, and ended; its last words are kept in memory."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from vlm_misalign_ros.app.graph import NodeSpec
from vlm_misalign_ros.wire.telling import told

LINES = 200
"""Lines of output kept in memory."""
LINE = 2000
"""Bytes of a line kept in memory; the log has all of it."""
SHOWN = 200
"""Characters of a line that are shown."""
_ERROR = ': error: '
"""In the line with which a node says why it ends."""
_USUAL = ('[INFO]', '[DEBUG]')
_RAISED = re.compile(r'^Fatal Python error: |^\w[\w.]*(Error|Exception)\b')


class Output:
    """
    The output of a process: its newest lines in memory, all of it in a log where that works.

    The reason why a process ended must not depend on a disk that is full.
    """

    def __init__(self, log: Path, tell: Callable[[str], None]) -> None:
        """Keep `log`, and hand the lines meant for the terminal to `tell`."""
        self._tell = tell
        self._lines: deque[str] = deque(maxlen=LINES)
        self._lock = threading.Lock()
        """Lines come from the thread that listens, and are read from the runner's."""
        self._reason = ''
        self._rest = b''
        self.log_error = ''
        """Why the log is not complete; empty while it is."""
        self._log = -1
        try:
            self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        except OSError as error:
            self.log_error = error.strerror or str(error)

    def add(self, data: bytes) -> None:
        """Take in what the process has written."""
        if self._log >= 0:
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(self._log, view) :]
            except OSError as error:
                self.log_error = error.strerror or str(error)
                self.close()
        *lines, self._rest = (self._rest + data).split(b'\n')
        for line in lines:
            self._line(line)
        # A process that never ends its line must not fill the memory.
        self._rest = self._rest[:LINE]

    def _line(self, line: bytes) -> None:
        text = line[:LINE].decode('utf-8', 'replace').rstrip()
        if not text.strip():
            return
        with self._lock:
            self._lines.append(text)
        # The first that a node names is the cause of later ones; of a traceback the last counts.
        named = _ERROR in self._reason
        for_terminal = told(text)
        if for_terminal is not None:
            # It may name the error of another node, which this process has outlived.
            self._tell(for_terminal)
        elif not named and (_ERROR in text or _RAISED.search(text)):
            self._reason = text

    def _kept(self) -> list[str]:
        with self._lock:
            return list(self._lines)

    def close(self) -> None:
        """Close the log; what comes later is kept in memory alone."""
        if self._log >= 0:
            with suppress(OSError):
                os.close(self._log)
            self._log = -1

    def end(self) -> None:
        """Take the last line, also where no line break follows it."""
        if self._rest:
            self._line(self._rest)
            self._rest = b''
        self.close()

    def reason(self) -> str:
        """Return the line that names the error, or the last line; empty for silence."""
        # Business as usual, and what the terminal was told while all went well, is no reason.
        lines = [x for x in self._kept() if not x.startswith(_USUAL) and told(x) is None]
        found = self._reason or (lines[-1].strip() if lines else '')
        return found[:500]

    def tail(self, count: int) -> list[str]:
        """Return the last lines, none longer than SHOWN."""
        kept = [line for line in self._kept() if not line.startswith('Extension modules: ')]
        return [line[:SHOWN] for line in kept[-count:]]


class Child:
    """One process, in a session of its own: Ctrl-C reaches only who started it."""

    def __init__(
        self,
        spec: NodeSpec,
        command: list[str],
        environment: Mapping[str, str],
        log: Path,
        tell: Callable[[str], None],
    ) -> None:
        """Start it; OSError where that fails."""
        self.spec = spec
        self.announced = False
        self.output = Output(log, tell)
        self._popen = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._listener = threading.Thread(target=self._listen, name=spec.name, daemon=True)
        try:
            self._listener.start()
        except RuntimeError as error:
            # No thread to be had; a process that nobody listens to must not stay.
            self.signal(signal.SIGKILL)
            self._popen.wait()
            raise OSError(errno.EAGAIN, str(error)) from error

    def _listen(self) -> None:
        stream = self._popen.stdout
        assert stream is not None
        with suppress(OSError, ValueError):
            while data := os.read(stream.fileno(), 65536):
                self.output.add(data)
        self.output.end()

    @property
    def code(self) -> int | None:
        """The return code; None while it runs, negative for the signal that ended it."""
        code = self._popen.poll()
        if code is not None:
            # What it wrote before it ended; something that it started may keep the pipe open.
            self._listener.join(1.0)
        return code

    def reason(self) -> str:
        """Return what it said of its end; several nodes in one process are told apart."""
        node, error, text = self.output.reason().partition(_ERROR)
        if not error:
            return node
        return text if self.spec.executable else f'{node}: {text}'

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and to what it started."""
        if self._popen.poll() is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, number)

    def wait(self, seconds: float) -> bool:
        """Wait for its end; return whether it came."""
        try:
            self._popen.wait(max(0.0, seconds))
            return True
        except subprocess.TimeoutExpired:
            return False

    def sweep(self) -> None:
        """Kill what it started and left behind in its process group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)


def out_of_memory_kills() -> int:
    """Return how many processes the kernel has killed for want of memory; 0 where it is silent."""
    try:
        lines = Path('/proc/vmstat').read_text(encoding='ascii').splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith('oom_kill ')), 0)

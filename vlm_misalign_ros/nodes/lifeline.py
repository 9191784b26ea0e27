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
How the process of a node ends: by a signal, by a failure, or with whoever started it.

No ROS here, so that a process is looked after from its first moment.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress

from vlm_misalign_ros.core.errors import ExitCode, MisalignError
from vlm_misalign_ros.wire.environment import PARENT
from vlm_misalign_ros.wire.stopping import SIGNALS, listen

POLL = 0.2
"""Seconds between two looks at the parent."""
GRACE = 5.0
"""Seconds that a process may take to keep what it has; then it is gone, whatever it does."""
_PR_SET_PDEATHSIG = 1


def parent_of_run(environment: Mapping[str, str] = os.environ) -> int:
    """Return the process that started this one for a run; 0 for a node started by hand."""
    text = environment.get(PARENT, '')
    return int(text) if text.isdecimal() else 0


def _with_parent(number: signal.Signals) -> None:
    """Have the kernel send this process a signal when its parent is gone; Linux alone can."""
    if sys.platform == 'linux':
        # A C library without prctl: the watching thread does it alone.
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def begin() -> bool:
    """Have this process end with its parent while it starts; return whether there still is one."""
    parent = parent_of_run()
    if parent:
        _with_parent(signal.SIGKILL)
    return parent in (0, os.getppid())


def hold(lost: Callable[[], None], keeps: bool, exit_code: int) -> bool:
    """
    Watch the parent of a run; return whether there is one.

    When it is gone, `lost` is called from a thread of its own, and GRACE seconds later the process
    ends with `exit_code`, however busy it is. On Linux the kernel helps: a process that keeps
    nothing (not `keeps`) is killed with its parent, also where it hangs in native code, and one
    that does is woken where it was stopped, so that it can see that it is alone.
    """
    parent = parent_of_run()
    if not parent:
        return False
    _with_parent(signal.SIGCONT if keeps else signal.SIGKILL)

    def watch() -> None:
        # The pid of a parent that is gone may be given away again, but never as our parent's.
        pause = threading.Event()
        while os.getppid() == parent:
            pause.wait(POLL)
        end = threading.Timer(GRACE, os._exit, (exit_code,))
        end.daemon = True
        end.start()
        lost()

    threading.Thread(target=watch, name='lifeline', daemon=True).start()
    return True


class Stopping:
    """
    Whether this process has been asked to end, by a signal or by the death of its parent.

    While it starts there is nothing to keep: a signal then interrupts the main thread at once.
    """

    def __init__(self) -> None:
        """Begin as a process that starts and goes on."""
        # No threading.Event: its lock is not for a handler that may break into itself.
        self._asked = False
        self.starting = True
        self.abandoned = False
        """Whoever started the run is gone; nobody will read or wait for what comes."""
        self.interrupted = False
        """A signal broke into its start: whatever fails there comes of that."""

    def __call__(self) -> bool:
        """Return whether to end."""
        return self._asked

    def on_signal(self, *_: object) -> None:
        """End; raises KeyboardInterrupt in a process that has not started yet."""
        self._asked = True
        if self.starting:
            self.starting = False
            self.interrupted = True
            raise KeyboardInterrupt

    def on_lost(self) -> None:
        """End what nobody waits for any more."""
        self.abandoned = True
        # To the main thread, which may be in the middle of loading a model.
        os.kill(os.getpid(), signal.SIGTERM)


def catch_signals(stop: Stopping | None = None) -> Stopping:
    """Return what SIGINT, SIGTERM and SIGHUP set; rclpy's own handlers stay out of it."""
    stop = stop or Stopping()
    listen(stop.on_signal)
    return stop


def deafen() -> None:
    """
    Ignore what asks this process to end, since it does.

    Python restores the default handlers as it ends; a second Ctrl-C would kill it then.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def report_error(name: str, error: BaseException | str) -> None:
    """Print the one line that a user needs; that nobody reads it stops nobody."""
    with suppress(OSError, ValueError):
        print(f'{name}: error: {error}', file=sys.stderr, flush=True)


def report_failure(name: str, error: BaseException, interrupted: bool = False) -> int:
    """
    Print what ended a node, with its traceback when it is a fault; return the exit code.

    Python itself would exit with 1, which says that a limit was exceeded. `interrupted`: a signal
    broke into the start; libraries make errors of their own of that, such as an ImportError.
    """
    if interrupted:
        report_error(name, 'interrupted while it started')
        return ExitCode.INTERRUPTED
    if not isinstance(error, MisalignError):
        with suppress(OSError, ValueError):
            traceback.print_exception(error)
        kind = type(error).__name__
        report_error(name, f'{kind}: {error}' if str(error) else kind)
        return ExitCode.ERROR
    report_error(name, error)
    return error.exit_code

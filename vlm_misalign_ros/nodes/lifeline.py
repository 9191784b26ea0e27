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

"""A process that was started for a run ends when whoever started it is gone."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping

from vlm_misalign_ros.wire.environment import PARENT

POLL = 0.2
"""Seconds between two looks at the parent."""
GRACE = 5.0
"""Seconds that a process may take to keep what it has; then it is gone, whatever it does."""
_PR_SET_PDEATHSIG = 1


def parent_of_run(environment: Mapping[str, str] = os.environ) -> int:
    """Return the process that started this one for a run; 0 for a node started by hand."""
    text = environment.get(PARENT, '')
    return int(text) if text.isdecimal() else 0


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
    if sys.platform == 'linux':
        number = signal.SIGCONT if keeps else signal.SIGKILL
        try:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        except (OSError, AttributeError):
            pass  # a C library without prctl: the thread below does it alone

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

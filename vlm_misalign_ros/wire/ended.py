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

"""What follows for a run when one of its nodes has ended, whoever started it."""

from __future__ import annotations

import signal
from dataclasses import dataclass

INDISPENSABLE = ('replay', 'corruption', 'recorder')
"""Executables without which a run is over: there is nothing to wait for, or to keep."""
LABELLING = ('reference',)
"""Executables that give the run its truth, and no answers."""
SHOWING = ('annotator',)
"""Executables that only show what is measured; a run begins and ends without them."""


@dataclass(frozen=True)
class Loss:
    """What the end of a node means."""

    line: str
    """What is told of it, at the terminal and in the verdict."""
    ends_run: bool
    """The run failed with it; otherwise it goes on, and what the node does not say is missing."""


def how_it_ended(code: int, out_of_memory: bool = False) -> str:
    """Return `exit code 2` or `signal SIGKILL` for a process's return code."""
    if code >= 0:
        return f'exit code {code}'
    try:
        name = signal.Signals(-code).name
    except ValueError:
        return f'signal {-code}'
    if name == 'SIGKILL' and out_of_memory:
        return 'signal SIGKILL (the kernel killed a process for want of memory meanwhile)'
    return f'signal {name}'


def what_follows(
    name: str,
    executable: str,
    code: int,
    closed: int,
    sent_all: bool = False,
    *,
    reason: str = '',
    out_of_memory: bool = False,
) -> Loss | None:
    """
    Return what the end of a node means for the run that goes on; None for one that has done all.

    Not for the node that ends the run. `code` is its return code (negative: a signal), 0 being no
    better than any other where nobody asked it to end; `closed` is how many frames are closed.
    Replay ends with 0 once it has sent all frames: `sent_all` says that this may still be so.
    `reason` is what it said itself. A run goes on without a model, once it has begun.
    """
    if executable == 'replay' and code == 0:
        if sent_all:
            return None
        return Loss(
            f'{name} ended with exit code 0 after {closed} frames, and no frame has closed since',
            True,
        )
    line = f'{name} ended with {how_it_ended(code, out_of_memory)}'
    ends_run = executable not in SHOWING and (closed == 0 or executable in INDISPENSABLE)
    if not ends_run and executable not in SHOWING:
        lost = (
            'frames have no truth' if executable in LABELLING else 'its answers count as missing'
        )
        line += f' while the run went on, and {lost}'
    elif not code or not reason:
        line += ' while the run went on'
    return Loss(f'{line}: {reason}' if reason else line, ends_run)

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

"""Processes that take one thing after the other, and send back what becomes of each."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Callable, Iterable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from vlm_misalign_ros.core.errors import MisalignError, RecordError

Work = Callable[[Any], Iterable[Any]]
"""From a thing to all that is sent back of it."""
_PATIENCE = 10.0
"""Seconds in which a process that is told to end may do so."""


class Workers:
    """Spawned processes, each behind a connection; they end with this one, however it ends."""

    def __init__(self, make: Callable[[], Work], what: str, remedy: str) -> None:
        """
        Begin without any; `make` is called once in each, and has to be picklable.

        An error says that a process of `what` was ended, and the `remedy`.
        """
        self._make = make
        self._what = what
        self._remedy = remedy
        self._processes: dict[Connection, SpawnProcess] = {}

    def start(self) -> Connection:
        """Start another one; return what leads to it."""
        context = get_context('spawn')
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._make), daemon=True)
        process.start()
        theirs.close()
        self._processes[ours] = process
        return ours

    def give(self, worker: Connection, thing: Any) -> None:
        """Give a process something to do; RecordError where it was ended from outside."""
        try:
            worker.send(thing)
        except OSError as error:
            raise self._ended(worker) from error

    def heard(self, worker: Connection) -> Any:
        """
        Return the next thing that a process sends back; waits for it.

        Raises what ended its work: a MisalignError as it was, RuntimeError with the traceback of
        any other, and RecordError where the process was ended from outside.
        """
        try:
            found = worker.recv()
        except (EOFError, OSError) as error:
            raise self._ended(worker) from error
        if isinstance(found, MisalignError):
            raise found
        if isinstance(found, _Fault):
            raise RuntimeError(found)
        return found

    def _ended(self, worker: Connection) -> RecordError:
        process = self._processes[worker]
        process.join(_PATIENCE)
        return RecordError(
            f'a process of {self._what} was ended (exit code {process.exitcode})', self._remedy
        )

    def end(self) -> None:
        """End the processes, whatever they have in hand."""
        for worker, process in self._processes.items():
            worker.close()
            process.terminate()
        for process in self._processes.values():
            process.join(_PATIENCE)
            if process.is_alive():
                process.kill()
                process.join()


class _Fault(str):
    """The traceback of an error that nobody foresaw."""


def _serve(theirs: Connection, make: Callable[[], Work]) -> None:
    """Work on the things that come, until nobody is there any more."""
    # Ctrl-C goes to all; the process that started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        work = make()
        while True:
            for found in work(theirs.recv()):
                theirs.send(found)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except MisalignError as error:
        theirs.send(error)
    except Exception:
        theirs.send(_Fault(traceback.format_exc()))

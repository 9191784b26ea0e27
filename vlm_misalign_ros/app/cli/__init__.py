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

"""The command line: `vlm-misalign VERB ...`, a verb a module."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from vlm_misalign_ros.core.errors import ExitCode, MisalignError
from vlm_misalign_ros.wire.stopping import SIGNALS, listen

UNHEARD = 128 + signal.SIGPIPE
"""The exit code where whoever read the output has closed it, as `head` does; as of a shell."""


def _interrupt(number: int, frame: object) -> None:
    """End what is going on, once: a second signal must not break into the tidying up."""
    for again in SIGNALS:
        if signal.getsignal(again) is _interrupt:
            signal.signal(again, signal.SIG_IGN)
    raise KeyboardInterrupt(signal.Signals(number).name)


def _listen() -> dict[signal.Signals, Any]:
    """Have every signal that asks this process to end do so in order; return what was there."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return listen(_interrupt)


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run a verb; return the exit code.

    Errors a user can mend are one line on stderr. Whatever else goes wrong ends with ERROR, never
    with Python's own 1, which says that a limit was exceeded.
    """
    previous = _listen()
    code = _guarded(argv)
    for number, handler in previous.items():
        # Python drops its handlers as it ends: one more Ctrl-C would then have the last word.
        ended = code == ExitCode.INTERRUPTED
        signal.signal(number, signal.SIG_IGN if ended else handler)
    return code


def _guarded(argv: Sequence[str] | None) -> int:
    started = False
    try:
        from vlm_misalign_ros.app.cli.parser import parse

        arguments = parse(argv)
        started = True
        code = int(arguments.run(arguments))
        # Python would write what is left as it ends, and end with a code of its own.
        sys.stdout.flush()
        return code
    except MisalignError as error:
        _say(f'error: {error}')
        return error.exit_code
    except KeyboardInterrupt as error:
        name = str(error) or 'SIGINT'
        _say('interrupted' if name == 'SIGINT' else f'interrupted by {name}')
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has gone; Python would complain once more as it ends.
        _drop_output()
        return UNHEARD
    except SystemExit as error:
        if not started:
            raise
        # Of a library: its 1 would say that a limit was exceeded.
        _say(f'error: the program was ended with exit code {error.code!r}')
        return ExitCode.ERROR
    except Exception as error:
        return _fault(error)


def _fault(error: Exception) -> int:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
        # The output itself, or a file that is written without a check of its own.
        _say(f'error: {error.strerror}{f": {error.filename}" if error.filename else ""}')
        _drop_output()
        return ExitCode.ERROR
    with suppress(OSError):
        traceback.print_exception(error)
    _say(
        f'error: {type(error).__name__}: {error}. This is a fault of the program; please report '
        'it with the lines above'
    )
    return ExitCode.ERROR


def _say(text: str) -> None:
    """
    Print a line for the user; a terminal that is gone changes no exit code.

    Errors name what is in files of anybody: nothing of it steers the terminal.
    """
    from vlm_misalign_ros.core.report.audit.showing import safe

    with suppress(OSError, ValueError):
        print(safe(f'vlm-misalign: {text}'), file=sys.stderr, flush=True)


def _drop_output() -> None:
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

"""The command line: `vlm-misalign VERB ...`, a verb a module."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

from vlm_misalign_ros.core.errors import ExitCode, MisalignError


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run a verb; return the exit code.

    Errors a user can mend are one line on stderr. Whatever else goes wrong ends with ERROR, never
    with Python's own 1, which says that a limit was exceeded.
    """
    try:
        from vlm_misalign_ros.app.cli.parser import parse

        arguments = parse(argv)
        return int(arguments.run(arguments))
    except MisalignError as error:
        print(f'vlm-misalign: error: {error}', file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has gone; Python would complain once more as it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.ERROR
    except Exception as error:
        traceback.print_exc()
        print(
            f'vlm-misalign: error: {type(error).__name__}: {error}. This is a fault of the '
            'program; please report it with the lines above',
            file=sys.stderr,
        )
        return ExitCode.ERROR

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

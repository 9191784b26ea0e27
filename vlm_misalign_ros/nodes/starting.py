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
Starts a node: `python -m vlm_misalign_ros.nodes.starting KIND --ros-args ...`.

What goes wrong before there is a node, such as an import that fails, ends with ERROR and a line,
and not with Python's 1, which says that a limit was exceeded.
"""

from __future__ import annotations

import importlib
import sys

from vlm_misalign_ros.core.errors import ExitCode
from vlm_misalign_ros.nodes import lifeline


def start(kind: str) -> int:
    """Run the node of a module of this package, such as `monitor`; return the exit code."""
    stop = lifeline.Stopping()
    try:
        lifeline.catch_signals(stop)
        if not lifeline.begin():
            return ExitCode.ERROR
        return int(importlib.import_module(f'vlm_misalign_ros.nodes.{kind}').main())
    except BaseException as error:  # noqa: B036  (whatever it is, its 1 would say FAIL)
        return lifeline.report_failure(kind, error, stop.interrupted)


if __name__ == '__main__':
    sys.exit(start(sys.argv.pop(1)))

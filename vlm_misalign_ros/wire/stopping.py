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

"""The signals that ask a process to end, and who hears them."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def listen(handle: Callable[[int, FrameType | None], object]) -> dict[signal.Signals, Any]:
    """
    Have `handle` called for whatever asks this process to end; return what was there before.

    nohup has hang-ups ignored, and means it: they stay so. For the main thread alone.
    """
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        if number is not signal.SIGHUP or before[number] is not signal.SIG_IGN:
            signal.signal(number, handle)
    return before


def restore(before: dict[signal.Signals, Any]) -> None:
    """Undo `listen`."""
    for number, handler in before.items():
        signal.signal(number, handler)

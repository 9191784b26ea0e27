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

"""Lets one frame fail without ending the rest, until too many in a row have."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from vlm_misalign_ros.core.errors import FrameError, MisalignError, ModelError, RecordError
from vlm_misalign_ros.core.language.lines import line

T = TypeVar('T')
SAID = 2000
"""Characters that are told of a failure: models and servers say what they like."""


class Guard(Generic[T]):
    """
    Lets one item fail without ending the rest.

    `failed` is told the item and the reason, `say` a line for the log; of the reason that is one
    line of SAID characters at most, without control characters. RecordError (a message of
    somebody else that cannot be read) and a FrameError that does not repeat are no sign that the
    worker itself is at fault; of any others `most` in a row (0: never) are, and raise the last.
    May be called by several threads: then a row is one of ends, in the order in which they come.
    """

    def __init__(
        self,
        work: Callable[[T], None],
        failed: Callable[[T, str], None],
        most: int,
        say: Callable[[str], None],
    ) -> None:
        """Begin with no failure."""
        self._work = work
        self._failed = failed
        self._most = most
        self._say = say
        self._row = 0
        self._lock = threading.Lock()
        self.failures = 0

    def __call__(self, item: T) -> None:
        """Work on an item."""
        try:
            self._work(item)
        except RecordError as error:
            self._note(item, str(error))
        except FrameError as error:
            self._note(item, str(error), error, error.repeats)
        except MisalignError:
            raise
        except Exception as error:
            self._note(item, f'{type(error).__name__}: {error}', error, True)
        else:
            with self._lock:
                self._row = 0

    def _note(
        self, item: T, reason: str, error: Exception | None = None, repeats: bool = False
    ) -> None:
        reason = line(reason, SAID)
        with self._lock:
            self.failures += 1
            failures = self.failures
            self._row += repeats
            row = self._row
        self._say(f'{reason} (failure {failures})')
        self._failed(item, reason)
        if error is not None and 0 < self._most <= row:
            raise ModelError(
                f'{row} frames in a row failed; the last: {reason}', 'max_failures is how many may'
            ) from error

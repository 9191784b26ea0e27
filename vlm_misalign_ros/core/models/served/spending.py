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

"""The tokens that a server may be asked for at most."""

from __future__ import annotations

import threading

from vlm_misalign_ros.core.errors import FrameError


class Spent(FrameError):
    """The limit on tokens is reached: this frame has no answer; one that is kept still has."""

    repeats = False


class Budget:
    """
    Counts tokens as the server does, and lets no request through that might exceed the limit.

    A request under way counts as much as the largest so far. One that failed after it was sent is
    taken to have cost that much, too. Of this process: one that is started again counts from 0.
    """

    def __init__(self, limit: int) -> None:
        """Allow `limit` tokens; 0: any number."""
        self.limit = limit
        self._lock = threading.Lock()
        self._spent = 0
        self._under_way = 0
        self._largest = 0

    @property
    def spent(self) -> int:
        """Return the tokens of the requests that have ended."""
        return self._spent

    def take(self, most: int) -> int:
        """
        Return what is set aside for one request, whose answer has `most` tokens at most.

        Raises Spent where it might exceed the limit.
        """
        with self._lock:
            aside = max(self._largest, most)
            if self.limit and self._spent + self._under_way + aside > self.limit:
                raise Spent(
                    f'the limit of {self.limit} tokens is reached: {self._spent} were used, and '
                    f'the next request may need {aside}',
                    'raise token_budget; what was answered is kept where answer_cache is set',
                )
            self._under_way += aside
            return aside

    def settle(self, aside: int, used: int | None) -> None:
        """Count what a request used; None, where nobody told, counts as what was set aside."""
        with self._lock:
            self._under_way -= aside
            self._spent += aside if used is None else used
            self._largest = max(self._largest, used or 0)

    def give_back(self, aside: int) -> None:
        """Count nothing for a request that the server did not take."""
        with self._lock:
            self._under_way -= aside

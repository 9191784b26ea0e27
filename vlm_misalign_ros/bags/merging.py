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

"""Messages of several places in one order, with few places open at once."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

from vlm_misalign_ros.bags.stored import Stored

T = TypeVar('T')


class Place(NamedTuple):
    """Where messages lie."""

    start: int
    """None of them arrived earlier, nanoseconds."""
    size: int
    """Bytes that it takes while it is open."""
    open: Callable[[], Iterator[Stored]]


def merged(places: Iterable[Place], room: int) -> Iterator[Stored]:
    """
    Yield the messages of all places by arrival; those that arrived at once, by place.

    A place is opened when the time is come, and as long as those that are open take less than
    `room`; where more overlap than that, what is open is read first.
    """
    waiting = deque(enumerate(sorted(places, key=lambda place: place.start)))
    heap: list[tuple[int, int, Stored, Iterator[Stored], int]] = []
    held = 0
    while waiting or heap:
        while waiting:
            order, place = waiting[0]
            if heap and (place.start > heap[0][0] or held + place.size > room):
                break
            waiting.popleft()
            found = place.open()
            first = next(found, None)
            if first is not None:
                held += place.size
                heapq.heappush(heap, (first.arrival, order, first, found, place.size))
        if not heap:
            continue
        _, order, message, found, size = heap[0]
        yield message
        following = next(found, None)
        if following is None:
            heapq.heappop(heap)
            held -= size
        else:
            heapq.heapreplace(heap, (following.arrival, order, following, found, size))

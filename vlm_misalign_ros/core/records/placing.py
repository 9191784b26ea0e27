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

"""What a record says of how an answer from outside was joined to its picture."""

from __future__ import annotations

import msgspec

from vlm_misalign_ros.core.types import Description

_DIGITS = 9


class PlacingEntry(msgspec.Struct, frozen=True):
    """How an answer from outside was joined to its picture."""

    rule: str
    """exact, oldest, published or nearest_before."""
    time: str
    """By which of its times: its `stamp`, or its `arrival`."""
    seconds: float
    """From the picture's time to the answer's; negative where the answer's is before it. By
    arrival never part of what is compared between runs."""
    window: float
    """Seconds in which a picture would have fitted; it was the only one in them."""


def placing_of(answer: Description) -> PlacingEntry | None:
    """Return how an answer was joined; None for one of the run's own models."""
    told = answer.placing
    if told is None:
        return None
    return PlacingEntry(
        told.rule, told.time, round(told.seconds, _DIGITS), round(told.window, _DIGITS)
    )

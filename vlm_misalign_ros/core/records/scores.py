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

"""What a record tells of an answer held against the truth."""

from __future__ import annotations

import msgspec

from vlm_misalign_ros.core.metrics.counts import Counts
from vlm_misalign_ros.core.types import Presence


class ScoreEntry(msgspec.Struct, frozen=True):
    """An answer against the truth."""

    counts: Counts
    """Every count other than 0."""
    hallucinated: list[str]
    """Classes asserted and ABSENT."""
    omitted: list[str]
    """Critical classes REQUIRED and not asserted."""
    presence: dict[str, Presence] | None = None
    """The truth of the model's own view; null where it saw the whole frame."""
    visible: dict[str, Presence] | msgspec.UnsetType = msgspec.UNSET
    """The same of what an occluder leaves to see of that view; absent without one."""
    areas: dict[str, float] | msgspec.UnsetType = msgspec.UNSET
    """Of the largest required thing of each class in that view, pixels at 2048 x 1024; absent of
    the whole frame."""

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

"""How the frames of a run hang together in time."""

from __future__ import annotations

from enum import Enum


class Protocol(str, Enum):
    """How the frames of a run hang together in time, and what their truth is."""

    SINGLE = 'single frames'
    """Labelled frames of which none follows on another: nothing can be said of time."""
    HELD = 'hold-frame'
    """Each labelled frame is shown for a while; its truth is exact and does not change."""
    LABELLED = 'labelled sequence'
    """Frames that follow on each other, each with labels of its own."""
    PSEUDO = 'pseudo-labels'
    """The same with labels that a segmentation model made: what differs is a disagreement."""
    PSEUDO_HELD = 'pseudo-labels, hold-frame'
    """Each frame is shown for a while, with labels that a segmentation model made."""

    @property
    def held(self) -> bool:
        """Return whether a frame comes several times, in which nothing moves."""
        return self in (Protocol.HELD, Protocol.PSEUDO_HELD)

    @property
    def pseudo(self) -> bool:
        """Return whether its labels are a segmentation model's."""
        return self in (Protocol.PSEUDO, Protocol.PSEUDO_HELD)

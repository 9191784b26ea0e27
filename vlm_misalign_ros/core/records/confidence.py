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

"""What a record says of how sure the segmentation was."""

from __future__ import annotations

import msgspec

from vlm_misalign_ros.core.records.clean import CleanMaskEntry, clean_mask_of
from vlm_misalign_ros.core.types import Confidence


class ConfidenceEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """How sure the segmentation was, means over the pixels."""

    entropy: float
    """Of the class probabilities, 0 to 1 (of log 19)."""
    confidence: float
    """The highest class probability."""
    entropies: dict[str, float] = msgspec.field(default_factory=dict)
    """Mean entropy by predicted class, 0 to 1; absent where none was told."""
    lacking: list[str] = msgspec.field(default_factory=list)
    """Classes that the model cannot tell: `frame_iou` is over the others, and the pixels of these
    are in no cell; absent where it can tell all 19."""
    clean: CleanMaskEntry | None = None
    """The mask against that of the clean picture; absent where nobody asked."""

    @classmethod
    def of(cls, told: Confidence) -> ConfidenceEntry:
        """Return what was told, entropies in alphabetical order."""
        by_class = {name: told.entropies[name] for name in sorted(told.entropies)}
        clean = clean_mask_of(told.against_clean)
        return cls(told.entropy, told.confidence, by_class, list(told.lacking), clean)

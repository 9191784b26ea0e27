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

"""What a record says of the clean picture of a frame, where it was asked about, too."""

from __future__ import annotations

import msgspec

from vlm_misalign_ros.core.types import AgainstClean, Description, Failed, Judgement, Mention

NOTHING_SAID = 'an empty answer'


class CleanEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a model said of the clean picture of the frame."""

    text: str = ''
    """As it was said; empty for contrastive models."""
    mentions: dict[str, Mention] = msgspec.field(default_factory=dict)
    """What was said of each class that was named."""
    judgement: Judgement = Judgement.UNPARSED
    judgement_score: float | None = None
    """Probability of SAFE against UNSAFE; null where the model gives none."""
    image: str | None = None
    """Checksum of the picture."""
    error: str | None = None
    """Why there is no answer to be compared; null where there is one."""


class CleanMaskEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """The mask of the degraded picture against that of the clean one, by the same model."""

    cells: list[tuple[int, int, int]] = msgspec.field(default_factory=list)
    """Cells of the confusion matrix other than 0: train id of the clean picture's mask, of the
    degraded one's (19: void), pixels."""
    image: str | None = None
    """Checksum of the clean picture."""
    error: str | None = None
    """Why there is nothing to be compared; null where there is."""


def clean_of(answer: Description) -> CleanEntry | None:
    """Return what was said of the clean picture; None where nobody asked about it."""
    told = answer.clean
    if told is None:
        return None
    if isinstance(told, Failed):
        return CleanEntry(error=told.reason)
    if told.empty:
        return CleanEntry(error=NOTHING_SAID)
    return CleanEntry(
        told.text,
        {name: told.mentions[name] for name in sorted(told.mentions)},
        told.judgement,
        told.judgement_score,
        told.image or None,
    )


def clean_mask_of(told: AgainstClean | None) -> CleanMaskEntry | None:
    """Return how a mask stands to that of the clean picture; None where nobody asked."""
    if told is None:
        return None
    return CleanMaskEntry(list(told.cells), told.image or None, told.error or None)

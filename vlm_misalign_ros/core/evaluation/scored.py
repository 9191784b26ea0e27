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
An answer held against the truth of its frame, by what a record keeps of both.

The monitor scores with it as frames close, and a rescore (core/evaluation/rescoring) with records:
what it is given is in the record to the last digit, so that both come to the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec import UNSET

from vlm_misalign_ros.core.metrics.scoring import Expected, left_out, made_up, score
from vlm_misalign_ros.core.records.schema import ScoreEntry
from vlm_misalign_ros.core.records.truths import TruthEntry
from vlm_misalign_ros.core.types import Description, Presence

DIGITS = 1
"""Of areas in a record."""


@dataclass(frozen=True)
class Own:
    """What is in the view that one model saw, of one that saw a part of the frame."""

    scene: Mapping[str, Presence]
    visible: Mapping[str, Presence] | None
    """What an occluder leaves to see; None without one."""
    areas: Mapping[str, float]
    """Of the largest required thing by class, pixels at 2048 x 1024."""


def expected(truth: TruthEntry, own: Own | None) -> Expected:
    """Return what an answer is held against; `own` is None where its model saw the whole frame."""
    areas = {name: needed.area for name, needed in truth.required.items()}
    return Expected(
        truth.presence if own is None else own.scene,
        truth.visible if own is None else own.visible,
        truth.hazard,
        truth.hazard_visible,
        areas if own is None else own.areas,
        {
            name: needed.distance
            for name, needed in truth.required.items()
            if needed.distance is not None
        },
    )


def scored(
    answer: Description, truth: TruthEntry, own: Own | None, critical: Sequence[str]
) -> ScoreEntry:
    """Return one answer against the truth of its frame, or of the view that its model saw."""
    against = expected(truth, own)
    asserted = answer.asserted
    return ScoreEntry(
        score(answer, against, critical),
        made_up(asserted, against.scene),
        left_out(asserted, against.scene, critical),
        None if own is None else dict(own.scene),
        UNSET if own is None or own.visible is None else dict(own.visible),
        UNSET if own is None else dict(own.areas),
    )


def own_of(entry: ScoreEntry, occluded: bool) -> Own | None | str:
    """
    Return what was in the view of a model that was scored; None where it saw the whole frame.

    A text says what the record lacks. `occluded`: something covers a part of the frame.
    """
    if entry.presence is None:
        return None
    if entry.areas is UNSET or occluded and entry.visible is UNSET:
        return 'what a model saw of the frame, a part of it, is not kept in full'
    visible = None if entry.visible is UNSET else entry.visible
    return Own(entry.presence, visible, entry.areas)

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
Whether the parts of a frame are of one picture, by the checksums that they carry.

Two runs on one domain, or two publishers on a topic, give parts with equal stamps that are of
different pictures. A part that names another picture than its condition is never scored; one that
names none, as from a model outside this package, is scored and called unverified.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vlm_misalign_ros.core.checksums import checksum
from vlm_misalign_ros.core.evaluation.join import Joined
from vlm_misalign_ros.core.evaluation.parts import (
    CONDITION,
    CONFIDENCE,
    IMAGE,
    LABELS,
    OCCLUDER,
    REFERENCE,
    SEGMENTATION,
    SOURCE,
    SOURCE_IMAGE,
    vlm_part,
)
from vlm_misalign_ros.core.labels.maps import LabelMap
from vlm_misalign_ros.core.types import Applied, Confidence, Description, Failed, Passed

UNDEGRADED = 'the picture could not be degraded'
"""How the problem of a frame begins whose corruption failed."""
PASSED = 'the picture was passed over'
"""How that of an answer begins where there was no picture to answer to."""


@dataclass
class Evidence:
    """What the checksums of one frame show."""

    image: str = ''
    """The picture that the frame is about; empty where nothing tells it."""
    problem: str = ''
    """Why nothing of the frame can be trusted; empty where it can."""
    problems: dict[str, str] = field(default_factory=dict)
    """By part, why an answer or the mask cannot be trusted."""
    verified: set[str] = field(default_factory=set)
    """Answers, and SEGMENTATION, that named this picture."""
    mismatches: list[tuple[str, str]] = field(default_factory=list)
    """Parts that are of another picture, with the part that they were held against."""
    passed: str = ''
    """Why the picture was passed over, so that there is none to answer to; empty where not."""

    def why(self, part: str) -> str | None:
        """Return why an answer or the mask is not scored, as far as the picture tells."""
        return self.problems.get(part) or self.passed or None


def verify(joined: Joined, models: Sequence[str]) -> Evidence:
    """Return what the checksums in the parts of a closed frame show."""
    found = Evidence()
    applied: Applied | None = joined.parts.get(CONDITION)
    pixels = _Pixels(joined)
    if applied is not None:
        found.image = applied.image
        if applied.error:
            found.problem = f'{UNDEGRADED}: {applied.error}'
            return found
        if applied.passed:
            found.passed = f'{PASSED}: {applied.passed}'
            return found
        _check_frame(found, joined, applied, pixels)
        _check_reference(found, joined, applied)
    if not found.image and not found.problem and IMAGE in joined.parts:
        found.image = pixels(IMAGE)
    if not found.problem:
        _check_answers(found, joined, models)
        _check_mask(found, joined, pixels)
    return found


class _Pixels:
    """Checksums of the maps of a frame, those that the join made or made now."""

    def __init__(self, joined: Joined) -> None:
        self._joined = joined

    def __call__(self, part: str) -> str:
        known = self._joined.heard.contents.get(part)
        if known:
            return known
        array: np.ndarray = self._joined.parts[part]
        return checksum(array)


def _check_frame(
    found: Evidence, joined: Joined, applied: Applied, pixels: Callable[[str], str]
) -> None:
    """Hold the condition against source, pictures and mask."""
    told = joined.parts.get(SOURCE)
    source = '' if told is None else told[0].image
    checks = (
        (IMAGE, applied.image),
        (OCCLUDER, applied.occluder),
        (SOURCE_IMAGE, applied.source or source),
    )
    for part, expected in checks:
        # A mask beside a condition that covers nothing is of another picture, whatever it holds.
        foreign = part == OCCLUDER and not applied.covers
        if part in joined.parts and (foreign or expected and pixels(part) != expected):
            found.mismatches.append((part, CONDITION))
    if source and applied.source and source != applied.source:
        found.mismatches.append((SOURCE, CONDITION))
    if found.mismatches:
        names = ', '.join(part for part, _ in found.mismatches)
        found.problem = f'{names} and {CONDITION} are of different pictures'


def _check_reference(found: Evidence, joined: Joined, applied: Applied) -> None:
    """Hold the labels of a reference against what it says of them, and of which picture."""
    told: Confidence | Failed | Passed | None = joined.parts.get(REFERENCE)
    if found.problem or not isinstance(told, Confidence):
        return
    if told.image and applied.source and told.image != applied.source:
        found.mismatches.append((REFERENCE, CONDITION))
        found.problem = f'{REFERENCE} and {CONDITION} are of different pictures'
    elif told.mask and LABELS in joined.parts:
        labels = LabelMap.of(joined.parts[LABELS]).labels
        if checksum(labels) != told.mask:
            found.mismatches.append((LABELS, REFERENCE))
            found.problem = f'other labels than those of which {REFERENCE} tells'


def _check_answers(found: Evidence, joined: Joined, models: Sequence[str]) -> None:
    """Hold each answer, and the mask's, against the picture, or against each other."""
    said: dict[str, str] = {}
    for name in models:
        answer: Description | Failed | Passed | None = joined.parts.get(vlm_part(name))
        if isinstance(answer, Description) and answer.image:
            said[vlm_part(name)] = answer.image
    confidence: Confidence | Failed | Passed | None = joined.parts.get(CONFIDENCE)
    if isinstance(confidence, Confidence) and confidence.image:
        said[CONFIDENCE] = confidence.image
    # Where no condition names the picture, answers about several cannot all be about this one.
    alone = not found.image and len(set(said.values())) > 1
    for part, image in said.items():
        if alone:
            against = next(other for other in said if said[other] != image)
        elif found.image and image != found.image:
            against = CONDITION if _names_picture(joined) else IMAGE
        else:
            if found.image:
                found.verified.add(part)
            continue
        found.mismatches.append((part, against))
        found.problems[part] = f'about another picture ({image}) than {against}'


def _names_picture(joined: Joined) -> bool:
    applied: Any = joined.parts.get(CONDITION)
    return bool(applied is not None and applied.image)


def _check_mask(found: Evidence, joined: Joined, pixels: Callable[[str], str]) -> None:
    """Hold the mask against what its confidence says of it."""
    confidence: Confidence | Failed | Passed | None = joined.parts.get(CONFIDENCE)
    if not isinstance(confidence, Confidence) or SEGMENTATION not in joined.parts:
        return
    if confidence.mask and pixels(SEGMENTATION) != confidence.mask:
        found.mismatches.append((SEGMENTATION, CONFIDENCE))
        found.problems[SEGMENTATION] = f'another mask than that of which {CONFIDENCE} tells'
    elif CONFIDENCE in found.problems:
        found.problems[SEGMENTATION] = found.problems[CONFIDENCE]
    elif CONFIDENCE in found.verified and confidence.mask:
        found.verified.add(SEGMENTATION)

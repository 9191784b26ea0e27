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
What is said within one process, as it would have been heard from another.

Messages carry values as text. Numbers come back to the last digit, whatever they are; names and
reasons are bounded, control characters are left out, and what has an order of its own is put into
it. `test/wire/test_lossless.py` holds this against the messages themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from vlm_misalign_ros.core.errors import MAX_REASON
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.language.bounding import clean_text
from vlm_misalign_ros.core.language.lines import line, reason, recorded
from vlm_misalign_ros.core.types import (
    AgainstClean,
    Applied,
    Confidence,
    Description,
    Failed,
    Passed,
    Source,
)

T = TypeVar('T', Description | Failed | Passed, Confidence | Failed | Passed)


def source_heard(source: Source) -> Source:
    """Return where a frame came from, as it is heard."""
    return replace(
        source,
        dataset=line(source.dataset),
        sequence=line(source.sequence),
        key=line(source.key),
        draw=line(source.draw),
        about=replace(source.about, recorded=recorded(source.about.recorded)),
    )


def applied_heard(applied: Applied) -> Applied:
    """Return what was done to a picture, as it is heard."""
    return replace(
        applied,
        parameters={line(k, 64): float(value) for k, value in applied.parameters.items()},
        error=applied.error and reason(applied.error),
        passed=applied.passed and reason(applied.passed),
    )


def answer_heard(answer: Description | Failed | Passed) -> Description | Failed | Passed:
    """Return an answer, or why there is none, as it is heard."""
    if not isinstance(answer, Description):
        return replace(answer, reason=reason(answer.reason))
    clean = answer.clean
    if clean is not None:
        heard = answer_heard(clean)
        clean = Failed(heard.reason) if isinstance(heard, Passed) else heard
    score = answer.judgement_score
    left, top, right, bottom = map(float, answer.view)
    return replace(
        answer,
        model=line(answer.model),
        text=clean_text(answer.text),
        mentions=dict(answer.mentions),
        further=dict(answer.further),
        scores=_numbers(answer.scores),
        judgement_score=None if score is None else float(score),
        prompt_id=line(answer.prompt_id),
        style=str(answer.style.value if hasattr(answer.style, 'value') else answer.style),
        view=(left, top, right, bottom),
        latency=float(answer.latency),
        prompted=tuple(sorted(set(answer.prompted))),
        paraphrases=tuple(answer.paraphrases),
        paraphrased=tuple(map(clean_text, answer.paraphrased)),
        context=clean_text(answer.context),
        clean=clean,
    )


def confidence_heard(told: Confidence | Failed | Passed) -> Confidence | Failed | Passed:
    """Return how sure a segmentation was, or why there is no mask, as it is heard."""
    if not isinstance(told, Confidence):
        return replace(told, reason=reason(told.reason))
    against = told.against_clean
    if against is not None:
        cells = tuple((int(row), int(column), int(n)) for row, column, n in against.cells)
        against = AgainstClean(cells, against.image, clean_text(against.error)[:MAX_REASON])
    return replace(
        told,
        entropy=float(told.entropy),
        confidence=float(told.confidence),
        entropies=_numbers(told.entropies),
        lacking=tuple(name for name in CLASSES if name in told.lacking),
        against_clean=against,
    )


def _numbers(given: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in given.items()}

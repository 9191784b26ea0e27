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

"""From what a generative model said to a description: one way for every family."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp

from vlm_misalign_ros.core.language.bounding import clean_text
from vlm_misalign_ros.core.language.lexicon import Lexicon
from vlm_misalign_ros.core.language.prompts import Prompt
from vlm_misalign_ros.core.language.reading import read
from vlm_misalign_ros.core.models.query import Query
from vlm_misalign_ros.core.types import WHOLE, Description, Kind, View

_DIGITS = 6

Spoken = tuple[int, int, float]
"""First character of a token in the text, the one after its last, its log-probability."""


@dataclass(frozen=True)
class RawAnswer:
    """What a generative model said, not yet read."""

    text: str
    """Without special tokens and control characters."""
    truncated: bool = False
    """Whether it was cut off at the length that was allowed."""
    view: View = WHOLE
    """The part of the frame that the model saw."""
    safe: float | None = None
    """P(yes) / (P(yes) + P(no)) of the safety question; None where it is not known."""
    latency: float = 0.0
    """Seconds."""
    spoken: Callable[[], Sequence[Spoken]] | None = None
    """Returns the tokens of the text with their probabilities; None where they are not known."""


def described(
    name: str, query: Query, prompt: Prompt, raw: RawAnswer, lexicon: Lexicon
) -> Description:
    """Return the description that model `name` gave in answer to `query`, put by `prompt`."""
    found = read(raw.text, lexicon, query.text(prompt), prompt.style)
    scores: dict[str, float] = {}
    if raw.spoken is not None and found.phrases:
        scores = likelihoods(raw.text, found.phrases, raw.spoken())
    return Description(
        model=name,
        kind=Kind.GENERATIVE,
        text=clean_text(raw.text),
        mentions=found.mentions,
        further=found.further,
        scores=scores,
        judgement=found.judgement,
        judgement_score=raw.safe,
        prompt_id=prompt.id,
        truncated=raw.truncated,
        cut=found.cut,
        style=found.style,
        view=raw.view,
        latency=raw.latency,
    )


def likelihoods(
    text: str, phrases: Mapping[str, Sequence[str]], spoken: Sequence[Spoken]
) -> dict[str, float]:
    """
    Return, by class, the geometric mean of the probabilities of the tokens that name it.

    The tokens are those under the phrase by which the class is first asserted.
    """
    found = {}
    for name, phrase in phrases.items():
        pattern = r'[\W_]+'.join(re.escape(word) for word in phrase)
        match = re.search(rf'(?<!\w){pattern}(?!\w)', text, re.IGNORECASE)
        if match is None:
            continue
        inside = [
            chance for start, end, chance in spoken if start < match.end() and end > match.start()
        ]
        if inside:
            found[name] = round(exp(sum(inside) / len(inside)), _DIGITS)
    return found

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
What the probabilities of a server's tokens tell: of yes against no, and of the words of an answer.

The meaning is that of `core.models.yes_no`: whole words, in whatever pieces they are written. A
local model is asked anew for every way of writing a word; a server tells the alternatives beside
the answer it gave and no more, so that what cannot be known is bounded, and where it matters there
is no probability.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from vlm_misalign_ros.core.models.served.replies import Token

LENGTH = 4
"""Tokens of the answer to the question of yes or no."""
TOPS = 20
"""Alternatives that are asked for at each of them: the most that OpenAI and vLLM give."""
LEAST = 0.01
"""What yes and no have to come to together, and part of it that may be unknown."""
_DIGITS = 6
_AROUND = ' \n"*'
"""What may stand around the word, as in `core.models.yes_no`."""
_WORDS = ('yes', 'no')


@dataclass
class _Tally:
    known: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_WORDS, 0.0))
    unknown: float = 0.0
    """Probability of what may, or may not, become one of the words."""


def has_alternatives(tokens: Sequence[Token]) -> bool:
    """Return whether a server told what else an answer might have begun with."""
    return bool(tokens and tokens[0].top)


def probability_of_yes(tokens: Sequence[Token]) -> float | None:
    """
    Return P(yes) / (P(yes) + P(no)) of a short greedy answer, six digits.

    None where the server told no alternatives, where both are unlikely, or where more than LEAST
    of what they come to is unknown: what begins like one of them off the path of the answer, and a
    word that is below the alternatives that were told. That a whole word off the path might go on
    to be another (` no` of `nothing`, in pieces) is not known and left out.
    """
    if not has_alternatives(tokens):
        return None
    tally = _Tally()
    said, reach = '', 1.0
    for place, token in enumerate(tokens[:LENGTH]):
        if not token.top:
            tally.unknown += reach
            break
        options = dict(token.top)
        options.setdefault(token.text, token.logprob)
        following = tokens[place + 1] if place + 1 < len(tokens) else None
        for text, logprob in options.items():
            chance = reach * math.exp(logprob)
            _count(tally, said, text, chance, following if text == token.text else None)
        if not place:
            if not all(tally.known.values()):
                tally.unknown += _below([logprob for _, logprob in token.top])
        said += token.text
        reach *= math.exp(token.logprob)
        if not _begins(said):
            break
    total = sum(tally.known.values())
    if total < LEAST or tally.unknown > LEAST * total:
        return None
    return round(tally.known['yes'] / total, _DIGITS)


def _count(tally: _Tally, said: str, text: str, chance: float, following: Token | None) -> None:
    """Count one way on: `following` is what comes after it where that is known."""
    word = _bare(said + text)
    if word in _WORDS:
        tally.known[word] += chance * (1.0 - _continuing(following))
    elif following is None and _begins(said + text):
        tally.unknown += chance


def _bare(text: str) -> str:
    return text.strip(_AROUND).lower()


def _begins(text: str) -> bool:
    """Return whether one of the words may still come of what was said so far."""
    bare = _bare(text)
    return any(word.startswith(bare) and word != bare for word in _WORDS)


def _continuing(following: Token | None) -> float:
    """Return the probability that the next token makes another word of what was said."""
    if following is None:
        return 0.0
    chances = dict(following.top)
    chances.setdefault(following.text, following.logprob)
    going_on = (math.exp(c) for text, c in chances.items() if text[:1].isalnum())
    return min(sum(going_on), 1.0)


def _below(logprobs: Sequence[float]) -> float:
    """Return the most that a token which is not among the likeliest can have."""
    chances = [math.exp(logprob) for logprob in logprobs]
    return min(min(chances), max(1.0 - sum(chances), 0.0))


def placed(text: str, tokens: Sequence[Token]) -> list[tuple[int, int, float]]:
    """
    Return first character, the one after the last, and log-probability of each token of a text.

    None where the tokens do not spell it. A server may leave out space at the ends of the answer,
    and the mark of its end has no place.
    """
    whole = ''.join(token.text for token in tokens)
    offset = whole.find(text) if text else -1
    if offset < 0 or whole[:offset].strip():
        return []
    found, at = [], -offset
    for token in tokens:
        start, at = at, at + len(token.text)
        if at > 0 and start < len(text):
            found.append((max(start, 0), min(at, len(text)), token.logprob))
    return found

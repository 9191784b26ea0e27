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

"""Finds where the phrases of the lexicon stand in a sentence: things and cues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from vlm_misalign_ros.core.language.grammar import PUNCTUATION
from vlm_misalign_ros.core.language.lexicon import NOTHING, Cue, Lexicon

FORWARD = (Cue.NEGATION_BEFORE, Cue.HEDGE_BEFORE, Cue.HYPOTHETICAL_BEFORE, Cue.PICTURE_BEFORE)
"""Cues that reach forward."""


class Mark(NamedTuple):
    """What starts at a word: a cue, a thing, or neither."""

    cue: Cue | None
    length: int
    """In words."""
    classes: tuple[str, ...] | None
    """None where no thing starts; empty for a phrase that means none."""


PLAIN = Mark(None, 1, None)
"""Of a word with which no phrase begins."""


def mark(tokens: Sequence[str], lexicon: Lexicon) -> list[Mark]:
    """Return, for each word, the longest phrase that starts there."""
    marks = [PLAIN] * len(tokens)
    marking = lexicon.marking
    for index, word in enumerate(tokens):
        if word in marking:
            marks[index] = _at(tokens, index, lexicon)
    return marks


def _at(tokens: Sequence[str], index: int, lexicon: Lexicon) -> Mark:
    """Return what starts at a word that names or cues begin with."""
    word, after = tokens[index], tokens[index + 1] if index + 1 < len(tokens) else ''
    thing, meanings = length, cues = NOTHING
    if _may_go_on(lexicon.things.begins.get(word), after):
        thing, meanings = lexicon.things.longest(tokens, index)
    if _may_go_on(lexicon.cues.begins.get(word), after):
        length, cues = lexicon.cues.longest(tokens, index)
    if length > thing or length == thing > 0 and not meanings[0]:
        cue = cues[0] if len(cues) == 1 else _chosen(cues, tokens, index, length, lexicon)
        return Mark(*_without_pseudo(tokens, index, cue, length, lexicon), None)
    return Mark(None, thing, meanings[0]) if thing else PLAIN


def _may_go_on(node: dict[str, Any] | None, after: str) -> bool:
    """Return whether a phrase that begins at a node of the tree can end there, or with `after`."""
    return node is not None and ('' in node or after in node)


def _chosen(
    cues: Sequence[Cue], tokens: Sequence[str], index: int, length: int, lexicon: Lexicon
) -> Cue:
    """Return which of its meanings a phrase has here: whether it reaches forward or back."""
    forward = [cue for cue in cues if cue in FORWARD]
    back = [cue for cue in cues if cue not in FORWARD]
    if not forward or not back:
        return cues[0]
    end = index + length
    closes = end == len(tokens) or tokens[end] in PUNCTUATION
    opens = not index or tokens[index - 1] in PUNCTUATION
    reaches_forward = not closes and (
        opens or Cue.HEDGE_AFTER in back or _thing_follows(tokens, end, lexicon)
    )
    return (forward if reaches_forward else back)[0]


def _without_pseudo(
    tokens: Sequence[str], index: int, cue: Cue, length: int, lexicon: Lexicon
) -> tuple[Cue | None, int]:
    """Cut a cue short where a pseudo-negation begins inside it: `there is | no shortage of`."""
    if cue in (Cue.NEGATION_BEFORE, Cue.NEGATION_AFTER):
        end = index + length
        if length > 1 and tokens[end - 1] == 'no' and tokens[end : end + 1] == ('one',):
            return None, length - 1
        for place in range(index + 1, index + length):
            inner, cues = lexicon.cues.longest(tokens, place)
            if Cue.NOT_NEGATION in cues and place + inner > index + length:
                return None, place - index
    return cue, length


def _thing_follows(tokens: Sequence[str], start: int, lexicon: Lexicon) -> bool:
    for index in range(start, min(start + 5, len(tokens))):
        if tokens[index] in ',;:':
            return False
        if any(lexicon.things.longest(tokens, index)[1]):
            return True
    return False

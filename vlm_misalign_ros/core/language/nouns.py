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

"""Things named in a sentence, and where their noun phrases start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vlm_misalign_ros.core.language.grammar import DEFINITE, INDEFINITE, STOP, VERBS
from vlm_misalign_ros.core.language.marks import Mark
from vlm_misalign_ros.core.language.phrases import is_plural
from vlm_misalign_ros.core.types import Mention

_WHOEVER = frozenset("somebody someone anybody anyone nobody nobody's".split())
"""Words for people that have no determiner."""
_PARTS = frozenset(
    'stretch part side edge section middle end half corner row line front back strip piece patch '
    'group pair number couple kind sort sides edges parts'.split()
)
_OUTSIDE = STOP - {word for word in VERBS if word.endswith(('ed', 'ing'))}
"""What ends a noun phrase, going back from its name."""
_LONGEST_NAME = 7


@dataclass
class Said:
    """One thing named in a sentence."""

    start: int
    """First word."""
    end: int
    """Behind the last word."""
    classes: tuple[str, ...]
    state: Mention | None
    """None: named, and not said to be there or not, as a picture."""
    definite: bool
    place: bool
    """Governed by a preposition and definite: where something is or is not."""
    determiner: str
    """`the`, `two`, or '' where there is none."""
    plural: bool = False
    present: bool = False
    """Whether its words tell that it is there: `parked cars`."""


def noun_phrase(tokens: Sequence[str], marks: Sequence[Mark], index: int) -> tuple[int, str]:
    """Return where the noun phrase of a name at `index` starts, and its determiner or ''."""
    if tokens[index] in _WHOEVER:
        return index, ''
    place = index - 1
    while place >= 0 and index - place <= _LONGEST_NAME:
        word = tokens[place]
        if word == 'that' and is_plural(tokens[index]):
            break
        if _is_determiner(word):
            return _with_definite_before(tokens, place)
        if word == 'of' and place and tokens[place - 1] in _PARTS:
            place -= 2
        elif word in _OUTSIDE or marks[place].cue is not None or marks[place].classes:
            break
        else:
            place -= 1
    return place + 1, ''


def _is_determiner(word: str) -> bool:
    return word in DEFINITE or word in INDEFINITE or word.isdigit()


def _with_definite_before(tokens: Sequence[str], place: int) -> tuple[int, str]:
    """Return the determiner at `place`, or the definite one before it: `the two`."""
    before = tokens[place - 1] if place else ''
    if before in DEFINITE and before != 'that':
        return place - 1, before
    return place, tokens[place]

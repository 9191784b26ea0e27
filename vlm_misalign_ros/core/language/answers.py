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

"""Short answers: names of things alone, what a value says of them, `cars: 2`, rows of tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from vlm_misalign_ros.core.language.lexicon import Cue, Lexicon
from vlm_misalign_ros.core.language.text import starts_with, words
from vlm_misalign_ros.core.types import Mention

_MODIFIERS = frozenset(
    'a an other parked oncoming visible moving nearby the any all stationary number of count '
    'total detected present main additional seen key approaching passing notable large '
    'small'.split()
)
_TRAILING = frozenset('count counts present visible detected status number seen ahead'.split())
_JOINED = frozenset(('/', 'and', 'or', ',', '&'))
_NO = frozenset(
    '0 no none false absent zero nil null n empty nothing negative nope missing nowhere'.split()
)
_UNSEEN = (
    'cannot be',
    'cannot tell',
    "can't tell",
    'cannot say',
    'cannot determine',
    'cannot judge',
    "can't be",
    'could not be',
    'not discernible',
    'not identifiable',
    'not recognisable',
    'not recognizable',
    'not determinable',
    'not clear',
    'too dark',
    'too blurry',
    'too blurred',
    'too unclear',
    'hard to',
    'difficult to',
    'impossible to',
    'unable to',
    'indeterminate',
    'undetermined',
    'indistinct',
)
"""Values that say that nothing can be made out."""
_NOT = frozenset(('not', 'without', "can't", 'cannot'))
_EMPTY = (('[', ']'), ('{', '}'))
_YES = frozenset('yes true present visible y several many multiple some one two three'.split())
_MAYBE = frozenset(
    'maybe possibly unclear unknown uncertain perhaps unsure likely possible'.split()
)


def named_alone(tokens: Sequence[str], lexicon: Lexicon) -> tuple[str, ...]:
    """Return the classes when words are nothing but names of things, `parked cars / trucks`."""
    found: list[str] = []
    index, expecting = 0, True
    while index < len(tokens):
        word = tokens[index]
        length, meanings = lexicon.things.longest(tokens, index)
        if expecting and length and meanings[0]:
            found.extend(meanings[0])
            index += length
            expecting = False
        elif expecting and word in _MODIFIERS or not expecting and word in _TRAILING:
            index += 1
        elif not expecting and word in _JOINED:
            index += 1
            expecting = True
        elif not expecting and word in '()' or word == 's':
            index += 1
        else:
            return ()
    return () if expecting else tuple(dict.fromkeys(found))


def polarity(value: Any, lexicon: Lexicon) -> Mention | None:
    """Return what the value beside a thing's name says of it; None for a text of its own."""
    if isinstance(value, (list, dict)):
        return _polarity_of_many(value, lexicon)
    if value is None or isinstance(value, bool):
        return Mention.ASSERTED if value else Mention.DENIED
    if isinstance(value, (int, float)):
        if math.isnan(value):
            return Mention.HYPOTHETICAL
        return Mention.ASSERTED if value > 0 else Mention.DENIED
    return _polarity_of_words(words(value) if isinstance(value, str) else tuple(value), lexicon)


def _polarity_of_many(value: list[Any] | dict[Any, Any], lexicon: Lexicon) -> Mention:
    """Return what a list of things or counts by kind say: `["none"]`, `{"left": 0}`."""
    if isinstance(value, list):
        entries = value
        leaves = all(entry is None or isinstance(entry, (str, int, float)) for entry in entries)
    else:
        entries = list(value.values())
        leaves = all(isinstance(entry, (int, float)) for entry in entries)
    denied = leaves and all(polarity(entry, lexicon) is Mention.DENIED for entry in entries)
    return Mention.DENIED if denied else Mention.ASSERTED


def is_no(word: str) -> bool:
    """Return whether a word says that none is there."""
    return word in _NO


def _polarity_of_words(tokens: tuple[str, ...], lexicon: Lexicon) -> Mention | None:
    if not tokens:
        return None
    first = tokens[0]
    if first in _NO or tokens in _EMPTY:
        return Mention.DENIED
    if first in _MAYBE:
        return Mention.HEDGED
    if first.isdigit() or first in _YES:
        return Mention.ASSERTED
    if starts_with(tokens, *_UNSEEN) and not lexicon.cues.longest(tokens, 0)[0]:
        return Mention.HYPOTHETICAL
    _, cues = lexicon.cues.longest(tokens, 0)
    if Cue.HEDGE_BEFORE in cues or Cue.HEDGE_AFTER in cues:
        return Mention.HEDGED
    if Cue.NEGATION_AFTER in cues:
        return Mention.DENIED
    if first in _NOT and Cue.NEGATION_BEFORE in cues and Cue.NOT_NEGATION not in cues:
        return Mention.DENIED
    return None


class Pair(NamedTuple):
    """A part of `cars: 4, pedestrians: none`, by its words in the sentence."""

    classes: tuple[str, ...]
    start: int
    """First word of the key."""
    colon: int
    end: int
    """Behind the last word of the value."""


def pairs(tokens: Sequence[str], lexicon: Lexicon) -> list[Pair]:
    """
    Return each part of `cars: 4, pedestrians: none`.

    Empty when the sentence is none. A key has to be the name of a thing and nothing else.
    """
    if ':' not in tokens:
        return []
    colons = [place for place, word in enumerate(tokens) if word == ':']
    found = []
    start = 0
    for number, colon in enumerate(colons):
        classes = named_alone(tokens[start:colon], lexicon)
        stop = len(tokens)
        if number + 1 < len(colons):
            inside = [
                place for place in range(colon, colons[number + 1]) if tokens[place] in (',', '|')
            ]
            if not inside:
                return [] if not classes else [Pair(classes, start, colon, stop)]
            stop = inside[-1]
        if classes:
            found.append(Pair(classes, start, colon, stop))
        start = stop + 1
    return found


def cells(line: str) -> list[str]:
    """Return the cells of a table's row; empty for a line that is none, or a rule."""
    if '|' not in line:
        return []
    found = [cell.strip(' *_`') for cell in line.strip().strip('|').split('|')]
    return [] if all(not cell.strip('-: ') for cell in found) else found
